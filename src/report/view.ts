/** A comparison, arranged for reading: one view a scenario, what differs only in name put together. */
import type { CompareResult, CompareRow, HostDescription, ScenarioDescription, WithoutTlbi } from "../compare/index.js";
import type { Verdict } from "../prove/index.js";
import { list } from "./format.js";
import type { Tone } from "./table.js";

/** One scenario of a comparison. Lists are in the comparison's own order and hold only what has rows. */
export interface ScenarioView {
  readonly scenario: ScenarioDescription;
  readonly policies: readonly string[];
  /** hosts whose price does not depend on the IPA size */
  readonly native: readonly HostDescription[];
  readonly nested: readonly HostDescription[];
  /** IPA sizes in bits, ascending */
  readonly ipaBits: readonly number[];
  /** undefined where a policy was left out; without `ipaBits` the row of the largest size */
  row(policy: string, host: string, ipaBits?: number): CompareRow | undefined;
}

/** Hangs on the price of an unsound policy. */
export const UNSAFE = "!";

/** How a verdict stands out. */
export const toneOf = (verdict: Verdict | undefined): Tone | undefined =>
  verdict === "sound" ? "good" : verdict === "unsound" ? "bad" : undefined;

/** Policies that cannot be told apart in what they cost, on any nested host and at any IPA size. */
export interface PriceGroup {
  /** A, B, C, ... from the dearest on the first nested host at the largest IPA size */
  readonly letter: string;
  readonly policies: readonly string[];
  /** of all of them, on every CPU in view; undefined where nobody asked */
  readonly verdict: Exclude<Verdict, "not-applicable" | "not-stated"> | undefined;
}

/** Prices this much apart (as a factor) are one line in a picture. */
const SAME_PRICE = 1.03;

/** The scenarios that have rows, in the comparison's order. */
export function scenarioViews(result: CompareResult): readonly ScenarioView[] {
  return result.scenarios.map((scenario) => scenarioView(result, scenario)).filter((view) => view.policies.length > 0);
}

function scenarioView(result: CompareResult, scenario: ScenarioDescription): ScenarioView {
  const rows = result.rows.filter((row) => row.scenario === scenario.name);
  const byKey = new Map(rows.map((row) => [keyOf(row.policy, row.host, row.ipaBits), row]));
  const ipaBits = [...new Set(rows.map((row) => row.ipaBits))].sort((a, b) => a - b);
  const [ofPolicy, ofHost] = [new Set(rows.map((row) => row.policy)), new Set(rows.map((row) => row.host))];
  const hosts = result.hosts.filter((host) => ofHost.has(host.name));
  return {
    scenario,
    policies: result.policies.map((policy) => policy.name).filter((name) => ofPolicy.has(name)),
    native: hosts.filter((host) => !host.nested),
    nested: hosts.filter((host) => host.nested),
    ipaBits,
    row: (policy, host, bits = ipaBits[ipaBits.length - 1]!) => byKey.get(keyOf(policy, host, bits)),
  };
}

const keyOf = (...parts: readonly (string | number)[]): string => parts.join("\0");

/** The policies of a view, grouped by verdicts and by equal prices (within SAME_PRICE of the group's first) on every nested host. */
export function priceGroups(view: ScenarioView): readonly PriceGroup[] {
  const groups: { prices: readonly number[]; policies: string[]; verdict: PriceGroup["verdict"] }[] = [];
  for (const policy of view.policies) {
    const prices = view.nested.flatMap(({ name }) =>
      [...view.ipaBits].reverse().map((bits) => view.row(policy, name, bits)?.microseconds ?? Number.NaN),
    );
    const verdict = verdictOf(view, policy);
    const group = groups.find(
      (g) => g.verdict === verdict && g.prices.every((price, i) => samePrice(price, prices[i]!)),
    );
    if (group) group.policies.push(policy);
    else groups.push({ prices, policies: [policy], verdict });
  }
  // dearest first; the sort is stable, so ties keep the comparison's order
  groups.sort((a, b) => (b.prices[0] || 0) - (a.prices[0] || 0));
  return groups.map(({ policies, verdict }, i) => ({ letter: letterOf(i), policies, verdict }));
}

const samePrice = (a: number, b: number): boolean =>
  Object.is(a, b) || (a > 0 && b > 0 && Math.max(a, b) / Math.min(a, b) <= SAME_PRICE);

/** A .. Z, then AA, AB, ... */
const letterOf = (i: number): string =>
  (i < 26 ? "" : letterOf(Math.floor(i / 26) - 1)) + String.fromCharCode(65 + (i % 26));

