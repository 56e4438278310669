/**
 * What the prover takes: a few threads of Arm instructions, the memory with its translation tables, and a condition on the
 * final state; and how it says what it does not take. A litmus test and an occasion of a policy both come to this. 64-bit values
 * are bigints here, at the edge.
 */
import type { GranuleBits, Sysreg } from "../arch/index.js";

/** A general-purpose register's number; 31 is XZR. */
export type Reg = number;

/**
 * The second operand of an ALU instruction or an address: an immediate, or a register, its low 32 bits extended if `extend`
 * says so, then shifted left.
 */
export type Operand =
  | { readonly imm: bigint }
  | { readonly reg: Reg; readonly shift?: number; readonly extend?: "uxtw" | "sxtw" };

/** Two-operand ALU operations on 64 bits; "ubfx" and "bfi"-like ones have their fields in `imms` (lsb, width). */
export type AluKind =
  | "mov"
  | "mvn"
  | "add"
  | "sub"
  | "and"
  | "bic"
  | "orr"
  | "orn"
  | "eor"
  | "eon"
  | "lsl"
  | "lsr"
  | "asr"
  | "mul"
  | "ubfx"
  | "movk";

export type ConditionCode =
  | "eq" | "ne" | "cs" | "cc" | "mi" | "pl" | "vs" | "vc" | "hi" | "ls" | "ge" | "lt" | "gt" | "le" | "al"; // biome-ignore format: a table

/**
 * What an instruction does; see {@link Instruction} for where it stands. Branch targets are addresses. `word` marks the
 * 32-bit form (W registers): operands are the low 32 bits, and so is the result, with zeros above it.
 */
export type Action =
  | {
      readonly op: "load";
      readonly rt: Reg;
      readonly rn: Reg;
      readonly offset: Operand;
      /** bytes: 1, 2, 4, 8; narrower loads zero-extend */
      readonly size: number;
      /** LDAR and LDAXR: "acquire"; LDAPR: "acquire-pc" */
      readonly acquire: "none" | "acquire" | "acquire-pc";
      readonly exclusive: boolean;
    }
  | {
      readonly op: "store";
      readonly rt: Reg;
      readonly rn: Reg;
      readonly offset: Operand;
      readonly size: number;
      readonly release: boolean;
      /** STXR and STLXR: the status register */
      readonly status?: Reg;
    }
  | {
      /** CAS, SWP, LD<op>: rs is compared (CAS) or the operand */
      readonly op: "atomic";
      readonly kind: "cas" | "swp" | "add" | "set" | "clr" | "eor" | "smax" | "smin" | "umax" | "umin";
      readonly rs: Reg;
      /** CAS: the new value's register, and the old value goes to rs; others: where the old value goes */
      readonly rt: Reg;
      readonly rn: Reg;
      readonly size: number;
      readonly acquire: boolean;
      readonly release: boolean;
    }
  /** `barrier` is an index in BARRIERS */
  | { readonly op: "barrier"; readonly barrier: number }
  /** `tlbi` is an index in TLBI_OPS; rt 31 where there is no operand */
  | { readonly op: "tlbi"; readonly tlbi: number; readonly rt: Reg }
  | { readonly op: "msr"; readonly sysreg: ThreadSysreg; readonly rt: Reg }
  | { readonly op: "mrs"; readonly sysreg: ThreadSysreg; readonly rt: Reg }
  | { readonly op: "eret" }
  | { readonly op: "svc" | "hvc"; readonly imm: number }
  | { readonly op: "alu"; readonly kind: AluKind; readonly rd: Reg; readonly rn: Reg; readonly operand: Operand; readonly flags: boolean; readonly imms?: readonly [number, number]; readonly word?: true } // biome-ignore format: one shape
  | { readonly op: "csel"; readonly kind: "sel" | "inc" | "inv" | "neg"; readonly rd: Reg; readonly rn: Reg; readonly rm: Reg; readonly cond: ConditionCode; readonly word?: true } // biome-ignore format: one shape
  | { readonly op: "branch"; readonly cond: ConditionCode; readonly target: number }
  | {
      readonly op: "cbz";
      readonly rt: Reg;
      readonly nonzero: boolean;
      readonly target: number;
      readonly bit?: number;
      readonly word?: true;
    }
  /** the thread ends here, as it does where no code stands */
  | { readonly op: "stop" }
  /** also DC, IC, AT-free hints: what has no effect in this model */
  | { readonly op: "nop" };

/** One instruction at its address (4 bytes each), with its text as the author wrote it and the line (from 1) in the file. */
export type Instruction = Action & { readonly address: number; readonly text: string; readonly line: number };

