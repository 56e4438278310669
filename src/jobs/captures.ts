/** The recorded traces that come with the package, priced for the report. */
import { traceNames, tracePath } from "../catalog/index.js";
import { PhasePrices, type PricedCapture, priceRows } from "../compare/index.js";
import { noteInput } from "../files/index.js";
import type { Host } from "../host/index.js";
import { readTrace } from "../trace/file.js";
import { TOTAL } from "../trace/index.js";

/** pCPUs of the machine that captures run on. */
const PCPUS = 2;

/** Prices each recorded trace, phase by phase, on the hosts. */
export async function priceCaptures(
  hosts: readonly Host[],
  ipaBits: readonly number[],
  signal: AbortSignal,
): Promise<PricedCapture[]> {
  const captures: PricedCapture[] = [];
  for (const name of traceNames()) {
    const sink = new PhasePrices(hosts, ipaBits, PCPUS);
    const path = tracePath(name);
    noteInput(path, `traces/${name}.parquet`);
    const { info } = await readTrace(path, [sink], { signal });
    const rows = priceRows(sink).filter(({ phase }) => phase !== TOTAL);
    captures.push({
      name,
      producer: info.producer,
      phases: [...new Set(rows.map(({ phase }) => phase))].map((phase) => {
        const own = rows
          .filter((row) => row.phase === phase)
          .filter((row, i, all) => row.rest !== null || all.findIndex(({ host }) => host === row.host) === i);
        const prices = own.map(({ host, ipaBits, microseconds, microsecondsRange, rest }) => ({
          host,
          // On bare metal the IPA size changes nothing.
          ipaBits: rest === null ? null : ipaBits,
          microseconds,
          microsecondsRange,
        }));
        return { phase, tlbi: own[0]!.tlbi, prices };
      }),
    });
  }
  return captures;
}
