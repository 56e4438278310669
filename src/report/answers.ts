/** The answer in a few sentences, computed from a comparison. */
import type { CompareResult, CompareRow } from "../compare/index.js";
import { count, duration, durationRange, factor, list } from "./format.js";
import { grouped, isProved, type ScenarioView, scenarioViews, silentPolicies, unsoundSentence } from "./view.js";

const PRICES_SHOWN = 3;

/** A few sentences of plain text about one subject. */
interface Answer {
  readonly subject: string;
  readonly text: string;
}

/** Where nobody has asked. */
const UNPROVED: Answer = {
  subject: "safety",
  text: "cheap is not safe. This report says nothing about whether a policy leaves stale translations behind; one may be cheap because it leaves out a flush that is needed.",
};

/** One answer a scenario, one on the checks, and one on safety where no verdicts are in the others. */
export function answers(result: CompareResult): readonly Answer[] {
  return [
    ...scenarioViews(result).flatMap(scenarioAnswer),
    ...checksAnswer(result),
    ...(result.proof ? [] : [UNPROVED]),
  ];
}

/** The first policy (Xen today, unless the user chose otherwise) on the first nested host, what bare metal pays, and the cheapest. */
function scenarioAnswer(view: ScenarioView): readonly Answer[] {
  const host = view.nested[0] ?? view.native[0];
  const policy = view.policies[0];
  const row = host && policy && view.row(policy, host.name);
  if (!row) return [];
  const where = host.nested ? `${host.name} at ${row.ipaBits} IPA bits` : host.name;
  const prices = [`${policy} costs ${priceOf(row)} on ${where}`, ...(host.nested ? elsewhere(view, row) : [])];
  const text = [`${prices.join("; ")}.`, ...cheapest(view, row), ...silent(view, row), ...unsafe(view)].join(" ");
  return [{ subject: view.scenario.name, text }];
}

function elsewhere(view: ScenarioView, row: CompareRow): readonly string[] {
  const places: string[] = [];
  const smallest = view.row(row.policy, row.host, view.ipaBits[0]!);
  if (smallest && smallest.ipaBits !== row.ipaBits) {
    const less = row.microseconds / smallest.microseconds;
    const by = less > 1 && Number.isFinite(less) ? ` (${factor(less)} times less)` : "";
    places.push(`${duration(smallest.microseconds)} at ${smallest.ipaBits} bits${by}`);
  }
  for (const { name } of view.native) {
    const native = view.row(row.policy, name);
    if (native) places.push(`${duration(native.microseconds)} on ${name}`);
  }
  return places;
}

/** The lowest prices on the same host, each with all the policies that have it; not of those that are cheap by doing nothing. */
function cheapest(view: ScenarioView, row: CompareRow): readonly string[] {
  const others = view.policies.flatMap((policy) => view.row(policy, row.host) ?? []).filter((other) => other !== row);
  const cheaper = others
    .filter((other) => other.microseconds < row.microseconds)
    .sort((a, b) => a.microseconds - b.microseconds);
  if (others.length === 0) return [];
  if (cheaper.length === 0) return ["No other policy is cheaper there."];
  const silent = new Set(silentPolicies(view).flatMap(({ policies }) => policies));
  const proved = isProved(view);
  const flushing = cheaper.filter(({ policy, verdict }) => (proved ? verdict === "sound" : !silent.has(policy)));
  const lowest = grouped(flushing, (other) => duration(other.microseconds))
    .slice(0, PRICES_SHOWN)
    .map(({ text, names }) => `${text} under ${list(names.map((other) => other.policy))}`);
  const which = proved ? "that are sound" : "that flush";
  const ofWhich = flushing.length < cheaper.length ? `the lowest of those ${which}` : "the lowest";
  const those = lowest.length > 0 ? `; ${ofWhich}: ${lowest.join("; ")}` : "";
  const costLess = `${count(cheaper.length)} ${cheaper.length === 1 ? "costs" : "cost"} less there`;
  return [`Of the other ${count(others.length)} policies ${costLess}${those}.`];
}

/** Who is cheap because nothing is done, with the price of what is left. */
function silent(view: ScenarioView, { host }: CompareRow): readonly string[] {
  return silentPolicies(view).flatMap(({ when, policies }) => {
    const named = policies.flatMap((policy) => {
      const row = view.row(policy, host);
      return row ? [`${policy} (${duration(row.microseconds)})`] : [];
    });
    if (named.length === 0) return [];
    const [execute, they] = named.length === 1 ? ["executes", "it does"] : ["execute", "they do"];
    return [`${list(named)} ${execute} no TLBI ${when}: cheap because ${they} nothing there.`];
  });
}

/** Who is not safe, where somebody has asked. */
function unsafe(view: ScenarioView): readonly string[] {
  if (!isProved(view)) return [];
  return [unsoundSentence(view) || "No policy here is unsound."];
}

const priceOf = ({ microseconds, microsecondsRange: [low, high] }: CompareRow): string =>
  low === high ? duration(microseconds) : `${duration(microseconds)} (${durationRange(low, high, "–")})`;

function checksAnswer({ checks }: CompareResult): readonly Answer[] {
  const real = checks.filter((check) => !check.calibration);
  if (real.length === 0) return [];
  const differing = real.filter((check) => !check.agrees).map((check) => check.name);
  const calibrated = checks.length - real.length;
  const agreeing = `${count(real.length - differing.length)} of ${count(real.length)} predictions agree with what others measured`;
  const but = differing.length > 0 ? `; these do not: ${list(differing)}` : "";
  const rest =
    calibrated > 0 ? ` Not counted: what a price was calibrated on (${count(calibrated)}), which is no check.` : "";
  return [{ subject: "checks", text: `${agreeing}${but}.${rest}` }];
}
