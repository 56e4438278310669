/**
 * The sequences of a trace, lifted: what was executed on each occasion, as code that comes out as each of its flushes when it is
 * run on that flush's case. One code stands for as many as it explains: those of an occasion, and those that the same function
 * executed on others. What the trace does not show is `unknown` in the code, and said.
 */
import { type CpuProfile, needs, TLBI_OPS } from "../arch/index.js";
import { OCCASIONS, type Occasion, withoutCode } from "../policy/index.js";
import type { Flush } from "./flush.js";
import { textOf } from "./flush-text.js";
import type { Flushes } from "./flushes.js";
import { isExecution, type Proposal, proposals } from "./fold.js";

/** A distinct sequence on an occasion. */
export interface Sequence {
  readonly occasion: Occasion;
  /** of the policy, with `unknown` where the trace does not show what is executed */
  readonly lines: readonly string[];
  /** without those additions; undefined: no policy can say it, and `lines` only tell */
  readonly code: Proposal | undefined;
  readonly flushes: readonly Flush[];
  readonly count: number;
  /** call paths of the first instruction, the most frequent first; "": nothing was executed */
  readonly callers: readonly { readonly caller: string; readonly count: number }[];
  /** what is not certain of it, in sentences */
  readonly notes: readonly string[];
}

/** Proposals that are held against all flushes. */
const MOST_PROPOSALS = 256;

const ORDER = Object.keys(OCCASIONS) as readonly Occasion[];

export const functionsOf = ({ callers }: Flush): string[] => [...callers.keys()].map((path) => path.split(" < ")[0]!);

/** Codes beside flushes: which is an execution of which. */
class Explained {
  readonly codes: Proposal[] = [];
  private readonly of = new Map<Proposal, Set<Flush>>();

  constructor(
    readonly flushes: readonly Flush[],
    private readonly cpu: CpuProfile,
  ) {
    // Those of several entries first: what loops over them tells of one entry too.
    const order = [...flushes].sort((a, b) => Math.sign(b.removed.length - a.removed.length) || b.count - a.count);
    for (const flush of order) {
      if (this.codes.length >= MOST_PROPOSALS) break;
      if (this.codes.some((code) => isExecution(flush, code, cpu)) && !this.isFirstOfKind(flush)) continue;
      for (const proposal of proposals(flush, cpu))
        if (!this.codes.some(({ lines }) => lines.join() === proposal.lines.join())) this.codes.push(proposal);
    }
    for (const code of this.codes)
      this.of.set(code, new Set(flushes.filter((flush) => isExecution(flush, code, this.cpu))));
  }

  private readonly kinds = new Set<string>();

  /** The first flush under another VMID, of one page, ...: proposals come from each of these, as each shows something else. */
  private isFirstOfKind({ ownerVmids, currentVmid, removed, occasion }: Flush): boolean {
    const kind = `${occasion} ${ownerVmids.includes(currentVmid)} ${removed.length > 1} ${removed.some(({ pages }) => pages > 1)}`;
    if (this.kinds.has(kind)) return false;
    this.kinds.add(kind);
    return true;
  }

  by(code: Proposal, among: readonly Flush[]): Flush[] {
    return among.filter((flush) => this.of.get(code)!.has(flush));
  }
}

/** The distinct sequences, by occasion; of an occasion the one that explains most kinds of flush first. */
export function sequencesOf(flushes: Flushes, cpu: CpuProfile): Sequence[] {
  const explained = new Explained(flushes.list, cpu);
  const revoke = sequencesOn("revoke", explained, cpu);
  return ORDER.flatMap((occasion) => (occasion === "revoke" ? revoke : sequencesOn(occasion, explained, cpu)));
}

function sequencesOn(occasion: Occasion, explained: Explained, cpu: CpuProfile): Sequence[] {
  const whole = (OCCASIONS[occasion] as { readonly whole?: true }).whole === true;
  let left = explained.flushes.filter((flush) => flush.occasion === occasion);
  const names = new Set(left.flatMap(functionsOf));
  const kin = explained.flushes.filter(
    (flush) => flush.occasion !== occasion && functionsOf(flush).some((n) => names.has(n)),
  );
  const codes = explained.codes.filter(({ hasLoop }) => !(whole && hasLoop));
  const found: Sequence[] = [];
  while (left.length > 0) {
    const ranked = codes
      .map((code) => ({ code, own: explained.by(code, left), kin: explained.by(code, kin) }))
      .sort(
        (a, b) =>
          b.own.length - a.own.length || b.kin.length - a.kin.length || a.code.lines.length - b.code.lines.length,
      );
    const [best] = ranked;
    if (best === undefined || best.own.length === 0) return [...found, ...left.map(notCode)];
    const alike = ranked.filter((one) => one.own.length === best.own.length && one.kin.length === best.kin.length);
    found.push(sequence(occasion, best, alike, cpu));
    left = left.filter((flush) => !best.own.includes(flush));
  }
  return found;
}

