/** Lifted sequences as policies in TOML: the most frequent of each occasion in one, each further one in a variant of that. */
import { FEATURES, type Feature, TLBI_OPS } from "../arch/index.js";
import { visibleLine } from "../input/index.js";
import { OCCASIONS, type Occasion, withoutCode } from "../policy/index.js";
import type { Flush } from "./flush.js";
import { TOLD } from "./flushes.js";
import { isRevokes, type Sequence } from "./lift.js";

/** A policy as a file: NAME.toml; a variant names the first one's file as its base. */
export interface LiftedPolicy {
  readonly name: string;
  readonly text: string;
}

/** A sequence, and the policy that has it; undefined where there are too many. */
export interface LiftedSequence extends Sequence {
  readonly policy: string | undefined;
}

/** Whose sequences they are. */
interface Origin {
  /** a policy's name */
  readonly name: string;
  readonly title: string;
  readonly source: string;
}

/** Variants of a policy that are written. */
const MOST_VARIANTS = 16;
const ORDER = Object.keys(OCCASIONS) as readonly Occasion[];
type Timing = { readonly due: "at-once" | "unlock" | "batch-end"; readonly remark: string };

/** The policies of a trace's sequences, and what they leave unknown, in sentences. */
export function policiesOf(
  origin: Origin,
  sequences: readonly Sequence[],
): { policies: LiftedPolicy[]; sequences: LiftedSequence[]; unknown: string[] } {
  const of = (occasion: Occasion): Sequence[] => sequences.filter((one) => one.occasion === occasion);
  const [revoke] = of("revoke");
  const timing = timingOf(sequences);
  const vmidPer = isPerVcpu(sequences) ? [`vmid-per = "vcpu"`] : [];
  const head = (name: string, title: string, more: readonly string[], lines: readonly string[]): string[] => [
    ...[`name = ${quoted(name)}`, `title = ${quoted(title)}`, `source = ${quoted(origin.source)}`, ...more],
    ...requires(lines),
  ];
  const sections: string[][] = [];
  const unseen: Occasion[] = [];
  const first = new Set<Sequence>();
  for (const occasion of ORDER) {
    const [main] = of(occasion);
    if (main !== undefined) first.add(main);
    if (isRevokes(of(occasion), revoke)) continue;
    if (main !== undefined) {
      // Of what is nothing a policy says nothing.
      if (main.lines.length > 0 || withoutCode(occasion) !== "nothing") sections.push(section(main, timing));
    }
    // Without batches there is no end of one. Of what is not told apart nothing is said: other code stands for it, or none does.
    else if (occasion !== "batch-end" && TOLD.includes(occasion)) {
      unseen.push(occasion);
      sections.push(unseenSection(occasion, timing));
    }
  }
  const all = [...first].flatMap(({ lines }) => lines);
  const text = [...head(origin.name, origin.title, vmidPer, all), ...sections.flatMap((lines) => ["", ...lines])];
  const policies: LiftedPolicy[] = [{ name: origin.name, text: `${text.join("\n")}\n` }];
  const named = sequences.map((one): LiftedSequence => {
    if (first.has(one)) return { ...one, policy: origin.name };
    if (policies.length > MOST_VARIANTS) return { ...one, policy: undefined };
    const name = `${origin.name}.${one.occasion}-${of(one.occasion).indexOf(one) + 1}`;
    const title = `${origin.title}; another sequence of ${one.occasion}`;
    const base = [`base = ${quoted(`${origin.name}.toml`)}`];
    const variant = [...head(name, title, base, one.lines), "", ...section(one, timing)];
    policies.push({ name, text: `${variant.join("\n")}\n` });
    return { ...one, policy: name };
  });
  return { policies, sequences: named, unknown: unknownOf(unseen, sequences, timing) };
}

const others = ORDER.filter((occasion) => !TOLD.includes(occasion)).map((occasion) => `[${occasion}]`);
const UNTOLD = `${others.join(", ")} are not told apart in a trace: what is executed there counts as a removal's, or a split's, if it is in it; of what a policy must state itself nothing is known.`;

