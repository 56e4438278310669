/** A flush's instructions in words. */
import { BARRIERS, decodeOperand, TLBI_OPS } from "../arch/index.js";
import { type Flush, type Lifted, pageOfOperand } from "./flush.js";

/** Owner's VMIDs; where the trace does not show whose the mappings were, those that the flush itself takes for it. */
export function ownersOf({ ownerVmids, instructions, currentVmid }: Flush): readonly number[] {
  if (ownerVmids.length > 0) return ownerVmids;
  const written = instructions.flatMap((x) => (x.kind === "vttbr" && x.vmid !== currentVmid ? [x.vmid] : []));
  return written.length > 0 ? [...new Set(written)] : [currentVmid];
}

/** An instruction's name: a TLBI's, a barrier's, or "VTTBR_EL2". */
export const nameOf = (x: Lifted): string =>
  x.kind === "tlbi" ? TLBI_OPS[x.op]!.name : x.kind === "vttbr" ? "VTTBR_EL2" : BARRIERS[x.barrier]!.name;

/** An instruction in words: operands relative to what was removed, VMIDs as owner and current. */
export function textOf(x: Lifted, flush: Flush): string {
  if (x.kind === "barrier") return BARRIERS[x.barrier]!.name.toLowerCase();
  if (x.kind === "vttbr") {
    const owner = ownersOf(flush).indexOf(x.vmid);
    if (x.vmid === flush.currentVmid) return "msr vttbr_el2, current";
    if (owner < 0) return `msr vttbr_el2, VMID ${x.vmid}`;
    return `msr vttbr_el2, owner${ownersOf(flush).length > 1 ? ` ${owner + 1}` : ""}`;
  }
  const { name, operand } = TLBI_OPS[x.op]!;
  const fields = decodeOperand(operand, x.lo, x.hi);
  const mnemonic = `tlbi ${name.toLowerCase()}`;
  switch (fields.kind) {
    case "none":
      return mnemonic;
    case "asid":
      return `${mnemonic}, asid ${fields.asid}`;
    case "va":
    case "va-range":
      return x.lo === 0 && x.hi === 0 ? `${mnemonic}, xzr` : `${mnemonic}, va`;
    default: {
      const level = fields.ttl === 0 ? "" : fields.kind === "ipa" ? `, level ${fields.ttl & 3}` : `, ttl ${fields.ttl}`;
      return `${mnemonic}, ${place(pageOfOperand(x), flush)}${fields.kind === "ipa" ? "" : ` + ${fields.granules} pages`}${level}`;
    }
  }
}

/** A page among those that were removed. */
function place(page: number, { removed }: Flush): string {
  const n = removed.findIndex(({ gfn, pages }) => page >= gfn && page < gfn + pages);
  if (n < 0) return `IPA 0x${(page * 4096).toString(16)}, which was not removed`;
  const offset = page - removed[n]!.gfn;
  const entry = removed.length === 1 ? "ipa" : `ipa of entry ${n + 1}`;
  return offset === 0 ? entry : `${entry} + ${offset} pages`;
}
