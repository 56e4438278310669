/** What a worker does with a trace: adds it up, prices it, puts it on trial, and has its events ready for a picture. */
import { createHash } from "node:crypto";
import type { CpuProfile } from "../../arch/index.js";
import { builtInCpu, builtInHost, usualHosts } from "../../builtin/index.js";
import { CHECK_COLUMNS, Checker } from "../../check/index.js";
import {
  cpuOfTrace,
  differenceOf,
  PhasePrices,
  type PriceRow,
  priceRows,
  type TraceDifference,
  type TraceSide,
} from "../../compare/index.js";
import { isNested, priceTlbi } from "../../host/index.js";
import { IMPORTERS } from "../../import/forms.js";
import type { Checked } from "../../jobs/index.js";
import { readTraceBlob } from "../../trace/blob.js";
import {
  describeEvent,
  domainName,
  type EventBuffer,
  HostSumming,
  Losses,
  type Names,
  type Summary,
  Summing,
  TraceDigest,
  type TraceInfo,
  type TraceRecording,
  type TraceSink,
  traceWarnings,
} from "../../trace/index.js";

/** A trace that the reader gave. */
export interface TraceAsked {
  readonly file: Blob;
  readonly name: string;
}

/** Events as a picture needs them. */
export interface Lanes {
  readonly kind: Uint8Array;
  readonly pcpu: Uint16Array;
  /** the picture ends here, where the trace goes on */
  readonly cut: boolean;
}

/** All that is shown of a trace. */
export interface Opened {
  readonly info: TraceInfo;
  readonly warnings: readonly string[];
  readonly summary: Summary;
  readonly prices: readonly PriceRow[];
  readonly checked: Checked;
  readonly lanes: Lanes;
  /** microseconds of one TLBI by name, by host: what call paths are weighed with */
  readonly weights: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Bytes of a file that is taken, and events of a picture, at most. */
const MOST_BYTES = 2 ** 30;
const MOST_EVENTS = 5_000_000;
/** As `shootdown price` and `show --folded` take them where nobody says otherwise. */
const IPA_BITS = 48;
const VCPUS = 256;

/** Reads a trace once, for all that is shown of it; twice where NDJSON says behind its rows on which CPU it was made. */
export async function openTrace({ file, name }: TraceAsked): Promise<Opened> {
  refuseLarge(file, name);
  const known = (await readTraceBlob(file, name, [], { count: 0 }, IMPORTERS)).info.recording;
  const hosts = usualHosts().map(builtInHost);
  const [summing, losses, picture] = [new Summing(), new Losses(), new Picture()];
  const prices = new PhasePrices(hosts, [IPA_BITS], VCPUS);
  let checker = new Checker(cpuOf(known));
  const { info } = await readTraceBlob(file, name, [summing, losses, picture, prices, checker], {}, IMPORTERS);
  if (known === undefined && info.recording !== undefined) {
    checker = new Checker(cpuOf(info.recording));
    await readTraceBlob(file, name, [checker], { columns: CHECK_COLUMNS }, IMPORTERS);
  }
  const summary = summing.summary();
  const warnings = traceWarnings(info.producer, losses.losses());
  const { findings, events, groupsLost, phases, unknown } = checker.finish();
  const checked: Checked = {
    ...{ trace: name, events, integrity: info.integrity, cpu: cpuOf(info.recording).name },
    cpuAssumed: info.recording === undefined,
    findings: findings.map((finding) => ({ ...finding, costs: [], allowed: false })),
    ...{ groupsLost, phases, unknown, warnings },
  };
  const ops = [...new Set(Object.values(summary.phases).flatMap(({ tlbi }) => Object.keys(tlbi)))];
  const weights = Object.fromEntries(
    hosts.map((host) => [
      isNested(host) ? `${host.name}, ${IPA_BITS} bits` : host.name,
      Object.fromEntries(
        ops.map((op) => [op, priceTlbi({ op, operand: 0n, host, ipaBits: IPA_BITS, shadow: 0 }).microseconds]),
      ),
    ]),
  );
  return { info, warnings, summary, prices: priceRows(prices), checked, lanes: picture.lanes(), weights };
}

/** No optional feature and no erratum, where a trace does not say: all the freedom that the architecture gives. */
const cpuOf = (recording: TraceRecording | undefined): CpuProfile =>
  recording === undefined ? builtInCpu("arch-minimal") : cpuOfTrace(recording, undefined);

/** Which traces: one made before a change, and one after it. */
interface TracesAsked {
  readonly before: TraceAsked;
  readonly after: TraceAsked;
}

/** What differs between two traces, as `shootdown diff` has it, priced on every host. */
export async function compareTraces({ before, after }: TracesAsked): Promise<TraceDifference> {
  return differenceOf(await sideOf(before), await sideOf(after));
}

async function sideOf({ file, name }: TraceAsked): Promise<TraceSide> {
  refuseLarge(file, name);
  const [summing, losses, host] = [new Summing(), new Losses(), new HostSumming()];
  const digest = new TraceDigest(createHash("sha256"));
  const prices = new PhasePrices(usualHosts().map(builtInHost), [IPA_BITS], VCPUS);
  const { info } = await readTraceBlob(file, name, [summing, losses, digest, host, prices], {}, IMPORTERS);
  const { producer, integrity, recording } = info;
  const warnings = traceWarnings(producer, losses.losses());
  const found = { summary: summing.summary(), digest: digest.digest(), prices, hostWork: host.rows() };
  return { trace: name, producer, integrity, warnings, recording, ...found };
}

function refuseLarge(file: Blob, name: string): void {
  if (file.size > MOST_BYTES) throw new Error(`${name} has ${file.size} bytes, expected at most ${MOST_BYTES}`);
}

/** Keeps kind and pCPU of every event. */
class Picture implements TraceSink {
  private kind = new Uint8Array(1 << 16);
  private pcpu = new Uint16Array(1 << 16);
  private n = 0;
  private cut = false;

