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
import { REPLAYED, type Replayed, replay, type Scenario, type Switch } from "../xen/index.js";

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

/** Why a figure differs, with how much of the difference it explains. */
export interface Cause {
  readonly count: number;
  readonly because: string;
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

/** What the model does not do, by where Xen does it: applied to what is recorded beyond the prediction. */
const CAUSES: readonly { readonly what: RegExp; readonly path: RegExp; readonly because: string }[] = [
  {
    what: /^ALLE1IS$/,
    path: /scrub_free_pages/,
    because:
      "scrub_free_pages(): idle pCPUs scrub the pages that the domU left and flush before each (filtered_flush_tlb_mask: Arm keeps no TLB clock that could spare it), until the machine goes off or all are scrubbed; the model does not scrub",
  },
  {
    what: /^ALLE1IS$/,
    path: /alloc_heap_pages/,
    because:
      "alloc_heap_pages(): a page that a domain used last was handed out again (accumulate_tlbflush); which pages those are, the model does not know of this machine",
  },
  {
    what: /^VALE2IS$/,
    path: /scrub_free_pages|alloc_heap_pages|relinquish_p2m_mapping|p2m_flush_vm|xen_pt_update/,
    because: "ARM64_WORKAROUND_REPEAT_TLBI: the repeated TLBI of the others that the model does not have",
  },
  {
    what: /^VAE2|^ALLE2/,
    path: /./,
    because: "xen_pt_update(): Xen's own mappings, which the model does not have",
  },
  {
    what: /^VMALLS12E1IS$/,
    path: /relinquish_p2m_mapping/,
    because:
      "relinquish_p2m_mapping(): gave way to something pending (-ERESTART) and flushed at each unlock; when that is, the model does not know",
  },
  {
    what: /^VMALLS12E1IS$/,
    path: /p2m_flush_vm/,
    because: "p2m_flush_vm(): the guest's cache maintenance by set/way, which the model does not have",
  },
  {
    what: /^VMALLS12E1$/,
    path: /do_trap_stage2_abort_guest/,
    because: "do_trap_stage2_abort_guest(): a stage-2 fault of a guest, which the model does not have",
  },
];

/** Hypercalls that gave way and were continued, by phase and name. */
export type ContinuedCalls = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * The figures side by side, phase by phase: TLBIs by kind, and the hypercalls that the model makes. `continued`: hypercalls of
 * the record that only go on with an earlier one, which the model has as one.
 */
export function recordedRows(recorded: Summary, predicted: Summary, continued: ContinuedCalls): RecordedRow[] {
  return REPLAYED.flatMap((phase) => {
    const [is, was] = [recorded.phases[phase], predicted.phases[phase]];
    if (!is || !was) return [];
    const tlbis = Object.keys({ ...was.tlbi, ...is.tlbi }).map((what) => rowOf(phase, what, is, was));
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
  const because =
    "calls that go on where an earlier one gave way to something pending (hypercall_preempt_check): their command says from which extent on";
  return { ...row, causes: count > 0 ? [{ count, because }] : [], unexplained: difference - count };
}

function rowOf(phase: string, what: string, is: PhaseSummary, was: PhaseSummary): RecordedRow {
  const row = { phase, what, recorded: is.tlbi[what] ?? 0, predicted: was.tlbi[what] ?? 0 };
  let unexplained = row.recorded - row.predicted;
  const causes: Cause[] = [];
  for (const { what: op, path, because } of CAUSES) {
    if (unexplained <= 0 || !op.test(what)) continue;
    const there = is.byCaller.filter((r) => r.op === what && path.test(r.caller)).reduce((sum, r) => sum + r.count, 0);
    const count = Math.min(there, unexplained);
    if (count === 0) continue;
    causes.push({ count, because });
    unexplained -= count;
  }
  if (unexplained >= 0) return { ...row, causes, unexplained };
  const missing = was.byCaller.filter((r) => r.op === what).map(({ count, caller }) => ({ count, caller }));
  return { ...row, causes, unexplained, missing };
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
