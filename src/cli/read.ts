/** Reading a trace for a command: with a bar on the terminal, and an end at Ctrl-C. */
import { readAnyTrace } from "../import/index.js";
import type { ReadResult } from "../trace/file.js";
import { LOSS_COLUMNS, Losses, type ReadPart, type TraceSink, traceWarnings } from "../trace/index.js";
import { io } from "./io.js";
import { interruptible, interruptibleInto, Progress } from "./progress.js";

/** As readTrace; throws an Interrupted after Ctrl-C. `output` is where the sinks write, if they do. The sinks get the columns of `part`, and those that the warnings need. */
export async function readWithProgress(
  trace: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  output?: string,
): Promise<ReadResult & { readonly warnings: readonly string[] }> {
  const progress = new Progress("events");
  const update = (read: number, of: number | undefined): void => progress.update(read, of ?? 0);
  const losses = new Losses();
  const columns = part.columns && [...new Set([...part.columns, ...LOSS_COLUMNS])];
  try {
    const read = (signal: AbortSignal): Promise<ReadResult> =>
      readAnyTrace(
        trace,
        [...sinks, losses],
        {
          ...part,
          ...(columns && { columns }),
          signal: part.signal ? AbortSignal.any([part.signal, signal]) : signal,
          progress: update,
        },
        () => io().stdin(),
      );
    const result = await (output === undefined ? interruptible(read) : interruptibleInto(output, read));
    return { ...result, warnings: traceWarnings(result.info.producer, losses.losses()) };
  } finally {
    progress.stop();
  }
}
