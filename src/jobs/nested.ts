/** A capture of the whole stack: what the host is, and what the run cost it, which goes into the trace. */
import { loggedTlbis, type openXen, type Platform } from "../capture/index.js";
import { loadHost, tracePath } from "../catalog/index.js";
import { type BesideRow, besideRows, type ModelWork, modelWork, PhasePrices } from "../compare/index.js";
import { readAnyTrace } from "../import/index.js";
import { InputError } from "../input/index.js";
import {
  type Built,
  build,
  type Cpu,
  countedItems,
  defaultCpu,
  hostOn,
  Joined,
  kernelOf,
  missingOf,
  nestedPlatform,
  type Span,
  spansOf,
  stackHost,
  stackParts,
} from "../stack/index.js";
import { readTrace, type TraceWriter } from "../trace/file.js";
import { type HostRow, HostSumming, Kind, type TraceRecording, type TraceSink } from "../trace/index.js";

/** What a user asks the host to be. */
export interface NestedAsked {
  readonly hostKernel?: string;
  readonly paBits: number;
  readonly hostPages: "huge" | "small";
  readonly erratum: boolean;
  readonly cpu: Cpu | undefined;
}

/** The stack's CPU model: QEMU's neoverse-n2 has every PA size up to 48 bits. */
export const stackCpu = ({ cpu, paBits }: NestedAsked): Cpu =>
  cpu ?? (paBits > 48 ? defaultCpu(paBits) : "neoverse-n2");

/** Everything that the host takes. */
export async function openNested(signal: AbortSignal): Promise<Built> {
  return build(stackParts(), signal);
}

/** The image of a domU of so many pages that needs no kernel. */
export function idleImage(page: Uint8Array, pages: number): Uint8Array {
  const image = new Uint8Array(pages * page.length);
  image.set(page);
  return image;
}

/** What a run has left beside its trace: the plugin's lines, and what the host calls its kernel. */
interface Counted {
  readonly lines: readonly string[];
  readonly kernel: string;
}

/** The platform of a run, and what was counted, which is there when the run has ended. */
export function nestedRun(
  asked: NestedAsked,
  built: Built,
  xen: ReturnType<typeof openXen>,
): { readonly platform: Platform; readonly counted: () => Counted } {
  let counted: Counted | undefined;
  const { address, bytes } = xen.elf.image();
  const platform = nestedPlatform(
    {
      machine: { cpu: stackCpu(asked), paBits: asked.paBits, erratum: asked.erratum },
      hostPages: asked.hostPages,
      kernel: kernelOf({ kernel: asked.hostKernel, pageSize: "4K" }, stackParts()),
      built,
      sites: loggedTlbis(xen),
      image: { address, bytes: bytes.length },
    },
    (lines, kernel) => {
      counted = { lines, kernel };
    },
  );
  return {
    platform,
    counted() {
      if (!counted || counted.lines.length === 0) throw new InputError("the counting plugin wrote nothing");
      return counted;
    },
  };
}

/** What a run cost its host, and what the model's host says of the same trace. */
export interface HostCosts {
  readonly paBits: number;
  readonly kernel: string;
  /** by phase: TLBIs by way of calls, and exits */
  readonly rows: readonly HostRow[];
  /** the same within dom0's `xl create` */
  readonly script: readonly HostRow[];
  /** windows of the plugin's that are of no TLBI of the trace */
  readonly unjoined: number;
  /** from mark to mark of dom0's script */
  readonly spans: readonly Span[];
  /** functions of KVM that its kernel has not, so that what is told by their calls is unknown */
  readonly missing: readonly string[];
  /** by phase, and by part of the script, what the model's host does for the same trace */
  readonly predicted: readonly ModelWork[];
}

/** Counts the TLBIs of a trace. */
class Tlbis implements TraceSink {
  readonly wants = [Kind.tlbi];
  count = 0;
  events({ kind, length }: { readonly kind: Uint8Array; readonly length: number }): void {
    for (let i = 0; i < length; i++) if (kind[i] === Kind.tlbi) this.count++;
  }
}

/** Writes a trace, which stands in a file, with the counts of its run in it, and says what they are. */
export async function joinCounts(
  recorded: string,
  writer: TraceWriter,
  { lines, kernel }: Counted,
  asked: NestedAsked,
): Promise<HostCosts> {
  const items = countedItems(lines);
  const tlbis = new Tlbis();
  const { info } = await readTrace(recorded, [tlbis], { columns: ["kind"] });
  const [summing, models] = [new HostSumming(), modelsOf(asked, kernel)];
  const joined = new Joined(items, tlbis.count, [writer, summing, ...models]);
  await readTrace(recorded, [joined]);
  joined.finish();
  if (info.recording) writer.describe({ ...info.recording, host: recordedHost(kernel, asked) });
  writer.close();
  return {
    paBits: asked.paBits,
    kernel,
    rows: summing.rows(),
    script: summing.scriptRows(),
    unjoined: joined.unjoined,
    spans: spansOf(items),
    missing: missingOf(lines),
    predicted: models.flatMap(modelWork),
  };
}

const recordedHost = (kernel: string, asked: NestedAsked): NonNullable<TraceRecording["host"]> => ({
  kernel,
  cpu: stackCpu(asked),
  paBits: asked.paBits,
  pageSize: "4K",
  hostPages: asked.hostPages,
  erratum: asked.erratum,
});

/** What prices a trace on the model's host of a counted one: by phase, and by part of dom0's script. */
function modelsOf(asked: NestedAsked, kernel: string): PhasePrices[] {
  const host = hostOn(loadHost(stackHost(stackCpu(asked), kernel)), { pageSize: "4K", ...asked });
  return (["phase", "script"] as const).map((by) => new PhasePrices([host], [asked.paBits], 1, [], by));
}

/** What the host of a trace did, beside what the model of it does for the very trace; none where no host was counted. */
export async function besideCounts(
  trace: string,
  work: HostSumming,
  recording: TraceRecording | undefined,
): Promise<readonly BesideRow[]> {
  const rows = work.rows();
  if (rows.length === 0 || !recording?.host) return [];
  const models = modelsOf(recording.host, recording.host.kernel);
  await readAnyTrace(tracePath(trace), models);
  return besideRows([...rows, ...work.scriptRows()], models.flatMap(modelWork));
}
