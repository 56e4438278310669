/** The script that guests/probe-guest.c follows, and what its counts are of. */
import type { GranuleBits } from "../arch/index.js";
import { rangeOperand, tlbiOp } from "../arch/index.js";
import { type Cell, codePage, type State } from "./cells.js";

/** Commands of probe-guest.c. */
const Command = {
  end: 0,
  /** number, VMID: VTTBR_EL2 of the guest hypervisor from here on */
  context: 1,
  /** context, IPA, offset in its guest's memory, level, how many */
  map: 2,
  /** -, first IPA, bytes between, how many: its guest touches pages */
  touch: 3,
  /** -, instruction, X1 */
  prepare: 4,
  /** number of the count, instruction, X1 */
  count: 5,
  /** number, first IPA, bytes between, how many: within its guest */
  countTouch: 6,
  /** the same from the guest hypervisor and back to it */
  countEnter: 7,
} as const;

/** Bytes at which a page's number is an address. */
const PAGE_BYTES = 4096;
/** X1 is the register of every instruction. */
const X1 = 1;
/** MRS X1, ID_AA64MMFR0_EL1 and MSR VTTBR_EL2, X1: read by trap at virtual EL2, and written without one. */
const READ_ID_REGISTER = 0xd538_0701;
const WRITE_VTTBR = 0xd51c_2101;

/** What the guest hypervisor does beside TLBIs, each counted once more than once. */
export const ELEMENTARY = {
  "round-trip": "from the guest hypervisor to its guest and back, by ERET and HVC",
  "shadow-fault": "a fault on a page that only the shadow lacks",
  "register-read": "a trapped read of a system register (ID_AA64MMFR0_EL1)",
  "vttbr-write": "a write of VTTBR_EL2 by the guest hypervisor",
} as const;
export type Elementary = keyof typeof ELEMENTARY;

/** What one count is of: a cell's TLBI, what its guest faults on afterwards, or an elementary step. */
export type Counted =
  | { readonly cell: number; readonly what: "tlbi" | "refault" }
  | { readonly elementary: Elementary };

/** A script, and what each count by its number is of. */
export interface Script {
  readonly bytes: Uint8Array;
  readonly counted: readonly Counted[];
}

/** How often a count is repeated, for an interrupt of the host may fall into one of them: the quietest counts. */
const REPEATS = 3;
/**
 * Bits of PA from which on the unmap of a whole shadow is counted once: it is so long that interrupts fall into each, and their
 * share is a hundredth.
 */
const ONCE_FROM = 48;
const FIRST = { context: 1, vmid: 1 } as const;
const SECOND = { context: 2, vmid: 2 } as const;
/** A VMID that no shadow ever has. */
const NOBODY = { context: 1, vmid: 99 } as const;

/** `paBits`: of the host, which say how long the unmap of a whole shadow takes. */
export function probeScript(cells: readonly Cell[], granule: GranuleBits, paBits: number): Script {
  const script = new Writer(granule);
  script.maps(FIRST, 601);
  script.maps(SECOND, 10);
  cells.forEach((cell, index) => {
    const full = cell.op.stage1 && cell.op.stage2;
    for (let repeat = 0; repeat < (full && paBits >= ONCE_FROM ? 1 : REPEATS); repeat++) script.cell(cell, index);
  });
  script.elementary();
  return script.finish();
}

type Context = typeof FIRST | typeof SECOND | typeof NOBODY;

class Writer {
  private readonly commands: bigint[] = [];
  private readonly counted: Counted[] = [];
  private readonly bytes: number;
  private readonly empty: bigint;
  /** level at which the first pages are mapped now */
  private level: 2 | 3 = 3;
  private begun = false;

  constructor(private readonly granule: GranuleBits) {
    this.bytes = 2 ** granule;
    this.empty = BigInt(rangeOperand(0, 3, 31, granule));
  }

  private add(...words: readonly (number | bigint)[]): void {
    for (let i = 0; i < 6; i++) this.commands.push(BigInt(words[i] ?? 0));
  }

  private number(what: Counted): number {
    this.counted.push(what);
    return this.counted.length - 1;
  }

  maps({ context, vmid }: Context, pages: number): void {
    this.add(Command.context, context, vmid);
    this.add(Command.map, context, 0, 0, 3, pages);
  }

  private enter({ context, vmid }: Context): void {
    this.add(Command.context, context, vmid);
  }

  /** Empties the shadow of the context: a flush of the pages that are ever touched. */
  private clear(): void {
    this.add(Command.prepare, 0, tlbiOp("RIPAS2E1IS").word | X1, this.empty);
  }

  private touch(pages: number): void {
    this.add(Command.touch, 0, 0, this.bytes, pages);
  }

  cell({ op, operand, state }: Cell, index: number): void {
    this.reach(state);
    this.add(Command.count, this.number({ cell: index, what: "tlbi" }), (op.word | X1) >>> 0, operand.value);
    for (const [context, touched] of shadowsOf(state)) {
      this.enter(context);
      this.add(Command.countEnter, this.number({ cell: index, what: "refault" }), 0, this.bytes, touched);
    }
  }

  private reach(state: State): void {
    if (state.shadow === undefined) {
      this.enter(NOBODY);
      return;
    }
    if (state.second) {
      this.enter(SECOND);
      this.clear();
      this.touch(state.second.pages);
    }
    this.enter(FIRST);
    if (!this.begun) this.touch(0);
    this.begun = true;
    this.clear();
    if (state.shadow === "empty") return;
    this.remap(state.shadow.level);
    this.touch(state.shadow.pages);
  }

  /** The first block as a block, or as pages again; its guest has none of it in the shadow now. */
  private remap(level: 2 | 3): void {
    if (level === this.level) return;
    this.level = level;
    this.add(Command.map, FIRST.context, 0, 0, level, level === 2 ? 1 : 601);
  }

  elementary(): void {
    this.enter(FIRST);
    this.remap(3);
    this.touch(0);
    this.clear();
    this.touch(10);
    const count = (elementary: Elementary): number => this.number({ elementary });
    for (let i = 0; i < REPEATS; i++) {
      this.add(Command.countEnter, count("round-trip"), 0, this.bytes, 0);
      this.add(Command.countTouch, count("shadow-fault"), (10 + i) * this.bytes, this.bytes, 1);
      this.add(Command.count, count("register-read"), READ_ID_REGISTER, 0);
      // No guest runs under it before the next context is entered.
      this.add(Command.count, count("vttbr-write"), WRITE_VTTBR, 0);
      this.enter(FIRST);
    }
  }

  /** The script's head: log2 of the granule, and the IPA of the code of the guest's guest. */
  finish(): Script {
    this.add(Command.end);
    const head = [BigInt(this.granule), BigInt(codePage(this.granule)) * BigInt(PAGE_BYTES), 0n, 0n];
    const words = BigUint64Array.from([...head, ...this.commands]);
    return { bytes: new Uint8Array(words.buffer), counted: this.counted };
  }
}

/** The contexts that had something mapped, and how many pages of it are touched again. */
function shadowsOf({ shadow, second }: State): (readonly [Context, number])[] {
  if (shadow === undefined || shadow === "empty") return [];
  return [[FIRST, shadow.pages], ...(second ? [[SECOND, second.pages] as const] : [])];
}