/** Names that share a text, the texts in order of first use: policies that execute the very same instructions, say. */
export function grouped<T>(names: readonly T[], textOf: (name: T) => string): readonly { text: string; names: T[] }[] {
  const groups = new Map<string, T[]>();
  for (const name of names) {
    const text = textOf(name);
    const group = groups.get(text);
    if (group) group.push(name);
    else groups.set(text, [name]);
  }
  return [...groups].map(([text, members]) => ({ text, names: members }));
}

/** Policies of a scenario without a TLBI on one of its occasions. */
interface Silent {
  /** the occasion, as the end of a sentence */
  readonly when: string;
  readonly policies: readonly string[];
}

const OCCASIONS: readonly (readonly [WithoutTlbi["occasion"], string])[] = [
  ["revoke", "when a mapping is removed"],
  ["switch", "when vCPUs of a domain take turns on a pCPU"],
];

/** Which policies of a view are cheap because they do nothing, by occasion. */
function silentPolicies({ scenario, policies }: ScenarioView): readonly Silent[] {
  return OCCASIONS.flatMap(([occasion, when]) => {
    const those = scenario.withoutTlbi.filter((of) => of.occasion === occasion).map(({ policy }) => policy);
    const silent = policies.filter((policy) => those.includes(policy));
    return silent.length > 0 ? [{ when, policies: silent }] : [];
  });
}

/** The same as sentences, to stand near the prices. */
export function silentSentences(view: ScenarioView): readonly string[] {
  const unproved = isProved(view) ? "" : "; whether that is safe, a price does not say";
  return silentPolicies(view).map(({ when, policies }) => {
    const [execute, they] = policies.length === 1 ? ["executes", "it does"] : ["execute", "they do"];
    return `${list(policies)} ${execute} no TLBI ${when}: cheap because ${they} nothing there${unproved}.`;
  });
}

/** How far the prices of a host spread when every elementary price is at its low and at its high end, as factors of the price shown. */
export function spread(rows: readonly CompareRow[]): readonly [low: number, high: number] {
  let [low, high] = [1, 1];
  for (const { microseconds, microsecondsRange } of rows) {
    if (microseconds === 0) continue;
    low = Math.min(low, microsecondsRange[0] / microseconds);
    high = Math.max(high, microsecondsRange[1] / microseconds);
  }
  return [low, high];
}

/** True when somebody has asked whether the policies are safe. */
export const isProved = (view: ScenarioView): boolean =>
  view.policies.some((policy) => verdictsOf(view, policy).some((row) => row !== undefined));

/** The CPU profiles of a view's hosts. */
export const cpusOf = ({ native, nested }: ScenarioView): readonly string[] => [
  ...new Set([...native, ...nested].map(({ cpu }) => cpu)),
];

/** A row of a policy with its verdict for each of {@link cpusOf}; undefined where there is none. */
export function verdictsOf(view: ScenarioView, policy: string): readonly (CompareRow | undefined)[] {
  const hosts = [...view.native, ...view.nested];
  return cpusOf(view).map((cpu) =>
    hosts
      .filter((host) => host.cpu === cpu)
      .map(({ name }) => view.row(policy, name))
      .find((row) => row?.verdict !== undefined),
  );
}

/** The verdict on a policy over all CPUs in view: the worst; undefined where nobody asked. */
export function verdictOf(view: ScenarioView, policy: string): PriceGroup["verdict"] {
  const verdicts = verdictsOf(view, policy).flatMap((row) => row?.verdict ?? []);
  return (["unsound", "unknown", "sound"] as const).find((verdict) => verdicts.includes(verdict));
}

/** A policy that is unsound in a view, with the occasions, on any CPU. */
interface Unsound {
  readonly policy: string;
  readonly occasions: readonly string[];
}

/** The unsound policies of a view. */
export function unsoundPolicies(view: ScenarioView): readonly Unsound[] {
  return view.policies.flatMap((policy) => {
    const occasions = [...new Set(verdictsOf(view, policy).flatMap((row) => row?.unsound ?? []))];
    return occasions.length > 0 ? [{ policy, occasions }] : [];
  });
}

/** "UNSOUND for revoke and batch: a, b; for switch: c.", empty when there are none. */
export function unsoundSentence(view: ScenarioView): string {
  const groups = grouped(unsoundPolicies(view), ({ occasions }) => list(occasions));
  const parts = groups.map(({ text, names }) => `for ${text}: ${names.map(({ policy }) => policy).join(", ")}`);
  return parts.length > 0 ? `UNSOUND ${parts.join("; ")}.` : "";
}
