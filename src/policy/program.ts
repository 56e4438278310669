/**
 * The code of a policy in parsed form, and how it runs. One walk serves everybody: the simulator runs it into a trace, and
 * {@link unroll} runs it into a flat list for a concrete case (which is what a prover wants).
 */
import {
  addressOperand,
  BARRIERS,
  type CpuProfile,
  type Feature,
  largestRange,
  operandHalves,
  rangeOperand,
  TLBI_OPS,
} from "../arch/index.js";
import { InputError } from "../input/index.js";

/** What a loop goes over; `entry` is each removed descriptor (a block counts once), `vmid` each VMID of the owner. */
export type LoopOver = "page" | "entry" | "range" | "va-page" | "va-range" | "vmid";

/** A condition; `pages` counts the 4 KiB pages of the case. */
export type Condition =
  | { readonly test: "feature"; readonly feature: Feature; readonly not: boolean }
  | { readonly test: "repeat-tlbi" | "owner-current" | "va-known"; readonly not: boolean }
  | { readonly test: "pages"; readonly above: number; readonly not: boolean };

/** A statement. `op`, `single` and `barrier` are indexes in TLBI_OPS and BARRIERS; `line` counts from 1 in the file. */
export type Statement =
  | { readonly kind: "barrier"; readonly barrier: number }
  | { readonly kind: "tlbi"; readonly op: number; readonly single: number; readonly operand: "none" | "zero" | "loop" }
  | { readonly kind: "msr-vttbr"; readonly value: "owner" | "current" }
  | { readonly kind: "with-owner"; readonly body: Program }
  | { readonly kind: "for"; readonly over: LoopOver; readonly body: Program; readonly line: number }
  | { readonly kind: "if"; readonly condition: Condition; readonly body: Program; readonly otherwise: Program };

export type Program = readonly Statement[];

/** The concrete case that a program runs on. Mutable, so that a simulator reuses one. */
export class Case {
  /** VMID in force when the code begins */
  currentVmid = 0;
  /** VMIDs of the owner of the mappings: one, or one a vCPU */
  ownerVmids: readonly number[] = [0];
  /** ranges in use */
  count = 0;
  /** 4 KiB pages in all ranges */
  pages = 0;
  /** first gfn of each range */
  base = new Float64Array(16);
  /** 4 KiB pages of each range */
  length = new Float64Array(16);
  /** 4 KiB pages that one removed entry of the range mapped: 1, 512 or 262,144 */
  step = new Float64Array(16);
  /** page number of the guest VA that the range was mapped at, -1 when nobody told the hypervisor */
  va = new Float64Array(16);
  /** ASID of those VAs */
  asid = 0;
  /** the VMID in VTTBR_EL2 while the program runs */
  heldVmid = 0;

  clear(): void {
    this.count = 0;
    this.pages = 0;
  }

  /** Adds an entry of `pages` pages at `gfn`; it joins the last range when it continues it. `va` -1 = unknown. */
  add(gfn: number, pages: number, va: number): void {
    this.pages += pages;
    const last = this.count - 1;
    if (last >= 0 && this.step[last] === pages && this.base[last]! + this.length[last]! === gfn) {
      const known = this.va[last]!;
      if (known < 0 ? va < 0 : va === known + this.length[last]!) {
        this.length[last]! += pages;
        return;
      }
    }
    if (this.count === this.base.length) this.grow();
    const i = this.count++;
    this.base[i] = gfn;
    this.length[i] = pages;
    this.step[i] = pages;
    this.va[i] = va;
  }

  private grow(): void {
    for (const column of ["base", "length", "step", "va"] as const) {
      const larger = new Float64Array(2 * this[column].length);
      larger.set(this[column]);
      this[column] = larger;
    }
  }
}

/** What executes the instructions: a simulated pCPU, or a list. */
export interface Executor {
  barrier(barrier: number): void;
  /** bits [47:0] of Xt and its ASID field */
  tlbi(op: number, operand: number, asid: number): void;
  /** VTTBR_EL2 := the table of the domain that this VMID belongs to */
  vttbr(vmid: number): void;
}

const ISB = BARRIERS.findIndex((b) => b.kind === "ISB");

/**
 * The program as one CPU runs it: conditions on features and on the erratum are decided, what remains depends on the case
 * only. Programs with equal JSON after this do the same.
 */
export function specialise(program: Program, cpu: CpuProfile): Program {
  return program.flatMap((s): Statement[] => {
    switch (s.kind) {
      case "if": {
        const c = s.condition;
        if (c.test === "feature")
          return [...specialise(cpu.features.has(c.feature) !== c.not ? s.body : s.otherwise, cpu)];
        if (c.test === "repeat-tlbi") return [...specialise(cpu.repeatTlbi !== c.not ? s.body : s.otherwise, cpu)];
        return [{ ...s, body: specialise(s.body, cpu), otherwise: specialise(s.otherwise, cpu) }];
      }
      case "for":
      case "with-owner":
        return [{ ...s, body: specialise(s.body, cpu) }];
      default:
        return [s];
    }
  });
}

