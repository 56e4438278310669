/** Reading a trace for a command: with a bar on the terminal, and an end at Ctrl-C. */

import { tracePath } from "../catalog/index.js";
import type { PhasePrices, TraceSide } from "../compare/index.js";
import { noteStandardInput } from "../files/index.js";
import { readAnyTrace } from "../import/index.js";
import { type ReadResult, traceDigest } from "../trace/file.js";
import {
  HostSumming,
  LOSS_COLUMNS,
  Losses,
  type ReadPart,
  Summing,
  type TraceInfo,
  type TraceSink,
  traceWarnings,
} from "../trace/index.js";
import { io } from "./io.js";
import { interruptible, interruptibleInto, Progress } from "./progress.js";

/** As readTrace, also by the name of a trace that comes with the package; throws an Interrupted after Ctrl-C. `output` is where the sinks write, if they do; `format` says whose log it is, where that is not to be told by its bytes. The sinks get the columns of `part`, and those that the warnings need. */
export async function readWithProgress(
  trace: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  output?: string,
  format?: string,
): Promise<ReadResult & { readonly warnings: readonly string[] }> {
  const progress = new Progress("events");
  const update = (read: number, of: number | undefined): void => progress.update(read, of ?? 0);
  const losses = new Losses();
  const path = tracePath(trace);
  const columns = part.columns && [...new Set([...part.columns, ...LOSS_COLUMNS])];
  try {
    const read = (signal: AbortSignal): Promise<ReadResult> =>
      readAnyTrace(
        path,
        [...sinks, losses],
        {
          ...part,
          ...(columns && { columns }),
          signal: part.signal ? AbortSignal.any([part.signal, signal]) : signal,
          progress: update,
        },
        () => {
          noteStandardInput();
          return io().stdin();
        },
        format,
      );
    const result = await (output === undefined ? interruptible(read) : interruptibleInto(output, read));
    return { ...result, warnings: traceWarnings(result.info.producer, losses.losses()) };
  } finally {
    progress.stop();
  }
}

/** Reads a trace that is to be compared with another, once. */
export async function readSide(
  trace: string,
  prices: PhasePrices,
  partial: boolean,
): Promise<{ readonly side: TraceSide; readonly info: TraceInfo }> {
  const [summing, digest, host] = [new Summing(), traceDigest(), new HostSumming()];
  const { info, warnings } = await readWithProgress(trace, [summing, digest, prices, host], { partial });
  const { producer, integrity, recording } = info;
  const found = { summary: summing.summary(), digest: digest.digest(), prices, hostWork: host.rows() };
  return { side: { trace, producer, integrity, warnings, recording, ...found }, info };
}
