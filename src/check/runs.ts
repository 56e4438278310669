/** When guests run, and what must be over by then: marks, VTTBR_EL2, vCPU switches, accesses, owners. */
import { idOf, outputPage, pagesAtLevel } from "../arch/index.js";
import { type MarkClass, NO_DOMAIN, parseMark } from "../trace/index.js";
import type { Discipline } from "./discipline.js";
import type { Flushes } from "./flushes.js";
import { BLANK, bitOf, EVERY_PE, NIL } from "./stale.js";
import type { State } from "./state.js";
import { NONE } from "./tables.js";
import type { Waste } from "./waste.js";
import { EL2_STAGE } from "./writes.js";

/** From here on the column `domain` names no domain that has guests (Xen's special ids). */
const FIRST_SPECIAL = 0x7ff0;
const LEVELS = 4;
/** A guest of which nothing says whose it is. */
const ANY_DOMAIN = -1;

/** A vCPU that ran last on a PE: which, and when it was last seen there. */
interface Last {
  vcpu: number;
  vmid: number;
  leftAt: number;
}

export class Runs {
  private readonly classes: (MarkClass | undefined)[] = [];
  /** by PE and domain */
  private readonly lastVcpu = new Map<number, Last>();
  /** by PE: the VMID under which the vCPU there came in */
  private readonly ran = new Uint16Array(256);
  /** by root: the first VMID under which a guest ran with it, and whose */
  private readonly firstVmid = new Map<number, { readonly vmid: number; readonly domain: number }>();

  constructor(
    private readonly state: State,
    private readonly flushes: Flushes,
    private readonly waste: Waste,
    private readonly discipline: Discipline,
  ) {}

  /** To be called with the names of each block before its events. */
  learn(names: readonly string[]): void {
    for (let id = this.classes.length; id < names.length; id++) this.classes.push(parseMark(names[id]!)?.of);
  }

  vttbr(pcpu: number, lo: number, hi: number, site: number): void {
    const { state } = this;
    const { pes, trees, vmidsOf, rootOf } = state;
    const vmid = idOf(hi);
    const page = outputPage(lo, hi);
    state.shown.roots = true;
    this.discipline.root(page, vmid, 2, site);
    if (pes.vmid[pcpu]! >= 0 && pes.vmid[pcpu] !== vmid) pes.synchronised[pcpu] = 0;
    pes.vmid[pcpu] = vmid;
    const table = trees.root(page, 2);
    if (this.discipline.on) trees.learn(table, 0, 2);
    const before = rootOf[vmid]!;
    if (before !== table) {
      if (before !== NONE) this.rebound(pcpu, vmid, before, site);
      rootOf[vmid] = table;
      const list = vmidsOf.get(table);
      if (list === undefined) vmidsOf.set(table, [vmid]);
      else if (!list.includes(vmid)) list.push(vmid);
    }
    // Loaded within a hypercall it does not run yet; of a trace without marks nothing else tells.
    if (pes.depth[pcpu] === 0) state.makeLive(vmid, pcpu);
  }

  /** A VMID gets another root: what its former owner left may still be held. */
  private rebound(pcpu: number, vmid: number, before: number, site: number): void {
    const { state } = this;
    const { stale, live, left, vmidsOf, now } = state;
    const list = vmidsOf.get(before);
    if (list !== undefined) {
      const rest = list.filter((one) => one !== vmid);
      if (rest.length === 0) vmidsOf.delete(before);
      else vmidsOf.set(before, rest);
    }
    this.firstVmid.delete(before);
    if (live[vmid] === 0 || left[vmid] !== NIL) return;
    const id = stale.add({ ...BLANK, space: vmid, born: now, pcpu, site, held: live[vmid]! });
    stale.visible[id] = now;
    stale.visibleHere[id] = now;
    left[vmid] = id;
  }

  ttbrEl2(lo: number, hi: number, site: number): void {
    const { trees } = this.state;
    const page = outputPage(lo, hi);
    this.discipline.root(page, idOf(hi), EL2_STAGE, site);
    const table = trees.root(page, EL2_STAGE);
    trees.learn(table, 0, EL2_STAGE);
  }

  begin(pcpu: number, mark: number, lo: number, domain: number, vmid: number): void {
    const of = this.classes[mark];
    const { pes, shown } = this.state;
    if (of === undefined) return;
    if (of === "phase") {
      this.waste.boundary();
      return;
    }
    shown.marks = true;
    // The guest ran until here; what it left in the TLBs is its VMID's.
    if (pes.depth[pcpu] === 0 && of !== "vcpu-switch" && of !== "domain") this.guestRuns(pcpu, domain, vmid, false);
    pes.depth[pcpu]!++;
    pes.synchronised[pcpu] = 1; // taking an exception is a context synchronisation event
    if (of === "vcpu-switch") this.switches(pcpu, lo);
  }

