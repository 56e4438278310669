/**
 * What one trapped TLBI of the guest hypervisor makes KVM do (Linux 7.2, arch/arm64/kvm: sys_regs.c handle_vmalls12e1is,
 * handle_alle1is, handle_ipas2e1is, handle_ripas2e1is, handle_tlbi_el1; hyp/vhe/switch.c kvm_hyp_handle_tlbi_el2;
 * nested.c compute_tlb_inval_range). Every one is executed at virtual EL2 of an nVHE hypervisor, as Xen is.
 */
import {
  type GranuleBits,
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
import { coverOps, type FlushOps, type Tally } from "./tally.js";

type Handler = "vmalls12e1" | "alle1" | "ipas2" | "ripas2" | "el1" | "el2";

function handlerOf(base: string, regime: string): Handler {
  if (regime === "EL2") return "el2";
  if (base === "VMALLS12E1") return "vmalls12e1";
  if (base === "ALLE1") return "alle1";
  if (base.startsWith("RIPAS2")) return "ripas2";
  return base.startsWith("IPAS2") ? "ipas2" : "el1";
}

const HANDLERS: readonly Handler[] = TLBI_OPS.map((op) => handlerOf(op.base, op.regime));
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

  constructor(
    private readonly pool: ShadowPool,
    private readonly mmus: NestedMmus,
    ipaBits: readonly number[],
    private readonly tally: Tally,
  ) {
    this.granuleBits = pool.granuleBits;
    this.granulesPerPage = 2 ** (PAGE_SHIFT - pool.granuleBits);
    this.chunkLimits = ipaBits.map((bits) => 2 ** (bits - levelShift(pool.chunkLevel, pool.granuleBits)));
  }

  /** A TLBI (index in TLBI_OPS) with its operand, under the VMID of the guest hypervisor's VTTBR_EL2. */
  handle(op: number, vmid: number, lo: number, hi: number): void {
    const handler = HANDLERS[op]!;
    const tally = this.tally;
    if (handler === "el2") {
      tally.fast++;
      tally.el1Ops[HARDWARE_OP[op]!]!++;
      return;
    }
    tally.slow++;
    for (const slot of this.mmus.valid) {
      if (handler !== "alle1" && slot.vmid !== vmid) continue;
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
    const chunkLevel = this.pool.chunkLevel;
    for (let level = 3; level >= chunkLevel; level--) {
      const pages = PAGES_OF_SHIFT[levelShift(level, this.granuleBits)]!;
      const base = Math.floor(page / pages) * pages;
      const hint = slot.stage2.find(this.granule(base));
      tally.lookups++;
      const depth = slot.stage2.depth;
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
      const cover = this.cover;
      for (let i = 0; i < steps.length; i++) {
        if (chunk >= this.chunkLimits[i]!) continue;
        const step = steps[i]!;
        step.chunks++;
        step.range += cover.range;
        step.single += cover.single;
      }
      if (slot.stage2.unmapPiece(chunk, from, to, partial)) {
        populatedSteps.chunks++;
        populatedSteps.range += cover.range;
        populatedSteps.single += cover.single;
      }
    }
  }
}
