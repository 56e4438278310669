/** Domains: their making, running and end (xen/common/domain.c, xen/arch/arm/domain.c, domain_build; Xen's domctls). */
import { Access, NO_DOMAIN } from "../trace/index.js";
import { EBUSY, ENOMEM, ESRCH } from "./errno.js";
import type { Machine } from "./machine.js";
import { writeFault } from "./mem-access.js";
import { INVALID_MFN, P2mTable } from "./p2m.js";
import { P2m } from "./types.js";

/** Entries that relinquish_p2m_mapping removes before it looks whether it must give way. */
const RELINQUISH_STEP = 512;

export interface Vcpu {
  readonly domain: Domain;
  readonly id: number;
  /** VMID of its own where the policy gives each vCPU one, else the domain's */
  vmid: number;
  /** the pCPU that it ran on last, -1 = none */
  ranOn: number;
  /** generation of that VMID */
  generation: number;
}

export interface Domain {
  readonly id: number;
  readonly p2m: P2mTable;
  readonly vcpus: readonly Vcpu[];
  /** memory allocated to the domain: first machine frame and order */
  readonly extents: { page: number; order: number }[];
  /** false until the toolstack unpauses it: populate_physmap may put off its TLB flush until then */
  creationFinished: boolean;
  /** pages of Xen's own that it shares with the domain: the shared info page, and grant-table frames as they are asked for */
  sharedInfo: number;
  readonly grantFrames: number[];
}

/** The hypervisor: the domains on a machine, and what they ask for. */
export class Xen {
  readonly domains = new Map<number, Domain>();
  private readonly teardownSite: number;
  private readonly allocSite: number;

  constructor(
    readonly machine: Machine,
    readonly ipaBits: number,
  ) {
    this.teardownSite = machine.recorder.names.id("relinquish_p2m_mapping");
    this.allocSite = machine.recorder.names.id("alloc_heap_pages");
  }

  /** The domain of that id, or undefined. */
  domain(id: number): Domain | undefined {
    return this.domains.get(id);
  }

  private mark<T extends number>(name: string, to: number, body: () => T): T {
    const { recorder } = this.machine;
    const mark = recorder.names.id(name);
    recorder.begin(this.machine.here, mark, to);
    const result = body();
    recorder.end(this.machine.here, mark, result);
    return result;
  }

  /** A hypercall, with its marks ("hypercall:NAME"); returns what `body` returns (0 or more, or -errno). */
  hypercall(name: `hypercall:${string}`, body: () => number): number {
    return this.mark(name, 0, body);
  }

  /** XEN_DOMCTL_createdomain: p2m, VMID(s) with their forced flush. -EBUSY: no VMID left; -ENOMEM: no memory for the root. */
  createDomain(id: number, vcpus: number): number {
    return this.mark("domain:create", id, () => {
      const { machine } = this;
      const p2m = new P2mTable(machine, id, this.ipaBits, (page, owner) => this.pageFreed(page, owner));
      if (!p2m.allocateRoot()) return -ENOMEM;
      machine.heap.setDying(id, false);
      const list: Vcpu[] = [];
      const domain: Domain = {
        id,
        p2m,
        vcpus: list,
        extents: [],
        creationFinished: false,
        sharedInfo: INVALID_MFN,
        grantFrames: [],
      };
      const sharedInfo = this.allocate(domain, 0);
      if (sharedInfo === undefined) {
        p2m.freeTables();
        return -ENOMEM;
      }
      domain.sharedInfo = sharedInfo;
      const perVcpu = machine.frame.vmidPer === "vcpu";
      let shared: number | undefined;
      for (let v = 0; v < vcpus; v++) {
        const vmid = shared ?? machine.vmids.allocate() ?? (perVcpu ? this.rollover() : undefined);
        if (vmid === undefined) {
          if (machine.heap.putAllocRef(sharedInfo)) this.pageFreed(sharedInfo, id);
          p2m.freeTables();
          return -EBUSY;
        }
        if (!perVcpu) shared = vmid;
        list.push({ domain, id: v, vmid, generation: machine.vmids.generation, ranOn: -1 });
      }
      this.domains.set(id, domain);
      this.vmidsChanged(domain);
      p2m.flushVmid();
      return 0;
    });
  }

