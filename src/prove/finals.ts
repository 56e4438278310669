/** All final states of a test, in words, with what its condition says of each. */
import { finalStates, type Options } from "./explore.js";
import { cpuFor } from "./forms.js";
import type { LitmusTest, Look } from "./litmus/index.js";
import type { Condition, Observed, Program } from "./program.js";

/** One final state: words for what each place holds, and whether the proposition is true of it. */
interface FinalState {
  readonly places: Readonly<Record<string, string>>;
  readonly satisfies: boolean;
}

export interface FinalStates {
  readonly states: readonly FinalState[];
  /** states of which the proposition is true, and false */
  readonly positive: number;
  readonly negative: number;
  readonly observation: "Never" | "Sometimes" | "Always";
  /** whether it holds under its quantifier */
  readonly holds: boolean;
  readonly quantifier: "exists" | "~exists" | "forall";
  /** as it is written */
  readonly condition: string;
}

/** The final states that pass the test's filter; where they could not all be found, why. */
export function finalsOf(test: LitmusTest, options: Options): FinalStates | { readonly reason: string } {
  const { program, quantifier = "exists", filter } = test;
  const proposition = test.proposition ?? program.final;
  const looks = test.looks ?? unique(observedIn(program.final)).map((of) => lookOf(of, program));
  const observed = unique([...looks.map(({ of }) => of), ...observedIn(program.final)]);
  const final = { kind: "true" } as const;
  const { rows, incomplete } = finalStates({ ...program, final }, observed, cpuFor(test, options));
  if (incomplete) return { reason: incomplete.reason };
  const place = new Map(observed.map((of, i) => [keyOf(of), i]));
  const states = new Map<string, FinalState>();
  for (const row of rows) {
    const value = (of: Observed): bigint => row[place.get(keyOf(of))!]!;
    if (filter && !isTrue(filter, value)) continue;
    const places = Object.fromEntries(looks.map(({ of, name, text }) => [name, text(value(of))]));
    const satisfies = isTrue(proposition, value);
    states.set(`${satisfies} ${JSON.stringify(places)}`, { places, satisfies });
  }
  const list = [...states.values()].sort(inOrder);
  const positive = list.filter(({ satisfies }) => satisfies).length;
  const negative = list.length - positive;
  const holds = quantifier === "forall" ? negative === 0 : quantifier === "exists" ? positive > 0 : positive === 0;
  const observation = positive === 0 ? "Never" : negative === 0 ? "Always" : "Sometimes";
  return { states: list, positive, negative, observation, holds, quantifier, condition: test.condition };
}

/** By what the places hold, numbers by their size. */
function inOrder(a: FinalState, b: FinalState): number {
  for (const [name, text] of Object.entries(a.places)) {
    const order = text.localeCompare(b.places[name]!, "en", { numeric: true });
    if (order !== 0) return order;
  }
  return Number(a.satisfies) - Number(b.satisfies);
}

const keyOf = (of: Observed): string =>
  JSON.stringify(of, Object.keys({ ...of, at: 0, from: 0, to: 0, type: 0 }).sort());

const unique = (list: readonly Observed[]): Observed[] => [...new Map(list.map((of) => [keyOf(of), of])).values()];

/** The places that a condition speaks of. */
function observedIn(condition: Condition): Observed[] {
  switch (condition.kind) {
    case "true":
    case "false":
      return [];
    case "not":
      return observedIn(condition.of);
    case "and":
    case "or":
      return condition.of.flatMap(observedIn);
    default:
      return [observedBy(condition)];
  }
}

type Atom = Extract<Condition, { kind: Observed["kind"] }>;

function observedBy(atom: Atom): Observed {
  switch (atom.kind) {
    case "mem":
      return { kind: "mem", pa: atom.pa, size: atom.size ?? 8 };
    case "reg":
      return { kind: "reg", thread: atom.thread, reg: atom.reg };
    case "sysreg":
      return { kind: "sysreg", thread: atom.thread, sysreg: atom.sysreg };
    case "pc":
      return { kind: "pc", thread: atom.thread };
    case "fault":
      return { kind: "fault", thread: atom.thread, fault: atom.fault };
  }
}

/** Whether a condition is true where places hold these values. */
function isTrue(condition: Condition, value: (of: Observed) => bigint): boolean {
  switch (condition.kind) {
    case "true":
    case "false":
      return condition.kind === "true";
    case "not":
      return !isTrue(condition.of, value);
    case "and":
      return condition.of.every((one) => isTrue(one, value));
    case "or":
      return condition.of.some((one) => isTrue(one, value));
    case "pc":
      return value(observedBy(condition)) === BigInt(condition.address);
    case "fault":
      return value(observedBy(condition)) === 1n;
    default:
      return value(observedBy(condition)) === BigInt.asUintN(64, condition.value);
  }
}

/** Names of places as isla's form has them. */
function lookOf(of: Observed, { threads, memory }: Program): Look {
  const text = (value: bigint): string => (value < 1n << 20n ? String(value) : `0x${value.toString(16)}`);
  if (of.kind === "mem") return { of, name: `*${memory.describe(of.pa) ?? `0x${of.pa.toString(16)}`}`, text };
  const thread = threads[of.thread]!.name;
  const name = of.kind === "reg" ? `X${of.reg}` : of.kind === "sysreg" ? of.sysreg : of.kind === "pc" ? "PC" : "fault";
  return { of, name: `${thread}:${name}`, text };
}
