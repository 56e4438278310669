/** Counts times prices: simulated time, with the range that the ranges of the elementary prices give. Never a measurement. */
import { type Amounts, addAmounts, type Counts, PARTS, type Part } from "./counts.js";
import type { Host, Price } from "./host.js";

/** The price of a trace on a host, in microseconds. */
export interface Priced {
  readonly microseconds: number;
  /** every elementary price at its low end, and every one at its high end */
  readonly microsecondsRange: readonly [number, number];
  /** they sum to `microseconds` */
  readonly parts: Record<Part, number>;
  /** hypercall round trips and first faults, not in `microseconds`; null where the host has no price for them */
  readonly rest: number | null;
}

type End = "value" | "low" | "high";

function priceOf(host: Host, key: string): Price {
  const price = host.prices[key];
  if (price === undefined) throw new RangeError(`host ${host.name} has no price '${key}'`);
  return price;
}

/** Microseconds of `n` steps of one key, each price taken at the end that `end` gives for its key. */
function cost(host: Host, key: string, n: number, end: (price: Price) => number): number {
  const price = priceOf(host, key);
  if (price.unit === "us") return n * end(price);
  const nanoseconds = end(priceOf(host, "instruction"));
  return (n * (price.unit === "ns" ? 1 : end(price)) * nanoseconds) / 1000;
}

function total(host: Host, amounts: Amounts, end: (price: Price) => number): number {
  let sum = 0;
  for (const key of Object.keys(amounts)) sum += cost(host, key, amounts[key]!, end);
  return sum;
}

const at =
  (end: End) =>
  (price: Price): number =>
    price[end];

/** Prices counts on the host that they were made for. A RangeError says that the counts are those of another price model. */
export function price(counts: Counts, host: Host): Priced {
  const parts: Record<Part, number> = { trap: 0, walk: 0, flush: 0, refault: 0 };
  for (const part of PARTS) parts[part] = total(host, counts.parts[part], at("value"));
  const all = maintenance(counts);
  return {
    microseconds: parts.trap + parts.walk + parts.flush + parts.refault,
    microsecondsRange: [total(host, all, at("low")), total(host, all, at("high"))],
    parts,
    rest: counts.rest === undefined ? null : total(host, counts.rest, at("value")),
  };
}

/** The elementary steps of all parts of a price together. */
const maintenance = (counts: Counts): Amounts => addAmounts(PARTS.map((part) => counts.parts[part]));

/** Host instructions of these steps: those priced in instructions, at their typical value. 0 on bare metal. */
export function instructionsOf(amounts: Amounts, host: Host): number {
  let sum = 0;
  for (const key of Object.keys(amounts)) {
    const price = priceOf(host, key);
    if (price.unit === "instructions") sum += amounts[key]! * price.value;
  }
  return sum;
}

/**
 * The price of `a` divided by that of `b`, and its exact range when every elementary price moves within its own range and
 * is the same in both. The ratio is monotone in each single price (linear over linear), so its extremes stand at corners
 * of the box of prices; all of them are looked at.
 */
export function ratioRange(a: Counts, b: Counts, host: Host): { value: number; range: [number, number] } {
  const above = maintenance(a);
  const below = maintenance(b);
  const ratio = (end: (price: Price) => number): number => total(host, above, end) / total(host, below, end);
  const moving = movingPrices(host, addAmounts([above, below]));
  const range: [number, number] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const ends = new Map<string, End>();
  for (let corner = 0; corner < 2 ** moving.length; corner++) {
    moving.forEach((key, bit) => {
      ends.set(key, Math.floor(corner / 2 ** bit) % 2 === 0 ? "low" : "high");
    });
    const value = ratio((price) => price[ends.get(price.key) ?? "value"]);
    range[0] = Math.min(range[0], value);
    range[1] = Math.max(range[1], value);
  }
  return { value: ratio(at("value")), range };
}

/** Keys of the prices with a true range on which these amounts depend. */
function movingPrices(host: Host, amounts: Amounts): string[] {
  const keys = new Set<string>();
  for (const key of Object.keys(amounts)) {
    if (amounts[key] === 0) continue;
    keys.add(key);
    if (priceOf(host, key).unit === "instructions") keys.add("instruction");
  }
  return [...keys].filter((key) => priceOf(host, key).low < priceOf(host, key).high);
}
