/**
 * The protocol of the code's own, for logs that carry locks and roots: what casemate (rems-project/casemate) holds pKVM's and
 * others' page-table code to, in its `model.c`. None of it is a rule of the architecture.
 */
import { VALID } from "../arch/index.js";
import type { FindingKind } from "./kinds.js";
import type { State } from "./state.js";
import { NONE } from "./tables.js";

interface Lock {
  holder: number;
  /** a plain store to a table was made since it was taken, or since the last DSB */
  stored: boolean;
}

export class Discipline {
  /** the log has locks or roots */
  on = false;
  private readonly locks = new Map<number, Lock>();
  /** by a root's page: its lock; by a descriptor's address: the thread that alone may write it */
  private readonly lockOf = new Map<number, number>();
  private readonly threadOf = new Map<number, number>();

  constructor(private readonly state: State) {}

  private say(kind: FindingKind, site: number, detail: string): void {
    this.state.findings.add(kind, this.state.index, { site, detail: () => detail });
  }

  lock(pcpu: number, name: string, address: number, site: number): void {
    this.on = true;
    this.state.shown.discipline = true;
    const lock = this.locks.get(address);
    if (name !== "unlock") {
      if (lock !== undefined && (name === "lock" || lock.holder !== pcpu))
        this.say("lock-misused", site, `lock 0x${address.toString(16)} is held by pCPU ${lock.holder}`);
      this.locks.set(address, { holder: pcpu, stored: false });
      return;
    }
    if (lock === undefined || lock.holder !== pcpu)
      this.say("lock-misused", site, `lock 0x${address.toString(16)} is not held by pCPU ${pcpu}`);
    this.locks.delete(address);
  }

  dsb(pcpu: number): void {
    for (const lock of this.locks.values()) if (lock.holder === pcpu) lock.stored = false;
  }

  setRootLock(page: number, lock: number): void {
    this.on = true;
    this.state.shown.discipline = true;
    this.lockOf.set(page, lock);
  }

  setThreadOwner(address: number, thread: number): void {
    this.on = true;
    this.threadOf.set(address, thread);
  }

  /** A store to a descriptor of a table of a known tree, at `address`. */
  write(
    pcpu: number,
    table: number,
    root: number,
    address: number,
    oldLo: number,
    newLo: number,
    release: boolean,
    site: number,
  ): void {
    if (!this.on || root === NONE) return;
    const { trees } = this.state;
    const page = trees.page[root]!;
    const thread = this.threadOf.get(address);
    if (thread === pcpu) return;
    if (thread !== undefined) {
      this.say("table-unlocked", site, `the descriptor at 0x${address.toString(16)} is pCPU ${thread}'s own`);
      return;
    }
    this.lockedWrite(pcpu, table, page, ((oldLo | newLo) & VALID) !== 0, release, site);
  }

  private lockedWrite(pcpu: number, table: number, page: number, valid: boolean, release: boolean, site: number): void {
    const { trees } = this.state;
    const address = this.lockOf.get(page);
    if (address === undefined) {
      this.say("no-lock-known", site, `the root in page 0x${page.toString(16)}`);
      return;
    }
    const lock = this.locks.get(address);
    if (lock === undefined || lock.holder !== pcpu) {
      this.say("table-unlocked", site, `the table in page 0x${trees.page[table]!.toString(16)}`);
      return;
    }
    if (lock.stored && !release && valid)
      this.say("racing-write", site, `the table in page 0x${trees.page[table]!.toString(16)}`);
    lock.stored = true;
  }

  /** A table descriptor is written: the page that it links to. */
  link(table: number, slot: number, page: number): void {
    if (!this.on) return;
    const { trees, index } = this.state;
    const child = trees.at(page);
    if (child === NONE) return;
    const parent = trees.parent[child]!;
    const elsewhere = parent !== NONE && (parent !== table || trees.parentSlot[child] !== slot);
    if (elsewhere || trees.isRoot[child] === 1)
      this.state.findings.add("double-use", index, { site: 0, detail: () => `page 0x${page.toString(16)}` });
  }

  /** A table loses its link: what is below it must be clean. To be called before. */
  unlink(child: number): void {
    if (!this.on || this.state.stale.count === 0) return;
    const inside = new Set<number>();
    this.collect(child, inside);
    if (this.isUnclean((table) => inside.has(table)))
      this.say(
        "released-unclean",
        0,
        `the table in page 0x${this.state.trees.page[child]!.toString(16)} loses its link`,
      );
  }

  /** A descriptor is taken out of a table whose own link was removed and is not flushed. */
  belowUnclean(page: number, site: number): void {
    if (this.on) this.say("written-below-unclean", site, `the table in page 0x${page.toString(16)}`);
  }

  private isUnclean(among: (table: number, id: number) => boolean): boolean {
    const { stale } = this.state;
    for (let id = 0; id < stale.serial.length; id++)
      if (stale.serial[id] !== 0 && among(stale.table[id]!, id)) return true;
    return false;
  }

  /** A register is given a root. */
  root(page: number, id: number, stage: number, site: number): void {
    if (!this.on) return;
    const { state } = this;
    const table = state.trees.at(page);
    const vmids = table === NONE ? undefined : state.vmidsOf.get(table);
    const other = state.rootOf[id]!;
    if (stage === 2 && vmids !== undefined && !vmids.includes(id))
      this.say(
        "root-under-two-ids",
        site,
        `the root in page 0x${page.toString(16)} has VMID ${vmids[0]}, and gets ${id}`,
      );
    else if (stage === 2 && other !== NONE && state.trees.page[other] !== page)
      this.say(
        "root-under-two-ids",
        site,
        `VMID ${id} has the root in page 0x${state.trees.page[other]!.toString(16)}`,
      );
    else if (stage !== 2 && id !== 0) this.say("root-under-two-ids", site, `ASID ${id} in TTBR0_EL2, which has none`);
  }

  /** A table, and all below it, is released. */
  release(page: number, site: number): void {
    this.on = true;
    const { state } = this;
    const { trees, stale, pes } = state;
    this.lockOf.delete(page);
    const table = trees.at(page);
    if (table === NONE) return;
    const inside = new Set<number>();
    this.collect(table, inside);
    const reaches = (id: number): boolean => stale.step[id] === 1 && stale.frame[id] === page;
    if (this.isUnclean((of, id) => inside.has(of) || reaches(id)))
      this.say("released-unclean", site, `the table in page 0x${page.toString(16)}`);
    if (trees.isRoot[table] === 1) {
      for (const vmid of state.vmidsOf.get(table) ?? []) {
        for (let p = 0; p <= state.lastPe; p++)
          if (pes.vmid[p] === vmid && state.rootOf[vmid] === table)
            this.say("released-in-use", site, `VTTBR_EL2 of pCPU ${p} holds the root in page 0x${page.toString(16)}`);
        state.rootOf[vmid] = NONE;
      }
      state.vmidsOf.delete(table);
    }
    for (const one of inside) {
      trees.isRoot[one] = 0;
      trees.unlink(one);
    }
  }

  private collect(table: number, into: Set<number>): void {
    if (into.has(table)) return;
    into.add(table);
    const { trees } = this.state;
    for (let other = 0; other < trees.count; other++) if (trees.parent[other] === table) this.collect(other, into);
  }
}
