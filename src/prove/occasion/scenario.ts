/** A scenario as a value: names and tables, what each pCPU runs, and the bad state. Plain data, so that threads can send it. */
import type { GranuleBits } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import type { ThreadSysreg } from "../program.js";
import type { Item } from "./tables.js";
import { type Term, termText, wide } from "./terms.js";

/** One pCPU: what it runs, and its registers. */
export interface PcpuValue {
  /** begins with the name that stories use: "pCPU 1, the former owner" */
  readonly title: string;
  /** where it starts */
  readonly el: 1 | 2;
  /** its code, one instruction or label a line; a remark may stand behind "//" */
  readonly lines: readonly string[];
  /** code at EL2 that an HVC comes to; it ends with an ERET. Any other exception ends what the pCPU does */
  readonly hypervisor: readonly string[];
  /** values of X1, X2 and so on at first */
  readonly registers: readonly Term[];
  readonly sysregs: Readonly<Partial<Record<ThreadSysreg, Term>>>;
}

/** Registers that a scenario may use: X26 to X28 are nobody's, X29 is the EL2 handler's. */
const MAX_REGISTERS = 25;

/** An IPI that a pCPU sends. */
interface Ipi {
  /** the body as another pCPU executes it under the VMID of its VTTBR_EL2; undefined for one that gets none */
  body(on: Pcpu): readonly string[] | undefined;
}

/** A pCPU as it is put together. */
export class Pcpu implements PcpuValue {
  readonly lines: string[] = [];
  readonly hypervisor: string[] = [];
  readonly registers: Term[] = [];
  readonly sysregs: Partial<Record<ThreadSysreg, Term>> = {};
  /** registers by what they hold; private to JavaScript too, as it is no part of the value */
  readonly #constants = new Map<string, string>();
  readonly #ipis: Ipi[] = [];
  readonly #granule: GranuleBits;

  constructor(
    readonly title: string,
    readonly el: 1 | 2,
    granule: GranuleBits = 12,
  ) {
    this.#granule = granule;
  }

  /** The granule of all tables, as {@link Scenario} has it. */
  get granule(): GranuleBits {
    return this.#granule;
  }

  /** A register that holds a value; the same one for the same value. */
  constant(value: Term): string {
    const key = termText(value);
    let register = this.#constants.get(key);
    if (register === undefined) {
      register = this.own(value);
      this.#constants.set(key, register);
    }
    return register;
  }

  /** A 64-bit number as a constant. */
  number(value: number): string {
    return this.constant(wide(value));
  }

  /** A register of its own, initially 0: for what is read. */
  result(): string {
    return this.own(wide(0));
  }

  /** The IPIs that its code sends. */
  get ipis(): readonly Ipi[] {
    return this.#ipis;
  }

  /** One more; its number. */
  sendIpi(ipi: Ipi): number {
    return this.#ipis.push(ipi) - 1;
  }

  private own(value: Term): string {
    if (this.registers.length === MAX_REGISTERS)
      throw new InputError(
        `a scenario needs more registers than the ${MAX_REGISTERS} that there are: its code has too many operands`,
      );
    return `X${this.registers.push(value)}`;
  }
}

/** What must hold at the end: a register of a pCPU ("X3"), or the memory at a name, has a value. */
export type Equal =
  | { readonly pcpu: number; readonly register: string; readonly value: number }
  | { readonly at: string; readonly value: number };

/** A whole scenario. */
export interface Scenario {
  /** kebab-case: "other-pcpu.read.one-page" */
  readonly name: string;
  /** one sentence, for people */
  readonly title: string;
  readonly tables: readonly Item[];
  /** log2 of the granule of all tables; 4 KiB when absent */
  readonly granule?: GranuleBits;
  readonly pcpus: readonly PcpuValue[];
  /** the bad state: all of these */
  readonly bad: readonly Equal[];
  /** what the bad state means */
  readonly meaning: string;
}

export const granuleOf = ({ granule = 12 }: Pick<Scenario, "granule">): GranuleBits => granule;

/** A fault ends what a pCPU does: its accesses that may fault are its last ones. */
export const END: readonly string[] = ["NOP                   // a fault ends the story of this pCPU"];

/** The hypervisor's code on one pCPU: an HVC runs it. */
export function el2Handler(hypervisor: readonly string[]): readonly string[] {
  if (hypervisor.length === 0) return END;
  return [
    "MRS X29,ESR_EL2",
    "LSR X29,X29,#26",
    "SUB X29,X29,#0x16     // EC of an HVC",
    "CBNZ X29,fault",
    ...hypervisor,
    "fault:",
    ...END,
  ];
}

/** Where the vectors of a pCPU stand: VBAR_EL1 and VBAR_EL2, and in them the handler of what comes from below. */
export function vectorsOf(pcpu: number): { readonly el1: number; readonly el2: number } {
  const el1 = 0x1000 * (2 * pcpu + 1);
  return { el1, el2: el1 + 0x1000 };
}
/** Offset of the current EL's synchronous vector with SP_ELx, which EL1's own faults take; and of the lower EL's. */
export const CURRENT_EL = 0x200;
export const LOWER_EL = 0x400;
