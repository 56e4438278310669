/** A recorded run of a real Xen held against the model: the same figures side by side, and every difference named. */
import { type CpuProfile, descriptorKind, SYSREGS, VALID, withWorkaround } from "../arch/index.js";
import type { Policy } from "../policy/index.js";
import {
  type EventBuffer,
  Kind,
  MarkReader,
  type Names,
  named,
  type PhaseSummary,
  type Summary,
  Summing,
  type TraceSink,
} from "../trace/index.js";
import { CALLED_AGAIN, type Cause, causesOf, type Known } from "./recorded-causes.js";
import { DOMU, REPLAYED, type Replayed, replay, SCRUB, type Switch } from "./replay.js";
import type { Scenario } from "./scenario.js";
import { GUEST_RAM_GFN } from "./toolstack.js";
import type { XenVersion } from "./versions.js";

/** What the toolstack logged and the machine was: all that the model is told beside the vCPU switches. */
interface RecordedRun {
  /** pages of a domU that needs no kernel; of such a one the toolstack logs nothing */
  readonly pages?: number | undefined;
  /** image segments as xc_dom_alloc_segment logs them; gfns and 4 KiB pages */
  readonly segments: readonly { readonly name: string; readonly gfn: number; readonly pages: number }[];
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly dom0Vcpus: number;
  readonly pcpus: number;
  /** a name of XEN_VERSIONS; that of the build that captures boot when absent */
  readonly version?: string;
}

/** What the model must be told beside a trace that begins late. */
interface RecordedFacts {
  /** IPA bits of the p2m */
  readonly ipaBits: number;
  /** on each pCPU the vCPU of each domain that ran last before the domU's creation, the earliest first */
  readonly lastRan: Switch[];
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

const BATCH_MARK = "hypercall:XENMEM_remove_from_physmap_batch";
/** Most that are kept: pCPUs times domains. */
const MOST_LAST_RAN = 256;

/** A sink that keeps what the model must be told of a record: vCPU switches by phase, and the IPA bits of the p2m. */
export class RunFacts implements TraceSink {
  readonly wants = [Kind.begin, Kind.end, Kind.sysreg, Kind.write];
  readonly switches: Record<Replayed | "boot", Switch[]> = { boot: [], create: [], run: [], destroy: [] };
  readonly phases: Replayed[] = [];
  /** from VTCR_EL2.T0SZ; 48 when the record has no write of it */
  ipaBits = 48;
  /** pages that each batch call of the creation removed */
  readonly batches: number[] = [];
  /** gfn in the block of the domU's RAM that was split for its shared info page; undefined where the record has none */
  sharedInfo: number | undefined;
  private phase: Replayed | "boot" = "boot";
  private readonly marks = new MarkReader();
  /** by pCPU: pages removed so far in the batch call that is open */
  private readonly open = new Map<number, number>();

  /** Takes what a trace says beside its events in place of what they show of the time before the domU's creation. */
  know({ ipaBits, lastRan }: RecordedFacts): void {
    this.ipaBits = ipaBits;
    this.switches.boot.splice(0, Number.POSITIVE_INFINITY, ...lastRan);
  }

  /** What a trace must keep for a replay from its events alone. */
  facts(): RecordedFacts {
    const last = new Map<string, Switch>();
    for (const one of this.switches.boot) {
      const key = `${one.pcpu} ${one.domain}`;
      last.delete(key);
      last.set(key, one);
    }
    return { ipaBits: this.ipaBits, lastRan: [...last.values()].slice(-MOST_LAST_RAN) };
  }

  /** The first block that goes in the running domU's p2m: of the GiB in which its RAM begins, as all of a record's domU is. */
  private splits(b: EventBuffer, i: number): void {
    if (this.phase !== "run" || this.sharedInfo !== undefined || b.domain[i] !== DOMU || b.stage[i] !== 2) return;
    const isBlock = b.level[i] === 2 && descriptorKind(b.from[2 * i]!, 2) === "block";
    // p2m_invalidate_table() leaves all but bit 0 of an entry.
    if (isBlock && b.to[2 * i] === 0 && b.to[2 * i + 1] === 0) this.sharedInfo = GUEST_RAM_GFN + 512 * b.slot[i]!;
  }

  private batch(b: EventBuffer, i: number, names: Names): void {
    const pcpu = b.pcpu[i]!;
    const removed = this.open.get(pcpu);
    if (b.kind[i] === Kind.write) {
      const [from, to] = [b.from[2 * i]!, b.to[2 * i]!];
      if (removed !== undefined && b.stage[i] === 2 && (from & VALID) !== 0 && (to & VALID) === 0)
        this.open.set(pcpu, removed + 1);
      return;
    }
    if (names.list[b.code[i]!] !== BATCH_MARK) return;
    if (b.kind[i] === Kind.begin) this.open.set(pcpu, 0);
    else {
      this.open.delete(pcpu);
      if (this.phase === "create" && removed !== undefined && removed > 0) this.batches.push(removed);
    }
  }

