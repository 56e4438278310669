/** What the host did for the trapped TLBIs of a trace, in sums that serve every account: see {@link Account}. */
import { largestRange, TLBI_OPS } from "../../arch/index.js";
import { WalkCounts } from "./shadow.js";

/** Range and single-address TLBIs that cover something. */
export interface FlushOps {
  range: number;
  single: number;
}

/** Partial unmaps (IPAS2*, RIPAS2*), counted for one IPA size: what lies beyond the size is not there. */
class Steps implements FlushOps {
  /** steps of stage2_apply_range, each with one flush */
  chunks = 0;
  range = 0;
  single = 0;
}

/** {@link FlushOps} that cover some granules exactly, as __flush_tlb_range_op does it. */
export function coverOps(granules: number): FlushOps {
  const ops: FlushOps = { range: 0, single: 0 };
  let left = granules;
  for (let next = largestRange(left); next !== undefined; next = largestRange(left)) {
    ops.range++;
    left -= next.granules;
  }
  ops.single = left;
  return ops;
}

export class Tally {
  /** traps on the slow path; each is one exit */
  slow = 0;
  /** traps handled in the exit loop */
  fast = 0;
  /** shadows that stage-2 invalidations reached, and that EL1 ones were executed for */
  stage2Matches = 0;
  el1Matches = 0;
  /** full unmaps of a shadow, by a TLBI or by recycling */
  fullUnmaps = 0;
  /** looks for a level hint, and the tables they entered: below the chunk entries, and upper ones */
  lookups = 0;
  lookupTables = 0;
  lookupUpperTables = 0;
  /** walks of full and of partial unmaps */
  readonly full = new WalkCounts();
  readonly partial = new WalkCounts();
  /** steps of partial unmaps over all chunks, by index of the IPA size; and over the populated ones (any IPA size) */
  readonly steps: readonly Steps[];
  readonly populatedSteps = new Steps();
  /** EL1 kinds executed for shadows and in the exit loop, by index in TLBI_OPS */
  readonly el1Ops = new Float64Array(TLBI_OPS.length);
  /** local VMALLE1 when a pCPU first runs on a shadow */
  contextFlushes = 0;
  firstFaults = 0;
  refaults = 0;

  constructor(ipaSizes: number) {
    this.steps = Array.from({ length: ipaSizes }, () => new Steps());
  }
}
