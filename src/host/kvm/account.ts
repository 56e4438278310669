/**
 * One host's view of a tally. The leaves of the shadow tables evolve alike whatever the IPA size and the way of unmapping;
 * only what the host does for it differs, and it differs by sums: the steps over an empty IPA space are one multiplication.
 */
import { levelShift, minBlockLevel, stage2Geometry, TLBI_OPS, tlbiIndex } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import { type Amounts, byName, type Counts, type Part } from "../counts.js";
import type { Host } from "../host.js";
import { exitsOf, kindsOf } from "./exits.js";
import type { NestedPrice } from "./prices.js";
import { type KvmHost, kvmOf } from "./settings.js";
import { EVERY_VMID, type Tally } from "./tally.js";

/** A host's way of unmapping, and its IPA size: kvm_ipa_limit, which is the host's and not a VM's. */
interface Account extends Pick<KvmHost, "granuleBits" | "unmap" | "holes" | "repeatTlbi" | "nv3Elision"> {
  readonly ipaBits: number;
}

/** The account of a host at an IPA size; an InputError where the host's page size has no stage 2 of that size. */
export function accountOf(host: Host, ipaBits: number): Account {
  const { granuleBits, unmap, holes, repeatTlbi, nv3Elision } = kvmOf(host);
  try {
    stage2Geometry(ipaBits, granuleBits);
  } catch (error) {
    if (error instanceof RangeError) throw new InputError(`host ${host.name}: ${error.message}`);
    throw error;
  }
  return { granuleBits, unmap, holes, repeatTlbi, nv3Elision, ipaBits };
}

const hardware = (name: string): number => tlbiIndex(name) ?? -1;
const RIPAS2E1IS = hardware("RIPAS2E1IS");
const IPAS2E1IS = hardware("IPAS2E1IS");
const VMALLE1IS = hardware("VMALLE1IS");
const VMALLE1 = hardware("VMALLE1");
const VMALLS12E1IS = hardware("VMALLS12E1IS");
const VALE2IS = hardware("VALE2IS");

/** Counts by VMID as in {@link Counts.noShadow}, in ascending order. */
function byVmid(counts: ReadonlyMap<number, number>): Record<string, number> {
  return Object.fromEntries(
    [...counts].sort(([a], [b]) => a - b).map(([vmid, n]) => [vmid === EVERY_VMID ? "all" : String(vmid), n]),
  );
}

