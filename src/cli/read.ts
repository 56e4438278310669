/** Reading a trace for a command: with a bar on the terminal, and an end at Ctrl-C. */
import { type ReadResult, readTrace } from "../trace/file.js";
import type { ReadPart, TraceSink } from "../trace/index.js";
import { interruptible, interruptibleInto, Progress } from "./progress.js";

/** As readTrace; throws an Interrupted after Ctrl-C. `output` is where the sinks write, if they do. */
export async function readWithProgress(
  trace: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  output?: string,
): Promise<ReadResult> {
  const progress = new Progress("events");
  const update = (read: number, of: number | undefined): void => progress.update(read, of ?? 0);
  try {
    const read = (signal: AbortSignal): Promise<ReadResult> =>
      readTrace(trace, sinks, {
        ...part,
        signal: part.signal ? AbortSignal.any([part.signal, signal]) : signal,
        progress: update,
      });
    return await (output === undefined ? interruptible(read) : interruptibleInto(output, read));
  } finally {
    progress.stop();
  }
}
