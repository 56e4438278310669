/**
 * One host's view of a tally. The leaves of the shadow tables evolve alike whatever the IPA size and the way of unmapping;
 * only what the host does for it differs, and it differs by sums: the steps over an empty IPA space are one multiplication.
 */
import { levelShift, minBlockLevel, stage2Geometry, TLBI_OPS, tlbiIndex } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import { byName, type Counts } from "../counts.js";
import type { Host, KvmHost } from "../prices.js";
import type { Tally } from "./tally.js";

/** A host's way of unmapping, and its IPA size: kvm_ipa_limit, which is the host's and not a VM's. */
export interface Account extends Pick<KvmHost, "granuleBits" | "unmap" | "holes" | "repeatTlbi"> {
  readonly ipaBits: number;
}

/** The account of a nested host at an IPA size; an InputError where the host's page size has no stage 2 of that size. */
export function accountOf(host: Host, ipaBits: number): Account {
  if (host.kvm === undefined) throw new InputError(`host ${host.name} is not nested, so IPA bits do not matter to it`);
  const { granuleBits, unmap, holes, repeatTlbi } = host.kvm;
  try {
    stage2Geometry(ipaBits, granuleBits);
  } catch (error) {
    if (error instanceof RangeError) throw new InputError(`host ${host.name}: ${error.message}`);
    throw error;
  }
  return { granuleBits, unmap, holes, repeatTlbi, ipaBits };
}

const hardware = (name: string): number => tlbiIndex(name) ?? -1;
const RIPAS2E1IS = hardware("RIPAS2E1IS");
const IPAS2E1IS = hardware("IPAS2E1IS");
const VMALLE1IS = hardware("VMALLE1IS");
const VMALLE1 = hardware("VMALLE1");
const VMALLS12E1IS = hardware("VMALLS12E1IS");
const VALE2IS = hardware("VALE2IS");

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
  const upper = stage2Geometry(ipaBits, granuleBits).startLevel < chunkLevel ? 1 : 0;

  const fullSteps = walked ? chunks * tally.fullUnmaps : full.populatedChunks;
  const partialSteps = walked ? tally.steps[ipaSize]! : tally.populatedSteps;
  const fullFreed = full.freed + upper * full.upperFreed;
  const partialFreed = partial.freed + upper * partial.upperFreed;
  const upperDescends = walked
    ? full.upperDescends + partial.upperDescends
    : full.upperDescendsPopulated + partial.upperDescendsPopulated;

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
  if (account.repeatTlbi) ops[VALE2IS]! += flushCalls;
  const broadcasts = ops.reduce((sum, n) => sum + n, 0);
  ops[VMALLE1]! += tally.contextFlushes;

  const leavesDropped = full.leaves + partial.leaves;
  const roundTrips = Object.values(hypercalls).reduce((sum, n) => sum + n, 0);
  return {
    tlbi,
    hardwareTlbi: byName(ops, (i) => TLBI_OPS[i]!.name),
    hypercalls,
    exits: tally.slow + tally.fast,
    leavesDropped,
    refaults: tally.refaults,
    firstFaults: tally.firstFaults,
    parts: {
      trap: {
        exit: tally.slow,
        handler: tally.slow,
        "stage-2-match": tally.stage2Matches,
        "el1-match": tally.el1Matches,
        "fast-exit": tally.fast,
        "fast-path": tally.fast,
      },
      walk: {
        "chunk-step": fullSteps + partialSteps.chunks,
        "flush-call": flushCalls,
        descend: full.descends + partial.descends + upper * upperDescends,
        "empty-slot": full.emptySlots + partial.emptySlots,
        leaf: leavesDropped,
        "free-table": fullFreed + partialFreed,
        lookup: tally.lookups,
        "lookup-level": tally.lookupTables + upper * tally.lookupUpperTables,
      },
      flush: { broadcast: broadcasts, local: tally.contextFlushes },
      refault: { exit: tally.refaults, "shadow-fault": tally.refaults },
    },
    rest: {
      // A hypercall leaves L2 for the host, which enters L1; L1's ERET leaves for the host again.
      exit: tally.firstFaults + 2 * roundTrips,
      "shadow-fault": tally.firstFaults,
      "round-trip": roundTrips,
    },
  };
}