/** What the host of `account` did; `ipaSize` is the index of its IPA size in the tally, `hypercalls` their counts by name. */
export function nestedCounts(
  tally: Tally,
  account: Account,
  ipaSize: number,
  tlbi: Readonly<Record<string, number>>,
  hypercalls: Readonly<Record<string, number>>,
): Counts {
  const { granuleBits, ipaBits } = account;
  const { full, partial } = tally;
  const chunkLevel = minBlockLevel(granuleBits);
  const chunks = 2 ** (ipaBits - levelShift(chunkLevel, granuleBits));
  const walked = account.holes === "walked";
  // Where the walk starts at the tables that hold the chunk entries, these are roots: not entered, not freed.
  const { startLevel } = stage2Geometry(ipaBits, granuleBits);
  const upper = startLevel < chunkLevel ? 1 : 0;
  const top = startLevel < chunkLevel - 1 ? 1 : 0;

  const fullSteps = walked ? chunks * tally.fullUnmaps : full.populatedChunks;
  const partialSteps = walked ? tally.steps[ipaSize]! : tally.populatedSteps[ipaSize]!;
  const fullFreed = full.freed + upper * full.upperFreed + top * full.topFreed;
  const partialFreed = partial.freed + upper * partial.upperFreed + top * partial.topFreed;
  const upperDescends = walked
    ? full.upperDescends + partial.upperDescends
    : full.upperDescendsPopulated + partial.upperDescendsPopulated;
  const topDescends = walked
    ? full.topDescends + partial.topDescends
    : full.topDescendsPopulated + partial.topDescendsPopulated;

  const perChunk = account.unmap === "per-chunk";
  // Each is an invalidation by IPA, DSB ISH, VMALLE1IS, DSB ISH; that of a whole shadow is one VMALLS12E1IS, DSB ISH.
  const ipaFlushes = partialSteps.chunks + partialFreed + (perChunk ? fullSteps + fullFreed : 0);
  const shadowFlushes = perChunk ? 0 : tally.fullUnmaps;
  const flushCalls = ipaFlushes + shadowFlushes;

  const ops = Float64Array.from(tally.el1Ops);
  ops[RIPAS2E1IS]! += partialSteps.range + (perChunk ? fullSteps : 0);
  ops[IPAS2E1IS]! += partialSteps.single + partialFreed + (perChunk ? fullFreed : 0);
  ops[VMALLE1IS]! += ipaFlushes;
  ops[VMALLS12E1IS]! += shadowFlushes;
  // Each sync of a TLBI by the host is repeated: that of a flush, and that of __kvm_tlbi_s1e2, which executes a TLBI of EL1 for
  // a shadow or one of EL2 in the exit loop. VMALLS12E1* and ALLE1* pass through it too: it finds nothing to execute for them,
  // and syncs, before they are handled.
  // With FEAT_NV3's elision the hardware itself executes those of the hypervisor's own stage 1.
  const fast = account.nv3Elision === "own-stage-1" ? 0 : tally.fast;
  const repeats = account.repeatTlbi ? flushCalls + tally.el1Matches + fast + tally.fullTraps : 0;
  ops[VALE2IS]! += repeats;
  const broadcasts = ops.reduce((sum, n) => sum + n, 0);
  ops[VMALLE1]! += tally.contextFlushes;

  /** Exits that a CPU with the erratum makes dearer. */
  const mitigated = (exits: number): Amounts<NestedPrice> => (account.repeatTlbi ? { mitigation: exits } : {});
  const leavesDropped = full.leaves + partial.leaves;
  const between = exitsOf(tally, hypercalls);
  const parts: Readonly<Record<Part, Amounts<NestedPrice>>> = {
    trap: {
      exit: tally.slow,
      handler: tally.slow,
      "stage-2-match": tally.stage2Matches,
      "el1-match": tally.el1Matches,
      "fast-exit": fast,
      "fast-path": fast,
      ...mitigated(tally.slow + fast),
    },
    walk: {
      "chunk-step": fullSteps + partialSteps.chunks,
      "flush-call": flushCalls,
      repeat: repeats,
      descend: full.descends + partial.descends + upper * upperDescends + top * topDescends,
      "empty-slot": full.emptySlots + partial.emptySlots,
      leaf: leavesDropped,
      "free-table": fullFreed + partialFreed,
      lookup: tally.lookups,
      "lookup-level": tally.lookupTables + upper * tally.lookupUpperTables + top * tally.lookupTopTables,
    },
    flush: { broadcast: broadcasts, local: tally.contextFlushes },
    refault: { exit: tally.refaults, "shadow-fault": tally.refaults, ...mitigated(tally.refaults) },
  };
  const rest: Amounts<NestedPrice> = {
    exit: tally.firstFaults + between.exits,
    "shadow-fault": tally.firstFaults,
    ...between.steps,
    ...mitigated(tally.firstFaults + between.exits),
  };
  return {
    tlbi,
    hardwareTlbi: byName(ops, (i) => TLBI_OPS[i]!.name),
    hypercalls,
    noShadow: { ran: byVmid(tally.noShadowRan), notRun: byVmid(tally.noShadowNotRun) },
    exits: tally.slow + fast,
    exitKinds: kindsOf(tally, hypercalls, fast > 0),
    leavesDropped,
    refaults: tally.refaults,
    firstFaults: tally.firstFaults,
    parts,
    rest,
  };
}