/** System registers that a thread may read or write here. */
export const THREAD_SYSREGS = [
  "ESR_EL1",
  "ESR_EL2",
  "ELR_EL1",
  "ELR_EL2",
  "SPSR_EL1",
  "SPSR_EL2",
  "FAR_EL1",
  "FAR_EL2",
  "HPFAR_EL2",
  "VBAR_EL1",
  "VBAR_EL2",
  "TPIDR_EL0",
  "TPIDR_EL1",
  "TPIDR_EL2",
  "MAIR_EL1",
  "MAIR_EL2",
  "TTBR1_EL2",
] as const;
export type ThreadSysreg = (typeof THREAD_SYSREGS)[number] | Sysreg;

export interface Thread {
  /** as a condition names it: "0" */
  readonly name: string;
  /** as the story names it: "pCPU 1"; default "PE <name>" */
  readonly title?: string;
  /** address of the first instruction */
  readonly entry: number;
  /** every instruction that it may reach; where none stands at the PC the thread ends */
  readonly code: readonly Instruction[];
  /** initial X0 to X30, missing ones 0 */
  readonly registers: Readonly<Record<number, bigint>>;
  /** initial system registers; what is missing has the default of {@link DEFAULT_SYSREGS} */
  readonly sysregs: Readonly<Partial<Record<ThreadSysreg, bigint>>>;
  readonly el: 0 | 1 | 2;
  /** PSTATE.SP: which stack pointer, and with it which vector, an exception from the current EL uses */
  readonly sp: 0 | 1;
}

/** The memory before anything runs. */
export interface InitialMemory {
  /** the 64-bit value at a physical address (a multiple of 8); 0 where nothing was said */
  read(pa: number): bigint;
  /** words for a story: "stage-2 level-3 descriptor of ipa1", "pa1"; undefined when nobody named it */
  describe(pa: number): string | undefined;
  /** true where a leaf may have the Contiguous bit of which no access reads the descriptor itself */
  readonly contiguous?: boolean;
}

/** A condition on the final state. */
export type Condition =
  | { readonly kind: "true" | "false" }
  | { readonly kind: "and" | "or"; readonly of: readonly Condition[] }
  | { readonly kind: "not"; readonly of: Condition }
  /** a thread's register at its end; `thread` is an index in Program.threads */
  | { readonly kind: "reg"; readonly thread: number; readonly reg: Reg; readonly value: bigint }
  /** the last value written to `size` bytes (8 if not said) at a physical address */
  | { readonly kind: "mem"; readonly pa: number; readonly value: bigint; readonly size?: number }
  /** a thread's system register at its end */
  | { readonly kind: "sysreg"; readonly thread: number; readonly sysreg: ThreadSysreg; readonly value: bigint }
  /** where a thread ended: the address of a "stop" in its code */
  | { readonly kind: "pc"; readonly thread: number; readonly address: number }
  /** a thread has taken such a fault; `thread` is an index in Program.threads */
  | { readonly kind: "fault"; readonly thread: number; readonly fault: Faults };

/** Kinds of faults that a translation gives. */
export type FaultType = "translation" | "access-flag" | "permission";

/** Faults of data accesses: those that meet all that is said. */
export interface Faults {
  /** of the instructions at these addresses */
  readonly at?: readonly number[];
  /** with an address in [from, to) */
  readonly from?: number;
  readonly to?: number;
  readonly type?: FaultType;
}

/** What is looked at in a final state: the value of a register (of the PC: the address), of memory, or 1 where a fault was taken. */
export type Observed =
  | { readonly kind: "reg"; readonly thread: number; readonly reg: Reg }
  | { readonly kind: "sysreg"; readonly thread: number; readonly sysreg: ThreadSysreg }
  | { readonly kind: "pc"; readonly thread: number }
  | { readonly kind: "mem"; readonly pa: number; readonly size: number }
  | { readonly kind: "fault"; readonly thread: number; readonly fault: Faults };

/** Names of addresses, for stories. Keys are addresses of pages. */
export interface Names {
  readonly virtual: ReadonlyMap<number, string>;
  readonly intermediate: ReadonlyMap<number, string>;
  readonly physical: ReadonlyMap<number, string>;
  /** roots of tables by their address: "host_stage2" */
  readonly tables: ReadonlyMap<number, string>;
}

export interface Program {
  readonly name: string;
  readonly threads: readonly Thread[];
  readonly memory: InitialMemory;
  readonly names: Names;
  readonly final: Condition;
  /** log2 of the granule of all tables; 4 KiB when absent */
  readonly granuleBits?: GranuleBits;
  /** true: a change of a valid descriptor without break-before-make is one like others, as herd's model has it */
  readonly ordinaryChanges?: true;
}

/** What the tool does not model; the verdict is `unsupported`. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
}
