/**
 * What one trapped TLBI of the guest hypervisor makes KVM do (Linux 7.2, arch/arm64/kvm: sys_regs.c handle_vmalls12e1is,
 * handle_alle1is, handle_ipas2e1is, handle_ripas2e1is, handle_tlbi_el1; hyp/vhe/switch.c kvm_hyp_handle_tlbi_el2;
 * nested.c compute_tlb_inval_range). Every one is executed at virtual EL2 of an nVHE hypervisor, as Xen is.
 */
import {
  type GranuleBits,
  ipaFeature,
  levelShift,
  low48,
  minBlockLevel,
  PAGE_SHIFT,
  TLBI_OPS,
  TWO32,
  tlbiIndex,
} from "../../arch/index.js";
import type { NestedMmus, ShadowMmu } from "./mmus.js";
import type { ShadowPool } from "./shadow.js";
import { coverOps, EVERY_VMID, type FlushOps, HANDLERS, type Handler, type Steps, type Tally } from "./tally.js";

function handlerOf(base: string, regime: string): Handler {
  if (regime === "EL2") return "el2";
  if (base === "VMALLS12E1") return "vmalls12e1";
  if (base === "ALLE1") return "alle1";
  if (base.startsWith("RIPAS2")) return "ripas2";
  return base.startsWith("IPAS2") ? "ipas2" : "el1";
}

const HANDLER: readonly Handler[] = TLBI_OPS.map((op) => handlerOf(op.base, op.regime));
const HANDLER_INDEX = Uint8Array.from(HANDLER, (handler) => HANDLERS.indexOf(handler));
/** The EL1 kind that the hardware executes for a TLBI: always Inner Shareable, never nXS; ALLE2 becomes VMALLE1. */
const HARDWARE_OP = Int16Array.from(
  TLBI_OPS,
  (op) => tlbiIndex(`${op.base === "ALLE2" ? "VMALLE1" : op.base.replace(/2$/, "1")}IS`) ?? -1,
);

const TWO44 = 2 ** 44;
/** 4 KiB pages of 2^shift bytes: a table, because a power is slow on hot paths */
const PAGES_OF_SHIFT = Array.from({ length: 53 }, (_, shift) => 2 ** (shift - PAGE_SHIFT));
const GRANULE_OF_TG: readonly (GranuleBits | undefined)[] = [undefined, 12, 14, 16];

/** log2 of the bytes that a TTL field says (ttl_to_size); undefined where it says nothing, as at levels without blocks. */
function ttlShift(ttl: number): number | undefined {
  const granule = GRANULE_OF_TG[ttl >> 2];
  const level = ttl & 3;
  return granule === undefined || level < minBlockLevel(granule) ? undefined : levelShift(level, granule);
}

export class TlbiHandlers {
  private readonly granuleBits: GranuleBits;
  /** the part of a host's page that a 4 KiB page is */
  private readonly granulesPerPage: number;
  /** the last piece's cover, since the same piece comes again and again */
  private coveredGranules = 0;
  private cover: FlushOps = { range: 0, single: 0 };
  /** number of chunks of each IPA size */
  private readonly chunkLimits: readonly number[];
  /** by IPA size: granules of 64 KiB, in which a range operand counts with FEAT_LPA2; 1 without */
  private readonly alignments: readonly number[];

  constructor(
    private readonly pool: ShadowPool,
    private readonly mmus: NestedMmus,
    ipaBits: readonly number[],
    private readonly tally: Tally,
  ) {
    this.granuleBits = pool.granuleBits;
    this.granulesPerPage = 2 ** (PAGE_SHIFT - pool.granuleBits);
    this.chunkLimits = ipaBits.map((bits) => 2 ** (bits - levelShift(pool.chunkLevel, pool.granuleBits)));
    this.alignments = ipaBits.map((bits) =>
      ipaFeature(bits, pool.granuleBits) === "FEAT_LPA2" ? 2 ** (16 - pool.granuleBits) : 1,
    );
  }

  /** A TLBI (index in TLBI_OPS) with its operand, under the VMID of the guest hypervisor's VTTBR_EL2. */
  handle(op: number, vmid: number, lo: number, hi: number): void {
    const handler = HANDLER[op]!;
    const tally = this.tally;
    tally.handled[HANDLER_INDEX[op]!]!++;
    if (handler === "el2") {
      tally.fast++;
      tally.el1Ops[HARDWARE_OP[op]!]!++;
      return;
    }
    tally.slow++;
    const every = handler === "alle1";
    if (every || handler === "vmalls12e1") tally.fullTraps++;
    let found = false;
    for (const slot of this.mmus.valid) {
      if (!every && slot.vmid !== vmid) continue;
      found = true;
      if (handler === "el1") {
        tally.el1Matches++;
        tally.el1Ops[HARDWARE_OP[op]!]!++;
        continue;
      }
      tally.stage2Matches++;
      if (handler === "ipas2") this.unmapAddress(slot, lo, hi);
      else if (handler === "ripas2") this.unmapRange(slot, lo, hi);
      else this.unmapAll(slot);
    }
    if (!found) this.foundNone(every ? EVERY_VMID : vmid);
  }

