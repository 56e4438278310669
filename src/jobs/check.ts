/** A trace on trial for a command: read, checked on the CPU that it was made on, and what is wasted priced on hosts. */
import { statSync } from "node:fs";
import { type CpuProfile, type Erratum, needs } from "../arch/index.js";
import { loadCpu, tracePath } from "../catalog/index.js";
import { CHECK_COLUMNS, Checker, type CheckResult, type Finding } from "../check/index.js";
import { cpuOfTrace } from "../compare/index.js";
import { type Host, isNested, priceTlbi } from "../host/index.js";
import { readAnyTrace } from "../import/index.js";
import { supposing } from "../prove/index.js";
import type { TraceInfo, TraceRecording } from "../trace/index.js";
import { readWithProgress } from "./read.js";

/** What a wasteful group cost on a host, what leaving it out would save, and what would come in its place: microseconds. */
interface CostOf {
  readonly host: string;
  /** null on bare metal */
  readonly ipaBits: number | null;
  readonly microseconds: number;
  readonly saved: number;
  readonly instead: number;
}

export interface PricedFinding extends Finding {
  readonly costs: readonly CostOf[];
  /** it was asked for that these do not count */
  readonly allowed: boolean;
}

/** What came of one trace. */
export interface Checked {
  readonly trace: string;
  readonly events: number;
  readonly integrity: TraceInfo["integrity"];
  readonly cpu: string;
  /** the CPU was assumed: neither the trace nor the user names one */
  readonly cpuAssumed: boolean;
  readonly findings: readonly PricedFinding[];
  readonly groupsLost: number;
  readonly phases: CheckResult["phases"];
  readonly unknown: readonly string[];
  readonly warnings: readonly string[];
}

interface Asked {
  readonly cpu: CpuProfile | undefined;
  /** as if the CPU had them */
  readonly errata?: readonly Erratum[];
  readonly hosts: readonly Host[];
  readonly ipaBits: number;
  readonly allow: readonly string[];
  readonly partial: boolean;
}

/** No optional feature and no erratum: all the freedom that the architecture gives. */
const ASSUMED = "arch-minimal";

/** Reads and checks one trace. */
export async function checkTrace(trace: string, asked: Asked): Promise<{ checked: Checked; info: TraceInfo }> {
  // A Parquet file says what it was made on before its rows; NDJSON behind them, so that it may be read twice.
  const path = tracePath(trace);
  const known = path.endsWith(".parquet") ? (await readAnyTrace(path, [], { count: 0 })).info.recording : undefined;
  const { errata = [] } = asked;
  let cpu = supposing(cpuOf(known, asked.cpu), errata);
  let { result, info, warnings } = await once(trace, cpu, asked.partial);
  const then = supposing(cpuOf(info.recording, asked.cpu), errata);
  if (!sameCpu(then, cpu) && isAgain(path)) {
    cpu = then;
    ({ result, info, warnings } = await once(trace, cpu, asked.partial));
  }
  const findings = result.findings.map((finding) => ({
    ...finding,
    costs: costsOf(finding, asked.hosts, asked.ipaBits),
    allowed: asked.allow.includes(finding.kind),
  }));
  const cpuAssumed = asked.cpu === undefined && info.recording === undefined;
  const { integrity } = info;
  const { events, groupsLost, phases, unknown } = result;
  return {
    checked: { trace, events, integrity, cpu: cpu.name, cpuAssumed, findings, groupsLost, phases, unknown, warnings },
    info,
  };
}

async function once(
  trace: string,
  cpu: CpuProfile,
  partial: boolean,
): Promise<{ result: CheckResult; info: TraceInfo; warnings: readonly string[] }> {
  const checker = new Checker(cpu);
  const { info, warnings } = await readWithProgress(trace, [checker], { columns: CHECK_COLUMNS, partial });
  return { result: checker.finish(), info, warnings };
}

/** What has been read can be read again: a file, not a pipe. */
const isAgain = (trace: string): boolean => trace !== "-" && statSync(trace).isFile();

const cpuOf = (recording: TraceRecording | undefined, asked: CpuProfile | undefined): CpuProfile =>
  recording === undefined && asked === undefined ? loadCpu(ASSUMED) : cpuOfTrace(recording, asked);

const sameCpu = (a: CpuProfile, b: CpuProfile): boolean =>
  a.name === b.name && needs(a, "repeat-tlbi") === needs(b, "repeat-tlbi");

function costsOf({ waste }: Finding, hosts: readonly Host[], ipaBits: number): CostOf[] {
  if (waste === null) return [];
  return hosts.map((host) => {
    const price = (tlbi: Readonly<Record<string, number>>): number =>
      Object.entries(tlbi).reduce((sum, [op, n]) => sum + n * priceOfTlbi(op, host, ipaBits), 0);
    const microseconds = price(waste.tlbi);
    return {
      host: host.name,
      ipaBits: isNested(host) ? ipaBits : null,
      microseconds,
      saved: price(waste.saved),
      instead: price(waste.instead),
    };
  });
}

/** Microseconds of one TLBI on a host whose shadow of the VMID is there, and holds nothing that it drops. */
export const priceOfTlbi = (op: string, host: Host, ipaBits: number): number =>
  priceTlbi({ op, operand: 0n, host, ipaBits, shadow: 0 }).microseconds;
