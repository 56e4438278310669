/** A trace as a gzipped file for Perfetto's UI, with what a check finds in it as notes. */
import type { CpuProfile } from "../arch/index.js";
import { GzipPieces, OutputFile } from "../files/index.js";
import { type EventNote, TraceEvents } from "../trace/index.js";
import { checkTrace } from "./check.js";
import { interruptibleInto } from "./progress.js";
import { readWithProgress } from "./read.js";

/** Writes the file: gzipped where its name ends in .gz. The trace is read twice: first to be checked. */
export async function perfettoInto(
  trace: string,
  output: string,
  cpu: CpuProfile | undefined,
  partial: boolean,
): Promise<void> {
  const { checked } = await checkTrace(trace, { cpu, hosts: [], ipaBits: 48, allow: [], partial });
  const notes = new Map<number, EventNote[]>();
  for (const { kind, class: of, first, reason } of checked.findings)
    for (const { event, detail, since } of first) {
      const args = { class: of, detail, since, ...(reason === null ? {} : { reason }) };
      notes.set(event, [...(notes.get(event) ?? []), { name: kind, args }]);
    }
  await interruptibleInto(output, async () => {
    const file = OutputFile.open(output);
    try {
      const gzip = output.endsWith(".gz") ? new GzipPieces((bytes) => file.write(bytes)) : undefined;
      const events = new TraceEvents((text) => (gzip ?? file).write(Buffer.from(text)), notes);
      await readWithProgress(trace, [events], { partial }, output);
      events.finish();
      gzip?.end();
      file.close();
    } finally {
      file.abort();
    }
  });
}
