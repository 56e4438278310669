/** Which entries a TLBI is about: arch's predicate of what must go, asked of an entry of {@link StaleEntries}. */
import { matchesAddress, matchesHint, type OperandFields, type TlbiOp } from "../arch/index.js";
import { EL2_SPACE, type StaleEntries } from "./stale.js";

/** Bits of a slot: descriptors of a table. */
const SLOT_MASK = 511;

/** Is the operand's address or range about the entry? Where only the descriptor's slot is known, that decides. */
export function covers(stale: StaleEntries, id: number, op: TlbiOp, fields: OperandFields): boolean {
  if (op.operand === "none") return true;
  if (op.operand === "asid") return false;
  const byInput = op.operand === "ipa" || op.operand === "ipa-range" || stale.space[id] === EL2_SPACE;
  // By VA nothing is certain of an entry of stage 2: which VAs lead there is the guest's.
  if (!byInput) return false;
  const level = stale.level[id]!;
  if (level < 0) return false;
  if (!matchesHint(fields, level, stale.step[id] === 1)) return false;
  const input = stale.input[id]!;
  if (input >= 0) return matchesAddress(fields, input, level);
  if (!("page" in fields)) return false;
  const slot = Math.floor(fields.page / 2 ** (9 * (3 - level))) & SLOT_MASK;
  return slot === stale.slot[id];
}

/**
 * What a TLBI that is about an entry removes for good: the stage-2 entry; and what is combined, if the stage-2 entries that it
 * could come back from are gone (`gone`) on the PEs reached that may hold it (`reach`), or go with the same instruction.
 */
export const removesAt = (op: TlbiOp, gone: number, reach: number): { stage2: boolean; combined: boolean } =>
  op.regime === "EL2"
    ? { stage2: false, combined: true }
    : { stage2: op.stage2, combined: op.combined && (op.stage2 || (reach & ~gone) === 0) };
