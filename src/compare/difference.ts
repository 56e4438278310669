/** Two traces, before and after a change: what differs in what they do, phase by phase, and in what that costs. */
import { type Counts, type Host, type NoShadow, type Priced, price, ratioRange } from "../host/index.js";
import { type Integrity, named, OUTSIDE, type PhaseSummary, type Summary, TOTAL } from "../trace/index.js";
import type { HostCounts } from "./host-sinks.js";
import type { PhaseCounts, PhasePrices } from "./phases.js";

/** A count in the one trace and in the other; `difference` is after less before. */
export interface Change {
  readonly before: number;
  readonly after: number;
  readonly difference: number;
}

/** TLBIs of one kind from one call path under one VMID. */
export interface CallerChange extends Change {
  readonly op: string;
  /** the `site` of the events; "" when the trace does not say */
  readonly caller: string;
  readonly vmid: number;
}

type Changes = Readonly<Record<string, Change>>;

/** Counts of a phase as of PhaseSummary, in both traces, also those that are equal. */
export interface PhaseDifference {
  readonly events: Change;
  readonly tlbi: Changes;
  readonly hypercalls: Changes;
  readonly stage2Writes: Change;
  readonly stage1Writes: Change;
  /** the largest difference first */
  readonly byCaller: readonly CallerChange[];
  readonly barriers: Changes;
  readonly sysregs: Changes;
  readonly accesses: Changes;
  readonly faults: Changes;
  readonly ownerChanges: Change;
  readonly vcpuSwitches: Change;
}

/** A price as `price` prints it, in microseconds of simulated time. */
export type PricedCounts = Priced & Pick<Counts, "noShadow" | "leavesDropped" | "refaults">;

/** What a phase costs in both traces; `phase` is "total" for the whole of them. */
export interface PriceChange {
  readonly phase: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly before: PricedCounts;
  readonly after: PricedCounts;
  /** by how much the one before is dearer; null where one of them costs nothing */
  readonly factor: number | null;
  /** when every elementary price moves within its range, the same in both; null where that has no end */
  readonly factorRange: readonly [number, number] | null;
}

/** One of two traces, read to its end. */
export interface TraceSide {
  /** its name */
  readonly trace: string;
  /** what made it; "" when it does not say */
  readonly producer: string;
  /** how far it vouches for itself */
  readonly integrity: Integrity;
  /** what must be told before its figures are believed: see traceWarnings */
  readonly warnings: readonly string[];
  readonly summary: Summary;
  /** equal for equal traces: see TraceDigest */
  readonly digest: string;
  readonly prices: PhasePrices;
}

/** Which trace it was. */
export interface ComparedTrace extends Pick<TraceSide, "trace" | "producer" | "integrity" | "warnings"> {
  readonly events: number;
  /** TLBIs of the whole trace that found no shadow stage-2 when nested; none where no host is */
  readonly noShadow: NoShadow;
  /** VMIDs under which a guest runs in it, or had run before */
  readonly vmidsRun: readonly number[];
}

export interface TraceDifference {
  readonly before: ComparedTrace;
  readonly after: ComparedTrace;
  /** the traces are the same, event for event */
  readonly identical: boolean;
  /** in the order in which they began */
  readonly phases: Readonly<Record<string, PhaseDifference>>;
  readonly prices: readonly PriceChange[];
}

/**
 * Compares two traces that were priced on the same hosts and IPA sizes. `only` names phases to keep; with it, prices of the
 * whole traces are left out. A phase or a row that one of them does not have counts 0 there.
 */
export function differenceOf(before: TraceSide, after: TraceSide, only?: readonly string[]): TraceDifference {
  const side = ({ trace, producer, integrity, warnings, summary, prices }: TraceSide): ComparedTrace => {
    const nested = prices.total().find(({ host }) => host.kvm !== undefined);
    const noShadow = nested?.counts.noShadow ?? { ran: {}, notRun: {} };
    return {
      trace,
      producer,
      integrity,
      warnings,
      events: summary.events,
      noShadow,
      vmidsRun: prices.vmidsRun(),
    };
  };
  const phases = phaseNames(before.summary, after.summary).filter((name) => only?.includes(name) ?? true);
  const [pricedBefore, pricedAfter] = [before.prices.phases(), after.prices.phases()];
  const of = (list: readonly PhaseCounts[], name: string) => list.filter(({ phase }) => phase === name);
  return {
    before: side(before),
    after: side(after),
    identical: before.digest === after.digest,
    phases: Object.fromEntries(
      phases.map((name) => [
        name,
        phaseDifference(named(before.summary.phases, name), named(after.summary.phases, name)),
      ]),
    ),
    prices: [
      ...phases.flatMap((name) => priceChanges(name, of(pricedBefore, name), of(pricedAfter, name))),
      ...(only ? [] : priceChanges(TOTAL, before.prices.total(), after.prices.total())),
    ],
  };
}