  /** A vCPU is to come in: who was the last of its domain here? The one that leaves is seen for the last time. */
  private switches(pcpu: number, vcpu: number): void {
    const { pes, now } = this.state;
    if (pes.vcpu[pcpu]! >= 0) {
      const key = pcpu * 0x1_0000 + pes.domain[pcpu]!;
      this.lastVcpu.set(key, { vcpu: pes.vcpu[pcpu]!, vmid: this.ran[pcpu]!, leftAt: now });
    }
    pes.switching[pcpu] = 1;
    pes.vcpu[pcpu] = vcpu;
    pes.flushWanted[pcpu] = 1;
  }

  end(pcpu: number, mark: number, domain: number, vmid: number, what: string, site: number): void {
    const of = this.classes[mark];
    const { pes, stale } = this.state;
    if (of === undefined) return;
    if (of === "phase") {
      this.waste.boundary();
      return;
    }
    if (pes.depth[pcpu]! > 0) pes.depth[pcpu]!--;
    if (of === "vcpu-switch") this.switched(pcpu, what, vmid, site);
    if (pes.depth[pcpu]! > 0) return;
    pes.synchronised[pcpu] = 1; // so is ERET
    const born = pes.born(pcpu);
    if (born.length > 0)
      born.sweep(stale.serial, (id) => {
        this.expose(id);
        return false;
      });
    if (of !== "vcpu-switch" || what !== "") this.guestRuns(pcpu, domain, vmid, of === "vcpu-switch");
  }

  /** A removal has returned, and its flush has not come. */
  private expose(id: number): void {
    const { state } = this;
    const { stale, owners, domainOf } = state;
    if (stale.rights[id] === 0 && state.left[stale.space[id]!] === id) return;
    state.expose(id);
    const frame = stale.frame[id]!;
    const domain = domainOf[stale.space[id]!]!;
    if (frame < 0 || stale.step[id] === 1 || domain < 0 || !owners.isOthers(frame, domain)) return;
    state.accuse(
      "reuse-before-flush",
      id,
      `page 0x${frame.toString(16)} is domain ${owners.of(frame)}'s, and the call that took it from domain ${domain} has returned`,
    );
  }

  /** A lock is free again: what was changed under it is promised, as far as nothing else tells. */
  unlocked(pcpu: number): void {
    const { state } = this;
    if (state.shown.marks) return;
    state.pes.born(pcpu).sweep(state.stale.serial, (id) => {
      state.expose(id);
      return false;
    });
  }

  private switched(pcpu: number, what: string, vmid: number, site: number): void {
    const { state } = this;
    const { pes } = state;
    pes.switching[pcpu] = 0;
    pes.flushWanted[pcpu] = 0;
    const id = /^d(\d+)$/.exec(what)?.[1];
    if (id === undefined) {
      pes.vcpu[pcpu] = -1;
      return;
    }
    const domain = Number(id);
    const key = pcpu * 0x1_0000 + domain;
    const last = this.lastVcpu.get(key);
    pes.domain[pcpu] = domain;
    const vcpu = pes.vcpu[pcpu]!;
    this.ran[pcpu] = vmid;
    // Under a VMID of its own nothing of the other one's can be taken for this one's; but see apart().
    if (last === undefined || last.vcpu === vcpu || last.vmid !== vmid) return;
    if (this.flushes.combinedFlushAt(pcpu, vmid) >= last.leftAt) return;
    this.collision(pcpu, vmid, last, vcpu, domain, site);
  }

  /** No flush since the other vCPU left. What is combined goes for an entry that only that is left of, to learn why. */
  private collision(pcpu: number, vmid: number, last: Last, vcpu: number, domain: number, site: number): void {
    const { state } = this;
    const { stale } = state;
    if ((state.live[vmid]! & bitOf(pcpu)) === 0) return;
    const id = stale.add({
      ...BLANK,
      space: vmid,
      born: last.leftAt,
      pcpu,
      site,
      held: bitOf(pcpu),
      gone: EVERY_PE,
    });
    stale.visible[id] = last.leftAt;
    stale.visibleHere[id] = last.leftAt;
    state.accuse(
      "vcpu-collision",
      id,
      `vCPU ${vcpu} of domain ${domain} comes in on pCPU ${pcpu} after vCPU ${last.vcpu}`,
    );
    stale.remove(id);
  }

