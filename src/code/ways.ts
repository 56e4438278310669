/**
 * From a tree to its ways: those that do different things, each as code with the CPU's conditions in it, and when data takes it.
 * What several ways have in common is said once.
 */
import { BARRIERS } from "../arch/index.js";
import { loopName } from "./loops.js";
import type { Decision, End, Event, Remark, Tree } from "./tree.js";

/** Code of a way. */
export type Code = readonly Step[];
export type Step =
  | Event
  | {
      readonly kind: "if";
      readonly decision: Exclude<Decision, { kind: "data" }>;
      readonly yes: Code;
      readonly no: Code;
    }
  /** VTTBR_EL2 := the owner's, and back, where it is not current; each with its ISB */
  | { readonly kind: "with"; readonly body: Code; readonly at: readonly number[] }
  /** each of `rounds` is what a round of the loop may do */
  | { readonly kind: "loop"; readonly rounds: readonly Code[]; readonly at: readonly number[] };

/** What was decided on data. */
interface Choice {
  readonly text: string;
  readonly is: boolean;
}

/** Ways that execute the same. */
export interface Way {
  readonly code: Code;
  readonly end: End;
  /** when it is taken: one of these, each a list of conditions that hold together; an empty list always */
  readonly when: readonly (readonly Choice[])[];
  readonly remarks: readonly Remark[];
}

/** More ways than this are not told apart by anybody. */
const MOST = 256;
/** As many reasons for a way are kept. */
const MOST_REASONS = 16;

/** All ways of a tree; undefined where there are too many. Those that end in an exception are not among them. */
export function waysOf(tree: Tree): readonly Way[] | undefined {
  const ways = nextWays(tree);
  if (ways === undefined) return undefined;
  const own = ways.map((way) => ({
    ...way,
    code: [...tree.events, ...way.code],
    remarks: union(tree.remarks, way.remarks),
  }));
  return own;
}

function nextWays({ next }: Tree): readonly Way[] | undefined {
  if (next.kind === "end")
    return next.end === "exception" ? [] : [{ code: [], end: next.end, when: [[]], remarks: [] }];
  if (next.kind === "loop") return loopWays(next);
  const [yes, no] = [waysOf(next.yes), waysOf(next.no)];
  if (yes === undefined || no === undefined) return undefined;
  const { decision } = next;
  // Where one side ends in an exception, ways that go on are of the other.
  if (yes.length === 0 || no.length === 0) return [...yes, ...no];
  const ways = decision.kind === "data" ? parted(decision.text, yes, no) : joined(decision, yes, no);
  return ways.length > MOST ? undefined : ways;
}

function loopWays({ body, at }: Extract<Tree["next"], { kind: "loop" }>): readonly Way[] | undefined {
  const ways = waysOf(body);
  if (ways === undefined) return undefined;
  const again = ways.filter(({ end }) => end === "again");
  const out = ways.filter(({ end }) => end !== "again").map((way) => leaving(way, at));
  const last = out.map(({ round }) => round).filter((round) => round.length > 0);
  const rounds = distinct([...again.map(({ code }) => code), ...last]);
  const remarks = again.reduce<readonly Remark[]>((all, way) => union(all, way.remarks), []);
  const idle = rounds.every((code) => code.every(({ kind }) => kind === "store"));
  const loop: Code = idle ? [] : [{ kind: "loop", rounds, at: [at] }];
  return merged(out.map(({ way }) => ({ ...way, code: [...loop, ...way.code], remarks: union(remarks, way.remarks) })));
}

/** A way out of a loop: what it does in the last round, and what behind the loop. Conditions of rounds are the loop's own. */
function leaving(way: Way, head: number): { readonly round: Code; readonly way: Way } {
  const end = way.code.findIndex((step) => step.kind === "left" && step.head === head);
  const name = loopName(head);
  const when = way.when.map((choices) => choices.filter(({ text }) => !text.includes(name)));
  return {
    round: way.code.slice(0, Math.max(end, 0)),
    way: { ...way, code: way.code.slice(end + 1), when: reduced(when) },
  };
}

/** Ways of both sides; what is the same on both does not depend on the condition. */
function parted(text: string, yes: readonly Way[], no: readonly Way[]): Way[] {
  const side = (ways: readonly Way[], is: boolean): Way[] =>
    ways.map((way) => ({ ...way, when: way.when.map((choices) => [{ text, is }, ...choices]) }));
  return merged([...side(yes, true), ...side(no, false)]);
}

/** Ways that execute the same, together; reasons that only differ in one condition are one without it. */
function merged(ways: readonly Way[]): Way[] {
  const list = new Map<string, Way>();
  for (const way of ways) {
    const key = `${way.end} ${keyOf(way.code)}`;
    const known = list.get(key);
    list.set(
      key,
      known === undefined
        ? way
        : {
            code: bothPlaces(known.code, way.code),
            end: way.end,
            when: reduced([...known.when, ...way.when]).slice(0, MOST_REASONS),
            remarks: union(known.remarks, way.remarks),
          },
    );
  }
  return [...list.values()];
}

function reduced(reasons: readonly (readonly Choice[])[]): readonly (readonly Choice[])[] {
  const list = [...reasons];
  for (let again = true; again; ) {
    again = false;
    for (let i = 0; i < list.length && !again; i++)
      for (let k = i + 1; k < list.length && !again; k++) {
        const both = without(list[i]!, list[k]!);
        if (both === undefined) continue;
        list[i] = both;
        list.splice(k, 1);
        again = true;
      }
  }
  return list;
}

