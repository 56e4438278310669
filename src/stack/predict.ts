/** What the host model says of the cells of a probe, and where that is not what was counted. */
import { type Host, priceTlbi, withKvm } from "../host/index.js";
import { type Cell, GRANULE_BITS, touchedPages } from "./cells.js";
import type { Count } from "./probe.js";
import type { PageSize } from "./setup.js";

/** What a host of the model is given of a machine: the rest its file says. */
export interface Setting {
  readonly paBits: number;
  readonly pageSize: PageSize;
  readonly hostPages: "huge" | "small";
  readonly erratum: boolean;
}

interface Predicted {
  readonly tlbi: Readonly<Record<string, number>>;
  readonly instructions: number;
  readonly leavesDropped: number;
}

/** Instructions may be off by this much; TLBIs and leaves by nothing. */
const TOLERANCE = 0.15;

/** The host of a file on a machine. Huge pages are those of the block level: 2 MiB with 4 KiB pages, 32 MiB with 16 KiB. */
export const hostOn = (host: Host, { pageSize, hostPages, erratum }: Setting): Host =>
  withKvm(host, {
    granuleBits: GRANULE_BITS[pageSize],
    backingLevel: hostPages === "huge" ? 2 : 3,
    repeatTlbi: erratum,
  });

/** A cell as a TLBI that the model can count. `host`: of {@link hostOn}. */
export function singleOf({ op, operand, state }: Cell, host: Host, { paBits, pageSize }: Setting) {
  const granule = GRANULE_BITS[pageSize];
  const { shadow, second } = state;
  return {
    ...{ op: op.name, operand: operand.value, host, ipaBits: paBits },
    shadow: shadow === undefined ? undefined : shadow === "empty" ? [] : touchedPages(shadow, granule),
    ...(second ? { others: [touchedPages(second, granule)] } : {}),
  };
}

/** `host`: as its file has it. */
export function predict(cell: Cell, host: Host, setting: Setting): Predicted {
  const { tlbi, instructions, leavesDropped } = priceTlbi(singleOf(cell, hostOn(host, setting), setting));
  const sorted = Object.entries(tlbi).sort(([a], [b]) => (a < b ? -1 : 1));
  return { tlbi: Object.fromEntries(sorted), instructions: Math.round(instructions), leavesDropped };
}

const PERCENT = 100;

/** What differs, in words; none where the model is right. `leavesDropped`: null where nothing was mapped. */
export function differences(
  counted: Count & { readonly leavesDropped: number | null },
  predicted: Predicted,
): string[] {
  const names = [...new Set([...Object.keys(counted.tlbi), ...Object.keys(predicted.tlbi)])].sort();
  const different = names
    .filter((name) => (counted.tlbi[name] ?? 0) !== (predicted.tlbi[name] ?? 0))
    .map((name) => `${name}: ${counted.tlbi[name] ?? 0} counted, ${predicted.tlbi[name] ?? 0} predicted`);
  const { leavesDropped } = counted;
  if (leavesDropped !== null && leavesDropped !== predicted.leavesDropped)
    different.push(`leaves: ${leavesDropped} counted, ${predicted.leavesDropped} predicted`);
  const off = predicted.instructions / counted.instructions - 1;
  if (Math.abs(off) > TOLERANCE)
    different.push(`instructions: ${off > 0 ? "+" : ""}${Math.round(PERCENT * off)} % predicted of those counted`);
  return different;
}
