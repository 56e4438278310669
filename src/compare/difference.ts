/** Two traces, before and after a change: what differs in what they do, phase by phase, and in what that costs. */
import {
  type Counts,
  type Host,
  isNested,
  modelOf,
  NO_COUNTS,
  type NoShadow,
  type Priced,
  price,
  ratioRange,
} from "../host/index.js";
import {
  type HostRow,
  type Integrity,
  named,
  OUTSIDE,
  type PhaseSummary,
  type Summary,
  TOTAL,
  type TraceRecording,
} from "../trace/index.js";
import type { HostCounts } from "./host-sinks.js";
import { type HostChange, hostChanges } from "./host-work.js";
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

/** The counts of a phase that one trace does not have: null there, as all differences are. */
export type HalfPhase = Half<PhaseDifference>;
type Half<T> = T extends number ? number | null : T extends string ? T : { readonly [K in keyof T]: Half<T[K]> };

/** True when both traces have the phase. */
export const inBoth = (phase: PhaseDifference | HalfPhase): phase is PhaseDifference =>
  phase.events.difference !== null;

/** A price as `price` prints it, in microseconds of simulated time. */
export type PricedCounts = Priced & Pick<Counts, "noShadow" | "leavesDropped" | "refaults">;

/** What a phase costs in both traces; `phase` is "total" for the whole of them. */
export interface PriceChange {
  readonly phase: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly before: PricedCounts | null;
  /** null where the trace does not have the phase */
  readonly after: PricedCounts | null;
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
  /** what it says about its run */
  readonly recording: TraceRecording | undefined;
  readonly summary: Summary;
  /** equal for equal traces: see TraceDigest */
  readonly digest: string;
  readonly prices: PhasePrices;
  /** what a host did for it, where that was counted; none where not */
  readonly hostWork: readonly HostRow[];
}

/** What people are told of a run. */
export type RecordingWords = Pick<TraceRecording, "xen" | "sha256" | "leftOut">;

/** Which trace it was. */
export interface ComparedTrace extends Pick<TraceSide, "trace" | "producer" | "integrity" | "warnings"> {
  readonly events: number;
  /** TLBIs of the whole trace that found no shadow stage-2 when nested; none where no host is */
  readonly noShadow: NoShadow;
  /** VMIDs under which a guest runs in it, or had run before */
  readonly vmidsRun: readonly number[];
  /** null: the trace does not say */
  readonly recording: RecordingWords | null;
}

export interface TraceDifference {
  readonly before: ComparedTrace;
  readonly after: ComparedTrace;
  /** the one Xen is the user's own and the other is no build of his: what differs may not be his change */
  readonly otherBuild: boolean;
  /** the traces are the same, event for event */
  readonly identical: boolean;
  /** in the order in which they began */
  readonly phases: Readonly<Record<string, PhaseDifference | HalfPhase>>;
  readonly prices: readonly PriceChange[];
  /** in host instructions, the largest difference first; none unless both traces have what their hosts did counted */
  readonly host: readonly HostChange[];
}

/**
 * Compares two traces that were priced on the same hosts and IPA sizes. `only` names phases to keep; with it, prices of the
 * whole traces are left out. A row that one of them does not have counts 0 there; of a phase that it does not have everything
 * is null, for it was not recorded, or never begun.
 */
export function differenceOf(before: TraceSide, after: TraceSide, only?: readonly string[]): TraceDifference {
  const side = ({ trace, producer, integrity, warnings, summary, prices, recording }: TraceSide): ComparedTrace => {
    const nested = prices.total().find(({ host }) => isNested(host));
    const noShadow = (nested?.counts ?? NO_COUNTS).noShadow;
    return {
      trace,
      producer,
      integrity,
      warnings,
      events: summary.events,
      recording: recording === undefined ? null : wordsOf(recording),
      noShadow,
      vmidsRun: prices.vmidsRun(),
    };
  };
  const held = ({ summary }: TraceSide, name: string): boolean =>
    name === OUTSIDE || Object.hasOwn(summary.phases, name);
  const phases = phaseNames(before.summary, after.summary).filter((name) => only?.includes(name) ?? true);
  const [pricedBefore, pricedAfter] = [before.prices.phases(), after.prices.phases()];
  const of = (list: readonly PhaseCounts[], name: string) => list.filter(({ phase }) => phase === name);
  return {
    before: side(before),
    after: side(after),
    otherBuild: otherBuild(before.recording?.xen, after.recording?.xen),
    identical: before.digest === after.digest,
    phases: Object.fromEntries(
      phases.map((name) => {
        const both = phaseDifference(named(before.summary.phases, name), named(after.summary.phases, name));
        if (!held(before, name)) return [name, half(both, "before")];
        return [name, held(after, name) ? both : half(both, "after")];
      }),
    ),
    prices: [
      ...phases.flatMap((name) =>
        priceChanges(name, of(pricedBefore, name), of(pricedAfter, name)).map((row) => ({
          ...row,
          ...(held(before, name) ? {} : { before: null }),
          ...(held(after, name) ? {} : { after: null }),
        })),
      ),
      ...(only ? [] : priceChanges(TOTAL, before.prices.total(), after.prices.total())),
    ],
    host: hostDifference(before.hostWork, after.hostWork, phases),
  };
}

function hostDifference(
  before: readonly HostRow[],
  after: readonly HostRow[],
  phases: readonly string[],
): HostChange[] {
  if (before.length === 0 || after.length === 0) return [];
  const kept = (rows: readonly HostRow[]): HostRow[] => rows.filter(({ phase }) => phases.includes(phase));
  return hostChanges(kept(before), kept(after));
}

const wordsOf = ({ xen, sha256, leftOut }: TraceRecording): RecordingWords => ({
  ...(xen ? { xen } : {}),
  ...(sha256 ? { sha256 } : {}),
  ...(leftOut ? { leftOut } : {}),
});

/** Xen's build-id is of its sources, compiler and configuration: a copy patched in place keeps it. */
function otherBuild(before: TraceRecording["xen"], after: TraceRecording["xen"]): boolean {
  if (before === undefined || after === undefined || before.own === after.own) return false;
  return before.buildId === "" || before.buildId !== after.buildId;
}

/** The difference of a phase that the trace on that side does not have. */
function half(phase: PhaseDifference, side: "before" | "after"): HalfPhase {
  const of = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(of);
    const entries = Object.entries(value).map(([key, item]) => [key, of(item)] as const);
    const result = Object.fromEntries(entries);
    return typeof result.difference === "number" ? { ...result, [side]: null, difference: null } : result;
  };
  return of(phase) as HalfPhase;
}

/** Phases of either trace: those of the first in its order, then what only the second has, and what is outside any last. */
export function phaseNames(before: Summary, after: Summary): readonly string[] {
  const names = new Set([...Object.keys(before.phases), ...Object.keys(after.phases)]);
  const last = names.delete(OUTSIDE) ? [OUTSIDE] : [];
  return [...names, ...last];
}

/** True where anything that is counted differs, or only one trace has the phase. */
export function isChanged(phase: PhaseDifference | HalfPhase): boolean {
  if (!inBoth(phase)) return true;
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

function priced(counted: Counts | undefined, host: Host): PricedCounts {
  const counts = counted ?? { ...NO_COUNTS, rest: modelOf(host).noRest };
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
