/**
 * A policy's statements as instructions. Records of what was removed stand one behind the other, a word each; the code goes over
 * them as the policy's runner goes over the ranges of its case, and makes the same operands.
 */
import { type Assembler, XZR } from "../arch/index.js";
import type { Sequence, Statement } from "../policy/index.js";
import { some } from "./program.js";

/** Where a word of the cave belongs: in whose place it runs, and which line of the policy it is. */
export interface Note {
  readonly within: "flush" | "setEntry" | "deferred" | "vcpu";
  /** occasion; undefined for what is no policy's */
  readonly occasion?: string;
  /** of the policy's file, from 1 */
  readonly line?: number;
}

/** Fields of a record: [35:0] gfn, [40:36] order of an entry, [62:44] 4 KiB pages, [63] may be used. */
export const RECORD = { gfnBits: 36, order: 36, orderBits: 5, pages: 44, pagesBits: 19, usable: 63 } as const;

/** What the registers hold while a policy's code runs. */
export const REGISTERS = {
  range: 3,
  slot: 4,
  next: 5,
  gfn: 6,
  left: 7,
  pages: 8,
  pagesLeft: 9,
  scale: 10,
  first: 11,
  records: 12,
  step: 13,
  scratch: 14,
  /** 0b0100 | level: TTL of a single operand with the 4 KiB granule */
  ttl: 15,
  level: 16,
} as const;
const R = REGISTERS;
/** Bits of operands (DDI 0487, TLBI IPAS2E1, TLBI RIPAS2E1). */
const TTL = 44;
const RANGE = { ttl: 37, num: 39, scale: 44, granule4K: 1n << 46n } as const;
/** Leaves of this order are blocks of level 2; smaller ones pages, larger ones blocks of level 1. */
const BLOCK_ORDER = 9;

type Loop = "page" | "entry" | "range" | "single" | undefined;

/** Makes labels that stand once each. */
export class Labels {
  private n = 0;
  /** a suffix */
  next(): number {
    this.n++;
    return this.n;
  }
}

/** Emits code; the note's line follows the statements. */
export function emit(a: Assembler<Note>, code: Sequence, labels: Labels, loop?: Loop): void {
  const around = a.note;
  for (const s of code) {
    a.note = "line" in s ? { ...around, line: s.line } : around;
    switch (s.kind) {
      case "barrier":
        a.barrier(s.barrier);
        break;
      case "tlbi":
        tlbi(a, s, loop);
        break;
      case "if":
        choose(a, s, labels, loop);
        break;
      case "for":
        each(a, s, labels);
        break;
      default:
        throw new Error(`'${s.kind}' is no code to be injected`);
    }
  }
  a.note = around;
}

function tlbi(a: Assembler<Note>, s: Extract<Statement, { kind: "tlbi" }>, loop: Loop): void {
  if (s.operand !== "loop") {
    a.tlbi(s.op, XZR);
    return;
  }
  const isRange = loop === "range";
  const op = loop === "single" && s.single >= 0 ? s.single : s.op;
  const operand = isRange ? R.range : R.gfn;
  if (!s.ttl) a.tlbi(op, operand);
  else {
    a.orr(R.scratch, operand, isRange ? R.level : R.ttl, isRange ? RANGE.ttl : TTL);
    a.tlbi(op, R.scratch);
  }
}

function choose(a: Assembler<Note>, s: Extract<Statement, { kind: "if" }>, labels: Labels, loop: Loop): void {
  if (s.condition.test !== "pages") throw new Error(`'if ${s.condition.test}' is no code to be injected`);
  const n = labels.next();
  a.imm(R.scratch, BigInt(s.condition.above)).cmp(R.pages, R.scratch);
  a.bc(s.condition.not ? "hi" : "ls", `else${n}`);
  emit(a, s.body, labels, loop);
  a.b(`fi${n}`).label(`else${n}`);
  emit(a, s.otherwise, labels, loop);
  a.label(`fi${n}`);
}