function unknownOf(unseen: readonly Occasion[], sequences: readonly Sequence[], timing: Timing): string[] {
  const needed = unseen.filter((occasion) => withoutCode(occasion) === undefined);
  const own = unseen.filter((occasion) => !needed.includes(occasion));
  return [
    ...needed.map((occasion) => `[${occasion}] is unknown: the trace never comes to it (${OCCASIONS[occasion].when}).`),
    ...(own.length > 0 ? [`${own.map((o) => `[${o}]`).join(", ")}: unknown, the trace has none.`] : []),
    UNTOLD,
    ...(timing.remark === "" || sequences.every(({ occasion }) => occasion !== "revoke")
      ? []
      : [`When a removal's flush is due: ${timing.remark}.`]),
  ];
}

/** TOML takes what JSON says of a string. */
const quoted = (text: string): string => JSON.stringify(visibleLine(text));

function requires(lines: readonly string[]): string[] {
  const needed = new Set<Feature>();
  for (const line of lines) {
    const [, kind, name] = /^\s*(tlbi|dsb) (\w+)/.exec(line) ?? [];
    if (kind === "dsb" && name?.endsWith("nxs")) needed.add("FEAT_XS");
    if (kind === "tlbi")
      for (const op of TLBI_OPS)
        if (op.name.toLowerCase() === name) for (const feature of op.needs) needed.add(feature);
  }
  const list = (Object.keys(FEATURES) as Feature[]).filter((feature) => needed.has(feature));
  return list.length === 0 ? [] : [`requires = [${list.map((feature) => `"${feature}"`).join(", ")}]`];
}

function section({ occasion, lines, count, callers, notes }: Sequence, timing: Timing): string[] {
  const by = callers.map(
    ({ caller, count: n }) => `${n} by ${caller === "" ? "nobody: nothing was executed" : visibleLine(caller)}`,
  );
  return [
    ...wrapped(`${count} times: ${by.slice(0, 3).join("; ")}${by.length > 3 ? "; ..." : ""}`),
    ...notes.flatMap(wrapped),
    `[${occasion}]`,
    ...(occasion === "revoke" ? due(timing) : []),
    `code = """`,
    ...lines.map((line) => `  ${line}`),
    `"""`,
  ];
}

const unseenSection = (occasion: Occasion, timing: Timing): string[] => [
  `[${occasion}]${" ".repeat(Math.max(1, 26 - occasion.length))}# the trace never comes to it`,
  ...(occasion === "revoke" ? due(timing) : []),
  `code = "unknown"`,
];

const due = ({ due: when, remark }: Timing): string[] => [`due = "${when}"${remark === "" ? "" : ` # ${remark}`}`];

/** A remark of lines of 120 characters at most, where words allow it. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 118) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** Each vCPU has a VMID: one that ran under another than the vCPU before, or a flush for several. */
const isPerVcpu = (sequences: readonly Sequence[]): boolean =>
  sequences.some(({ flushes }) =>
    flushes.some(({ occasion, ownerVmids, sameVmid }) => ownerVmids.length > 1 || (occasion === "switch" && !sameVmid)),
  );

/** When the revoke code runs, as far as it shows. */
function timingOf(sequences: readonly Sequence[]): Timing {
  const flushes = sequences.flatMap((one) => one.flushes);
  const of = (occasion: Occasion): Flush[] => flushes.filter((flush) => flush.occasion === occasion);
  const several = (list: readonly Flush[]): boolean => list.some(({ removed }) => removed.length > 1);
  const inBatch = of("revoke").filter(({ within }) => within === "batch");
  if (several(inBatch) || (inBatch.length > 0 && of("batch-end").length === 0 && !inBatch.some(({ goesOn }) => goesOn)))
    return { due: "batch-end", remark: "" };
  const [revoke] = sequences.filter(({ occasion }) => occasion === "revoke");
  const dying = sequences
    .filter((one) => one.occasion === "domain-dies" && one.code === revoke?.code)
    .flatMap((one) => one.flushes);
  if (several(of("revoke")) || several(dying)) return { due: "unlock", remark: "" };
  if (flushes.some(({ amid }) => amid) || dying.reduce((sum, { count }) => sum + count, 0) > 1)
    return { due: "at-once", remark: "each flush that the trace has followed one removal" };
  return { due: "unlock", remark: 'or "at-once": each flush that the trace has followed one removal' };
}
