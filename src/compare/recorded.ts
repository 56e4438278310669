/** A recorded run of a real Xen held against the model: the same figures side by side, and every difference named. */
import { CPU_PROFILES, type CpuProfile, SYSREGS } from "../arch/index.js";
import type { Policy } from "../policy/index.js";
import {
  type EventBuffer,
  Kind,
  type Names,
  type PhaseSummary,
  type Summary,
  Summing,
  type TraceSink,
} from "../trace/index.js";
import { REPLAYED, type Replayed, replay, SCRUB, type Scenario, type Switch, type XenVersion } from "../xen/index.js";
import { CALLED_AGAIN, type Cause, causesOf, type Known } from "./recorded-causes.js";

/** What the toolstack logged and the machine was: all that the model is told beside the vCPU switches. */
export interface RecordedRun {
  /** image segments as xc_dom_alloc_segment logs them; gfns and 4 KiB pages */
  readonly segments: readonly { readonly name: string; readonly gfn: number; readonly pages: number }[];
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly dom0Vcpus: number;
  readonly pcpus: number;
  /** a name of XEN_VERSIONS; that of the build that captures boot when absent */
  readonly version?: string;
}

/** One figure of one phase. */
export interface RecordedRow {
  readonly phase: string;
  /** a TLBI's or a hypercall's name */
  readonly what: string;
  readonly recorded: number;
  readonly predicted: number;
  readonly causes: readonly Cause[];
  /** what of the difference no cause explains: recorded less predicted less the causes */
  readonly unexplained: number;
  /** of TLBIs that the record lacks: where the model issues such, the most frequent first */
  readonly missing?: readonly { readonly count: number; readonly caller: string }[];
}

/** A sink that keeps what the model must be told of a record: vCPU switches by phase, and the IPA bits of the p2m. */
export class RunFacts implements TraceSink {
  readonly wants = [Kind.begin, Kind.end, Kind.sysreg];
  readonly switches: Record<Replayed | "boot", Switch[]> = { boot: [], create: [], run: [], destroy: [] };
  readonly phases: Replayed[] = [];
  /** from VTCR_EL2.T0SZ; 48 when the record has no write of it */
  ipaBits = 48;
  private phase: Replayed | "boot" = "boot";

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++) {
      const kind = b.kind[i]!;
      if (kind === Kind.sysreg && SYSREGS[b.code[i]!] === "VTCR_EL2") this.ipaBits = 64 - (b.to[2 * i]! & 63);
      if (kind !== Kind.begin) continue;
      const name = names.list[b.code[i]!]!;
      const phase = REPLAYED.find((known) => name === `phase:${known}`);
      if (phase !== undefined) {
        this.phase = phase;
        if (!this.phases.includes(phase)) this.phases.push(phase);
      }
      const domain = /^vcpu-switch:d(\d+)$/.exec(name)?.[1];
      if (domain !== undefined)
        this.switches[this.phase].push({ pcpu: b.pcpu[i]!, domain: Number(domain), vcpu: b.to[2 * i]! });
    }
  }
}

/** xc_dom_arm.c, alloc_magic_pages: console, xenstore, memory access, vuart; xc_dom_gnttab_seed: one frame. */
const MAGIC_PAGES = 4;
const GRANT_FRAMES = 1;
/** RAM of the model's machine beyond dom0 and domU: for tables, and pages of Xen's. MiB. */
const DOM0_MIB = 1024;
const SPARE_MIB = 256;
/** Debian's build that captures boot unless told. */
const CAPTURED_VERSION = "4.20.4+63";
/** IPA bits for which Xen has a p2m. */
const SIZES = [32, 36, 40, 42, 44, 48] as const;

