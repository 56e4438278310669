/** Prices a trace phase by phase ("phase:NAME" marks), on several hosts. */
import { addCounts, type Counts, type Host } from "../host/index.js";
import { EventBuffer, Kind, type Names, type TraceSink } from "../trace/index.js";
import { type HostCounts, hostSinks } from "./host-sinks.js";

/** Name of what stands outside any phase. */
export const OUTSIDE = "other";
const MARK = "phase:";

/** A trace's counts in one phase on one host at one IPA size. */
export interface PhaseCounts extends HostCounts {
  readonly phase: string;
}

/**
 * A sink that tells what each phase did. A phase that comes again is added up. `vcpus`: pCPUs of the trace. What a phase
 * makes a later one pay (refaults) is counted where it is paid.
 */
export class PhasePrices implements TraceSink {
  readonly wants = [Kind.access, Kind.tlbi, Kind.barrier, Kind.sysreg, Kind.begin, Kind.end];
  /** events seen */
  seen = 0;
  private readonly sinks: readonly TraceSink[];
  private readonly counts: () => HostCounts[];
  private readonly open: string[] = [];
  private readonly byPhase = new Map<string, HostCounts[]>();
  private last: HostCounts[];

  constructor(hosts: readonly Host[], ipaBits: readonly number[], vcpus: number) {
    const { sinks, counts } = hostSinks(hosts, ipaBits, vcpus);
    this.sinks = sinks;
    this.counts = counts;
    this.last = counts();
  }

  events(buffer: EventBuffer, names: Names): void {
    let from = 0;
    for (let i = 0; i < buffer.length; i++) {
      const kind = buffer.kind[i]!;
      if (kind !== Kind.begin && kind !== Kind.end) continue;
      const name = names.list[buffer.code[i]!]!;
      if (!name.startsWith(MARK)) continue;
      this.pass(buffer, from, i, names);
      from = i;
      this.settle();
      if (kind === Kind.begin) this.open.push(name.slice(MARK.length));
      else this.open.pop();
    }
    this.pass(buffer, from, buffer.length, names);
    this.seen += buffer.length;
  }

  private pass(buffer: EventBuffer, from: number, to: number, names: Names): void {
    if (from === to) return;
    const part = from === 0 && to === buffer.length ? buffer : new EventBuffer(to - from, buffer, from);
    for (const sink of this.sinks) sink.events(part, names);
  }

  /** What was counted since the last time belongs to the phase that is open. */
  private settle(): void {
    const now = this.counts();
    const phase = this.open.at(-1) ?? OUTSIDE;
    const before = this.byPhase.get(phase);
    const since = now.map((of, i) => ({ ...of, counts: addCounts(of.counts, this.last[i]!.counts, -1) }));
    this.byPhase.set(phase, before ? add(before, since) : since);
    this.last = now;
  }

  /** Phases in the order in which they first came, without those in which nothing was counted; to be called at the end. */
  phases(): PhaseCounts[] {
    this.settle();
    return [...this.byPhase]
      .filter(([, list]) => list.some(({ counts }) => didAnything(counts)))
      .flatMap(([phase, list]) => list.map((of) => ({ phase, ...of })));
  }

  /** The whole trace. */
  total(): HostCounts[] {
    return this.counts();
  }
}

const add = (a: readonly HostCounts[], b: readonly HostCounts[]): HostCounts[] =>
  a.map((of, i) => ({ ...of, counts: addCounts(of.counts, b[i]!.counts) }));

function didAnything({ tlbi, hypercalls, hardwareTlbi, firstFaults, refaults }: Counts): boolean {
  return [tlbi, hypercalls, hardwareTlbi].some((of) => Object.keys(of).length > 0) || firstFaults + refaults > 0;
}
