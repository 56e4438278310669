/**
 * A trace on trial: one pass over its events, with what may still be held in TLBs though the tables do not give it any more;
 * and what comes of it. The order of the events in the trace is taken for the order in which they happened.
 */
import { BARRIERS, type CpuProfile, pageOf, SYSREGS, TWO32 } from "../arch/index.js";
import {
  type ColumnName,
  type EventBuffer,
  Kind,
  type Names,
  nameOf,
  parseMark,
  type TraceSink,
  Unknown,
} from "../trace/index.js";
import { Discipline } from "./discipline.js";
import type { Finding } from "./findings.js";
import { Flushes } from "./flushes.js";
import { Runs } from "./runs.js";
import { State } from "./state.js";
import { Waste } from "./waste.js";
import { Writes } from "./writes.js";

/** Columns that a check reads. */
export const CHECK_COLUMNS: readonly ColumnName[] = [
  "kind",
  "pcpu",
  "name",
  "domain",
  "vmid",
  "stage",
  "level",
  "slot",
  "unknown",
  "site",
  "address",
  "before",
  "after",
];

/** What came of a check. */
export interface CheckResult {
  readonly events: number;
  readonly findings: readonly Finding[];
  /** groups of findings beyond those that are kept */
  readonly groupsLost: number;
  /** the phases of the trace's marks, each with the number of the event at which it begins */
  readonly phases: readonly { readonly phase: string; readonly from: number }[];
  /** what could not be looked for, and why, in sentences */
  readonly unknown: readonly string[];
}

const VTTBR = SYSREGS.indexOf("VTTBR_EL2");
const TTBR0_EL2 = SYSREGS.indexOf("TTBR0_EL2");
/** Phases that are told: more are no phases. */
const MOST_PHASES = 64;
const PAGE_BYTES = 4096;
const PAGES_OF_LEVEL = [2 ** 27, 2 ** 18, 512, 1];

/** The sink; {@link Checker.finish} at the end of the trace. */
export class Checker implements TraceSink {
  private readonly state: State;
  private readonly flushes: Flushes;
  private readonly writes: Writes;
  private readonly runs: Runs;
  private readonly waste: Waste;
  private readonly discipline: Discipline;
  private row = 0;
  private operandsUnknown = 0;
  private marksWithoutVmid = 0;
  /** what stands behind the colon of a mark's name, by id */
  private readonly whats: string[] = [];
  private readonly isPhase: boolean[] = [];
  private readonly phases: { phase: string; from: number }[] = [];

  /** `cpu`: on which the trace's code runs; its errata and features decide what is enough. */
  constructor(cpu: CpuProfile) {
    this.state = new State(cpu);
    this.waste = new Waste(this.state);
    this.flushes = new Flushes(this.state, this.waste);
    this.discipline = new Discipline(this.state);
    this.writes = new Writes(this.state, this.waste, this.discipline);
    this.runs = new Runs(this.state, this.flushes, this.waste, this.discipline);
  }

  events(b: EventBuffer, names: Names): void {
    const { state, flushes, runs } = this;
    const { pes } = state;
    state.findings.begin(b, names, this.row);
    runs.learn(names.list);
    for (let id = this.whats.length; id < names.list.length; id++) {
      const mark = parseMark(names.list[id]!);
      this.whats.push(mark?.what ?? "");
      this.isPhase.push(mark?.of === "phase");
    }
    if (
      this.row === 0 &&
      b.length > 0 &&
      b.kind[0] === Kind.begin &&
      /^phase:(xen-)?boot$/.test(names.list[b.code[0]!]!)
    )
      this.waste.fromBoot();
    const { kind, pcpu, code, domain, vmid, level, site, address, from, to, unknown } = b;
    for (let i = 0; i < b.length; i++) {
      state.index = i;
      state.now = this.row + i + 1;
      const p = pcpu[i]!;
      if (p > state.lastPe) state.lastPe = p;
      const j = 2 * i;
      switch (kind[i]) {
        case Kind.write:
          this.write(b, i);
          break;
        case Kind.tlbi: {
          const lost = (unknown[i]! & Unknown.operand) !== 0;
          if (lost) this.operandsUnknown++;
          // Where nothing was written to VTTBR_EL2, the column tells what is in force.
          if (pes.vmid[p]! < 0) pes.vmid[p] = vmid[i]!;
          if (!state.shown.marks && pes.depth[p] === 0 && !state.shown.roots) state.makeLive(vmid[i]!, p);
          flushes.tlbi(p, code[i]!, to[j]!, to[j + 1]!, vmid[i]!, lost, site[i]!);
          break;
        }
        case Kind.barrier:
          flushes.barrier(p, code[i]!);
          if (this.discipline.on) this.barrier(p, code[i]!);
          break;
        case Kind.sysreg:
          if (code[i] === VTTBR) runs.vttbr(p, to[j]!, to[j + 1]!, site[i]!);
          else if (code[i] === TTBR0_EL2) runs.ttbrEl2(to[j]!, to[j + 1]!, site[i]!);
          break;
        case Kind.access:
          if (!runs.isQuiet(p, domain[i]!, vmid[i]!))
            runs.access(p, domain[i]!, vmid[i]!, pageOf(from[j]!, from[j + 1]!), pageOf(to[j]!, to[j + 1]!));
          break;
        case Kind.owner:
          runs.owner(pageOf(address[j]!, address[j + 1]!), PAGES_OF_LEVEL[level[i]!] ?? 1, to[j]!);
          break;
        case Kind.begin:
          if ((unknown[i]! & Unknown.vmid) !== 0) this.marksWithoutVmid++;
          else runs.begin(p, code[i]!, to[j]!, domain[i]!, vmid[i]!);
          if (this.isPhase[code[i]!] && this.phases.length < MOST_PHASES)
            this.phases.push({ phase: this.whats[code[i]!]!, from: this.row + i });
          break;
        case Kind.end:
          if ((unknown[i]! & Unknown.vmid) !== 0) break;
          runs.end(p, code[i]!, domain[i]!, vmid[i]!, this.whats[code[i]!]!, site[i]!);
          break;
        case Kind.lock:
          this.lock(b, i, names);
          break;
        case Kind.hint:
          this.hint(b, i, names);
      }
    }
    state.findings.end();
    this.row += b.length;
  }

