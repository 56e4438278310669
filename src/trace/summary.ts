/**
 * Adds up a trace by phase: who issued which TLBI, for whom, how often, from which call site; and what else happened.
 * `shootdown show --json` prints {@link Summary} as it is.
 */
import { BARRIERS, SYSREGS, TLBI_OPS } from "../arch/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import { ACCESSES, FAULTS, Kind, type Names, NO_DOMAIN } from "./event.js";
import { MarkReader, OUTSIDE } from "./marks.js";

/** TLBIs of one kind from one call site under one VMID. */
export interface CallerCount {
  readonly op: string;
  /** the `site` of the events: the function that issued it, or "function < its caller < ..."; "" when the trace does not say */
  readonly caller: string;
  /** the VMID in force: whose entries it invalidates */
  readonly vmid: number;
  readonly count: number;
}

/** Counts by name, only of what occurred. */
type Counts = Readonly<Record<string, number>>;

/** What happened between the begin and the end of a phase. */
export interface PhaseSummary {
  readonly events: number;
  /** TLBIs by name */
  readonly tlbi: Counts;
  /** hypercalls begun, by Xen's name */
  readonly hypercalls: Counts;
  /** writes of stage-2 and of stage-1 descriptors */
  readonly stage2Writes: number;
  readonly stage1Writes: number;
  /** TLBIs by operation, call site and VMID, the most frequent first */
  readonly byCaller: readonly CallerCount[];
  /** TLBIs by executing pCPU */
  readonly byPcpu: readonly { readonly op: string; readonly pcpu: number; readonly count: number }[];
  /** TLBIs by the domain whose vCPU or hypercall ran; null: none, the hypervisor itself */
  readonly byDomain: readonly { readonly op: string; readonly domain: number | null; readonly count: number }[];
  readonly barriers: Counts;
  readonly sysregs: Counts;
  readonly accesses: Counts;
  readonly faults: Counts;
  /** pages that changed owner */
  readonly ownerChanges: number;
  /** vCPU switches begun */
  readonly vcpuSwitches: number;
}

export interface Summary {
  readonly events: number;
  /** by name, in the order in which they began; events outside any phase are in {@link OUTSIDE}. To look a name up: named() */
  readonly phases: Readonly<Record<string, PhaseSummary>>;
}

/** Columns that {@link Summing} reads. */
export const SUMMARY_COLUMNS = ["kind", "pcpu", "name", "domain", "vmid", "stage", "site"] as const;

/** The sink. Nothing is allocated per event. */
export class Summing implements TraceSink {
  private total = 0;
  /** by the id of their mark, in the order in which they began; 0 is what is outside any */
  private readonly phases = new Map<number, Phase>();
  private current: Phase;
  private names: Names | undefined;
  private readonly marks = new MarkReader();

  constructor() {
    this.current = this.phase(0);
  }

  private phase(mark: number): Phase {
    let phase = this.phases.get(mark);
    if (phase === undefined) {
      phase = new Phase();
      this.phases.set(mark, phase);
    }
    return phase;
  }

  events(b: EventBuffer, names: Names): void {
    this.names = names;
    this.marks.learn(names);
    const n = b.length;
    this.total += n;
    for (let i = 0; i < n; i++) {
      const kind = b.kind[i]!;
      const code = b.code[i]!;
      // The begin of a phase is in it, and so is its end.
      if (kind === Kind.begin && this.marks.event(kind, code, i)) this.current = this.phase(this.marks.phase);
      const p = this.current;
      p.events++;
      switch (kind) {
        case Kind.tlbi: {
          p.tlbi[code]!++;
          p.byCaller.add((code << 16) | b.site[i]!, b.vmid[i]!);
          p.byPlace.add((code << 16) | b.domain[i]!, b.pcpu[i]!);
          break;
        }
        case Kind.write:
          if (b.stage[i] === 2) p.stage2Writes++;
          else p.stage1Writes++;
          break;
        case Kind.barrier:
          p.barriers[code]!++;
          break;
        case Kind.sysreg:
          p.sysregs[code]!++;
          break;
        case Kind.access:
          p.accesses[code]!++;
          break;
        case Kind.fault:
          p.faults[code]!++;
          break;
        case Kind.owner:
          p.ownerChanges++;
          break;
        case Kind.begin:
          if (this.marks.classes[code] === "hypercall") p.hypercalls.add(code, 0);
          else if (this.marks.classes[code] === "vcpu-switch") p.vcpuSwitches++;
          break;
        default:
          if (this.marks.event(kind, code, i)) this.current = this.phase(this.marks.phase);
      }
    }
  }

