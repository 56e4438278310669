/** What `shootdown price` prints: prices host by host, what was executed, and what a price does not say. */
import { type BesideRow, isNestedRow, type PriceRow, TOTAL } from "../../compare/index.js";
import { count, tally } from "../format.js";
import { besideTable } from "../host-work-view.js";
import { integrityWords } from "../integrity.js";
import { priceTable, SIMULATED } from "../price-view.js";
import { wordTable } from "../table.js";
import { noShadowText } from "./no-shadow.js";
import { fits, tableText, wrapped } from "./text.js";

/** A trace and its prices. */
interface PricedTrace {
  readonly trace: string;
  readonly events: number;
  readonly integrity: Parameters<typeof integrityWords>[0];
  readonly rows: readonly PriceRow[];
  /** VMIDs with a guest that ran */
  readonly vmidsRun: readonly number[];
  /** what must be said of the hosts at these IPA sizes */
  readonly notes: readonly string[];
  /** what a host that was counted did, beside the model of it; none where none was */
  readonly host?: readonly BesideRow[];
}

/** The prices as tables for a terminal of `width` columns. */
export function priceText(
  { trace, events, integrity, rows, vmidsRun, notes, host = [] }: PricedTrace,
  width: number,
): string {
  const phases = [...new Set(rows.map((row) => row.phase))];
  const executed = wordTable(
    ["phase", "TLBIs that the hypervisor executed"],
    phases.map((phase) => [phase, tally(rows.find((row) => row.phase === phase)!.tlbi)]),
  );
  const words = integrityWords(integrity);
  const head = `${trace}: ${count(events)} events${words && `, ${words}`}. ${SIMULATED}`;
  const whole = rows.find((row) => row.phase === TOTAL && isNestedRow(row));
  const shadowless = whole ? noShadowText(whole.noShadow, vmidsRun, width) : "";
  const prices = pricesText(rows, width) + notes.map((note) => wrapped(note, width)).join("");
  return [
    wrapped(head, width),
    prices,
    tableText(executed, width),
    exitsText(rows, width),
    besideText(host, width),
    shadowless,
  ]
    .filter((text) => text !== "")
    .join("\n");
}

/** Exits of the nested hosts by KVM's function, which are the same on each that unmaps alike. */
function exitsText(rows: readonly PriceRow[], width: number): string {
  const whole = rows.filter((row) => row.phase === TOTAL && isNestedRow(row));
  const [first] = whole;
  if (!first || Object.keys(first.exitKinds).length === 0) return "";
  return wrapped(`Exits to a nested host in all, by KVM's function: ${tally(first.exitKinds)}.`, width);
}

function besideText(host: readonly BesideRow[], width: number): string {
  if (host.length === 0) return "";
  return `${wrapped("What the host of this trace did, counted, beside its model:", width)}${tableText(besideTable(host), width)}`;
}

const OF_REST = "rest: hypercall round trips and first faults when nested, in no price.";
const OF_PARTS =
  "trap, walk, flush and refault (the host's exits, its walks of shadow tables, hardware TLBIs, later faults) sum up to the price.";

/** As many columns as the terminal has room for. */
function pricesText(rows: readonly PriceRow[], width: number): string {
  const table = (...heads: string[]): string => tableText(priceTable(rows, heads), width);
  const full = table("price", "range", "trap", "walk", "flush", "refault", "refaults", "rest");
  if (fits(full, width)) return `${full}${wrapped(OF_PARTS, width)}${wrapped(OF_REST, width)}`;
  const some = table("price", "range", "refaults", "rest");
  return fits(some, width) ? `${some}${wrapped(OF_REST, width)}` : table("price", "range", "refaults");
}
