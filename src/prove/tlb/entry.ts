/**
 * What a PE may hold: translation contexts, cached entries under their keys, and which TLBI removes which entry
 * (DDI 0487, D8.16 and D8.17). Everything is interned: the exploration handles small numbers only.
 */
import {
  decodeOperand,
  type EntryKind,
  GLOBAL_ASID,
  type GranuleBits,
  matchesAddress,
  matchesAsid,
  matchesHint,
  matchesLevel,
  matchesVmid,
  type OperandFields,
  removesKind,
  TLBI_OPS,
  type TlbiOp,
} from "../../arch/index.js";
import type { Model } from "../rules.js";

/** VAs and IPAs have 48 bits: 36 bits of page number. */
const PAGES = 2 ** 36;

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

/** How {@link KINDS} are called where invalidation is decided. */
const ENTRY_KINDS: readonly EntryKind[] = ["stage1", "stage1", "stage2", "stage2", "combined", "combined"];

const NONE: readonly number[] = [];

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

/** Interns contexts, entries, leaves, faults and TLBIs of one exploration. */
export class Catalogue {
  readonly contexts: Context[] = [];
  readonly entries: Entry[] = [];
  readonly leaves: Leaf[] = [];
  readonly faults: WalkFault[] = [];
  readonly invalidations: Invalidation[] = [];
  private readonly ids = new Map<string, number>();
  /** entries of one kind, regime, VMID, level and page; the first four make a tag */
  private readonly tags = new Map<number, number>();
  private readonly groups = new Map<number, number[]>();
  /** leaves by page; and by id what else a leaf is asked for by */
  private readonly leafGroups = new Map<number, Leaf[]>();
  private readonly leafPayload: number[] = [];
  private readonly leafRest: number[] = [];
  private readonly faultsByKey = new Map<number, WalkFault>();
  /** matches() by invalidation and entry: 0 not asked, 1 no, 2 yes */
  private readonly matched: Uint8Array[] = [];

  constructor(
    private readonly model: Model,
    private readonly granuleBits: GranuleBits,
  ) {}

  private intern<T extends { readonly id: number }>(list: T[], key: string, make: (id: number) => T): T {
    const known = this.ids.get(key);
    if (known !== undefined) return list[known]!;
    const made = make(list.length);
    this.ids.set(key, made.id);
    list.push(made);
    return made;
  }

  context(c: ContextParts): Context {
    const memoryTypes = Array.from({ length: 8 }, (_, i) => Number((c.mair >> BigInt(8 * i)) & 0xffn));
    return this.intern(this.contexts, `c${nameOf(c)}`, (id) => ({ id, ...c, memoryTypes }));
  }

  private groupKey(kind: number, regime: Regime, vmid: number, page: number, level: number): number {
    const name = ((kind * 3 + regime) * 0x10000 + vmid) * 16 + level + 1;
    let tag = this.tags.get(name);
    if (tag === undefined) {
      tag = this.tags.size;
      this.tags.set(name, tag);
    }
    return tag * PAGES + page;
  }

  /** The id of an entry. */
  entry(
    kind: number,
    regime: Regime,
    vmid: number,
    asid: number,
    page: number,
    level: number,
    payload: number,
    ipa: number,
  ): number {
    const key = this.groupKey(kind, regime, vmid, page, level);
    let group = this.groups.get(key);
    if (group === undefined) {
      group = [];
      this.groups.set(key, group);
    }
    for (const id of group) {
      const e = this.entries[id]!;
      if (e.payload === payload && e.asid === asid && e.ipa === ipa) return id;
    }
    const id = this.entries.length;
    this.entries.push({ id, kind, regime, vmid, asid, page, level, payload, ipa });
    group.push(id);
    return id;
  }

  /** Ids of the entries known so far of that kind, VMID, page and level, of any ASID. */
  group(kind: number, regime: Regime, vmid: number, page: number, level: number): readonly number[] {
    return this.groups.get(this.groupKey(kind, regime, vmid, page, level)) ?? NONE;
  }

  /**
   * The leaf that a stage-1 descriptor of `level` with `payload` (see payloadOf()) and the IPA `ipa` makes with what stage 2 gives:
   * looked for among those of its page, for walks ask for it all the time.
   */
  leaf(
    page: number,
    ipa: number,
    level: number,
    payload: number,
    s2ap: number,
    memory2: number,
    contiguous2: boolean,
    level2: number,
  ): Leaf {
    let group = this.leafGroups.get(page);
    if (group === undefined) {
      group = [];
      this.leafGroups.set(page, group);
    }
    const rest = (((memory2 * 4 + s2ap) * 2 + (contiguous2 ? 1 : 0)) * 4 + level2) * 4 + level;
    for (const leaf of group)
      if (leaf.ipa === ipa && this.leafPayload[leaf.id] === payload && this.leafRest[leaf.id] === rest) return leaf;
    const bits = { ap: payload & 3, clean: (payload & 4) !== 0, xs: (payload & 8) !== 0 };
    const stage1 = { ipa, level, ...bits, contiguous: (payload & 16) !== 0, memory: payload >> 5 };
    const leaf = { id: this.leaves.length, page, ...stage1, s2ap, memory2, contiguous2, level2 };
    this.leaves.push(leaf);
    this.leafPayload.push(payload);
    this.leafRest.push(rest);
    group.push(leaf);
    return leaf;
  }

