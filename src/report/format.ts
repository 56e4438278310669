/** Numbers as a human reads them: three significant digits for prices, every digit for counts. */
/** Stands between words that belong on one line, as a count and what it counts; a terminal gets a space. */
export const NO_BREAK = "\u00a0";

/** Units of time with the price in microseconds from which each is used. */
const DURATIONS: readonly (readonly [from: number, microseconds: number, unit: string])[] = [
  [96 * 3600e6, 86_400e6, "d"],
  [300 * 60e6, 3600e6, "h"],
  [180e6, 60e6, "min"],
  [1e6, 1e6, "s"],
  [1e3, 1e3, "ms"],
  [1, 1, "us"],
  [0, 1e-3, "ns"],
];

/** Units that a measurement may be given in, in microseconds. */
const TIME_UNITS: Readonly<Record<string, number>> = {
  ns: 1e-3,
  us: 1,
  microseconds: 1,
  ms: 1e3,
  s: 1e6,
  seconds: 1e6,
  min: 60e6,
  minutes: 60e6,
  h: 3600e6,
};

/** `microseconds` of time, to three significant digits: 21 us, 5.7 ms, 42.7 s, 182 min, 19.7 h, 4.5 d; "0" for none. */
export function duration(microseconds: number): string {
  return durationParts(microseconds).join(" ");
}

/**
 * Two ends of a range, the unit once where both share it: 10 .. 27 us, 182 min .. 19.7 h; one figure where they are equal.
 * `between` stands between the two.
 */
export function durationRange(low: number, high: number, between = " .. "): string {
  const [lowest, highest] = [duration(low), duration(high)];
  if (lowest === highest) return lowest;
  const [number, unit] = durationParts(low);
  return `${unit === durationParts(high)[1] ? number : lowest}${between}${highest}`;
}

/** A whole number with thousands separators (7,458); a fraction to three significant digits. */
export function count(n: number): string {
  const [whole, fraction] = String(Number.isInteger(n) || Math.abs(n) >= 1000 ? Math.round(n) : significant(n)).split(
    ".",
  );
  const grouped = whole!.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** A number with the unit that a check gives it; a unit of time becomes a duration. */
function quantity(value: number, unit: string): string {
  const microseconds = TIME_UNITS[unit];
  if (microseconds !== undefined) return duration(value * microseconds);
  return `${count(value)} ${unit}`.trim();
}

/** Two ends of a range in a check's unit; one figure where they are equal. */
export function quantityRange(low: number, high: number, unit: string, between = " .. "): string {
  const microseconds = TIME_UNITS[unit];
  if (microseconds !== undefined) return durationRange(low * microseconds, high * microseconds, between);
  return low === high ? quantity(low, unit) : `${count(low)}${between}${quantity(high, unit)}`;
}

/** A value with its range in brackets, the unit once where it is no time: 182 min (178 min .. 19.7 h), 70,300 (39,400 .. 120,000) times. */
export function quantityIn(
  value: number,
  range: readonly [number, number] | undefined,
  unit: string,
  between = " .. ",
): string {
  if (!range || range[0] === range[1]) return quantity(value, unit);
  if (TIME_UNITS[unit] !== undefined) return `${quantity(value, unit)} (${quantityRange(...range, unit, between)})`;
  return `${count(value)} (${quantityRange(...range, "", between)}) ${unit}`.trim();
}

/** Counts by name, the largest first, without those that are 0: "VMALLS12E1IS 7,458, ALLE1IS 20"; "none" when nothing is left. */
export function tally(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).filter(([, n]) => n !== 0);
  entries.sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return entries.map(([name, n]) => `${name} ${count(n)}`).join(", ") || "none";
}

/** A change of a count: "+3", "-97", "0". */
export const signed = (n: number): string => (n > 0 ? `+${count(n)}` : count(n));

/** All counts of a record together. */
export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/**
 * The call path of an event's `site`, to be wrapped at its arrows: a function stays on the line of the arrow after it. A
 * trace that does not say it has "".
 */
export function callPath(site: string): string {
  return site === "" ? "(not said)" : site.replaceAll(" < ", `${NO_BREAK}< `);
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** An address, a word or a value of a register: 0x1f. */
export const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** "a, b and c" */
export function list(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

/** A title as a sentence of running text: with one full stop. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** By how much one figure is more than another, to three significant digits. */
export function factor(f: number): string {
  return count(significant(f));
}

/** Rounds before it chooses the unit: 999.9 us is 1 ms. */
function durationParts(microseconds: number): readonly string[] {
  if (microseconds === 0) return ["0"];
  const rounded = significant(microseconds);
  const [, scale, unit] = DURATIONS.find(([from]) => rounded >= from) ?? DURATIONS[DURATIONS.length - 1]!;
  return [count(significant(microseconds / scale)), unit];
}

const significant = (n: number): number => Number(n.toPrecision(3));
