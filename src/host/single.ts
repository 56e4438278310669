/** The price of one TLBI, for a shadow that a user describes. */
import { halvesOf, isBroadcast, levelShift, PAGE_SHIFT, TLBI_OPS, type TlbiOp, tlbiIndex } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { addAmounts, type Counts, NO_SHADOW } from "./counts.js";
import { accountOf, nestedCounts } from "./kvm/account.js";
import { TlbiHandlers } from "./kvm/handlers.js";
import { NestedMmus } from "./kvm/mmus.js";
import { ShadowPool, type ShadowStage2 } from "./kvm/shadow.js";
import { Tally } from "./kvm/tally.js";
import { instructionsOf, price } from "./price.js";
import { type Host, isNested, type KvmHost } from "./prices.js";

/** Guest pages (4 KiB) that a guest has touched, mapped by its hypervisor at a stage-2 level (1 = 1 GiB, 2 = 2 MiB, 3 = 4 KiB). */
export interface TouchedPages {
  readonly first: number;
  readonly pages: number;
  readonly level: 1 | 2 | 3;
}

/** One TLBI to price. */
interface SingleTlbi {
  /** name of the TLBI, in any case */
  readonly op: string;
  /** Xt; 0 where the TLBI has no operand */
  readonly operand: bigint;
  readonly host: Host;
  /** the host's IPA size; not looked at on bare metal */
  readonly ipaBits: number;
  /**
   * What the one shadow stage-2 that matches the VMID holds: a number of 4 KiB leaves, see {@link shadowOfLeaves}, or pages
   * touched; undefined = no shadow matches.
   */
  readonly shadow: number | readonly TouchedPages[] | undefined;
}

interface SingleTlbiPrice {
  /** TLBIs that the hardware executes, by name */
  readonly tlbi: Readonly<Record<string, number>>;
  /** host instructions; 0 on bare metal */
  readonly instructions: number;
  readonly leavesDropped: number;
  readonly microseconds: number;
  readonly microsecondsRange: readonly [number, number];
}

/** Leaves of a described shadow; more is refused, for the sake of memory. */
const MAX_LEAVES = 2 ** 24;
const LAST_PAGE_OF_FIRST_GIB = 2 ** 18 - 1;
const VMID = 1;

/** A shadow of `leaves` 4 KiB leaves: pages from 0 on, and last a page apart from them at the end of the same GiB (a guest's code). */
function shadowOfLeaves(leaves: number): TouchedPages[] {
  if (leaves === 0) return [];
  const apart = Math.max(LAST_PAGE_OF_FIRST_GIB, leaves - 1);
  return [
    { first: 0, pages: leaves - 1, level: 3 },
    { first: apart, pages: 1, level: 3 },
  ];
}

/**
 * What the host does for one TLBI. Throws an InputError for an unknown TLBI, for a shadow that the host's IPA size does not
 * reach, and for one of too many leaves.
 */
export function countTlbi(single: SingleTlbi): Counts {
  const index = tlbiIndex(single.op);
  if (index === undefined) throw new InputError(`unknown TLBI operation '${single.op}'`);
  const { host } = single;
  return isNested(host) ? shadowCounts(index, single, host.kvm) : bareCounts(TLBI_OPS[index]!);
}

/** Prices one TLBI; errors as of {@link countTlbi}. */
export function priceTlbi(single: SingleTlbi): SingleTlbiPrice {
  const counts = countTlbi(single);
  const { microseconds, microsecondsRange } = price(counts, single.host);
  return {
    tlbi: counts.hardwareTlbi,
    instructions: instructionsOf(addAmounts([counts.parts.trap, counts.parts.walk]), single.host),
    leavesDropped: counts.leavesDropped,
    microseconds,
    microsecondsRange,
  };
}

/** A single TLBI on bare metal, with the DSB that completes it. */
function bareCounts(op: TlbiOp): Counts {
  const tlbi = { [op.name]: 1 };
  return {
    tlbi,
    hardwareTlbi: tlbi,
    hypercalls: {},
    noShadow: NO_SHADOW,
    exits: 0,
    leavesDropped: 0,
    refaults: 0,
    firstFaults: 0,
    parts: { trap: {}, walk: {}, flush: isBroadcast(op) ? { broadcast: 1 } : { local: 1 }, refault: {} },
    rest: undefined,
  };
}

function shadowCounts(op: number, { operand, host, ipaBits, shadow }: SingleTlbi, kvm: KvmHost): Counts {
  const account = accountOf(host, ipaBits);
  const pool = new ShadowPool(kvm.granuleBits, ipaBits);
  const mmus = new NestedMmus(pool, 1);
  const tally = new Tally(1);
  const handlers = new TlbiHandlers(pool, mmus, [ipaBits], tally);
  if (shadow !== undefined) {
    const { stage2 } = mmus.get(0, 0, VMID << 16, handlers.unmapAll.bind(handlers));
    mapTouched(stage2, typeof shadow === "number" ? shadowOfLeaves(shadow) : shadow, kvm, ipaBits);
  }
  const { lo, hi } = halvesOf(operand);
  handlers.handle(op, VMID, lo, hi);
  return nestedCounts(tally, account, 0, { [TLBI_OPS[op]!.name]: 1 }, {});
}

/** Maps what accesses to all those pages would: leaves no larger than the guest's mapping and the host's backing. */
function mapTouched(stage2: ShadowStage2, touched: readonly TouchedPages[], kvm: KvmHost, ipaBits: number): void {
  let leaves = 0;
  for (const { first, pages, level } of touched) {
    if (first + pages > 2 ** (ipaBits - PAGE_SHIFT))
      throw new InputError(`the shadow reaches page ${first + pages - 1}, beyond ${ipaBits} IPA bits`);
    const granulePages = 2 ** (kvm.granuleBits - PAGE_SHIFT);
    const leafLevel = Math.max(level, kvm.backingLevel);
    const leafPages = 2 ** (levelShift(leafLevel, kvm.granuleBits) - PAGE_SHIFT);
    leaves += Math.ceil(pages / leafPages);
    if (leaves > MAX_LEAVES) throw new InputError(`a shadow of more than ${MAX_LEAVES} leaves is not simulated`);
    for (let page = first - (first % leafPages); page < first + pages; page += leafPages) {
      const granule = page / granulePages;
      if (stage2.find(granule) < 0) stage2.map(leafLevel, level);
    }
  }
}
