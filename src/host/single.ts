/** The price of one TLBI, for a shadow that a user describes. */
import { tlbiIndex } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { addAmounts, type Counts } from "./counts.js";
import type { SingleTlbi } from "./model.js";
import { modelOf } from "./models.js";
import { instructionsOf, price } from "./price.js";

interface SingleTlbiPrice {
  /** TLBIs that the hardware executes, by name */
  readonly tlbi: Readonly<Record<string, number>>;
  /** host instructions; 0 on bare metal */
  readonly instructions: number;
  readonly leavesDropped: number;
  readonly microseconds: number;
  readonly microsecondsRange: readonly [number, number];
}

/**
 * What the host does for one TLBI. Throws an InputError for an unknown TLBI, for a shadow that the host's IPA size does not
 * reach, and for one of too many leaves.
 */
export function countTlbi(single: SingleTlbi): Counts {
  const index = tlbiIndex(single.op);
  if (index === undefined) throw new InputError(`unknown TLBI operation '${single.op}'`);
  return modelOf(single.host).single(index, single);
}

/** Prices one TLBI; errors as of {@link countTlbi}. */
export function priceTlbi(single: SingleTlbi): SingleTlbiPrice {
  const counts = countTlbi(single);
  const { microseconds, microsecondsRange } = price(counts, single.host);
  return {
    tlbi: counts.hardwareTlbi,
    instructions: instructionsOf(addAmounts([counts.parts.trap, counts.parts.walk]), single.host),
    leavesDropped: counts.leavesDropped,
    microseconds,
    microsecondsRange,
  };
}
