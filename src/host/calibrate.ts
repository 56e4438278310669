/**
 * Elementary prices out of measurements: each measurement is a sum of steps that the model counts, times prices that are not
 * known exactly. Solved as linear Gaussian estimation, from what the host file says (its ranges) to what the measurements
 * leave: a price that they do not speak of keeps the file's value, and is called not determined.
 */
import type { Amounts } from "./counts.js";
import type { Host } from "./host.js";

/** A measurement: `steps` times prices sum up to `value`, give or take `sigma`; all in one unit. */
export interface Observation {
  /** "VMALLS12E1IS at 44 bits" */
  readonly what: string;
  readonly steps: Readonly<Record<string, number>>;
  readonly value: number;
  readonly sigma: number;
}

/** What measurements say of one price. */
export interface Estimate {
  readonly key: string;
  readonly value: number;
  /** two standard deviations to both sides, not below 0 */
  readonly low: number;
  readonly high: number;
  /** how much of the uncertainty that there was the measurements have removed: 0 none, 1 all */
  readonly removed: number;
  readonly determined: "well" | "partly" | "not";
}

/** What is known of a price before. */
interface Prior {
  readonly key: string;
  readonly value: number;
  readonly sigma: number;
}

/** How far a machine's price may be from the one in the file, before anything is measured: several times its value. */
const WIDE = 10;
/** How far a count of instructions may be from the file's on another CPU or kernel: as much as it is. */
const COUNTED = 1;
const WELL = 0.95;
const PARTLY = 0.5;

/** Prices in time: those of the file in microseconds, and an instruction's, in nanoseconds. */
export function timePriors(host: Host): Prior[] {
  return Object.values(host.prices)
    .filter(({ unit }) => unit !== "instructions")
    .map(({ key, value, low, high }) => ({ key, value, sigma: Math.max(high - low, WIDE * value) }));
}

/**
 * Prices in instructions. A flush's is never seen apart from its step's or its table's: it stays as it is in the file.
 */
export function instructionPriors(host: Host): Prior[] {
  return Object.values(host.prices)
    .filter(({ unit, key }) => unit === "instructions" && key !== "flush-call")
    .map(({ key, value }) => ({ key, value, sigma: COUNTED * Math.max(value, 1) }));
}

/** The steps of some work in time: what is counted in instructions is that many times an instruction's price. */
export function timeSteps(amounts: Amounts, host: Host): Record<string, number> {
  const steps: Record<string, number> = {};
  for (const [key, n] of Object.entries(amounts) as [string, number][]) {
    const { unit, value } = host.prices[key]!;
    if (unit === "instructions") steps.instruction = (steps.instruction ?? 0) + (n * value) / 1000;
    else steps[key] = (steps[key] ?? 0) + n;
  }
  return steps;
}

/** The steps of some work in instructions, and those that `fixed` prices account for. */
export function instructionSteps(amounts: Amounts, host: Host): { steps: Record<string, number>; fixed: number } {
  const steps: Record<string, number> = {};
  let fixed = 0;
  for (const [key, n] of Object.entries(amounts) as [string, number][]) {
    const { unit, value } = host.prices[key]!;
    if (unit !== "instructions" || n === 0) continue;
    if (key === "flush-call") fixed += n * value;
    else steps[key] = n;
  }
  return { steps, fixed };
}

/** What the observations say of each price that is not known. */
export function estimate(priors: readonly Prior[], observations: readonly Observation[]): Estimate[] {
  const n = priors.length;
  const index = new Map(priors.map(({ key }, i) => [key, i]));
  // In units of each prior's own sigma, so that prices of any size are alike: (1 + A) x = b.
  const matrix = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  const right = new Array<number>(n).fill(0);
  for (const { steps, value, sigma } of observations) {
    const row = new Array<number>(n).fill(0);
    let rest = value;
    for (const [key, count] of Object.entries(steps)) {
      const at = index.get(key);
      if (at === undefined) throw new RangeError(`no price '${key}' to be solved for`);
      row[at] = (count * priors[at]!.sigma) / sigma;
      rest -= count * priors[at]!.value;
    }
    for (let i = 0; i < n; i++) {
      right[i]! += (row[i]! * rest) / sigma;
      for (let j = 0; j < n; j++) matrix[i]![j]! += row[i]! * row[j]!;
    }
  }
  const inverse = inverted(matrix);
  return priors.map(({ key, value: before, sigma }, i) => {
    const moved = inverse[i]!.reduce((sum, x, j) => sum + x * right[j]!, 0);
    const variance = Math.max(0, inverse[i]![i]!);
    const removed = 1 - Math.sqrt(variance);
    const value = Math.max(0, before + moved * sigma);
    const two = 2 * sigma * Math.sqrt(variance);
    const determined = removed >= WELL ? "well" : removed >= PARTLY ? "partly" : "not";
    return { key, value, low: Math.max(0, value - two), high: value + two, removed, determined };
  });
}

/** The inverse of a symmetric positive definite matrix, by Gauss and Jordan. */
function inverted(matrix: readonly (readonly number[])[]): number[][] {
  const n = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let pivot = 0; pivot < n; pivot++) {
    const top = work[pivot]!;
    const by = top[pivot]!;
    for (let j = 0; j < 2 * n; j++) top[j]! /= by;
    for (let i = 0; i < n; i++) {
      const row = work[i]!;
      const times = row[pivot]!;
      if (i === pivot || times === 0) continue;
      for (let j = 0; j < 2 * n; j++) row[j]! -= times * top[j]!;
    }
  }
  return work.map((row) => row.slice(n));
}

/**
 * The file of a host that differs from its base in the prices that were estimated; those not determined are not in it. `called`: how
 * the file names its base.
 */
export function calibratedHost(
  base: Host,
  name: string,
  estimates: readonly Estimate[],
  about: {
    readonly called: string;
    readonly source: string;
    readonly unit: "instructions" | "time";
    readonly on: string;
  },
): string {
  const { called, source, unit, on } = about;
  const quoted = (text: string): string => JSON.stringify(text);
  const head = [
    `base = ${quoted(called)}`,
    `name = ${quoted(name)}`,
    `title = ${quoted(`As ${base.name}, calibrated on ${on}`)}`,
    `source = ${quoted(source)}`,
  ];
  const digits = unit === "instructions" ? 0 : 4;
  const number = (x: number): string => String(Number(x.toFixed(digits)));
  const blocks = estimates
    .filter(({ determined }) => determined !== "not")
    .map(({ key, value, low, high, determined, removed }) => [
      "",
      `[prices.${key}]`,
      `value = ${number(value)}`,
      ...(unit === "instructions" ? [] : [`low = ${number(low)}`, `high = ${number(high)}`]),
      `unit = ${quoted(base.prices[key]!.unit)}`,
      `source = ${quoted(`${source}: ${determined} determined (${Math.floor(100 * removed)} % of what was uncertain is removed)`)}`,
      `calibrated-on = ${quoted(on)}`,
    ]);
  return `${[...head, ...blocks.flat()].join("\n")}\n`;
}
