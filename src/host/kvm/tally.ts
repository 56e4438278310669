/** What the host did for the trapped TLBIs of a trace, in sums that serve every account (account.ts). */
import { largestRange, TLBI_OPS } from "../../arch/index.js";
import { EXIT_NAMES } from "../../trace/index.js";
import { WalkCounts } from "./shadow.js";

/** Range and single-address TLBIs that cover something. */
export interface FlushOps {
  range: number;
  single: number;
}

/** Partial unmaps (IPAS2*, RIPAS2*), counted for one IPA size: what lies beyond the size is not there. */
export class Steps implements FlushOps {
  /** steps of stage2_apply_range, each with one flush */
  chunks = 0;
  range = 0;
  single = 0;
}

/** Stands for a VMID where a TLBI reaches all of them. */
export const EVERY_VMID = -1;

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

/** KVM's handlers of TLBIs (sys_regs.c; the last hyp/vhe/switch.c). */
export const HANDLER_FUNCTIONS = {
  vmalls12e1: "handle_vmalls12e1is",
  alle1: "handle_alle1is",
  ipas2: "handle_ipas2e1is",
  ripas2: "handle_ripas2e1is",
  el1: "handle_tlbi_el1",
  el2: "kvm_hyp_handle_tlbi_el2",
} as const;
export type Handler = keyof typeof HANDLER_FUNCTIONS;
export const HANDLERS = Object.keys(HANDLER_FUNCTIONS) as readonly Handler[];

export class Tally {
  /** traps of TLBIs, by index in {@link HANDLERS} */
  readonly handled = new Float64Array(HANDLERS.length);
  /** the trace tells the host's other exits: how often each, by index in EXIT_NAMES */
  exitsTold = false;
  readonly exits = new Float64Array(EXIT_NAMES.length);
  /** traps on the slow path; each is one exit */
  slow = 0;
  /** traps handled in the exit loop */
  fast = 0;
  /** shadows that stage-2 invalidations reached, and that EL1 ones were executed for */
  stage2Matches = 0;
  el1Matches = 0;
  /** traps of VMALLS12E1* and ALLE1*, whatever they reached */
  fullTraps = 0;
  /** TLBIs on the slow path that found no shadow, by VMID ({@link EVERY_VMID} for ALLE1*): whose guest had run, or had not */
  readonly noShadowRan = new Map<number, number>();
  readonly noShadowNotRun = new Map<number, number>();
  /** full unmaps of a shadow, by a TLBI or by recycling */
  fullUnmaps = 0;
  /** looks for a level hint, and the tables they entered: below the chunk entries, upper ones and top ones */
  lookups = 0;
  lookupTables = 0;
  lookupUpperTables = 0;
  lookupTopTables = 0;
  /** walks of full and of partial unmaps */
  readonly full = new WalkCounts();
  readonly partial = new WalkCounts();
  /** steps of partial unmaps, by index of the IPA size: over all chunks, and over the populated ones */
  readonly steps: readonly Steps[];
  readonly populatedSteps: readonly Steps[];
  /** EL1 kinds executed for shadows and in the exit loop, by index in TLBI_OPS */
  readonly el1Ops = new Float64Array(TLBI_OPS.length);
  /** local VMALLE1 when a pCPU first runs on a shadow */
  contextFlushes = 0;
  firstFaults = 0;
  refaults = 0;

  constructor(ipaSizes: number) {
    this.steps = Array.from({ length: ipaSizes }, () => new Steps());
    this.populatedSteps = Array.from({ length: ipaSizes }, () => new Steps());
  }
}