/** What two reasons come to where they differ in one condition's answer at most, or one says less than the other. */
function without(a: readonly Choice[], b: readonly Choice[]): readonly Choice[] | undefined {
  const has = (list: readonly Choice[], { text, is }: Choice): boolean =>
    list.some((one) => one.text === text && one.is === is);
  if (a.every((choice) => has(b, choice))) return a;
  if (b.every((choice) => has(a, choice))) return b;
  const different = a.filter((choice) => !has(b, choice));
  if (a.length !== b.length || different.length !== 1) return undefined;
  const [{ text, is }] = different as [Choice];
  return has(b, { text, is: !is }) ? a.filter((choice) => choice.text !== text) : undefined;
}

/** A condition of the CPU, or on the owner: in the code, for each pair of ways that data may take together. */
function joined(decision: Exclude<Decision, { kind: "data" }>, yes: readonly Way[], no: readonly Way[]): Way[] {
  const list: Way[] = [];
  for (const a of yes)
    for (const b of no) {
      if (a.end !== b.end) continue;
      const when = a.when.flatMap((one) => b.when.flatMap((other) => together(one, other))).slice(0, MOST_REASONS);
      if (when.length === 0) continue;
      list.push({
        code: chosen(decision, a.code, b.code),
        end: a.end,
        when: reduced(when),
        remarks: union(a.remarks, b.remarks),
      });
    }
  return merged(list);
}

/** Both lists of conditions; none where they contradict each other. */
function together(a: readonly Choice[], b: readonly Choice[]): (readonly Choice[])[] {
  if (a.some(({ text, is }) => b.some((other) => other.text === text && other.is !== is))) return [];
  return [[...a, ...b.filter(({ text }) => !a.some((other) => other.text === text))]];
}

const isIsb = (step: Step | undefined): boolean => step?.kind === "barrier" && BARRIERS[step.barrier]!.kind === "ISB";
const isVttbr = (step: Step | undefined, value: "owner" | "current"): boolean =>
  step?.kind === "vttbr" && step.value === value;

/** The body of both sides, where they differ in that VTTBR_EL2 is the owner's around it. */
function withOwner(yes: Code, no: Code): Step | undefined {
  const body = no.slice(2, -2);
  const around = isVttbr(no[0], "owner") && isIsb(no[1]) && isVttbr(no.at(-2), "current") && isIsb(no.at(-1));
  if (!around || no.length < 5 || keyOf(body) !== keyOf(yes)) return undefined;
  const at = [no[0], no[1], no.at(-2), no.at(-1)].flatMap((step) => (step && "at" in step ? step.at : []));
  return { kind: "with", body: bothPlaces(yes, body), at };
}

/** `if`, with what both sides begin and end with outside. */
export function chosen(decision: Exclude<Decision, { kind: "data" }>, yes: Code, no: Code): Code {
  const owner = decision.kind === "owner-current" ? withOwner(yes, no) : undefined;
  if (owner) return [owner];
  let [first, last] = [0, 0];
  const same = (a: Step | undefined, b: Step | undefined): boolean =>
    a !== undefined && b !== undefined && keyOf([a]) === keyOf([b]);
  const shorter = Math.min(yes.length, no.length);
  while (first < shorter && same(yes[first], no[first])) first++;
  while (last < shorter - first && same(yes[yes.length - 1 - last], no[no.length - 1 - last])) last++;
  const before = bothPlaces(yes.slice(0, first), no.slice(0, first));
  const after = last === 0 ? [] : bothPlaces(yes.slice(-last), no.slice(-last));
  const [a, b] = [yes.slice(first, yes.length - last), no.slice(first, no.length - last)];
  if (a.length === 0 && b.length === 0) return [...before, ...after];
  return [...before, { kind: "if", decision, yes: a, no: b }, ...after];
}

/** Equal for code that does the same, wherever it stands. */
export const keyOf = (code: Code): string =>
  JSON.stringify(code, (name, value) => (name === "at" || name === "text" ? undefined : value));

const distinct = (list: readonly Code[]): Code[] => [...new Map(list.map((code) => [keyOf(code), code])).values()];

/** Code that does the same, with the addresses of both. */
function bothPlaces(a: Code, b: Code): Code {
  return a.map((step, i): Step => {
    const other = b[i]!;
    if (step.kind === "if" && other.kind === "if")
      return { ...step, yes: bothPlaces(step.yes, other.yes), no: bothPlaces(step.no, other.no) };
    if (step.kind === "with" && other.kind === "with")
      return { ...step, body: bothPlaces(step.body, other.body), at: [...new Set([...step.at, ...other.at])] };
    if (!("at" in step && "at" in other)) return step;
    return { ...step, at: [...new Set([...step.at, ...other.at])] };
  });
}

const union = (a: readonly Remark[], b: readonly Remark[]): readonly Remark[] => [
  ...a,
  ...b.filter(({ text }) => !a.some((other) => other.text === text)),
];

/** Ways on which some conditions hold, by their texts: "X2 == 0", "not X2 == 0". */
export function waysWhen(ways: readonly Way[], wanted: readonly string[]): readonly Way[] {
  const contradicts = ({ text, is }: Choice): boolean => wanted.includes(is ? `not ${text}` : text);
  return ways.flatMap((way) => {
    const when = way.when.filter((choices) => !choices.some(contradicts));
    return when.length === 0 ? [] : [{ ...way, when }];
  });
}
