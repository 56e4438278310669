/** A trace's phases with their prices: what `price` and `simulate` tell, and what the report tells of recorded runs. */
import { type Counts, type Host, price } from "../host/index.js";
import { type PhasePrices, TOTAL } from "./phases.js";

/** A phase on a host at an IPA size; `phase` is "total" for the whole trace. Prices in microseconds of simulated time. */
export interface PriceRow extends ReturnType<typeof price> {
  readonly phase: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly tlbi: Counts["tlbi"];
  readonly hardwareTlbi: Counts["hardwareTlbi"];
  readonly hypercalls: Counts["hypercalls"];
  readonly noShadow: Counts["noShadow"];
  /** exits to the host by KVM's function; none on bare metal */
  readonly exitKinds: Counts["exitKinds"];
  readonly leavesDropped: number;
  readonly refaults: number;
}

/** The prices that a sink has found: each phase, then the total, on each host. */
export function priceRows(sink: PhasePrices): PriceRow[] {
  const row = (phase: string, host: Host, ipaBits: number, counts: Counts): PriceRow => ({
    phase,
    host: host.name,
    ipaBits,
    ...price(counts, host),
    tlbi: counts.tlbi,
    hardwareTlbi: counts.hardwareTlbi,
    hypercalls: counts.hypercalls,
    noShadow: counts.noShadow,
    exitKinds: counts.exitKinds,
    leavesDropped: counts.leavesDropped,
    refaults: counts.refaults,
  });
  return [
    ...sink.phases().map(({ phase, host, ipaBits, counts }) => row(phase, host, ipaBits, counts)),
    ...sink.total().map(({ host, ipaBits, counts }) => row(TOTAL, host, ipaBits, counts)),
  ];
}

/** True where the price is of a nested host: only there has the rest of the work one. */
export const isNestedRow = (row: { readonly rest: number | null }): boolean => row.rest !== null;
