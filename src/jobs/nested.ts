/** A capture of the whole stack: what the host is, and what each TLBI of the record cost it. */
import { loggedTlbis, type openXen, type Platform } from "../capture/index.js";
import { loadHost } from "../catalog/index.js";
import { PhasePrices, priceRows } from "../compare/index.js";
import { repeating } from "../host/index.js";
import { readAnyTrace } from "../import/index.js";
import { InputError } from "../input/index.js";
import {
  type Built,
  build,
  type CostRow,
  Costs,
  type Cpu,
  defaultCpu,
  HostCounts,
  kernelOf,
  nestedPlatform,
  type Span,
  stackParts,
} from "../stack/index.js";
import { predictingHost } from "./probe.js";

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

/** The platform of a run, and the plugin's lines, which are there when the run has ended. */
export function nestedRun(
  asked: NestedAsked,
  built: Built,
  xen: ReturnType<typeof openXen>,
): { readonly platform: Platform; readonly lines: string[] } {
  const lines: string[] = [];
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
    (counted) => void lines.push(...counted),
  );
  return { platform, lines };
}

/** What a run cost its host, and what the model's host says of the same trace. */
export interface HostCosts {
  readonly paBits: number;
  readonly rows: readonly CostRow[];
  /** windows of the plugin's that are of no TLBI of the trace */
  readonly unjoined: number;
  readonly spans: readonly Span[];
  /** by phase: hardware TLBIs and shadow faults that the model's host has for the trace */
  readonly predicted: readonly {
    readonly phase: string;
    readonly hardwareTlbi: Readonly<Record<string, number>>;
    readonly refaults: number;
  }[];
}

/** Joins a trace with the counts of its run. */
export async function costsOf(trace: string, lines: readonly string[], asked: NestedAsked): Promise<HostCosts> {
  if (lines.length === 0) throw new InputError("the counting plugin wrote nothing");
  const counts = new HostCounts(lines);
  const costs = new Costs(counts);
  const host = loadHost(predictingHost(stackCpu(asked)));
  const prices = new PhasePrices([asked.erratum ? repeating(host) : host], [asked.paBits], 1);
  await readAnyTrace(trace, [costs, prices]);
  return {
    paBits: asked.paBits,
    rows: costs.rows(),
    unjoined: costs.unjoined,
    spans: counts.spans(),
    predicted: priceRows(prices).map(({ phase, hardwareTlbi, refaults }) => ({ phase, hardwareTlbi, refaults })),
  };
}