  fault(type: WalkFault["type"], stage: 1 | 2, level: number, onWalk: boolean, ipa: number): WalkFault {
    const what = (type === "translation" ? 4 : 0) + (stage === 2 ? 2 : 0) + (onWalk ? 1 : 0);
    const key = (what * 8 + level + 1) * 2 * PAGES + ipa + 1;
    let fault = this.faultsByKey.get(key);
    if (fault === undefined) {
      fault = { id: this.faults.length, type, stage, level, onWalk, ipa };
      this.faults.push(fault);
      this.faultsByKey.set(key, fault);
    }
    return fault;
  }

  /** `operand` is Xt, `opIndex` an index in TLBI_OPS; see {@link regimeOf}. */
  invalidation(opIndex: number, operand: bigint, vmid: number, regime: Regime): Invalidation {
    const op = TLBI_OPS[opIndex]!;
    return this.intern(this.invalidations, `i${opIndex}.${operand}.${op.matchesVmid ? vmid : 0}.${regime}`, (id) => ({
      id,
      regime,
      op,
      operand,
      fields: decodeOperand(op.operand, Number(operand & 0xffff_ffffn), Number(operand >> 32n)),
      vmid,
    }));
  }

  /** True when the TLBI must remove the entry from a PE that it reaches. */
  matches(invalidation: number, entry: number): boolean {
    let row = this.matched[invalidation];
    if (row === undefined || row.length <= entry) {
      const longer = new Uint8Array(Math.max(256, 2 * entry + 2));
      if (row) longer.set(row);
      this.matched[invalidation] = row = longer;
    }
    if (row[entry] === 0) row[entry] = this.decide(this.invalidations[invalidation]!, this.entries[entry]!) ? 2 : 1;
    return row[entry] === 2;
  }

  /** {@link mustGo}, part by part: those that the mutation test drops are left out. */
  private decide({ op, fields, vmid, regime }: Invalidation, e: Entry): boolean {
    const { model } = this;
    if (regime !== e.regime || (regime === EL10 && !matchesVmid(op, vmid, e.vmid))) return false;
    const step = isStep(e.kind);
    const kind = ENTRY_KINDS[e.kind]!;
    if (!this.removesKind(op, kind)) return false;
    if (model["last-level"] && !matchesLevel(op, step)) return false;
    const byIpa = op.operand.startsWith("ipa");
    if (
      !byIpa &&
      model["asid-match"] &&
      !matchesAsid(op, fields, regime === EL2 ? "EL2" : "EL1&0", Math.max(e.asid, GLOBAL_ASID))
    )
      return false;
    const shared = e.level >= SHARED;
    const level = shared ? e.level - SHARED : e.level;
    if (model["ttl-hint"] && !matchesHint(fields, level, step, this.granuleBits)) return false;
    const page = byIpa && kind === "combined" ? e.ipa : e.page;
    return !model["address-match"] || matchesAddress(fields, page, level, this.granuleBits, shared);
  }

  /** Whether the TLBI is for entries of a kind. Without a rule it is for more, or fewer, than the architecture says. */
  private removesKind(op: TlbiOp, kind: EntryKind): boolean {
    const { model } = this;
    if (!model["combined-entries"] && kind === "combined") return true;
    if (!model["stage1-kinds"] && kind === "stage2" && op.stage1 && !op.stage2) return true;
    if (!model["stage2-kinds"] && kind === "stage2" && op.operand.startsWith("ipa")) return false;
    return removesKind(op, kind);
  }

  /** True when a fault that a walk gave would be gone with this TLBI, had it been an entry: the access that took it is complete. */
  matchesFault(invalidation: number, fault: WalkFault, context: Context, vaPage: number): boolean {
    const i = this.invalidations[invalidation]!;
    const { op } = i;
    if (i.regime !== context.regime) return false;
    if (context.regime === EL10 && op.matchesVmid && context.vmid !== i.vmid) return false;
    const byIpa = op.operand.startsWith("ipa");
    if (byIpa && fault.stage === 1) return false;
    if (op.matchesAsid !== "any" && context.regime !== EL2 && "asid" in i.fields && i.fields.asid !== context.asid)
      return false;
    if (i.fields.kind === "none" || i.fields.kind === "asid") return true;
    // The level that a hint by VA is about is that of stage 1, which a fault of stage 2 does not tell.
    const level = byIpa || fault.stage === 1 ? fault.level : 3;
    if (this.model["ttl-hint"] && !matchesHint(i.fields, level, false, this.granuleBits)) return false;
    return matchesAddress(i.fields, byIpa ? fault.ipa : vaPage, 3, this.granuleBits);
  }
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