/** What no policy can say: an address that was not removed, a register that it does not know. */
function notCode(flush: Flush): Sequence {
  const lines = [...flush.instructions.slice(0, 64).map((x) => `// ${textOf(x, flush)}`), "unknown"];
  const notes = ["no policy can say this: it names what was not removed, or repeats itself in no order of it"];
  return { occasion: flush.occasion, lines, code: undefined, notes, ...counted([flush]) };
}

function counted(flushes: readonly Flush[]): Pick<Sequence, "flushes" | "count" | "callers"> {
  const callers = new Map<string, number>();
  for (const flush of flushes)
    for (const [caller, n] of flush.callers) callers.set(caller, (callers.get(caller) ?? 0) + n);
  const count = flushes.reduce((sum, flush) => sum + flush.count, 0);
  const list = [...callers].map(([caller, n]) => ({ caller, count: n })).sort((a, b) => b.count - a.count);
  return { flushes, count, callers: list };
}

interface Ranked {
  readonly code: Proposal;
  readonly own: readonly Flush[];
  readonly kin: readonly Flush[];
}

function sequence(occasion: Occasion, best: Ranked, alike: readonly Ranked[], cpu: CpuProfile): Sequence {
  const { code, own, kin } = best;
  const notes: string[] = [];
  const all = [...own, ...kin];
  let { lines } = code;
  if (occasion !== "switch") {
    const current = all.some(
      ({ ownerVmids, currentVmid }) => ownerVmids.length === 0 || ownerVmids.includes(currentVmid),
    );
    const elsewhere = all.some(({ ownerVmids, currentVmid }) => ownerVmids.some((vmid) => vmid !== currentVmid));
    if (!elsewhere && lines.length > 0) {
      lines = ["if owner-current", ...indented(lines), "else", "  unknown", "end"];
      notes.push("the trace has it only where the VMID that is flushed was in force");
    } else if (!current) {
      lines = ["if owner-current", "  unknown", "else", ...indented(lines), "end"];
      notes.push("the trace has it only where another VMID was in force than the one that is flushed");
    } else notes.push(...kinNote(own, kin));
  }
  const doubtful = own.filter(({ ownerVmids }) => ownerVmids.length === 0).reduce((sum, { count }) => sum + count, 0);
  if (doubtful > 0)
    notes.push(
      `of ${doubtful.toLocaleString("en")} the trace does not show whose mappings went: taken for the VMID in force`,
    );
  const loop = code.hasLoop ? loopOf(code) : undefined;
  const other = loop && alike.find((one) => one.code.hasLoop && loopOf(one.code) !== loop);
  if (other) {
    const most = Math.max(...all.map(({ removed }) => removed.reduce((sum, { pages }) => sum + pages, 0)));
    lines = [`if pages > ${most}`, "  unknown", "else", ...indented(lines), "end"];
    notes.push(
      `of ${most === 1 ? "one page" : `up to ${most.toLocaleString("en")} pages`}, as the trace has them, ${loopOf(other.code)} would make the same: with more, what is executed is unknown`,
    );
  }
  if (!needs(cpu, "repeat-tlbi") && broadcasts(code.lines)) {
    lines = [...lines, "if repeat-tlbi", "  unknown", "end"];
    notes.push(`the trace is of a CPU without repeat-tlbi: what is executed on one with it is unknown`);
  }
  return { occasion, lines, code, notes, ...counted(own) };
}

/** Where only another occasion shows one of the ways. */
function kinNote(own: readonly Flush[], kin: readonly Flush[]): string[] {
  const shows = (of: readonly Flush[], is: boolean): boolean =>
    of.some(({ ownerVmids, currentVmid }) => ownerVmids.length > 0 && ownerVmids.includes(currentVmid) === is);
  const missing = [true, false].filter((is) => !shows(own, is) && shows(kin, is));
  return missing.map((is) => {
    const from = [...new Set(kin.filter((flush) => shows([flush], is)).map(({ occasion }) => occasion))].join(", ");
    const by = [...new Set(kin.flatMap(functionsOf))].filter((name) =>
      own.some((flush) => functionsOf(flush).includes(name)),
    );
    return `where ${is ? "the flushed VMID" : "another VMID"} is in force, it is what ${by.join(", ")} executed on other occasions (${from})`;
  });
}

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
const loopOf = ({ lines }: Proposal): string => lines.find((line) => /^\s*for (?!vmid)/.test(line))!.trim();

/** True when the code has a TLBI that reaches other PEs, which the erratum is about. */
const broadcasts = (lines: readonly string[]): boolean =>
  lines.some((line) => {
    const [, name] = /^\s*tlbi (\w+)/.exec(line) ?? [];
    return name !== undefined && TLBI_OPS.some((op) => op.name.toLowerCase() === name && op.reach !== "local");
  });

/**
 * True for an occasion on which the revoke code runs where a policy has no other, when that explains all of it: then it needs no
 * section of its own.
 */
export const isRevokes = (of: readonly Sequence[], revoke: Sequence | undefined): boolean =>
  of.length === 1 &&
  withoutCode(of[0]!.occasion) === "other code" &&
  revoke?.code !== undefined &&
  of[0]!.code === revoke.code;
