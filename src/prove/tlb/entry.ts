/**
 * What a PE may hold: translation contexts, cached entries under their keys, and which TLBI removes which entry
 * (DDI 0487, D8.16 and D8.17).
 */
import type { OperandFields, TlbiOp } from "../../arch/index.js";

/** VAs and IPAs have 48 bits: 36 bits of page number. */
export const PAGES = 2 ** 36;

export const EL10 = 0;
export const EL2 = 1;
/** EL2&0, which HCR_EL2.E2H = 1 makes of EL2. */
export const EL20 = 2;
/** A translation regime: {@link EL10}, {@link EL2} or {@link EL20}. */
export type Regime = typeof EL10 | typeof EL2 | typeof EL20;
export const REGIMES: readonly Regime[] = [EL10, EL2, EL20];

/** What a walk starts from. */
export interface Context {
  readonly id: number;
  readonly regime: Regime;
  readonly stage1: boolean;
  readonly stage2: boolean;
  /** page of the stage-1 root for low and for high VAs: an IPA, or a PA without stage 2 */
  readonly root0: number;
  readonly root1: number;
  readonly asid: number;
  /** page of the stage-2 root */
  readonly stage2Root: number;
  readonly vmid: number;
  /** walks set the access flag (HA), and the dirty state for writes (HD) */
  readonly ha: boolean;
  readonly hd: boolean;
  /** bit n is set where AttrIndx n stands for memory with the XS attribute; all are where stage 1 is off */
  readonly xs: number;
  /** MAIR_ELx; 0, Device memory, where stage 1 is off; and its fields, by AttrIndx */
  readonly mair: bigint;
  readonly memoryTypes: readonly number[];
  /** what of it CnP = 1 lets a PE share with others: nothing, stage-2 entries, or all */
  readonly common: 0 | typeof COMMON_STAGE2 | typeof COMMON;
}
export const COMMON_STAGE2 = 1;
export const COMMON = 2;

/** What a context is made of. */
export type ContextParts = Omit<Context, "id" | "memoryTypes">;

/** All that a context is, as a text. */
export const nameOf = (c: ContextParts): string =>
  `${c.regime}.${c.stage1}.${c.stage2}.${c.root0}.${c.root1}.${c.asid}.${c.stage2Root}.${c.vmid}.${c.ha}.${c.hd}.${c.mair}.${c.common}`;

/** ASID of entries of a regime whose stage 1 is off: translations by no table, which no ASID keeps apart. */
export const NO_STAGE1 = -2;

/** The kinds of cached entry. */
export const KINDS = ["stage-1 step", "stage-1", "stage-2 step", "stage-2", "combined step", "combined"] as const;
export const S1_STEP = 0;
export const S1_LEAF = 1;
export const S2_STEP = 2;
export const S2_LEAF = 3;
export const C_STEP = 4;
export const C_LEAF = 5;

/** One cached entry. */
export interface Entry {
  readonly id: number;
  readonly kind: number;
  readonly regime: Regime;
  readonly vmid: number;
  /** the ASID; -1 for a global entry, and where it plays no part; {@link NO_STAGE1} */
  readonly asid: number;
  /** page number of the VA; stage 2: of the IPA */
  readonly page: number;
  /** level of the descriptor it came from, {@link SHARED} more for an entry of a whole contiguous group; -1 for the root of stage 1 */
  readonly level: number;
  /** step: page of the next table; leaf: see payloadOf() for stage 1 and {@link stage2Payload}; combined: the leaf's id; -1: only asked about */
  readonly payload: number;
  /** stage-1 and combined entries: the page of the IPA that the descriptor gave; else -1 */
  readonly ipa: number;
}

/** Where a complete translation ends. */
export interface Leaf {
  readonly id: number;
  /** page of the PA that this VA's page is at */
  readonly page: number;
  /** page of the IPA in between */
  readonly ipa: number;
  /** AP[2:1] of stage 1, S2AP of stage 2 (3 without stage 2) */
  readonly ap: number;
  readonly s2ap: number;
  /** level of the stage-1 and of the stage-2 descriptor */
  readonly level: number;
  readonly level2: number;
  /** AP says read-only, and the walk of a write makes it writable (DBM, with HD) */
  readonly clean: boolean;
  /** the XS attribute, by MAIR_ELx: Device memory, and Normal memory that is not Write-Back (FEAT_XS) */
  readonly xs: boolean;
  /** memory type: the field of MAIR_ELx, and MemAttr of stage 2 (Write-Back without it) */
  readonly memory: number;
  readonly memory2: number;
  /** the Contiguous bit of the stage-1 and of the stage-2 descriptor */
  readonly contiguous: boolean;
  readonly contiguous2: boolean;
}

/** The payload of a stage-2 leaf entry: its output page, Contiguous, MemAttr and S2AP. */
export const stage2Payload = (page: number, contiguous: boolean, memory: number, ap: number): number =>
  page * 128 + (contiguous ? 64 : 0) + memory * 4 + ap;
/** The output page of a stage-2 leaf entry. */
export const outputOf = (payload: number): number => Math.floor(payload / 128);

/** Added to the level of entries that a TLB holds for a whole group of descriptors with the Contiguous bit. */
export const SHARED = 4;
const SHARED_LEVELS = [[], [1, 5], [2, 6], [3, 7]] as const;
/** Levels under which leaf entries of a level may stand: its own, and that of shared ones where there are any. */
export const leafLevels = (level: number, shared: boolean): readonly number[] =>
  shared ? SHARED_LEVELS[level]! : [level];

/** What the walk of an access writes to the leaf descriptor that it read from memory, so that the access may go through it. */
export interface Update {
  /** cell of the descriptor, the time of the write that it read (0 = initial), and the id of the value that it writes */
  readonly cell: number;
  readonly read: number;
  readonly value: number;
  /** it sets the access flag; it sets the dirty state, which only a write does */
  readonly flag: boolean;
  readonly dirty: boolean;
  /** the combined entry that such a walk fills */
  readonly entry: number;
}

/** A fault of a walk, that no TLB holds. */
export interface WalkFault {
  readonly id: number;
  readonly type: "translation" | "access-flag";
  readonly stage: 1 | 2;
  readonly level: number;
  /** the stage-2 fault of a walk that fetches a stage-1 descriptor */
  readonly onWalk: boolean;
  /** page of the IPA for stage 2, else -1 */
  readonly ipa: number;
}

/** A TLBI as it was executed: what it may remove. */
export interface Invalidation {
  readonly id: number;
  readonly op: TlbiOp;
  readonly operand: bigint;
  readonly fields: OperandFields;
  /** the VMID that it saw, and the regime that it is for */
  readonly vmid: number;
  readonly regime: Regime;
}

export const isStage2 = (kind: number): boolean => kind === S2_STEP || kind === S2_LEAF;
export const isStep = (kind: number): boolean => kind === S1_STEP || kind === S2_STEP || kind === C_STEP;

/**
 * The regime that a TLBI is for: TLBIs of EL2's own are for EL2&0 where HCR_EL2.E2H = 1, and those of EL1's own too where TGE = 1 besides and
 * they are executed at EL2. IPAS2*, VMALLS12E1 and ALLE1 are always for EL1&0 (C5.5).
 */
export function regimeOf(
  op: TlbiOp,
  at: { readonly e2h: boolean; readonly tge: boolean; readonly el: number },
): Regime {
  if (op.regime === "EL2") return at.e2h ? EL20 : EL2;
  return at.e2h && at.tge && at.el === 2 && op.op1 === 0 ? EL20 : EL10;
}