/** The model's scenario of a recorded run. */
function scenarioOf(run: RecordedRun, ipaBits: number): Scenario {
  return {
    file: "the recorded run",
    name: "recorded",
    title: "a recorded run",
    source: "a capture",
    machine: {
      pcpus: run.pcpus,
      "ram-mib": DOM0_MIB + run.memoryMib + SPARE_MIB,
      "ipa-bits": SIZES.find((size) => size === ipaBits) ?? 48,
    },
    xen: { version: run.version ?? CAPTURED_VERSION },
    dom0: { "memory-mib": DOM0_MIB, vcpus: run.dom0Vcpus, "working-set": 0 },
    toolstack: {
      "special-pages": 0,
      "magic-pages": MAGIC_PAGES,
      "grant-frames": GRANT_FRAMES,
      "removal-batch": 1,
      "preempt-after": 2 ** 30,
    },
    domu: [
      {
        "memory-mib": run.memoryMib,
        vcpus: run.vcpus,
        segment: run.segments.map(({ name, gfn, pages }) => ({ name, gfn, pages })),
        "working-set": 0,
        "shared-set": 0,
        linux: true,
      },
    ],
    run: { scheduler: "credit2", "time-us": 0, "slice-us": 10_000 },
    lives: 1,
    destroy: true,
  };
}

/** What the model predicts for a recorded run, as a summary of its trace. `repeatTlbi`: Xen repeats its TLBIs on this CPU. */
export function predictRun(run: RecordedRun, facts: RunFacts, policy: Policy, repeatTlbi: boolean): Summary {
  const cpu: CpuProfile = { ...CPU_PROFILES.find(({ name }) => name === "arch-maximal")!, repeatTlbi };
  const summing = new Summing();
  const { switches, phases } = facts;
  replay({ scenario: scenarioOf(run, facts.ipaBits), switches, phases }, cpu, policy, [summing]);
  return summing.summary();
}

/** Hypercalls that gave way and were continued, by phase and name. */
export type ContinuedCalls = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * The figures side by side, phase by phase: TLBIs by kind, and the hypercalls that the model makes. `continued`: hypercalls of
 * the record that only go on with an earlier one, which the model has as one. `version`: of the Xen that ran, as far as it is
 * known; `repeatsTlbis`: Xen repeats its TLBIs on this CPU.
 */
export function recordedRows(
  recorded: Summary,
  predicted: Summary,
  continued: ContinuedCalls,
  version?: XenVersion,
  repeatsTlbis = false,
): RecordedRow[] {
  const scrubs = predicted.phases[SCRUB]?.tlbi.ALLE1IS ?? 0;
  return REPLAYED.flatMap((phase) => {
    const [is, was] = [recorded.phases[phase], predicted.phases[phase]];
    if (!is || !was) return [];
    const known = { version, repeatsTlbis, continued: continued[phase] ?? {}, scrubs };
    const tlbis = Object.keys({ ...was.tlbi, ...is.tlbi }).map((what) => rowOf(phase, what, is, was, known));
    const calls = Object.keys(was.hypercalls)
      .filter((what) => what.startsWith("XENMEM_"))
      .map((what) => callRow(phase, what, is, was, continued[phase]?.[what] ?? 0));
    return [...tlbis, ...calls];
  });
}

function callRow(phase: string, what: string, is: PhaseSummary, was: PhaseSummary, continued: number): RecordedRow {
  const row = { phase, what, recorded: is.hypercalls[what] ?? 0, predicted: was.hypercalls[what] ?? 0 };
  const difference = row.recorded - row.predicted;
  const count = Math.min(continued, Math.max(difference, 0));
  return { ...row, causes: count > 0 ? [{ count, because: CALLED_AGAIN }] : [], unexplained: difference - count };
}

function rowOf(phase: string, what: string, is: PhaseSummary, was: PhaseSummary, known: Known): RecordedRow {
  const row = { phase, what, recorded: is.tlbi[what] ?? 0, predicted: was.tlbi[what] ?? 0 };
  const explained = causesOf(what, is, row.predicted, known);
  if (explained.unexplained >= 0) return { ...row, ...explained };
  const missing = was.byCaller.filter((r) => r.op === what).map(({ count, caller }) => ({ count, caller }));
  return { ...row, ...explained, missing };
}

/** A recorded trace, priced: what the very same run would have cost on other hosts. */
export interface PricedCapture {
  readonly name: string;
  /** how it was made, as the trace says */
  readonly producer: string;
  readonly phases: readonly {
    readonly phase: string;
    /** TLBIs that Xen executed */
    readonly tlbi: Readonly<Record<string, number>>;
    readonly prices: readonly {
      readonly host: string;
      readonly ipaBits: number | null;
      readonly microseconds: number;
      readonly microsecondsRange: readonly [number, number];
    }[];
  }[];
}
