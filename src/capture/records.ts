/** What a capture gets of the machine: records of blocks that began, and which of them are Xen's. */

/** One block that began; valid during the call only. */
export interface BlockRecord {
  readonly cpu: number;
  readonly pc: number;
  /** bits [31:0] of X0 to X30, or of SP (31) */
  lo(register: number): number;
  /** bits [63:32] */
  hi(register: number): number;
}

/** A register's 64-bit address as a number: exact for the 52 bits that addresses have. */
export const wide = (r: BlockRecord, register: number): number => r.hi(register) * 2 ** 32 + r.lo(register);

/** PSTATE.M[3:2] as SPSR_EL2 has it: the EL. */
export const elOf = (pstate: number): number => (pstate >>> 2) & 3;

/** Reads records as they come, in pieces of any length. */
export interface RecordReader {
  /** records so far, at whatever EL */
  readonly records: number;
  feed(piece: Buffer): void;
  /** nothing comes any more */
  end(): void;
}

/**
 * At which EL Xen runs: 2, or 1 where it is itself the guest of a host with FEAT_NV2; there from the address `begins` on, executed
 * at any EL, since the host's own code ran before at addresses that are Xen's later.
 */
export interface XenRuns {
  readonly el?: 1 | 2;
  readonly begins?: number;
}

/** Tells Xen's blocks from others at the same addresses. */
export class XenBlocks {
  private readonly el: 1 | 2;
  /** the address from which on blocks are Xen's, until it was executed */
  private awaited: number | undefined;

  constructor({ el = 2, begins }: XenRuns) {
    this.el = el;
    this.awaited = begins;
  }

  /** True where a block that began, the next one, is Xen's. `el`: undefined where that is not known. */
  has(pc: number, el: number | undefined): boolean {
    if (this.awaited === undefined) return el === this.el;
    if (pc === this.awaited) this.awaited = undefined;
    return false;
  }
}