  /** What flushes must reach: the VMIDs that the domain's vCPUs hold in this generation, each once. */
  private vmidsChanged(domain: Domain): void {
    const { generation } = this.machine.vmids;
    domain.p2m.vmids = [...new Set(domain.vcpus.filter((v) => v.generation === generation).map((v) => v.vmid))];
    for (const vmid of domain.p2m.vmids) this.machine.setRoot(vmid, domain.p2m.rootPage);
  }

  /** VMIDs of a new generation: everything is flushed once, what is in force on a pCPU keeps its own. */
  private rollover(): number {
    const { machine } = this;
    const before = machine.vmids.generation;
    const inForce = new Set(machine.vmidsInForce());
    machine.vmids.rollover(inForce);
    // A number means its holder only within a generation: who keeps his VMID enters the new one with it now.
    for (const domain of this.domains.values()) {
      for (const vcpu of domain.vcpus)
        if (vcpu.generation === before && inForce.has(vcpu.vmid)) vcpu.generation = machine.vmids.generation;
      this.vmidsChanged(domain);
    }
    machine.flushAllGuests(machine.recorder.names.id("vmid_rollover"));
    const vmid = machine.vmids.allocate();
    if (vmid === undefined) throw new Error("more pCPUs than VMIDs");
    return vmid;
  }

  /** The VMID of a vCPU that is to run: its own, or a new one when VMIDs have rolled over since it got it. */
  currentVmid(vcpu: Vcpu): number {
    const { machine } = this;
    if (machine.frame.vmidPer === "vcpu" && vcpu.generation !== machine.vmids.generation) {
      vcpu.vmid = machine.vmids.allocate() ?? this.rollover();
      vcpu.generation = machine.vmids.generation;
      this.vmidsChanged(vcpu.domain);
    }
    return vcpu.vmid;
  }

  /**
   * XEN_DOMCTL_unpausedomain, for the first time: domain_creation_finished(). From now on it runs, memory given to it is
   * flushed at once, and what it accesses is tracked from nothing on.
   */
  unpause(id: number): number {
    return this.mark("domain:unpause", id, () => {
      const domain = this.domains.get(id);
      if (!domain) return -ESRCH;
      domain.creationFinished = true;
      domain.p2m.invalidateRoot();
      return 0;
    });
  }

  /**
   * XEN_DOMCTL_destroydomain: memory, mappings, root, VMIDs, tables, in the order of domain_relinquish_resources. Pages that
   * the domain leaves are to be scrubbed, see {@link scrub}.
   */
  destroy(id: number, preemptAfter: number): number {
    return this.mark("domain:destroy", id, () => {
      const domain = this.domains.get(id);
      if (!domain) return -ESRCH;
      const { machine } = this;
      machine.heap.setDying(id, true);
      for (const { page, order } of domain.extents)
        for (let p = page; p < page + 2 ** order; p++)
          if (machine.heap.owner[p] === id && machine.heap.putAllocRef(p)) this.pageFreed(p, id);
      this.relinquishMapping(domain, preemptAfter);
      domain.p2m.clearRoot();
      domain.p2m.freeTables();
      const own = new Set(domain.vcpus.filter((v) => v.generation === machine.vmids.generation).map((v) => v.vmid));
      for (const vmid of own) machine.vmids.release(vmid);
      this.domains.delete(id);
      return 0;
    });
  }

  /**
   * The idle loop of the executing pCPU scrubs what dead domains left, until nothing is left (scrub_free_pages); from some
   * version on with a flush of everything before each page. Yields now and then.
   */
  *scrub(): Generator<void> {
    const { machine } = this;
    const site = machine.recorder.names.id("scrub_free_pages");
    yield* machine.heap.scrubFree(() => {
      if (machine.version.scrubFlush) machine.flushAllGuests(site);
    });
  }

