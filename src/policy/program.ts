/** The code of a policy in parsed form, and the concrete case that it runs on. */
import { type CpuProfile, type Feature, needs, type Workaround } from "../arch/index.js";

/** What a loop goes over; `entry` is each removed descriptor (a block counts once), `vmid` each VMID of the owner. */
export type LoopOver = "page" | "entry" | "range" | "va-page" | "va-range" | "vmid";

/** A condition; `pages` counts the 4 KiB pages of the case. */
export type Condition =
  | { readonly test: "feature"; readonly feature: Feature; readonly not: boolean }
  | { readonly test: "erratum"; readonly workaround: Workaround; readonly not: boolean }
  | { readonly test: "owner-current" | "va-known" | "old"; readonly not: boolean }
  | { readonly test: "pages"; readonly above: number; readonly not: boolean };

/** A statement. `op`, `single` and `barrier` are indexes in TLBI_OPS and BARRIERS; `line` counts from 1 in the file. */
export type Statement =
  | { readonly kind: "barrier"; readonly barrier: number; readonly line: number }
  | {
      readonly kind: "tlbi";
      readonly op: number;
      readonly single: number;
      /** "loop": what the loop around is at; "asid": the ASID of the guest's mappings */
      readonly operand: "none" | "zero" | "loop" | "asid";
      /** the operand gives the level of the leaf entry, where that is known and the CPU has FEAT_TTL */
      readonly ttl: boolean;
      readonly line: number;
    }
  | { readonly kind: "msr-vttbr"; readonly value: "owner" | "current"; readonly line: number }
  | { readonly kind: "with-owner"; readonly body: Sequence; readonly line: number }
  | { readonly kind: "on"; readonly pes: Pes; readonly body: Sequence; readonly line: number }
  /** what is executed here nobody has said: who comes here cannot go on */
  | { readonly kind: "unknown"; readonly line: number }
  | { readonly kind: "for"; readonly over: LoopOver; readonly body: Sequence; readonly line: number }
  | { readonly kind: "if"; readonly condition: Condition; readonly body: Sequence; readonly otherwise: Sequence };

export type Sequence = readonly Statement[];

/** Who executes the body of an `on`, told by IPIs: every PE, or those on which a VMID of the owner has run. */
export type Pes = "every-pe" | "vmid-pes";

/** The line of the first `on` of a program; undefined where it has none. */
export function lineOfIpi(program: Sequence): number | undefined {
  for (const s of program) {
    if (s.kind === "on") return s.line;
    const bodies =
      s.kind === "if" ? [s.body, s.otherwise] : s.kind === "for" || s.kind === "with-owner" ? [s.body] : [];
    for (const body of bodies) {
      const line = lineOfIpi(body);
      if (line !== undefined) return line;
    }
  }
  return undefined;
}

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
  /** true where some entry had its access flag set when it was removed */
  young = false;
  /** first gfn of each range */
  base = new Float64Array(16);
  /** 4 KiB pages of each range */
  length = new Float64Array(16);
  /** 4 KiB pages that one removed entry of the range mapped: 1, 512 or 262,144 */
  step = new Float64Array(16);
  /** stage-2 level of the range's entries, for TTL; 0 where a table went with them, so that they may be of several */
  level = new Uint8Array(16);
  /** page number of the guest VA that the range was mapped at, -1 when nobody told the hypervisor */
  va = new Float64Array(16);
  /** ASID of those VAs */
  asid = 0;

  clear(): void {
    this.count = 0;
    this.pages = 0;
    this.young = false;
  }

  /**
   * Adds `pages` pages at `gfn`, one entry, or a table's entries of `step` pages each (the smallest of them; its level is then
   * not known, unless `level` tells it); they join the last range when they continue it. `va` -1 = unknown; `old`: the access
   * flag was clear.
   */
  add(
    gfn: number,
    pages: number,
    va: number,
    step = pages,
    level: number = step === pages ? levelOfLeaf(step) : 0,
    old = false,
  ): void {
    this.pages += pages;
    if (!old) this.young = true;
    const last = this.count - 1;
    const alike = last >= 0 && this.step[last] === step && this.level[last] === level;
    if (alike && this.base[last]! + this.length[last]! === gfn) {
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
    this.step[i] = step;
    this.level[i] = level;
    this.va[i] = va;
  }

  private grow(): void {
    for (const column of ["base", "length", "step", "va"] as const) {
      const larger = new Float64Array(2 * this[column].length);
      larger.set(this[column]);
      this[column] = larger;
    }
    const levels = new Uint8Array(2 * this.level.length);
    levels.set(this.level);
    this.level = levels;
  }
}

/** The level of a leaf entry of so many 4 KiB pages; 0 when no leaf has that size. */
const levelOfLeaf = (pages: number): 0 | 1 | 2 | 3 => (pages === 1 ? 3 : pages === 512 ? 2 : pages === 262_144 ? 1 : 0);

/** What executes the instructions: a simulated pCPU, or a list. */
export interface Executor {
  barrier(barrier: number): void;
  /** bits [47:0] of Xt and its ASID field */
  tlbi(op: number, operand: number, asid: number): void;
  /** VTTBR_EL2 := the table of the domain that this VMID belongs to */
  vttbr(vmid: number): void;
  /**
   * An IPI goes to these PEs, each executes the body, and it is waited for all of them; the executing PE executes it itself, if it
   * is one of them. `body` executes it: as the PE does that executes now, or as one does on which a VMID is in force.
   */
  on(pes: Pes, body: (elsewhere?: number) => void): void;
  /** comes where the code is unknown; without it the runner throws an InputError there */
  unknown?(): void;
}

/**
 * The program as one CPU runs it: conditions on features and errata are decided, what remains depends on the case
 * only. Programs with equal JSON after this do the same.
 */
export function specialise(program: Sequence, cpu: CpuProfile): Sequence {
  return program.flatMap((s): Statement[] => {
    switch (s.kind) {
      case "if": {
        const c = s.condition;
        if (c.test === "feature")
          return [...specialise(cpu.features.has(c.feature) !== c.not ? s.body : s.otherwise, cpu)];
        if (c.test === "erratum")
          return [...specialise(needs(cpu, c.workaround) !== c.not ? s.body : s.otherwise, cpu)];
        return [{ ...s, body: specialise(s.body, cpu), otherwise: specialise(s.otherwise, cpu) }];
      }
      case "for":
      case "with-owner":
      case "on":
        return [{ ...s, body: specialise(s.body, cpu) }];
      case "tlbi":
        return [s.ttl && !cpu.features.has("FEAT_TTL") ? { ...s, ttl: false } : s];
      default:
        return [s];
    }
  });
}
