/** The answer in a few sentences, computed from a comparison. */
import type { CompareResult, CompareRow } from "../compare/result.js";
import { count, duration, durationRange, factor, list } from "./format.js";
import { type ScenarioView, scenarioViews } from "./view.js";

const CHEAPEST_SHOWN = 3;

/** One paragraph a scenario and one on the checks; each is a few sentences of plain text. */
export function answers(result: CompareResult): readonly string[] {
  return [...scenarioViews(result).flatMap(scenarioAnswer), ...checksAnswer(result)];
}

/** The first policy (Xen today, unless the user chose otherwise) on the first nested host, what bare metal pays, and the cheapest. */
function scenarioAnswer(view: ScenarioView): readonly string[] {
  const host = view.nested[0] ?? view.native[0];
  const policy = view.policies[0];
  const row = host && policy && view.row(policy, host.name);
  if (!row) return [];
  const sentences = [
    `${view.scenario.name}: under ${policy}, TLB maintenance takes ${duration(row.microseconds)}${rangeOf(row)} on ${host.name}` +
      `${host.nested ? ` at ${row.ipaBits} IPA bits` : ""}.`,
  ];
  if (host.nested) sentences.push(...elsewhere(view, policy, row));
  sentences.push(...cheapest(view, row));
  return [sentences.join(" ")];
}

function elsewhere(view: ScenarioView, policy: string, row: CompareRow): readonly string[] {
  const places: string[] = [];
  const smallest = view.row(policy, row.host, view.ipaBits[0]!);
  if (smallest && smallest.ipaBits !== row.ipaBits) {
    const by = smallest.microseconds > 0 ? row.microseconds / smallest.microseconds : 1;
    const less = by > 1 ? ` (${factor(by)} times less)` : "";
    places.push(`at ${smallest.ipaBits} bits ${duration(smallest.microseconds)}${less}`);
  }
  for (const { name } of view.native) {
    const native = view.row(policy, name);
    if (native) places.push(`on ${name} ${duration(native.microseconds)}`);
  }
  return places.length > 0 ? [`The same work costs ${list(places)}.`] : [];
}

function cheapest(view: ScenarioView, row: CompareRow): readonly string[] {
  const others = view.policies
    .flatMap((policy) => view.row(policy, row.host) ?? [])
    .filter((other) => other.microseconds < row.microseconds)
    .sort((a, b) => a.microseconds - b.microseconds);
  if (others.length === 0) return ["No other policy here is cheaper."];
  const shown = others.slice(0, CHEAPEST_SHOWN).map((other) => `${other.policy} (${duration(other.microseconds)})`);
  const of = view.policies.length - 1;
  return [`${count(others.length)} of ${count(of)} other policies cost less there, least of all ${list(shown)}.`];
}

const rangeOf = ({ microsecondsRange: [low, high] }: CompareRow): string =>
  low === high ? "" : ` (${durationRange(low, high)} with every elementary price at its low and high end)`;

function checksAnswer({ checks }: CompareResult): readonly string[] {
  const real = checks.filter((check) => !check.calibration);
  if (real.length === 0) return [];
  const differing = real.filter((check) => !check.agrees).map((check) => check.name);
  const calibrated = checks.length - real.length;
  return [
    `${count(real.length - differing.length)} of ${count(real.length)} predictions agree with what others measured` +
      `${differing.length > 0 ? `; not: ${list(differing)}` : ""}.` +
      (calibrated > 0 ? ` ${count(calibrated)} more measurements served to calibrate prices and are no check.` : ""),
  ];
}