  private write(b: EventBuffer, i: number): void {
    const j = 2 * i;
    const { address, from, to } = b;
    const lo = address[j]!;
    this.state.shown.writes = true;
    this.writes.write(
      b.pcpu[i]!,
      pageOf(lo, address[j + 1]!),
      (lo & 0xfff) >>> 3,
      b.stage[i]!,
      b.level[i]!,
      from[j]!,
      from[j + 1]!,
      to[j]!,
      to[j + 1]!,
      b.vmid[i]!,
      b.site[i]!,
      b.code[i] !== 0,
    );
  }

  private barrier(pcpu: number, code: number): void {
    if (BARRIERS[code]!.kind === "DSB") this.discipline.dsb(pcpu);
  }

  private lock(b: EventBuffer, i: number, names: Names): void {
    const name = nameOf(Kind.lock, b.code[i]!, names);
    const address = b.address[2 * i]! + b.address[2 * i + 1]! * TWO32;
    this.discipline.lock(b.pcpu[i]!, name, address, b.site[i]!);
    if (name === "unlock") this.runs.unlocked(b.pcpu[i]!);
  }

  private hint(b: EventBuffer, i: number, names: Names): void {
    const { discipline } = this;
    const address = b.address[2 * i]! + b.address[2 * i + 1]! * TWO32;
    const value = b.to[2 * i]! + b.to[2 * i + 1]! * TWO32;
    const page = Math.floor(address / PAGE_BYTES);
    const name = nameOf(Kind.hint, b.code[i]!, names);
    if (name === "put_page") {
      this.runs.dropped(page);
      return;
    }
    discipline.on = true;
    switch (name) {
      case "set_root_lock":
        discipline.setRootLock(page, value);
        break;
      case "set_pte_thread_owner":
        discipline.setThreadOwner(address, value);
        break;
      case "release_table":
        discipline.release(page, b.site[i]!);
    }
  }

  /** To be called at the end of the trace. */
  finish(): CheckResult {
    const { state } = this;
    this.waste.boundary();
    this.atTheEnd();
    const { findings } = state;
    return {
      events: this.row,
      findings: findings.list(),
      groupsLost: findings.lost,
      phases: this.phases,
      unknown: this.unknown(),
    };
  }

  /** What is still held when the trace ends. */
  private atTheEnd(): void {
    const { stale, left, shown } = this.state;
    for (let id = 0; id < stale.serial.length && stale.count > 0; id++) {
      if (stale.serial[id] === 0 || left[stale.space[id]!] === id) continue;
      const page = `page 0x${stale.frame[id]!.toString(16)}`;
      if (stale.freed[id]! > 0) this.state.accuse("reuse-before-flush", id, `${page} went back to the allocator`, -1);
      else if (stale.exposed[id]! > 0 && shown.marks)
        this.state.accuse("never-flushed", id, stale.rights[id] === 1 ? "with more rights than it has now" : page, -1);
      else if (stale.told[id] === 0) this.unflushed++;
    }
  }

  /** removals that were not flushed when the trace ended, of which nothing can be said */
  private unflushed = 0;

  private unknown(): string[] {
    const { shown } = this.state;
    const n = (count: number): string => count.toLocaleString("en");
    const { stage1, withoutTree } = this.writes;
    return [
      ...(shown.writes
        ? []
        : ["no descriptor writes: what had to be flushed is not known; only vCPU switches and VMIDs are looked at"]),
      ...(shown.owners
        ? []
        : [
            "no owners of pages: freed-before-flush is not looked for, and reuse-before-flush and freed-table-walked are found only where a page is mapped in another table or written as one, not where it is handed to another domain",
          ]),
      // A model's page is freed where its last reference goes; of anything else nothing says that one went.
      ...(shown.owners || shown.references ? [] : ["no references to pages: dropped-before-flush is not looked for"]),
      ...(shown.guest
        ? []
        : ["nothing shows that a guest runs: stale accesses, VMIDs reused and vCPU collisions are not looked for"]),
      ...(shown.marks ? [] : ["no marks of hypercalls: whether a flush is late is not known"]),
      ...(withoutTree > 0
        ? [
            `${n(withoutTree)} descriptor writes are into tables older than the trace: they are taken for the VMID in force, and flushes by address are held against the descriptor's slot alone`,
          ]
        : []),
      ...(stage1 > 0 ? [`${n(stage1)} writes of stage 1 of EL1&0 are not judged`] : []),
      ...(this.operandsUnknown > 0
        ? [`${n(this.operandsUnknown)} TLBIs have no operand in the log: they count for nothing`]
        : []),
      ...(this.marksWithoutVmid > 0
        ? [`${n(this.marksWithoutVmid)} marks have no VMID in the log: vCPU collisions are not looked for among them`]
        : []),
      ...(this.unflushed > 0
        ? [`${n(this.unflushed)} removals were not flushed when the trace ended: whether a flush came is not known`]
        : []),
    ];
  }
}
