/**
 * Sweeps: a comparison with other numbers, all of them in one. A variant of a scenario, a policy or a host is one more of them under
 * a name of its own, so that whatever is the same is simulated once: prices of a host cost no simulation at all.
 */
import { type Host, isNested } from "../host/index.js";
import { hypervisorOf, type Scenario } from "../hypervisor/index.js";
import { didYouMean, InputError } from "../input/index.js";
import { type Policy, thresholdsOf, withThresholds } from "../policy/index.js";
import type { Comparison } from "./plan.js";
import type { Setting } from "./setting.js";

/** What is swept: as much of a comparison as there is. */
type Swept = Pick<Comparison, "scenarios" | "policies" | "hosts" | "ipaBits">;

/** The numbers that a variant has in place of its original's, by key. */
export type Numbers = Readonly<Record<string, number>>;

/** Whose number a key is. */
type Owner = "scenario" | "policy" | "host" | "comparison";

/** A key that was swept. */
export interface SweptKey extends Setting {
  readonly of: Owner;
  /** of an elementary price, or where the key says it */
  readonly unit?: string;
}

/** What is found for one combination of values: a row as of a comparison or a price list, its names the originals'. */
type SweptRow<Row> = Row & { readonly set: Numbers };

/** Most prices of one sweep, and most scenarios to simulate. */
const MOST_PRICES = 50_000;
const MOST_SCENARIOS = 2000;
const IPA_BITS = "ipa-bits";
const PRICES = "prices.";

/** An original and the numbers in which its variant differs. */
interface Variant<T> {
  readonly original: T;
  readonly set: Numbers;
}

/** How a kind of thing is varied. */
interface Kind<T> {
  readonly of: Owner;
  keysOf(one: T): readonly string[];
  /** with other numbers; the name is given later */
  varied(one: T, numbers: Numbers): T;
}

const SCENARIOS: Kind<Scenario> = {
  of: "scenario",
  keysOf: (one) => hypervisorOf(one).numbersOf(one),
  varied: (one, numbers) => hypervisorOf(one).withNumbers(one, numbers),
};
const POLICIES: Kind<Policy> = {
  of: "policy",
  keysOf: (one) => [...thresholdsOf(one).keys()],
  varied: withThresholds,
};
const HOSTS: Kind<Host> = {
  of: "host",
  keysOf: ({ prices }) => Object.keys(prices).map((key) => PRICES + key),
  varied: withPrices,
};

/** The host with elementary prices that are known: no range is left of them. */
function withPrices(host: Host, numbers: Numbers): Host {
  const prices = { ...host.prices };
  for (const [key, value] of Object.entries(numbers)) {
    const name = key.slice(PRICES.length);
    prices[name] = { ...prices[name]!, value, low: value, high: value };
  }
  return { ...host, prices };
}

/** Everything with every combination of the values of its own keys. */
export class Sweep {
  readonly keys: readonly SweptKey[];
  /** to be compared, or priced: the variants in place of what they are of */
  readonly swept: Swept;
  private readonly variants = new Map<string, Variant<{ readonly name: string }>>();

  /** Throws an InputError for a key that nothing here has, a value that cannot be, and too many combinations. */
  constructor(of: Swept, settings: readonly Setting[]) {
    this.keys = settings.map((setting) => sweptKey(of, setting));
    const twice = settings.find(({ key }, i) => settings.findIndex((other) => other.key === key) < i);
    if (twice) throw new InputError(`--set ${twice.key}: is given twice, expected all its values in one`);
    const ipaBits = this.keys.find(({ key }) => key === IPA_BITS)?.values ?? of.ipaBits;
    this.refuseTooMany(of, ipaBits.length);
    this.swept = {
      scenarios: this.all(SCENARIOS, of.scenarios),
      policies: this.all(POLICIES, of.policies),
      hosts: this.all(HOSTS, of.hosts),
      ipaBits,
    };
  }

  private keysFor<T>(kind: Kind<T>, one: T): SweptKey[] {
    const known = new Set(kind.keysOf(one));
    return this.keys.filter(({ key, of }) => of === kind.of && known.has(key));
  }

  private refuseTooMany({ scenarios, policies, hosts }: Swept, sizes: number): void {
    const count = <T>(kind: Kind<T>, all: readonly T[]): number =>
      all.reduce((sum, one) => sum + this.keysFor(kind, one).reduce((n, { values }) => n * values.length, 1), 0);
    const runs = count(SCENARIOS, scenarios);
    const prices = Math.max(1, runs) * Math.max(1, count(POLICIES, policies)) * count(HOSTS, hosts) * sizes;
    if (runs > MOST_SCENARIOS)
      throw new InputError(`--set: makes ${runs} scenarios, expected at most ${MOST_SCENARIOS}: name fewer values`);
    if (prices > MOST_PRICES)
      throw new InputError(
        `--set: makes ${prices} prices, expected at most ${MOST_PRICES}: name fewer values, policies or hosts`,
      );
  }

