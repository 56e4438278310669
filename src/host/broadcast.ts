/**
 * The price of a broadcast TLBI by how many PEs it reaches, and how many PEs broadcast at once. A file that states the price says by
 * `pes` and `broadcasters` what it was measured with; one that has it from its base, what it is to be there.
 */
import * as v from "valibot";
import type { Price, Reach } from "./host.js";

const count = v.optional(v.union([v.pipe(v.number(), v.integer(), v.minValue(1)), v.literal("unknown")]));

/** The keys of any host file. */
export const BROADCAST_KEYS = { pes: count, broadcasters: count };
type Keys = { readonly [K in keyof typeof BROADCAST_KEYS]?: v.InferOutput<(typeof BROADCAST_KEYS)[K]> };

/** What a file says, and what of its base's it leaves. */
export function reachOf({ pes, broadcasters }: Keys, base: Reach = {}): Reach {
  const of = (stated: number | "unknown" | undefined, before: number | undefined): number | undefined =>
    stated === undefined ? before : stated === "unknown" ? undefined : stated;
  return { pes: of(pes, base.pes), broadcasters: of(broadcasters, base.broadcasters) };
}

const LAW =
  "in proportion to those that broadcast at once (Andrea Arcangeli's patch for Linux, arm64: tlb: skip tlbi broadcast, commit 78e8089e340e: almost linearly, on one machine of 32 CPUs); low: not at all";
const NO_LAW =
  "with the PEs that it reaches by an unknown law (the same patch: it grows; by how much is not said): range from not at all to in proportion";

/**
 * A base's price of a broadcast where so many PEs are reached and broadcast, and sentences on what nobody knows of it. The value
 * follows the broadcasters, whose law is known; both widen the range.
 */
export function broadcastPrice(
  price: Price,
  { from, to, name }: { readonly from: Reach; readonly to: Reach; readonly name: string },
): { readonly price: Price; readonly unknown: readonly string[] } {
  const unknown: string[] = [];
  const ratio = (key: keyof Reach, what: string): number => {
    const [before, now] = [from[key], to[key]];
    if (before === now) return 1;
    if (before !== undefined && now !== undefined) return now / before;
    unknown.push(`${name}: ${what} is unknown where its price was measured, or here; the price is as it was.`);
    return 1;
  };
  const at = ratio("broadcasters", "how many PEs broadcast at once");
  const reached = ratio("pes", "how many PEs a broadcast reaches");
  if (reached !== 1)
    unknown.push(
      `${name}: by how much a broadcast's price grows with the PEs that it reaches is unknown; ${to.pes} instead of ${from.pes} widen its range, from not at all to in proportion.`,
    );
  if (at === 1 && reached === 1) return { price, unknown };
  const said = [...(at === 1 ? [] : [LAW]), ...(reached === 1 ? [] : [NO_LAW])].join("; ");
  const { calibratedOn: _, ...rest } = price;
  return {
    price: {
      ...rest,
      value: price.value * at,
      low: price.low * Math.min(1, at) * Math.min(1, reached),
      high: price.high * Math.max(1, at) * Math.max(1, reached),
      source: `${price.source}; from ${worded(from)} to ${worded(to)}: ${said}`,
    },
    unknown,
  };
}

const worded = ({ pes, broadcasters }: Reach): string =>
  `${pes ?? "an unknown number of"} PEs, ${broadcasters ?? "an unknown number"} broadcasting`;
