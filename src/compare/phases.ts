/** Prices a trace phase by phase ("phase:NAME" marks), on several hosts. */
import { addCounts, type Counts, type Host } from "../host/index.js";
import { EventBuffer, Kind, MarkReader, type Names, type TraceSink } from "../trace/index.js";
import { type HostCounts, hostSinks } from "./host-sinks.js";

export { TOTAL } from "../trace/index.js";

/** A trace's counts in one phase on one host at one IPA size. */
export interface PhaseCounts extends HostCounts {
  readonly phase: string;
}

/**
 * A sink that tells what each phase did. A phase that comes again is added up. `vcpus`: pCPUs of the trace. What a phase
 * makes a later one pay (refaults) is counted where it is paid.
 */
export class PhasePrices implements TraceSink {
  readonly wants = [Kind.access, Kind.tlbi, Kind.barrier, Kind.sysreg, Kind.begin, Kind.end, Kind.exit];
  /** events seen */
  seen = 0;
  private readonly sinks: readonly TraceSink[];
  private readonly counts: () => HostCounts[];
  /** VMIDs under which a guest has run until now, or before the trace; none where no host is nested */
  readonly vmidsRun: () => number[];
  private readonly marks = new MarkReader();
  /** by the id of a phase's mark; 0 is what is outside any */
  private readonly byPhase = new Map<number, HostCounts[]>();
  /** the phase to which what is counted belongs, and all that was counted before it began */
  private phase = 0;
  private last: HostCounts[];

  /** `ran`: VMIDs whose guests have run before the trace begins. */
  constructor(
    hosts: readonly Host[],
    ipaBits: readonly number[],
    vcpus: number,
    ran: readonly number[] = [],
    /** what is told apart: phases, or the marked parts of dom0's script */
    private readonly by: "phase" | "script" = "phase",
  ) {
    const { sinks, counts, vmidsRun } = hostSinks(hosts, ipaBits, vcpus, ran);
    this.vmidsRun = vmidsRun;
    this.sinks = sinks;
    this.counts = counts;
    this.last = counts();
  }

  events(buffer: EventBuffer, names: Names): void {
    const { marks } = this;
    marks.learn(names);
    let from = 0;
    for (let i = 0; i < buffer.length; i++) {
      const kind = buffer.kind[i]!;
      if (kind !== Kind.begin && kind !== Kind.end) continue;
      marks.event(kind, buffer.code[i]!, i);
      const now = this.by === "phase" ? marks.phase : this.scriptAt(kind, buffer.code[i]!);
      if (now === this.phase) continue;
      this.pass(buffer, from, i, names);
      from = i;
      this.settle();
      this.phase = now;
    }
    this.pass(buffer, from, buffer.length, names);
    this.seen += buffer.length;
  }

  /** The part of dom0's script in force behind a mark. */
  private scriptAt(kind: number, mark: number): number {
    if (this.marks.classes[mark] !== "script") return this.phase;
    return kind === Kind.begin ? mark : 0;
  }

  private pass(buffer: EventBuffer, from: number, to: number, names: Names): void {
    if (from === to) return;
    const part = from === 0 && to === buffer.length ? buffer : new EventBuffer(to - from, buffer, from);
    for (const sink of this.sinks) sink.events(part, names);
  }

  /** What was counted since the last time belongs to the phase that is open. */
  private settle(): void {
    const now = this.counts();
    const before = this.byPhase.get(this.phase);
    const since = now.map((of, i) => ({ ...of, counts: addCounts(of.counts, this.last[i]!.counts, -1) }));
    this.byPhase.set(this.phase, before ? add(before, since) : since);
    this.last = now;
  }

  /**
   * Phases in the order in which they first came, what stands outside any last, without those in which nothing was counted;
   * to be called at the end.
   */
  phases(): PhaseCounts[] {
    this.settle();
    return [...this.byPhase]
      .filter(([mark]) => mark !== 0 || this.by === "phase")
      .sort(([a], [b]) => Number(a === 0) - Number(b === 0))
      .filter(([, list]) => list.some(({ counts }) => didAnything(counts)))
      .flatMap(([mark, list]) => list.map((of) => ({ phase: this.marks.what(mark), ...of })));
  }

  /** The whole trace. */
  total(): HostCounts[] {
    return this.counts();
  }
}

const add = (a: readonly HostCounts[], b: readonly HostCounts[]): HostCounts[] =>
  a.map((of, i) => ({ ...of, counts: addCounts(of.counts, b[i]!.counts) }));

function didAnything({ tlbi, hypercalls, hardwareTlbi, exitKinds, firstFaults, refaults }: Counts): boolean {
  return (
    [tlbi, hypercalls, hardwareTlbi, exitKinds].some((of) => Object.keys(of).length > 0) || firstFaults + refaults > 0
  );
}