  private all<T extends { readonly name: string }>(kind: Kind<T>, originals: readonly T[]): T[] {
    return originals.flatMap((original) =>
      combinations(this.keysFor(kind, original)).map((set) => {
        const settings = Object.entries(set).map(([key, value]) => `${key}=${value}`);
        const name = [original.name, ...settings].join(" ");
        this.variants.set(`${kind.of} ${name}`, { original, set });
        return settings.length === 0 ? original : { ...kind.varied(original, set), name };
      }),
    );
  }

  /** Rows of variants with the names of the originals, and the numbers beside. A host without IPA sizes has one row for all. */
  rows<Row extends RowOf>(rows: readonly Row[]): SweptRow<Row>[] {
    const nested = new Map(this.swept.hosts.map((host) => [host.name, isNested(host)]));
    const bits = this.keys.some(({ key }) => key === IPA_BITS);
    const found = rows
      .filter(({ host, ipaBits }) => nested.get(host) || ipaBits === this.swept.ipaBits[0])
      .map((row) => {
        const scenario = this.variants.get(`scenario ${row.scenario}`);
        const policy = this.variants.get(`policy ${row.policy}`);
        const host = this.variants.get(`host ${row.host}`)!;
        const set = {
          ...scenario?.set,
          ...policy?.set,
          ...host.set,
          ...(bits && nested.get(row.host) ? { [IPA_BITS]: row.ipaBits } : {}),
        };
        return {
          ...row,
          ...(scenario && { scenario: scenario.original.name }),
          ...(policy && { policy: policy.original.name }),
          host: host.original.name,
          set,
        };
      });
    return this.sorted(found);
  }

  /** What belongs to one curve stands together: by scenario, host, phase, policy, each in the order in which it came; then by the numbers. */
  private sorted<Row extends RowOf & { readonly set: Numbers }>(rows: readonly Row[]): Row[] {
    const seen = new Map<string, number>();
    const place = (name: string): number => {
      if (!seen.has(name)) seen.set(name, seen.size);
      return seen.get(name)!;
    };
    const keyed = rows.map((row) => ({
      row,
      key: [
        ...[row.scenario, row.host, row.phase, row.policy].map((name, i) => place(`${i} ${name}`)),
        ...(this.keys.some(({ key }) => key === IPA_BITS) ? [] : [row.ipaBits]),
        ...this.keys.map(({ key, values }) => values.indexOf(row.set[key] ?? values[0]!)),
      ],
    }));
    return keyed.sort((a, b) => firstDifference(a.key, b.key)).map(({ row }) => row);
  }
}

/** What of a row says where it comes from. */
interface RowOf {
  readonly scenario?: string;
  readonly policy?: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly phase?: string;
}

const firstDifference = (a: readonly number[], b: readonly number[]): number =>
  a.map((n, i) => n - b[i]!).find((difference) => difference !== 0) ?? 0;

/** A setting with whose key it is. */
function sweptKey({ scenarios, policies, hosts }: Swept, { key, values }: Setting): SweptKey {
  if (key === IPA_BITS) {
    const wrong = values.find((bits) => !Number.isInteger(bits) || bits < 32 || bits > 52);
    if (wrong !== undefined) throw new InputError(`--set ${key}: ${wrong}, expected whole numbers from 32 to 52`);
    return { key, values, of: "comparison", unit: "bits" };
  }
  const has = <T>(kind: Kind<T>, all: readonly T[]): boolean => all.some((one) => kind.keysOf(one).includes(key));
  // Pages, microseconds and the like are whole: a factor may lead between two.
  const round = (): number[] => [...new Set(values.map(Math.round))];
  if (has(SCENARIOS, scenarios)) return { key, values: round(), of: "scenario" };
  if (has(POLICIES, policies)) return { key, values: round(), of: "policy", unit: "pages" };
  if (has(HOSTS, hosts)) {
    const price = hosts.map(({ prices }) => prices[key.slice(PRICES.length)]).find((one) => one !== undefined)!;
    return { key, values, of: "host", unit: price.unit };
  }
  const all = [
    IPA_BITS,
    ...scenarios.flatMap(SCENARIOS.keysOf),
    ...policies.flatMap(POLICIES.keysOf),
    ...hosts.flatMap(HOSTS.keysOf),
  ];
  const near = didYouMean(key, [...new Set(all)]);
  throw new InputError(
    `--set ${key}: no scenario, policy or host here has such a number${near || `, expected one of ${[...new Set(all)].join(", ")}`}`,
  );
}

/** Every choice of a value for each key; one of nothing where there are no keys. */
const combinations = (keys: readonly SweptKey[]): Numbers[] =>
  keys.reduce<Numbers[]>(
    (before, { key, values }) => before.flatMap((set) => values.map((value) => ({ ...set, [key]: value }))),
    [{}],
  );