  /** What has been added up so far. */
  summary(): Summary {
    const what = (mark: number): string => this.marks.what(mark);
    const phases = [...this.phases].filter(([, phase]) => phase.events > 0);
    // What is outside comes last, wherever its events stood.
    phases.sort(([a], [b]) => Number(a === 0) - Number(b === 0));
    return {
      events: this.total,
      phases: Object.fromEntries(
        phases.map(([mark, phase]) => [what(mark), phase.summary(this.names?.list ?? [], what)]),
      ),
    };
  }
}

/** The counters of one phase. */
class Phase {
  events = 0;
  stage1Writes = 0;
  stage2Writes = 0;
  ownerChanges = 0;
  vcpuSwitches = 0;
  readonly tlbi = new Float64Array(TLBI_OPS.length);
  readonly barriers = new Float64Array(BARRIERS.length);
  readonly sysregs = new Float64Array(SYSREGS.length);
  readonly accesses = new Float64Array(ACCESSES.length);
  readonly faults = new Float64Array(FAULTS.length);
  /** by mark id */
  readonly hypercalls = new PairCounts();
  /** by (operation << 16 | site) and VMID */
  readonly byCaller = new PairCounts();
  /** by (operation << 16 | domain) and pCPU */
  readonly byPlace = new PairCounts();

  /** `what`: what stands after the colon of a mark's name */
  summary(names: readonly string[], what: (mark: number) => string): PhaseSummary {
    const op = (key: number): string => TLBI_OPS[key >>> 16]!.name;
    const byPcpu = new PairCounts();
    const byDomain = new PairCounts();
    this.byPlace.forEach((key, pcpu, count) => {
      byPcpu.add((key >>> 16) << 16, pcpu, count);
      byDomain.add(key, 0, count);
    });
    return {
      events: this.events,
      tlbi: counts(this.tlbi, (i) => TLBI_OPS[i]!.name),
      hypercalls: Object.fromEntries(this.hypercalls.rows((mark, _, count) => [what(mark), count] as const)),
      stage2Writes: this.stage2Writes,
      stage1Writes: this.stage1Writes,
      byCaller: this.byCaller.rows((key, vmid, count) => ({ op: op(key), caller: names[key & 0xffff]!, vmid, count })),
      byPcpu: byPcpu.rows((key, pcpu, count) => ({ op: op(key), pcpu, count })),
      byDomain: byDomain.rows((key, _, count) => {
        const domain = key & 0xffff;
        return { op: op(key), domain: domain === NO_DOMAIN ? null : domain, count };
      }),
      barriers: counts(this.barriers, (i) => BARRIERS[i]!.name),
      sysregs: counts(this.sysregs, (i) => SYSREGS[i]!),
      accesses: counts(this.accesses, (i) => ACCESSES[i]!),
      faults: counts(this.faults, (i) => FAULTS[i]!),
      ownerChanges: this.ownerChanges,
      vcpuSwitches: this.vcpuSwitches,
    };
  }
}

function counts(of: Float64Array, name: (i: number) => string): Counts {
  const result: Record<string, number> = {};
  of.forEach((count, i) => {
    if (count > 0) result[name(i)] = count;
  });
  return result;
}

/** Counts by a pair of numbers below 2^32: a hash table of typed arrays, open addressing. */
class PairCounts {
  private keys = new Uint32Array(2 * 16);
  private values = new Float64Array(16);
  private used = 0;

  add(a: number, b: number, count = 1): void {
    const { keys, values } = this;
    const mask = values.length - 1;
    let hash = Math.imul(a ^ Math.imul(b, 0x85eb_ca6b), 0x9e37_79b1);
    hash ^= hash >>> 15;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask)
      if (values[slot] === 0) {
        keys[2 * slot] = a;
        keys[2 * slot + 1] = b;
        values[slot] = count;
        if (++this.used * 2 > values.length) this.grow();
        return;
      } else if (keys[2 * slot] === a && keys[2 * slot + 1] === b) {
        values[slot]! += count;
        return;
      }
  }

  private grow(): void {
    const { keys, values } = this;
    this.keys = new Uint32Array(2 * keys.length);
    this.values = new Float64Array(2 * values.length);
    this.used = 0;
    for (let slot = 0; slot < values.length; slot++)
      if (values[slot]! > 0) this.add(keys[2 * slot]!, keys[2 * slot + 1]!, values[slot]!);
  }

  forEach(visit: (a: number, b: number, count: number) => void): void {
    for (let slot = 0; slot < this.values.length; slot++)
      if (this.values[slot]! > 0) visit(this.keys[2 * slot]!, this.keys[2 * slot + 1]!, this.values[slot]!);
  }

  /** A row for each pair, the largest count first, equal ones by the pair. */
  rows<T>(row: (a: number, b: number, count: number) => T): T[] {
    const all: [number, number, number][] = [];
    this.forEach((a, b, count) => {
      all.push([a, b, count]);
    });
    all.sort((x, y) => y[2] - x[2] || x[0] - y[0] || x[1] - y[1]);
    return all.map(([a, b, count]) => row(a, b, count));
  }
}