/** A loop: record by record, in each page by page, entry by entry, or in the largest ranges that an operand can name. */
function each(a: Assembler<Note>, s: Extract<Statement, { kind: "for" }>, labels: Labels): void {
  const n = labels.next();
  a.mov(R.next, R.first).mov(R.left, R.records);
  a.label(`next${n}`).cbz(R.left, `done${n}`);
  a.ldrPost(R.scratch, R.next, 8).ubfx(R.gfn, R.scratch, 0, RECORD.gfnBits);
  a.ubfx(R.pagesLeft, R.scratch, RECORD.pages, RECORD.pagesBits).ubfx(
    R.scale,
    R.scratch,
    RECORD.order,
    RECORD.orderBits,
  );
  if (some(s.body, (inner) => inner.kind === "tlbi" && inner.ttl)) levelOf(a, n);
  a.imm(R.step, 1n);
  if (s.over === "entry") a.lsl(R.step, R.step, R.scale);
  a.label(`more${n}`).cbz(R.pagesLeft, `last${n}`);
  if (s.over === "range") ranges(a, s.body, labels, n);
  else {
    emit(a, s.body, labels, s.over === "entry" ? "entry" : "page");
    a.add(R.gfn, R.gfn, R.step).sub(R.pagesLeft, R.pagesLeft, R.step).b(`more${n}`);
  }
  a.label(`last${n}`).subi(R.left, R.left, 1).b(`next${n}`).label(`done${n}`);
}

/** From the order of an entry to its level, and to a TTL. */
function levelOf(a: Assembler<Note>, n: number): void {
  a.imm(R.ttl, 7n).cmpi(R.scale, BLOCK_ORDER).bc("lo", `level${n}`);
  a.imm(R.ttl, 6n).bc("eq", `level${n}`).imm(R.ttl, 5n);
  a.label(`level${n}`).subi(R.level, R.ttl, 4);
}

/** The largest range that fits what is left, as largestRange() of operand.ts takes it; an odd page singly. */
function ranges(a: Assembler<Note>, body: Sequence, labels: Labels, n: number): void {
  a.cmpi(R.pagesLeft, 2).bc("lo", `odd${n}`).imm(R.scale, 3n);
  // (NUM + 1) << (5 * SCALE + 1) pages: the largest SCALE of which one fits, and at most 32.
  a.label(`scale${n}`).add(R.range, R.scale, R.scale, 2).addi(R.range, R.range, 1).lsr(R.step, R.pagesLeft, R.range);
  a.cbnz(R.step, `fits${n}`).subi(R.scale, R.scale, 1).b(`scale${n}`);
  a.label(`fits${n}`).cmpi(R.step, 32).bc("ls", `num${n}`).imm(R.step, 32n);
  a.label(`num${n}`).subi(R.scratch, R.step, 1).lsl(R.step, R.step, R.range);
  a.orr(R.range, XZR, R.scale, RANGE.scale).orr(R.range, R.range, R.scratch, RANGE.num);
  a.imm(R.scratch, RANGE.granule4K).orr(R.range, R.range, R.scratch).orr(R.range, R.range, R.gfn);
  emit(a, body, labels, "range");
  a.add(R.gfn, R.gfn, R.step).sub(R.pagesLeft, R.pagesLeft, R.step).b(`more${n}`);
  a.label(`odd${n}`);
  emit(a, body, labels, "single");
}

/** Names of the TLBIs and barriers of code, in the order in which they stand once it is emitted. */
export function standing(code: Sequence, loop?: Loop): string[] {
  return code.flatMap((s): string[] => {
    switch (s.kind) {
      case "barrier":
        return [`barrier ${s.barrier}`];
      case "tlbi":
        return [`tlbi ${s.operand === "loop" && loop === "single" && s.single >= 0 ? s.single : s.op}`];
      case "if":
        return [...standing(s.body, loop), ...standing(s.otherwise, loop)];
      case "for":
        if (s.over === "range") return [...standing(s.body, "range"), ...standing(s.body, "single")];
        return standing(s.body);
      default:
        return [];
    }
  });
}
