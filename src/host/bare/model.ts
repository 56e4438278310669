/** Bare metal as a price model: three prices, and nothing of a file's own. */
import { isBroadcast, TLBI_OPS } from "../../arch/index.js";
import { type Counts, NO_COUNTS } from "../counts.js";
import type { PriceTable } from "../host.js";
import type { PriceModel } from "../model.js";
import { BareMetal } from "./bare.js";

const PRICES = {
  broadcast: ["us", "a broadcast TLBI with the DSB that completes it"],
  local: ["us", "a local TLBI with the DSB that completes it"],
  further: ["us", "each further broadcast TLBI that the same DSB completes"],
} as const satisfies PriceTable;

export const BARE_METAL: PriceModel = {
  kind: "bare",
  nested: false,
  prices: PRICES,
  keys: {},
  settings: () => ({}),
  shape: () => "",
  sink: () => new BareMetal(),
  refuseIpaBits() {},
  unknown: () => [],
  ipaNote: () => undefined,
  single: (op) => single(op),
  withRepeat: (host) => host,
  noRest: undefined,
};

/** A single TLBI, with the DSB that completes it. */
function single(index: number): Counts {
  const op = TLBI_OPS[index]!;
  const tlbi = { [op.name]: 1 };
  const flush = isBroadcast(op) ? { broadcast: 1 } : { local: 1 };
  return { ...NO_COUNTS, tlbi, hardwareTlbi: tlbi, parts: { ...NO_COUNTS.parts, flush } };
}