  /** A guest runs on a PE, under the VMID in force. */
  guestRuns(pcpu: number, domain: number, vmid: number, switched: boolean): void {
    if (domain >= FIRST_SPECIAL) return;
    const { state } = this;
    const { left, domainOf, shown, stale } = state;
    shown.guest = true;
    if (domain !== ANY_DOMAIN) domainOf[vmid] = domain;
    if (left[vmid] !== NIL && stale.told[left[vmid]!] === 0)
      state.accuse("vmid-reused", left[vmid]!, `VMID ${vmid} runs on pCPU ${pcpu}`);
    state.makeLive(vmid, pcpu);
    if (switched) this.apart(pcpu, vmid, domain);
  }

  /** Guests of one table under several VMIDs. */
  private apart(pcpu: number, vmid: number, domain: number): void {
    const { state } = this;
    const root = state.rootOf[vmid]!;
    if (root === NONE) return;
    const first = this.firstVmid.get(root);
    // A root's page may be another domain's by now.
    const current = first !== undefined && first.domain === domain && state.live[first.vmid] !== 0;
    if (!current) this.firstVmid.set(root, { vmid, domain });
    else if (first.vmid !== vmid)
      state.findings.add("vmids-apart", state.index, {
        site: 0,
        detail: () =>
          `VMIDs ${first.vmid} and ${vmid} share the table in page 0x${state.trees.page[root]!.toString(16)}; pCPU ${pcpu}`,
      });
  }

  /** An access of whose vCPU all is known that can be, and which can meet nothing stale: nothing comes of it. */
  isQuiet(pcpu: number, domain: number, vmid: number): boolean {
    const { stale, pes, live, left, domainOf, shown } = this.state;
    if (!shown.guest || stale.of[vmid] !== 0) return false;
    if (pes.depth[pcpu] !== 0) return true;
    return (
      (live[vmid]! & bitOf(pcpu)) !== 0 && left[vmid] === NIL && (domain === NO_DOMAIN || domainOf[vmid] === domain)
    );
  }

  /** An access by the vCPU that runs. Pages of IPA and PA. */
  access(pcpu: number, domain: number, vmid: number, ipa: number, pa: number): void {
    const { state } = this;
    const { stale, pes } = state;
    // Whoever accesses runs, whether the row has a domain or not.
    if (pes.depth[pcpu] === 0) this.guestRuns(pcpu, domain === NO_DOMAIN ? ANY_DOMAIN : domain, vmid, false);
    if (stale.count === 0 || stale.of[vmid] === 0) return;
    for (let level = 0; level < LEVELS; level++) {
      const base = Math.floor(ipa / pagesAtLevel(level)) * pagesAtLevel(level);
      for (let id = stale.at(base, level); id !== NIL; id = stale.nextAt(id)) {
        if (stale.space[id] !== vmid || stale.step[id] === 1 || stale.rights[id] === 1) continue;
        const over = stale.exposed[id]! > 0 || stale.told[id] === 1 || pes.depth[stale.pcpu[id]!] === 0;
        if (!over || stale.repeatFrom[id]! > 0 || stale.frame[id]! + (ipa - base) !== pa) continue;
        // A new descriptor may give the same page.
        if (state.rootOf[vmid] !== NONE && state.trees.gives(state.rootOf[vmid]!, ipa) === pa) continue;
        stale.told[id] = 0; // worse than what was said of it before
        state.accuse("stale-access", id, `IPA 0x${ipa.toString(16)}000 -> PA 0x${pa.toString(16)}000 on pCPU ${pcpu}`);
      }
    }
  }

  /** A mapping's reference on a page is dropped: from now on its owner may free it. */
  dropped(page: number): void {
    const { stale, shown, now } = this.state;
    shown.references = true;
    stale.eachOfFrames(page, 1, (id) => {
      if (stale.step[id] === 0 && stale.dropped[id] === 0) stale.dropped[id] = now;
    });
  }

  /** Pages change owner. */
  owner(first: number, pages: number, after: number): void {
    const { state } = this;
    const { stale, owners, shown } = state;
    shown.owners = true;
    owners.set(first, pages, after);
    this.waste.reused(first, pages);
    if (stale.count === 0) return;
    stale.eachOfFrames(first, pages, (id) => {
      const domain = state.domainOf[stale.space[id]!]!;
      if (after === domain && stale.step[id] === 0) return;
      if (after === NO_DOMAIN) {
        if (stale.freed[id] === 0) stale.freed[id] = state.now;
        return;
      }
      const page = Math.max(first, stale.frame[id]!).toString(16);
      if (stale.step[id] === 1)
        state.accuse("freed-table-walked", id, `the table in page 0x${page} is handed to domain ${after}`);
      else state.accuse("reuse-before-flush", id, `page 0x${page} is handed to domain ${after}`);
    });
  }
}
