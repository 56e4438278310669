/** Why a record has TLBIs that the model lacks: what the model does not do, or is not told, by where Xen does it. */
import { TLBI_OPS, tlbiIndex } from "../arch/index.js";
import type { PhaseSummary } from "../trace/index.js";
import type { XenVersion } from "./versions.js";

/** Why a figure differs, with how much of the difference it explains: less than 0 of what the model has and the record lacks. */
export interface Cause {
  readonly count: number;
  readonly because: string;
}

/** What is known of the Xen that ran, and of what it still had to do. */
export interface Known {
  readonly version: XenVersion | undefined;
  /** it has put its remedy for the erratum of repeated TLBIs in place */
  readonly repeatsTlbis: boolean;
  /** XENMEM_* calls of the phase that only go on with an earlier one */
  readonly continued: Readonly<Record<string, number>>;
  /** grants that dom0 unmaps in the model in this phase */
  readonly grants: number;
  /** ALLE1IS that idle pCPUs execute until the pages that the domU left are scrubbed, by the model */
  readonly scrubs: number;
}

/**
 * A cause for TLBIs of some kinds that were issued on some ways; `most` of them, where that is known, and `modelled` of those
 * that came on these ways are no difference: the model has them.
 */
interface PossibleCause {
  readonly what: RegExp;
  readonly path: RegExp;
  readonly because: string;
  readonly most?: (known: Known) => number;
  readonly modelled?: (known: Known) => number;
}

/** Why hypercalls are more than the model makes. */
export const CALLED_AGAIN =
  "calls that go on where an earlier one gave way to something pending (hypercall_preempt_check): their command says from which extent on";

/** What a flush has, Xen's own or that of a policy whose code was put in. */
const FLUSHING = /^(VMALLS12E1IS|VMALLE1IS|VMALLE1|R?IPAS2L?E1IS)$/;

/** A backend of dom0's maps or unmaps a page of another domain's. */
const GRANTS = /replace_grant_host_mapping/;

const CAUSES: readonly PossibleCause[] = [
  {
    what: /^ALLE1IS$/,
    path: /^arch_flush_tlb_mask < (populate_physmap|do_memory_op)/,
    because:
      "populate_physmap(): this version flushes once in each call, and these only go on with a call that gave way to something pending",
    most: ({ version, continued }) =>
      version?.creationFlush === "call" ? (continued.XENMEM_populate_physmap ?? 0) : 0,
  },
  {
    what: /^ALLE1IS$/,
    path: /scrub_free_pages/,
    because:
      "scrub_free_pages(): idle pCPUs scrub the pages that the domU left and flush before each (filtered_flush_tlb_mask: Arm keeps no TLB clock that could spare it), until the machine goes off or all are scrubbed; the model has them in a time of their own",
    most: ({ scrubs }) => scrubs,
  },
  {
    what: /^ALLE1IS$/,
    path: /alloc_heap_pages/,
    because:
      "alloc_heap_pages(): a page that a domain used last was handed out again (accumulate_tlbflush); which pages those are, the model does not know of this machine",
  },
  {
    what: /^VALE2IS$/,
    path: /scrub_free_pages|alloc_heap_pages|relinquish_p2m_mapping|p2m_flush_vm|xen_pt_update/,
    because: "ARM64_WORKAROUND_REPEAT_TLBI: the repeated TLBI of the others that the model does not have",
  },
  {
    what: /^VAE2|^ALLE2/,
    path: /./,
    because: "xen_pt_update(): Xen's own mappings, which the model does not have",
  },
  {
    what: FLUSHING,
    path: /relinquish_p2m_mapping/,
    because:
      "relinquish_p2m_mapping(): gave way to something pending (-ERESTART) and flushed at each unlock; when that is, the model does not know",
  },
  {
    what: FLUSHING,
    path: GRANTS,
    because:
      "replace_grant_host_mapping(): dom0's backends unmapped grants of the domU's, one flush each; what a domU reads and writes, the model is not told",
    modelled: ({ grants }) => grants,
  },
  {
    what: FLUSHING,
    path: /\bguest_remove_page\b/,
    because:
      "guest_remove_page(): a domain's balloon gave pages up (XENMEM_decrease_reservation), one flush each, and one for each block that was split first; how many, the model is not told",
  },
  {
    what: /^VMALLS12E1IS$/,
    path: /p2m_flush_vm/,
    because: "p2m_flush_vm(): the guest's cache maintenance by set/way, which the model does not have",
  },
  {
    what: /^VMALLS12E1$/,
    path: /do_trap_stage2_abort_guest/,
    because: "do_trap_stage2_abort_guest(): a stage-2 fault of a guest, which the model does not have",
  },
];

const RINGS_LEFT =
  "replace_grant_host_mapping(): the machine went off before dom0's daemons had unmapped every ring of the domU's";

/** How many of the model's flushes for grants that dom0 unmaps a record lacks that has such: else the policy may have none of the kind. */
const ringsLeft = (what: string, there: number, { grants }: Known): number =>
  there > 0 && (FLUSHING.test(what) || what === "VALE2IS") ? Math.max(0, grants - there) : 0;

/** Of the EL1&0 regime: those of Xen's own mappings are not repeated where the remedy is the same TLBI. */
const ofGuests = (what: string): boolean => TLBI_OPS[tlbiIndex(what) ?? -1]?.regime === "EL1&0";

/** TLBIs of one kind in one phase: what the record has beyond the prediction or lacks, cause by cause, and what none explains. */
export function causesOf(
  what: string,
  is: PhaseSummary,
  predicted: number,
  known: Known,
): { readonly causes: Cause[]; readonly unexplained: number } {
  const recorded = is.tlbi[what] ?? 0;
  const causes: Cause[] = [];
  // A remedy that is the same TLBI again counts for every one of guests (TLB_HELPER), the model's and the others.
  const times = known.repeatsTlbis && known.version?.repeat === "same" && ofGuests(what) ? 2 : 1;
  const again = recorded - Math.ceil(recorded / times);
  if (again > 0)
    causes.push({
      count: again,
      because: "ARM64_WORKAROUND_REPEAT_TLBI: the remedy of this version is the same TLBI again, after each",
    });
  const on = (path: RegExp): number =>
    is.byCaller.filter((r) => r.op === what && path.test(r.caller)).reduce((sum, r) => sum + r.count, 0);
  let unexplained = recorded - again - predicted;
  const left = ringsLeft(what, Math.ceil(on(GRANTS) / times), known);
  if (left > 0) causes.push({ count: -left, because: RINGS_LEFT });
  unexplained += left;
  for (const { what: kinds, path, because, most, modelled } of CAUSES) {
    if (unexplained <= 0 || !kinds.test(what)) continue;
    const beyond = Math.ceil(on(path) / times) - (modelled?.(known) ?? 0);
    const count = Math.min(beyond, unexplained, most?.(known) ?? unexplained);
    if (count <= 0) continue;
    causes.push({ count, because });
    unexplained -= count;
  }
  return { causes, unexplained };
}
