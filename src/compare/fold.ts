/**
 * A flush of a trace as a policy's code: with names for addresses and VMIDs, and loops for what is repeated. Whatever is proposed
 * here is run on the flush's own case and must come out as what was executed, instruction by instruction.
 */
import {
  BARRIERS,
  type CpuProfile,
  decodeOperand,
  FEATURES,
  type Feature,
  singleFormOf,
  TLBI_OPS,
} from "../arch/index.js";
import { InputError } from "../input/index.js";
import { type Case, type LoopOver, parseCode, type Sequence, specialise, unroll } from "../policy/index.js";
import { casesOf, liftedOf, same } from "./cases.js";
import type { Flush, Lifted } from "./flush.js";
import { ownersOf } from "./flush-text.js";

/** Most lines of a code, instructions of a loop's body, and proposals for one flush. */
const MOST_LINES = 256;
const MOST_BODY = 8;
const MOST_PROPOSALS = 64;

type Lines = readonly string[];

/** A code that a flush may have been an execution of. */
export interface Proposal {
  readonly lines: Lines;
  readonly program: Sequence;
  readonly hasLoop: boolean;
}

const ISB = BARRIERS.findIndex(({ kind }) => kind === "ISB");
const isIsb = (x: Lifted | undefined): boolean => x?.kind === "barrier" && x.barrier === ISB;
/** TLBIs by range, by their forms for a single address. */
const RANGE_FORMS = new Map(TLBI_OPS.map((op, i) => [singleFormOf(op), i] as const).filter(([single]) => single >= 0));

const parsed = (lines: Lines): Sequence =>
  parseCode(lines.join("\n"), {
    ...{ file: "lifted", line: 1, ranges: true, vmids: true },
    requires: Object.keys(FEATURES) as Feature[],
  });

/** What the program executes in a case; undefined where it cannot run there. */
function unrolled(program: Sequence, on: Case, cpu: CpuProfile): (Lifted | undefined)[] | undefined {
  try {
    return unroll(program, on, cpu).map(liftedOf);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return undefined;
  }
}

const cases = new WeakMap<Flush, readonly Case[]>();
function casesFor(flush: Flush): readonly Case[] {
  const known = cases.get(flush) ?? casesOf(flush);
  cases.set(flush, known);
  return known;
}

/** True when a flush is an execution of the program. */
export const isExecution = (flush: Flush, { program }: Proposal, cpu: CpuProfile): boolean =>
  casesFor(flush).some((on) => {
    const list = unrolled(program, on, cpu);
    const { instructions: is } = flush;
    return list?.length === is.length && list.every((x, i) => x !== undefined && same(is[i]!, x, flush));
  });

/** Codes that a flush may have been an execution of, the simplest first; none where no policy can say what was executed. */
export function proposals(flush: Flush, cpu: CpuProfile): Proposal[] {
  const folding = new Folding(flush, cpu);
  const all = new Map(folding.all().map((lines) => [lines.join("\n"), lines]));
  return [...all.values()].flatMap((lines) => {
    const program = specialise(parsed(lines), cpu);
    const proposal = { lines, program, hasLoop: lines.some((line) => /^\s*for (?!vmid)/.test(line)) };
    return isExecution(flush, proposal, cpu) ? [proposal] : [];
  });
}

const indented = (lines: Lines): string[] => lines.map((line) => `  ${line}`);
const block = (head: string, lines: Lines): string[] => [head, ...indented(lines), "end"];

class Folding {
  private readonly is: readonly Lifted[];
  private readonly owners: readonly number[];

  constructor(
    private readonly flush: Flush,
    private readonly cpu: CpuProfile,
  ) {
    this.is = flush.instructions;
    this.owners = ownersOf(flush);
  }

  all(): Lines[] {
    if (this.owners.length > 1) return this.eachVmid();
    const { is } = this;
    const [first, last] = [
      is.findIndex(({ kind }) => kind === "vttbr"),
      is.findLastIndex(({ kind }) => kind === "vttbr"),
    ];
    const between =
      is.filter(({ kind }) => kind === "vttbr").length === 2 && isIsb(is[first + 1]) && isIsb(is[last + 1]);
    if (!between || this.literal(is[first]!) !== OWNER || this.literal(is[last]!) !== CURRENT)
      return this.fold(0, is.length);
    return this.fold(0, first).flatMap((before) =>
      this.fold(first + 2, last).flatMap((body) =>
        this.fold(last + 2, is.length).map((after) => [...before, ...block("with owner-vmid", body), ...after]),
      ),
    );
  }