  events(b: EventBuffer): void {
    const take = Math.min(b.length, MOST_EVENTS - this.n);
    if (take < b.length) this.cut = true;
    while (this.n + take > this.kind.length) {
      const [kind, pcpu] = [new Uint8Array(2 * this.kind.length), new Uint16Array(2 * this.kind.length)];
      kind.set(this.kind);
      pcpu.set(this.pcpu);
      [this.kind, this.pcpu] = [kind, pcpu];
    }
    this.kind.set(b.kind.subarray(0, take), this.n);
    this.pcpu.set(b.pcpu.subarray(0, take), this.n);
    this.n += take;
  }

  lanes(): Lanes {
    return { kind: this.kind.slice(0, this.n), pcpu: this.pcpu.slice(0, this.n), cut: this.cut };
  }
}

/** Which events, from 0. */
interface EventsAsked extends TraceAsked {
  readonly from: number;
  readonly count: number;
}

/** An event in words. */
export interface ToldEvent {
  readonly row: number;
  readonly pcpu: number;
  readonly domain: string;
  readonly vmid: number;
  readonly text: string;
  readonly site: string;
}

/** Events in words. */
export async function traceEvents({ file, name, from, count }: EventsAsked): Promise<ToldEvent[]> {
  const told: ToldEvent[] = [];
  const sink: TraceSink = {
    events(b: EventBuffer, names: Names) {
      for (let i = 0; i < b.length; i++)
        told.push({
          row: from + told.length,
          pcpu: b.pcpu[i]!,
          domain: domainName(b.domain[i]!),
          vmid: b.vmid[i]!,
          text: describeEvent(b, i, names),
          site: names.list[b.site[i]!] ?? "",
        });
    },
  };
  await readTraceBlob(file, name, [sink], { from, count, partial: true }, IMPORTERS);
  return told;
}