/** Phases of either trace: those of the first in its order, then what only the second has, and what is outside any last. */
export function phaseNames(before: Summary, after: Summary): readonly string[] {
  const names = new Set([...Object.keys(before.phases), ...Object.keys(after.phases)]);
  const last = names.delete(OUTSIDE) ? [OUTSIDE] : [];
  return [...names, ...last];
}

/** True where anything that is counted differs. */
export function isChanged(phase: PhaseDifference): boolean {
  const differs = (value: unknown): boolean => {
    if (typeof value !== "object" || value === null) return false;
    if ("difference" in value && typeof value.difference === "number" && value.difference !== 0) return true;
    return Object.values(value).some(differs);
  };
  return differs(phase);
}

const change = (before: number, after: number): Change => ({ before, after, difference: after - before });

function changes(before: Readonly<Record<string, number>> = {}, after: Readonly<Record<string, number>> = {}): Changes {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return Object.fromEntries(
    [...names].map((name) => [name, change(named(before, name) ?? 0, named(after, name) ?? 0)]),
  );
}

function phaseDifference(before: PhaseSummary | undefined, after: PhaseSummary | undefined): PhaseDifference {
  const counted = (of: (phase: PhaseSummary) => number): Change =>
    change(before ? of(before) : 0, after ? of(after) : 0);
  return {
    events: counted((phase) => phase.events),
    tlbi: changes(before?.tlbi, after?.tlbi),
    hypercalls: changes(before?.hypercalls, after?.hypercalls),
    stage2Writes: counted((phase) => phase.stage2Writes),
    stage1Writes: counted((phase) => phase.stage1Writes),
    byCaller: callerChanges(before, after),
    barriers: changes(before?.barriers, after?.barriers),
    sysregs: changes(before?.sysregs, after?.sysregs),
    accesses: changes(before?.accesses, after?.accesses),
    faults: changes(before?.faults, after?.faults),
    ownerChanges: counted((phase) => phase.ownerChanges),
    vcpuSwitches: counted((phase) => phase.vcpuSwitches),
  };
}

function callerChanges(before: PhaseSummary | undefined, after: PhaseSummary | undefined): CallerChange[] {
  const rows = new Map<string, { op: string; caller: string; vmid: number; before: number; after: number }>();
  for (const [side, phase] of [
    ["before", before],
    ["after", after],
  ] as const)
    for (const { op, caller, vmid, count } of phase?.byCaller ?? []) {
      const key = `${op}\0${vmid}\0${caller}`;
      const row = rows.get(key) ?? { op, caller, vmid, before: 0, after: 0 };
      row[side] += count;
      rows.set(key, row);
    }
  const all = [...rows.values()].map(({ op, caller, vmid, ...of }) => ({
    op,
    caller,
    vmid,
    ...change(of.before, of.after),
  }));
  // The sort is stable: rows of equal differences stay as they came, the most frequent first.
  return all.sort((a, b) => Math.abs(b.difference) - Math.abs(a.difference));
}

/** Prices on each host; a trace in which nothing was counted in the phase costs nothing there. */
function priceChanges(phase: string, before: readonly HostCounts[], after: readonly HostCounts[]): PriceChange[] {
  const rows = before.length > 0 ? before : after;
  return rows.map(({ host, ipaBits }, i) => {
    const [a, b] = [before[i]?.counts, after[i]?.counts];
    return { phase, host: host.name, ipaBits, before: priced(a, host), after: priced(b, host), ...factor(a, b, host) };
  });
}

function priced(counts: Counts | undefined, host: Host): PricedCounts {
  if (counts === undefined)
    return {
      microseconds: 0,
      microsecondsRange: [0, 0],
      parts: { trap: 0, walk: 0, flush: 0, refault: 0 },
      rest: host.kvm ? 0 : null,
      noShadow: { ran: {}, notRun: {} },
      leavesDropped: 0,
      refaults: 0,
    };
  return {
    ...price(counts, host),
    noShadow: counts.noShadow,
    leavesDropped: counts.leavesDropped,
    refaults: counts.refaults,
  };
}

function factor(
  before: Counts | undefined,
  after: Counts | undefined,
  host: Host,
): Pick<PriceChange, "factor" | "factorRange"> {
  const free = (counts: Counts | undefined): boolean => counts === undefined || price(counts, host).microseconds === 0;
  if (free(before) || free(after)) return { factor: null, factorRange: null };
  const { value, range } = ratioRange(before!, after!, host);
  return { factor: value, factorRange: range.every(Number.isFinite) ? range : null };
}