  /** The same for each VMID of the owner: the body of the first one stands for all. */
  private eachVmid(): Lines[] {
    const { is, owners } = this;
    const { currentVmid } = this.flush;
    const elsewhere = owners.filter((vmid) => vmid !== currentVmid).length;
    const body = (is.length - 4 * elsewhere) / owners.length;
    if (!Number.isInteger(body) || body < 0) return [];
    const from = owners[0] === currentVmid ? 0 : 2;
    return this.fold(from, from + body).map((lines) => block("for vmid", block("with owner-vmid", lines)));
  }

  private readonly folded = new Map<string, Lines[]>();

  /** Codes for the instructions from one to another, the simplest first; `lines` stand before them. */
  private fold(from: number, to: number, lines = 0): Lines[] {
    const key = `${from} ${to}`;
    const found = this.folded.get(key) ?? this.foldOnce(from, to, lines);
    this.folded.set(key, found);
    return found;
  }

  private foldOnce(from: number, to: number, lines: number): Lines[] {
    if (from === to) return [[]];
    if (lines >= MOST_LINES) return [];
    const literal = this.literal(this.is[from]!);
    const plain = literal === undefined ? [] : this.fold(from + 1, to, lines + 1).map((rest) => [literal, ...rest]);
    if (plain.length > 0) return plain.slice(0, MOST_PROPOSALS);
    return this.loops(from, to)
      .flatMap(({ code, next }) => this.fold(next, to, lines + code.length).map((rest) => [...code, ...rest]))
      .slice(0, MOST_PROPOSALS);
  }

  /** An instruction that stands in code as it is; undefined for an address, or a VMID that is nobody's. */
  private literal(x: Lifted): string | undefined {
    switch (x.kind) {
      case "barrier":
        return BARRIERS[x.barrier]!.name.toLowerCase();
      case "vttbr":
        if (x.vmid === this.flush.currentVmid) return CURRENT;
        return x.vmid === this.owners[0] ? OWNER : undefined;
      case "tlbi": {
        const { name, operand } = TLBI_OPS[x.op]!;
        const mnemonic = `tlbi ${name.toLowerCase()}`;
        if (operand === "none") return mnemonic;
        return x.lo === 0 && x.hi === 0 ? `${mnemonic}, xzr` : undefined;
      }
    }
  }

  /** Loops that begin at an instruction: the shortest body of each kind, and what follows it. */
  private loops(from: number, to: number): { code: Lines; next: number }[] {
    return (["page", "entry", "range", "va-page", "va-range"] as const).flatMap((over) => {
      for (let length = 1; length <= MOST_BODY && from + length <= to; length++) {
        const body = this.bodyOf(over, from, length);
        if (body === undefined) continue;
        const next = this.loopEnd(block(`for ${over}`, body), from, to);
        if (next !== undefined) return [{ code: block(`for ${over}`, body), next }];
      }
      return [];
    });
  }

  /** A body that would execute these instructions in its first round; undefined where it cannot, or names no address. */
  private bodyOf(over: LoopOver, from: number, length: number): Lines | undefined {
    let isAddressed = false;
    const lines = this.is.slice(from, from + length).map((x) => {
      const literal = this.literal(x);
      if (literal !== undefined || x.kind !== "tlbi") return literal;
      isAddressed = true;
      return addressed(x, over);
    });
    return isAddressed && lines.every((line) => line !== undefined) ? lines : undefined;
  }

  /** Behind which instruction a loop that begins at one has ended; undefined where it executes something else. */
  private loopEnd(code: Lines, from: number, to: number): number | undefined {
    const program = specialise(parsed(code), this.cpu);
    for (const on of casesFor(this.flush)) {
      const list = unrolled(program, on, this.cpu);
      if (list === undefined || list.length === 0 || from + list.length > to) continue;
      if (list.every((x, i) => x !== undefined && same(this.is[from + i]!, x, this.flush))) return from + list.length;
    }
    return undefined;
  }
}

const OWNER = "msr vttbr_el2, owner";
const CURRENT = "msr vttbr_el2, current";

/** A TLBI by address in a loop; undefined where it has no such form. */
function addressed(x: Lifted & { kind: "tlbi" }, over: LoopOver): string | undefined {
  const byVa = over.startsWith("va-");
  const op = over.endsWith("range") ? (RANGE_FORMS.get(x.op) ?? x.op) : x.op;
  const { name, operand } = TLBI_OPS[op]!;
  if (operand !== `${byVa ? "va" : "ipa"}${over.endsWith("range") ? "-range" : ""}`) return undefined;
  const fields = decodeOperand(TLBI_OPS[x.op]!.operand, x.lo, x.hi);
  const hint = !byVa && "ttl" in fields && fields.ttl !== 0 ? ", ttl" : "";
  return `tlbi ${name.toLowerCase()}, ${byVa ? "va" : "ipa"}${hint}`;
}