  /** relinquish_p2m_mapping: every mapping goes, with one flush each time the lock is released. */
  private relinquishMapping(domain: Domain, preemptAfter: number): void {
    const { p2m } = domain;
    const before = this.machine.recorder.at(this.teardownSite);
    p2m.beginRelinquish();
    const end = 2 ** (this.ipaBits - 12);
    const step = Math.max(RELINQUISH_STEP, Math.floor(preemptAfter / RELINQUISH_STEP) * RELINQUISH_STEP);
    p2m.lock();
    let count = 0;
    for (let at = 0; at < end; at = p2m.nextBoundary(at)) {
      const found = p2m.lookup(at);
      // The removal below walks again and may change what nextBoundary goes by: the level found stays.
      const level = p2m.foundLevel;
      if (found) p2m.setEntry(at, 2 ** (9 * (3 - level)), INVALID_MFN, P2m.invalid);
      p2m.foundLevel = level;
      if (++count % step === 0) {
        p2m.unlock();
        p2m.lock();
      }
    }
    p2m.unlock();
    this.machine.recorder.at(before);
  }

  /** A page's last reference is gone: it is on the heap. */
  pageFreed(page: number, before: number): void {
    this.machine.recorder.owner(this.machine.here, page, before, NO_DOMAIN);
  }

  /**
   * alloc_domheap_pages: memory of 2^order pages for a domain, recorded; undefined when there is none. Flushes when the pages
   * had an owner, unless MEMF_no_tlbflush leaves that to the caller.
   */
  allocate(domain: Domain, order: number, noTlbflush = false): number | undefined {
    const { heap, recorder, here } = this.machine;
    const page = heap.allocate(order, domain.id);
    if (page === undefined) return undefined;
    domain.extents.push({ page, order });
    recordOwner(recorder, here, page, order, domain.id);
    if (heap.takeTlbflush(page, order) && !noTlbflush) this.machine.flushAllGuests(this.allocSite);
    return page;
  }

  /** Context switch to a vCPU on a pCPU: p2m_restore_state. */
  run(pcpu: number, vcpu: Vcpu): void {
    const { machine } = this;
    const { recorder } = machine;
    machine.here = pcpu;
    const mark = recorder.names.id(`vcpu-switch:d${vcpu.domain.id}`);
    recorder.begin(pcpu, mark, vcpu.id);
    const site = recorder.names.id("p2m_restore_state");
    const before = recorder.at(site);
    machine.writeVttbr(this.currentVmid(vcpu), vcpu.domain.id);
    machine.isb();
    recorder.at(before);
    const { p2m } = vcpu.domain;
    const last = p2m.lastVcpuRan[pcpu]!;
    if (last !== -1 && last !== vcpu.id) p2m.flushSwitch(vcpu.vmid, site);
    if (vcpu.ranOn !== -1 && vcpu.ranOn !== pcpu) p2m.flushMoved(vcpu.vmid, site);
    p2m.lastVcpuRan[pcpu] = vcpu.id;
    vcpu.ranOn = pcpu;
    recorder.end(pcpu, mark);
  }

  /**
   * A guest access by what runs on the executing pCPU, through its p2m; false when nothing is mapped there. A write to what
   * may not be written faults, and Xen lets it be written (p2m_mem_access_check).
   */
  access(domain: Domain, access: number, va: number, frame: number): boolean {
    const { p2m } = domain;
    if (p2m.invalidated && !p2m.resolveTranslationFault(frame)) return false;
    if (!p2m.lookup(frame)) return false;
    if (access === Access.write && !p2m.foundWritable && p2m.memAccessEnabled) {
      writeFault(p2m, frame);
      p2m.lookup(frame);
    }
    this.machine.recorder.access(this.machine.here, access, p2m.foundLevel, va, frame, p2m.foundMfn);
    return true;
  }
}

/** One owner event for a page or a block; other orders as several. */
function recordOwner(recorder: Machine["recorder"], pcpu: number, page: number, order: number, domain: number): void {
  const level = order >= 18 ? 1 : order >= 9 ? 2 : 3;
  const step = 2 ** (9 * (3 - level));
  for (let p = page; p < page + 2 ** order; p += step) recorder.owner(pcpu, p, NO_DOMAIN, domain, level);
}
