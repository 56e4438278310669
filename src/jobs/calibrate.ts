/** A host file out of what a user has measured: a probe's counts, a duration in words, or a trace of KVM's handlers. */
import { tlbiOp } from "../arch/index.js";
import {
  addAmounts,
  calibratedHost,
  countTlbi,
  type Estimate,
  estimate,
  type Host,
  instructionPriors,
  instructionSteps,
  modelOf,
  type Observation,
  timePriors,
  timeSteps,
} from "../host/index.js";
import { HANDLER_NAMES, handlerTimes } from "../import/index.js";
import { InputError } from "../input/index.js";
import { looksLikeProbe, type ProbeResult, parseProbe, probeSingles } from "../stack/index.js";

import { textOf } from "./probe.js";

/** "480 ms a VMALLS12E1 at 44 bits". */
export interface Measured {
  readonly text: string;
  readonly op: string;
  readonly microseconds: number;
  readonly ipaBits: number;
}

/** What a calibration is asked for. */
interface CalibrateAsked {
  /** probes and traces of KVM's handlers */
  readonly files: readonly string[];
  readonly measured: readonly Measured[];
  readonly base: Host;
  /** how the file that is written names it */
  readonly called: string;
  readonly name: string;
  /** of the machine on which a trace was taken */
  readonly ipaBits: number;
}

export interface Calibration {
  /** the host file */
  readonly toml: string;
  readonly unit: "instructions" | "time";
  readonly estimates: readonly Estimate[];
  readonly observations: readonly { readonly what: string; readonly value: number; readonly fitted: number }[];
  readonly warnings: readonly string[];
}

/** Counts are exact, but the model's steps are not the code's: it may be off by this share of a cell, and of a figure told. */
const COUNTED = 0.03;
const TOLD = 0.02;
const UNITS: Readonly<Record<string, number>> = { ns: 1e-3, us: 1, ms: 1e3, s: 1e6, min: 60e6 };

/** Reads a measurement in words; undefined where it is none. */
export function parseMeasured(text: string): Measured | undefined {
  const match =
    /^\s*([\d.]+)\s*(ns|us|ms|s|min)\s+(?:(?:an?|per|for)\s+)?(\w+)\s+(?:at|@)\s*(\d+)(?:\s*bits)?\s*$/i.exec(text);
  if (!match || !(Number(match[1]) > 0)) return undefined;
  const [, value, unit, op, bits] = match;
  return {
    text: text.trim(),
    op: op!.toUpperCase(),
    microseconds: Number(value) * UNITS[unit!.toLowerCase()]!,
    ipaBits: Number(bits),
  };
}

/** Throws an InputError for what cannot be read, and where counts and times are mixed: they solve for different prices. */
export function calibrate(asked: CalibrateAsked): Calibration {
  const { base } = asked;
  if (!modelOf(base).nested)
    throw new InputError(`host ${base.name} is not nested: its prices are not calibrated here`);
  const texts = asked.files.map((file) => ({ file, text: textOf(file) }));
  const probes = texts
    .filter(({ text }) => looksLikeProbe(text))
    .map(({ file, text }) => ({ file, probe: parseProbe(text, file) }));
  const traces = texts.filter(({ text }) => !looksLikeProbe(text));
  const timed = traces.length + asked.measured.length;
  if (probes.length > 0 && timed > 0)
    throw new InputError(
      "probes count instructions, the others say times: calibrate on them one after the other, with --host for the first's file",
    );
  if (probes.length + timed === 0)
    throw new InputError("nothing to calibrate on: expected a probe's .json, a trace of KVM's handlers, or --measured");
  return probes.length > 0 ? onProbes(asked, probes) : onTimes(asked, traces);
}

function onProbes(
  { base, called, name }: CalibrateAsked,
  probes: readonly { file: string; probe: ProbeResult }[],
): Calibration {
  const observations = probes.flatMap(({ probe }) => countedOf(probe, base));
  const estimates = estimate(instructionPriors(base), observations);
  const kernels = [...new Set(probes.map(({ probe: { kernel, cpu } }) => `Linux ${kernel} on ${cpu}`))].join(", ");
  const about = {
    called,
    source: `shootdown probe, ${kernels}`,
    unit: "instructions" as const,
    on: "a probe's counts",
  };
  return {
    toml: calibratedHost(base, name, estimates, about),
    unit: "instructions",
    estimates,
    observations: fitted(observations, estimates),
    warnings: [],
  };
}

function countedOf(probe: ProbeResult, base: Host): Observation[] {
  const cells = probeSingles(probe, base).flatMap(({ cell, single }) => {
    if (!cell.counted) return [];
    const { trap, walk } = countTlbi(single).parts;
    const { steps, fixed } = instructionSteps(addAmounts([trap, walk]), base);
    const value = cell.counted.instructions;
    return [{ what: `${cell.op} ${cell.operand} ${cell.state}`, steps, value: value - fixed, sigma: COUNTED * value }];
  });
  const once = (["round-trip", "shadow-fault"] as const).map((key) => {
    const value = probe.elementary[key].instructions;
    return { what: key, steps: { [key]: 1 }, value, sigma: COUNTED * value };
  });
  return [...cells, ...once];
}

/** Of a trace's durations: the middle, and half of what its middle half spans. */
function middle(times: readonly number[]): { value: number; spread: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { value: at(0.5), spread: (at(0.75) - at(0.25)) / 2 };
}

function onTimes(
  { base, called, name, measured, ipaBits }: CalibrateAsked,
  traces: readonly { file: string; text: string }[],
): Calibration {
  const warnings: string[] = [];
  const told = measured.map(({ text, op, microseconds, ipaBits: bits }) =>
    timeOf(text, op, bits, base, microseconds, TOLD * microseconds),
  );
  const traced = traces.flatMap(({ file, text }) => {
    const { times, unpaired } = handlerTimes(text);
    if (times.size === 0)
      throw InputError.at(
        file,
        0,
        `holds no duration of KVM's handlers (${HANDLER_NAMES.join(", ")}), expected text of function_graph, trace-cmd or perf`,
      );
    if (unpaired > 0) warnings.push(`${file}: ${unpaired} entries or returns of a handler have no partner`);
    return [...times].map(([op, list]) => {
      const { value, spread } = middle(list);
      return timeOf(`${list.length} ${op} in ${file}`, op, ipaBits, base, value, Math.max(spread, TOLD * value));
    });
  });
  const observations = [...told, ...traced];
  const estimates = estimate(timePriors(base), observations);
  const on = observations.map(({ what }) => what).join("; ");
  const toml = calibratedHost(base, name, estimates, { called, source: `measured: ${on}`, unit: "time", on });
  return { toml, unit: "time", estimates, observations: fitted(observations, estimates), warnings };
}

function timeOf(what: string, op: string, ipaBits: number, host: Host, value: number, sigma: number): Observation {
  const { parts } = countTlbi({ op: nameOf(op), operand: 0n, host, ipaBits, shadow: 0 });
  return { what, steps: timeSteps(addAmounts(Object.values(parts)), host), value, sigma };
}

function nameOf(op: string): string {
  try {
    return tlbiOp(op).name;
  } catch {
    throw new InputError(`unknown TLBI operation '${op}'`);
  }
}

/** Each measurement beside what the estimates make of it. */
function fitted(observations: readonly Observation[], estimates: readonly Estimate[]): Calibration["observations"] {
  const price = new Map(estimates.map(({ key, value }) => [key, value]));
  return observations.map(({ what, steps, value }) => ({
    what,
    value,
    fitted: Object.entries(steps).reduce((sum, [key, n]) => sum + n * price.get(key)!, 0),
  }));
}