/**
 * Runs a specialised program on a case. Throws an InputError when the code asks for a guest VA that nobody knows;
 * `file` names the policy in it.
 */
export function run(program: Program, on: Case, executor: Executor, file: string): void {
  on.heldVmid = on.currentVmid;
  runBody(program, on, executor, file, on.ownerVmids[0]!, 0, 0, 0);
}

function runBody(
  body: Program,
  on: Case,
  executor: Executor,
  file: string,
  owner: number,
  operand: number,
  single: number,
  asid: number,
): void {
  for (let i = 0; i < body.length; i++) {
    const s = body[i]!;
    switch (s.kind) {
      case "barrier":
        executor.barrier(s.barrier);
        break;
      case "tlbi":
        if (s.operand === "loop") executor.tlbi(single === 1 && s.single >= 0 ? s.single : s.op, operand, asid);
        else executor.tlbi(s.op, 0, 0);
        break;
      case "msr-vttbr":
        setVttbr(on, executor, s.value === "owner" ? owner : on.currentVmid);
        break;
      case "with-owner": {
        const before = on.heldVmid;
        if (before !== owner) {
          setVttbr(on, executor, owner);
          executor.barrier(ISB);
        }
        runBody(s.body, on, executor, file, owner, operand, single, asid);
        if (before !== owner) {
          setVttbr(on, executor, before);
          executor.barrier(ISB);
        }
        break;
      }
      case "if":
        runBody(holds(s.condition, on, owner) ? s.body : s.otherwise, on, executor, file, owner, operand, single, asid);
        break;
      case "for":
        if (s.over === "vmid")
          for (const vmid of on.ownerVmids) runBody(s.body, on, executor, file, vmid, operand, single, asid);
        else for (let r = 0; r < on.count; r++) runRange(s, on, executor, file, owner, r);
        break;
    }
  }
}

function setVttbr(on: Case, executor: Executor, vmid: number): void {
  executor.vttbr(vmid);
  on.heldVmid = vmid;
}

function holds(c: Condition, on: Case, owner: number): boolean {
  switch (c.test) {
    case "owner-current":
      return (on.currentVmid === owner) !== c.not;
    case "pages":
      return on.pages > c.above !== c.not;
    case "va-known":
      return on.va.subarray(0, on.count).every((va) => va >= 0) !== c.not;
    default:
      throw new Error(`condition '${c.test}' must be specialised for a CPU before it runs`);
  }
}

function runRange(
  loop: Statement & { kind: "for" },
  on: Case,
  executor: Executor,
  file: string,
  owner: number,
  r: number,
): void {
  const byVa = loop.over === "va-page" || loop.over === "va-range";
  let base = on.base[r]!;
  if (byVa) {
    if (on.va[r]! < 0)
      throw InputError.at(
        file,
        loop.line,
        `'for ${loop.over}' needs the guest's virtual address of gfn 0x${base.toString(16)}, which the hypervisor does not know here (test it with 'if va-known')`,
      );
    base = on.va[r]!;
  }
  const asid = byVa ? on.asid : 0;
  const length = on.length[r]!;
  if (loop.over === "range" || loop.over === "va-range") {
    for (let at = 0; at < length; ) {
      const range = largestRange(length - at);
      const pages = range === undefined ? 1 : range.granules;
      const operand = range === undefined ? addressOperand(base + at) : rangeOperand(base + at, range.scale, range.num);
      runBody(loop.body, on, executor, file, owner, operand, range === undefined ? 1 : 0, asid);
      at += pages;
    }
    return;
  }
  const step = loop.over === "entry" ? on.step[r]! : 1;
  for (let at = 0; at < length; at += step)
    runBody(loop.body, on, executor, file, owner, addressOperand(base + at), 0, asid);
}

/** One instruction of an unrolled program. */
export type Instruction =
  | { readonly kind: "barrier"; readonly barrier: number; readonly text: string }
  | { readonly kind: "tlbi"; readonly op: number; readonly operand: bigint; readonly text: string }
  | { readonly kind: "vttbr"; readonly vmid: number; readonly text: string };

/** The flat list of instructions that a program executes on a CPU in a concrete case. */
export function unroll(program: Program, on: Case, cpu: CpuProfile, file = "policy"): Instruction[] {
  const list: Instruction[] = [];
  run(
    specialise(program, cpu),
    on,
    {
      barrier: (barrier) => list.push({ kind: "barrier", barrier, text: BARRIERS[barrier]!.name.toLowerCase() }),
      tlbi(op, low, asid) {
        const { lo, hi } = operandHalves(low, asid);
        const operand = (BigInt(hi) << 32n) | BigInt(lo);
        const name = TLBI_OPS[op]!.name.toLowerCase();
        const text = TLBI_OPS[op]!.operand === "none" ? `tlbi ${name}` : `tlbi ${name}, 0x${operand.toString(16)}`;
        list.push({ kind: "tlbi", op, operand, text });
      },
      vttbr: (vmid) => list.push({ kind: "vttbr", vmid, text: `msr vttbr_el2, vmid ${vmid}` }),
    },
    file,
  );
  return list;
}
