/** Traces as sides of a comparison, for tests. */
import { builtInHost } from "../host/builtin.fixture.js";
import { traceDigest } from "../trace/file.js";
import { Summing, type TraceSink } from "../trace/index.js";
import { recordRemovals } from "../trace/recorded.fixture.js";
import type { TraceSide } from "./difference.js";
import { PhasePrices } from "./phases.js";

const HOSTS = ["bare-metal", "kvm-nested-7.2"].map(builtInHost);
export const IPA_BITS = [40, 48];

/** What a source records, summed up and priced. */
export function sideOf(trace: string, source: (sinks: readonly TraceSink[]) => void): TraceSide {
  const [summing, digest, prices] = [new Summing(), traceDigest(), new PhasePrices(HOSTS, IPA_BITS, 2)];
  source([summing, digest, prices]);
  const about = {
    trace,
    producer: "a test",
    integrity: "checked",
  } as const;
  return {
    ...about,
    warnings: [],
    recording: undefined,
    summary: summing.summary(),
    digest: digest.digest(),
    prices,
    hostWork: [],
  };
}

/** Removals page by page, and in batches of 40. */
export const paged = (pages = 100): TraceSide => sideOf("a.parquet", (sinks) => recordRemovals(sinks, pages));
export const batched = (): TraceSide => sideOf("b.parquet", (sinks) => recordRemovals(sinks, 100, 40));