  private foundNone(vmid: number): void {
    const { noShadowRan, noShadowNotRun } = this.tally;
    const counts = vmid !== EVERY_VMID && this.mmus.hasRun(vmid) ? noShadowRan : noShadowNotRun;
    counts.set(vmid, (counts.get(vmid) ?? 0) + 1);
  }

  /** The full unmap of a shadow, of VMALLS12E1, ALLE1 and recycling. */
  unmapAll(slot: ShadowMmu): void {
    this.tally.fullUnmaps++;
    slot.stage2.unmapAll(this.tally.full);
  }

  private unmapAddress(slot: ShadowMmu, lo: number, hi: number): void {
    const ttl = (hi >>> 12) & 0xf;
    const page = (hi & 0xff) * TWO32 + lo;
    const hinted = ttl === 0 ? this.shadowHint(slot, page) : ttlShift(ttl);
    const shift = hinted ?? levelShift(this.pool.chunkLevel, this.granuleBits);
    const pages = PAGES_OF_SHIFT[shift]!;
    this.unmap(slot, Math.floor(page / pages) * pages, pages);
  }

  /**
   * log2 of the bytes to drop for an IPA without TTL: what the shadow's leaf says at the IPA, or at the blocks' bases around
   * it (get_guest_mapping_ttl); undefined when no leaf has a hint, or the first that has one does not reach the IPA.
   */
  private shadowHint(slot: ShadowMmu, page: number): number | undefined {
    const tally = this.tally;
    const { chunkLevel, topLevel } = this.pool;
    for (let level = 3; level >= chunkLevel; level--) {
      const pages = PAGES_OF_SHIFT[levelShift(level, this.granuleBits)]!;
      const base = Math.floor(page / pages) * pages;
      const hint = slot.stage2.find(this.granule(base));
      tally.lookups++;
      const depth = slot.stage2.depth;
      if (topLevel !== undefined && depth >= topLevel) tally.lookupTopTables++;
      if (depth >= chunkLevel) {
        tally.lookupUpperTables++;
        tally.lookupTables += depth - chunkLevel;
      }
      if (hint <= 0) continue;
      const shift = levelShift(hint, this.granuleBits);
      return page < base + PAGES_OF_SHIFT[shift]! ? shift : undefined;
    }
    return undefined;
  }

  private unmapRange(slot: ShadowMmu, lo: number, hi: number): void {
    const low = low48(lo, hi);
    // TTL [38:37] is not looked at; a reserved TG names no range.
    const granule = GRANULE_OF_TG[Math.floor(low / 2 ** 46)];
    if (granule === undefined) return;
    const scale = Math.floor(low / TWO44) & 3;
    const num = Math.floor(low / 2 ** 39) & 0x1f;
    const unit = 2 ** (granule - PAGE_SHIFT);
    this.unmap(slot, (low % 2 ** 37) * unit, (num + 1) * 2 ** (5 * scale + 1) * unit);
  }

  /** The granule that holds a 4 KiB page. */
  private granule(page: number): number {
    return Math.floor(page * this.granulesPerPage);
  }

  /** stage2_apply_range over 4 KiB pages: one step and one flush for each chunk touched, as far as the IPA size reaches. */
  private unmap(slot: ShadowMmu, firstPage: number, pages: number): void {
    const { steps, populatedSteps, partial } = this.tally;
    const size = this.pool.chunkGranules;
    const first = this.granule(firstPage);
    const last = this.granule(firstPage + pages - 1);
    const lastChunk = Math.floor(last / size);
    for (let chunk = Math.floor(first / size); chunk <= lastChunk; chunk++) {
      const from = Math.max(0, first - chunk * size);
      const to = Math.min(size - 1, last - chunk * size);
      if (this.coveredGranules !== to - from + 1) {
        this.coveredGranules = to - from + 1;
        this.cover = coverOps(this.coveredGranules);
      }
      const populated = slot.stage2.unmapPiece(chunk, from, to, partial);
      for (let i = 0; i < steps.length; i++) {
        if (chunk >= this.chunkLimits[i]!) continue;
        const beside = from & (this.alignments[i]! - 1);
        const cover = beside === 0 ? this.cover : coverFrom(beside, this.alignments[i]!, this.coveredGranules);
        addStep(steps[i]!, cover);
        if (populated) addStep(populatedSteps[i]!, cover);
      }
    }
  }
}

/** The cover of granules whose first is not at a multiple of 64 KiB, with FEAT_LPA2: up to the next one, one by one. */
function coverFrom(beside: number, alignment: number, granules: number): FlushOps {
  const head = Math.min(granules, alignment - beside);
  const { range, single } = coverOps(granules - head);
  return { range, single: single + head };
}

function addStep(step: Steps, cover: FlushOps): void {
  step.chunks++;
  step.range += cover.range;
  step.single += cover.single;
}
