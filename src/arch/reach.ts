/**
 * What an invalidation removes, and whom it reaches: which cached entry must go from a PE's TLB (DDI 0487, C5.5 for operands,
 * D8.16 and D8.17 for effects). The parts are apart, so that a model can leave one out and see what follows; {@link mustGo}
 * is all of them.
 */
import { contiguousLeaves, levelShift } from "./geometry.js";
import { GRANULE_OF_TG, type GranuleBits, type OperandFields } from "./operand.js";
import { isAlignedRange } from "./operand-range.js";
import type { TlbiOp } from "./tlbi.js";

/** The kinds of cached entry: of one stage, or combined (VA to PA, both stages folded together). */
export type EntryKind = "stage1" | "stage2" | "combined";

/** ASID of a global entry, and of one in which ASIDs play no part. */
export const GLOBAL_ASID = -1;
/** Pages of 4 KiB of a 48-bit VA or IPA space. */
const PAGES = 2 ** 36;

/** A cached entry, as invalidation sees it. */
export interface CachedEntry {
  readonly regime: TlbiOp["regime"];
  readonly kind: EntryKind;
  /** it came from a table descriptor (a walk cache), not from a leaf */
  readonly step: boolean;
  readonly vmid: number;
  readonly asid: number;
  /** 4 KiB page number of the VA; of a stage-2 entry of the IPA */
  readonly page: number;
  /** of stage-1 and combined entries: the page of the IPA that the descriptor gave; else -1 */
  readonly ipa: number;
  /** level of the descriptor that it came from; -1 for a stage-1 root */
  readonly level: number;
  /** of its tables; 12 (4 KiB) when absent */
  readonly granuleBits?: GranuleBits;
  /** it is one entry for all descriptors of a group that have the Contiguous bit */
  readonly contiguous?: boolean;
}

/** 4 KiB pages that an entry covers, of levels -1 (the whole table) to 3: of one descriptor, or of a contiguous group. */
const pagesOfEntry = (level: number, granuleBits: GranuleBits, contiguous: boolean): number =>
  PAGES_OF_LEVEL[granuleBits][level + 1]! * (contiguous ? contiguousLeaves(level, granuleBits) : 1);
const pagesOfLevels = (granuleBits: GranuleBits): readonly number[] =>
  [-1, 0, 1, 2, 3].map((level) => 2 ** (levelShift(level, granuleBits) - 12));
// Tables, because a power is slow on hot paths.
const PAGES_OF_LEVEL = { 12: pagesOfLevels(12), 14: pagesOfLevels(14), 16: pagesOfLevels(16) } as const;

/** Must entries of that kind go? The EL2 regime has one stage: whatever its entries are called, they are its own. */
export const removesKind = (op: TlbiOp, kind: EntryKind): boolean => op.regime === "EL2" || op[kind];

/** Does an entry's VMID match, for a TLBI executed under `vmid`? */
export const matchesVmid = (op: TlbiOp, vmid: number, entry: number): boolean => !op.matchesVmid || entry === vmid;

/** Does an entry's ASID match the operand's? In the EL2 regime ASIDs do not count (HCR_EL2.E2H = 0). */
export function matchesAsid(op: TlbiOp, fields: OperandFields, regime: TlbiOp["regime"], entry: number): boolean {
  if (op.matchesAsid === "any") return true;
  if (entry === GLOBAL_ASID) return op.matchesAsid === "exact-or-global";
  return regime === "EL2" || entry === ("asid" in fields ? fields.asid : 0);
}

/** Is it an entry of the levels that the TLBI is about? VAL*, IPAS2L*: of the last level of the walk only. */
export const matchesLevel = (op: TlbiOp, step: boolean): boolean => !op.lastLevel || !step;

/**
 * Does a hint of granule and level (TTL, and TG of a range) leave an entry at `level` of tables of a granule in? It limits the TLBI
 * to leaves of its level, and to table descriptors above; with another granule it is wrong, and no entry is required to go.
 * Nor is any where the base of a range is not aligned to the level of its hint: the range is UNPREDICTABLE then.
 */
export function matchesHint(
  fields: OperandFields,
  level: number,
  step: boolean,
  granuleBits: GranuleBits = 12,
): boolean {
  if (!("ttl" in fields)) return true;
  let hinted = fields.ttl;
  if ("granules" in fields) {
    if (fields.granuleBits !== granuleBits || !isAlignedRange(fields.base, fields.ttl, granuleBits)) return false;
  } else {
    const granule = GRANULE_OF_TG[fields.ttl >> 2];
    hinted = granule === undefined ? 0 : fields.ttl & 3;
    if (granule !== granuleBits && hinted > 0) return false;
  }
  // Level 1 of 16 KiB has leaves with FEAT_LPA2 only: without, the hint is treated as none.
  if (granuleBits === 14 && hinted === 1) return true;
  return hinted === 0 || (step ? level < hinted : level === hinted);
}

/** Does the operand's address or range apply to an entry of `level` for `page`? A contiguous group's goes by each of its addresses. */
export function matchesAddress(
  fields: OperandFields,
  page: number,
  level: number,
  granuleBits: GranuleBits = 12,
  contiguous = false,
): boolean {
  const size = pagesOfEntry(level, granuleBits, contiguous);
  const start = Math.floor((page % PAGES) / size) * size;
  switch (fields.kind) {
    case "va":
    case "ipa": {
      const wanted = fields.page % PAGES;
      return wanted >= start && wanted < start + size;
    }
    case "va-range":
    case "ipa-range": {
      const unit = 2 ** ((fields.granuleBits ?? 12) - 12);
      const first = (fields.base * unit) % PAGES;
      return first < start + size && first + fields.granules * unit > start;
    }
    default:
      return true;
  }
}

/** True when a TLBI with that operand, executed under `vmid`, must remove the entry from a PE that it reaches. */
export function mustGo(op: TlbiOp, fields: OperandFields, vmid: number, entry: CachedEntry): boolean {
  const byIpa = fields.kind === "ipa" || fields.kind === "ipa-range";
  return (
    op.regime === entry.regime &&
    removesKind(op, entry.kind) &&
    matchesVmid(op, vmid, entry.vmid) &&
    matchesLevel(op, entry.step) &&
    (byIpa || matchesAsid(op, fields, entry.regime, entry.asid)) &&
    matchesHint(fields, entry.level, entry.step, entry.granuleBits) &&
    matchesAddress(
      fields,
      byIpa && entry.kind === "combined" ? entry.ipa : entry.page,
      entry.level,
      entry.granuleBits,
      entry.contiguous,
    )
  );
}

/** True when the TLBI reaches other PEs than the executing one. `forced`: HCR_EL2.FB = 1 for a local one of EL1's own. */
export const isBroadcast = (op: TlbiOp, forced = false): boolean =>
  op.reach !== "local" || (forced && op.regime === "EL1&0");