  events(b: EventBuffer, names: Names): void {
    const { marks } = this;
    marks.learn(names);
    for (let i = 0; i < b.length; i++) {
      const kind = b.kind[i]!;
      const mark = b.code[i]!;
      if (kind === Kind.write) this.splits(b, i);
      if (kind !== Kind.sysreg) this.batch(b, i, names);
      if (kind === Kind.sysreg && SYSREGS[b.code[i]!] === "VTCR_EL2") this.ipaBits = 64 - (b.to[2 * i]! & 63);
      if (marks.event(kind, mark, i)) this.enter(marks.what(marks.phase));
      if (kind !== Kind.begin || marks.classes[mark] !== "vcpu-switch") continue;
      const domain = /^d(\d+)$/.exec(marks.what(mark))?.[1];
      if (domain !== undefined)
        this.switches[this.phase].push({ pcpu: b.pcpu[i]!, domain: Number(domain), vcpu: b.to[2 * i]! });
    }
  }

  /** What stands between two phases that are replayed belongs to the former. */
  private enter(phase: string): void {
    const replayed = REPLAYED.find((known) => known === phase);
    if (replayed === undefined) return;
    this.phase = replayed;
    if (!this.phases.includes(replayed)) this.phases.push(replayed);
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
/** Pages that a Linux with such a call hands on in one, at most: privcmd keeps the gfns of a call in one page. */
const PRIVCMD_BATCH = 512;
/** IPA bits for which Xen has a p2m. */
const SIZES = [32, 36, 40, 42, 44, 48] as const;

/** Image segments: those that were logged, or of a domU without a kernel its image and the device tree, of a page as every other. */
function segmentsOf({ segments, pages, memoryMib }: RecordedRun): { name: string; gfn: number; pages: number }[] {
  if (pages === undefined || segments.length > 0) return segments.map((of) => ({ ...of }));
  return [
    { name: "kernel", gfn: GUEST_RAM_GFN, pages },
    { name: "devicetree", gfn: GUEST_RAM_GFN + memoryMib * 256 - 1, pages: 1 },
  ];
}

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
    dom0: { "memory-mib": DOM0_MIB, vcpus: run.dom0Vcpus, "working-set": 0, "busy-vcpus": 0 },
    toolstack: {
      "special-pages": 0,
      "magic-pages": MAGIC_PAGES,
      "grant-frames": GRANT_FRAMES,
      "removal-batch": PRIVCMD_BATCH,
      "preempt-after": 2 ** 30,
      "mapping-order": 0,
    },
    domu: [
      {
        "memory-mib": run.memoryMib,
        vcpus: run.vcpus,
        segment: segmentsOf(run),
        "working-set": 0,
        "shared-set": 0,
        linux: run.pages === undefined,
        "balloon-mib": 0,
        "balloon-batch": 512,
        "disk-pages": 0,
        "grant-batch": 32,
      },
    ],
    run: { scheduler: "credit2", "time-us": 0, "slice-us": 10_000 },
    lives: 1,
    destroy: true,
  };
}

/**
 * What the model predicts for a recorded run, as a summary of its trace. `repeatTlbi`: Xen repeats its TLBIs on this CPU.
 * `features`: of which CPU, for policies that depend on them.
 */
export function predictRun(
  run: RecordedRun,
  facts: RunFacts,
  policy: Policy,
  repeatTlbi: boolean,
  features: CpuProfile,
): Summary {
  const cpu = withWorkaround(features, "repeat-tlbi", repeatTlbi);
  const summing = new Summing();
  const { switches, phases, batches, sharedInfo } = facts;
  replay({ scenario: scenarioOf(run, facts.ipaBits), switches, phases, batches, sharedInfo }, cpu, policy, [summing]);
  return summing.summary();
}

/** Hypercalls that are told also where the model makes none: those that remove, and those without a name. */
const CALLED = /^XENMEM_remove_|^memory_op_\d+$/;

/** Hypercalls that gave way and were continued, by phase and name. */
type ContinuedCalls = Readonly<Record<string, Readonly<Record<string, number>>>>;

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
    const grants = was.hypercalls.GNTTABOP_unmap_grant_ref ?? 0;
    const known = { version, repeatsTlbis, continued: continued[phase] ?? {}, grants, scrubs };
    const tlbis = Object.keys({ ...was.tlbi, ...is.tlbi }).map((what) => rowOf(phase, what, is, was, known));
    const calls = Object.keys({ ...was.hypercalls, ...is.hypercalls })
      .filter((what) => (Object.hasOwn(was.hypercalls, what) ? what.startsWith("XENMEM_") : CALLED.test(what)))
      .map((what) => callRow(phase, what, is, was, named(continued[phase], what) ?? 0));
    return [...tlbis, ...calls];
  });
}

function callRow(phase: string, what: string, is: PhaseSummary, was: PhaseSummary, continued: number): RecordedRow {
  const row = { phase, what, recorded: named(is.hypercalls, what) ?? 0, predicted: was.hypercalls[what] ?? 0 };
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
