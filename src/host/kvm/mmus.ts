/**
 * The shadow MMUs of a VM: `nested_mmus` of struct kvm_arch, two for each vCPU of the guest hypervisor, given out round
 * robin (Linux arch/arm64/kvm/nested.c, get_s2_mmu_nested and kvm_s2_mmu_iterate_by_vmid). A slot stays valid until it is
 * recycled, so the shadow of a guest that is gone keeps matching its VMID. A VTTBR_EL2 without a root (BADDR 0) stands for
 * one of which only the VMID is known: it is whichever has that VMID.
 */
import { idOf } from "../../arch/index.js";
import { PageSet } from "./page-set.js";
import { type ShadowPool, ShadowStage2 } from "./shadow.js";

/** S2_MMU_PER_VCPU */
const SLOTS_PER_VCPU = 2;
const CNP = 1;
const VMIDS = 0x1_0000;

/** One slot: a shadow stage-2 and the guest's VTTBR_EL2 (without CnP) that it stands for. */
export class ShadowMmu {
  valid = false;
  vttbrLo = 0;
  vttbrHi = 0;
  readonly stage2: ShadowStage2;
  /** pCPUs that have run on it; the host flushes a pCPU's TLB context when it is not there yet (last_vcpu_ran) */
  private ranOn = new Uint8Array(0);
  /** pages that have ever been mapped under this VTTBR_EL2 */
  mapped = new PageSet();

  constructor(
    pool: ShadowPool,
    readonly index: number,
  ) {
    this.stage2 = new ShadowStage2(pool);
  }

  get vmid(): number {
    return idOf(this.vttbrHi);
  }

  is(lo: number, hi: number): boolean {
    return this.vttbrLo === lo && this.vttbrHi === hi;
  }

  /** May it be the one of that VTTBR_EL2, the root of one of the two not being known? */
  mayBe(lo: number, hi: number): boolean {
    return this.vmid === idOf(hi) && (isRootless(this.vttbrLo, this.vttbrHi) || isRootless(lo, hi));
  }

  /** Notes that `pcpu` runs on this MMU; true the first time. */
  firstRunOn(pcpu: number): boolean {
    if (this.ranOn[pcpu] === 1) return false;
    if (pcpu >= this.ranOn.length) {
      const grown = new Uint8Array(pcpu + 1);
      grown.set(this.ranOn);
      this.ranOn = grown;
    }
    this.ranOn[pcpu] = 1;
    return true;
  }
}

const keyOf = (lo: number, hi: number): string => `${hi}:${lo}`;
const isRootless = (lo: number, hi: number): boolean => lo === 0 && (hi & 0xffff) === 0;

export class NestedMmus {
  /** the slots that have been given out; they stay valid, and a lookup or a match needs to see no others */
  readonly valid: ShadowMmu[] = [];
  private readonly slots: readonly ShadowMmu[];
  /** slot in use by each vCPU of the guest hypervisor, -1 = none: its reference keeps the slot from being recycled */
  private readonly inUse: Int32Array;
  /** nested_mmus_next */
  private nextSlot = 0;
  private readonly mappedUnder = new Map<string, PageSet>();
  /** by VMID: 1 = a guest has run under it */
  private readonly ran = new Uint8Array(VMIDS);

  constructor(pool: ShadowPool, vcpus: number) {
    this.slots = Array.from({ length: SLOTS_PER_VCPU * vcpus }, (_, index) => new ShadowMmu(pool, index));
    this.inUse = new Int32Array(vcpus).fill(-1);
  }

  /** Shadows that can be valid at once. */
  get size(): number {
    return this.slots.length;
  }

  /** Has a guest ever run under that VMID? */
  hasRun(vmid: number): boolean {
    return this.ran[vmid] === 1;
  }

  /** VMIDs under which a guest has run, in ascending order. */
  vmidsRun(): number[] {
    return Array.from(this.ran.keys()).filter((vmid) => this.ran[vmid] === 1);
  }

  /** The vCPU leaves the guest that it ran (kvm_vcpu_put_hw_mmu): its slot stays valid, but may be recycled. */
  put(vcpu: number): void {
    this.inUse[vcpu] = -1;
  }

  /** The vCPU goes back to the guest of a slot that is its own still. */
  keep(vcpu: number, slot: ShadowMmu): void {
    this.inUse[vcpu] = slot.index;
  }

  /**
   * The slot for a guest VTTBR_EL2, taken in use by the vCPU: the one that stands for it, or the next one that no other
   * vCPU uses. `recycle` is called with the slot when it was valid for another VTTBR_EL2, before it changes.
   */
  get(vcpu: number, lo: number, hi: number, recycle: (slot: ShadowMmu) => void): ShadowMmu {
    this.put(vcpu);
    this.ran[idOf(hi)] = 1;
    const key = (lo & ~CNP) >>> 0;
    const known = this.find(lo, hi);
    if (known) {
      this.inUse[vcpu] = known.index;
      return known;
    }
    const slot = this.slots[this.nextFree()]!;
    if (slot.valid) recycle(slot);
    else this.valid.push(slot);
    slot.valid = true;
    slot.vttbrLo = key;
    slot.vttbrHi = hi;
    slot.mapped = this.pagesUnder(key, hi);
    this.inUse[vcpu] = slot.index;
    return slot;
  }

  /** The valid slot of a VTTBR_EL2; one that had no root so far has it from now on. */
  find(lo: number, hi: number): ShadowMmu | undefined {
    const key = (lo & ~CNP) >>> 0;
    for (const slot of this.valid) if (slot.is(key, hi)) return slot;
    for (const slot of this.valid)
      if (slot.mayBe(key, hi)) {
        if (!isRootless(key, hi)) this.setRoot(slot, key, hi);
        return slot;
      }
    return undefined;
  }

  private setRoot(slot: ShadowMmu, lo: number, hi: number): void {
    slot.vttbrLo = lo;
    slot.vttbrHi = hi;
    this.mappedUnder.set(keyOf(lo, hi), slot.mapped);
  }

  /** The first slot from the next pointer that no vCPU uses, valid or not. There is one: two slots a vCPU, each uses one. */
  private nextFree(): number {
    const n = this.slots.length;
    let index = this.nextSlot;
    while (this.inUse.includes(index)) index = (index + 1) % n;
    this.nextSlot = (index + 1) % n;
    return index;
  }

  private pagesUnder(lo: number, hi: number): PageSet {
    const key = keyOf(lo, hi);
    let pages = this.mappedUnder.get(key);
    if (pages === undefined) {
      pages = new PageSet();
      this.mappedUnder.set(key, pages);
    }
    return pages;
  }
}
