/** Another tool's log, written as a trace of Shootdown's own. */
import { writeTrace } from "../trace/file.js";
import { readWithProgress } from "./read.js";

/** Reads `file`, whatever it is, into the trace `output`; returns its events, and what must be said of it. */
export async function importInto(
  file: string,
  output: string,
  format: string | undefined,
): Promise<{ readonly events: number; readonly producer: string; readonly warnings: readonly string[] }> {
  const writer = await writeTrace(output, `shootdown import ${format ?? ""}`.trimEnd());
  try {
    const { info, read, warnings } = await readWithProgress(file, [writer], {}, output, format);
    if (info.recording) writer.describe(info.recording);
    writer.close();
    return { events: read, producer: info.producer, warnings };
  } finally {
    writer.abort();
  }
}
