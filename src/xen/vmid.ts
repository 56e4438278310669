/**
 * VMIDs. A domain's VMID comes from Xen's bitmap (p2m_alloc_vmid: the lowest free one, -EBUSY when there is none). Where a
 * policy gives each vCPU one, 255 are few, so they roll over by generations as Linux's arch/arm64/kvm/vmid.c does it.
 */

/** VMID 0 is never given out (INVALID_VMID). */
const INVALID_VMID = 0;

/** The VMIDs of the machine: 2^bits of them, less VMID 0. */
export class VmidPool {
  private readonly used: Uint8Array;
  private next = 1;
  private free: number;
  /** counts rollovers: a vCPU whose VMID is of an older generation needs a new one */
  generation = 0;

  constructor(bits: 8 | 16) {
    this.used = new Uint8Array(2 ** bits);
    this.used[INVALID_VMID] = 1;
    this.free = 2 ** bits - 1;
  }

  /** The lowest free VMID, now taken; undefined when all are. */
  allocate(): number | undefined {
    if (this.free === 0) return undefined;
    while (this.used[this.next] === 1) this.next++;
    this.used[this.next] = 1;
    this.free--;
    return this.next;
  }

  /** Gives a VMID back. */
  release(id: number): void {
    if (this.used[id] === 0 || id === INVALID_VMID) throw new Error(`VMID ${id} was not allocated`);
    this.used[id] = 0;
    this.free++;
    this.next = Math.min(this.next, id);
  }

  /** A new generation: every VMID is free but those in force on some pCPU. The caller flushes all guests. */
  rollover(inForce: Iterable<number>): void {
    this.generation++;
    this.used.fill(0);
    this.used[INVALID_VMID] = 1;
    for (const id of inForce) this.used[id] = 1;
    this.next = 1;
    this.free = this.used.reduce((free, used) => free + 1 - used, 0);
  }
}
