/** What the parts of the checker share. */
import { type CpuProfile, needs } from "../arch/index.js";
import { Owners } from "../trace/index.js";
import { Findings } from "./findings.js";
import { type FindingKind, REASON_WORDS, type Reason } from "./kinds.js";
import { MaintenanceLog } from "./maintenance.js";
import { Pes } from "./pes.js";
import { bitOf, EL2_SPACE, NIL, StaleEntries } from "./stale.js";
import { NONE, TableTrees } from "./tables.js";

const SPACES = EL2_SPACE + 1;

export class State {
  readonly stale = new StaleEntries();
  readonly trees = new TableTrees();
  readonly pes = new Pes();
  readonly owners = new Owners();
  readonly log = new MaintenanceLog();
  readonly findings = new Findings();
  /** number of the event at hand, from 1 (0 is "never"), and its place in the block */
  now = 0;
  index = 0;
  /** by space: PEs on which its entries may be held */
  readonly live = new Int32Array(SPACES);
  /** VMIDs that were ever live */
  readonly everLive = new Set<number>();
  /** by space: the root in force (a table), and the domain that runs under it */
  readonly rootOf = new Int32Array(SPACES).fill(NONE);
  readonly domainOf = new Int32Array(SPACES).fill(-1);
  /** by root (a table): its VMIDs */
  readonly vmidsOf = new Map<number, number[]>();
  /** by VMID: the entry that stands for all that its former owner left; NIL */
  readonly left = new Int32Array(SPACES).fill(NIL);
  /** what the trace shows, for what it cannot show */
  readonly shown = {
    marks: false,
    owners: false,
    references: false,
    writes: false,
    roots: false,
    discipline: false,
    guest: false,
  };
  /** the CPU has the repeat-TLBI erratum */
  readonly repeats: boolean;

  constructor(readonly cpu: CpuProfile) {
    this.repeats = needs(cpu, "repeat-tlbi");
  }

  /** A finding about a stale entry, at the event at hand, with the reason why no flush did. */
  accuse(kind: FindingKind, id: number, detail: string, index = this.index): void {
    const { stale } = this;
    if (stale.told[id] === 1) return;
    stale.told[id] = 1;
    const reason = this.why(id);
    const since = stale.born[id]! - 1;
    this.findings.add(kind, index, {
      reason,
      site: stale.site[id]!,
      detail: () => detail,
      since,
      ...(stale.space[id] === EL2_SPACE ? {} : { vmid: stale.space[id]! }),
    });
  }

  /** Why no flush did for an entry, up to now. */
  private why(id: number): Reason {
    return this.stale.repeatFrom[id]! > 0 ? "no-repeat" : this.log.why(this.stale, id, this.repeats);
  }

  /** The guest runs on with an entry, or its lock is free again. */
  expose(id: number): void {
    this.stale.exposed[id] = this.now;
    this.stale.why[id] = REASON_WORDS.indexOf(this.why(id)) + 1;
  }

  /** Entries of a space may be held on a PE from now on. */
  makeLive(space: number, pcpu: number): void {
    const bit = bitOf(pcpu);
    if ((this.live[space]! & bit) !== 0) return;
    this.live[space]! |= bit;
    this.everLive.add(space);
  }

  /** PEs that have this VMID in VTTBR_EL2 now. */
  inForce(vmid: number): number {
    let mask = 0;
    const { pes } = this;
    for (let p = 0; p <= this.lastPe; p++) if (pes.vmid[p] === vmid) mask |= bitOf(p);
    return mask;
  }

  /** the highest PE seen */
  lastPe = 0;
}
