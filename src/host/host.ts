/** A host: what executes the hypervisor under study, and what each elementary step takes there. */

/** us = microseconds, ns = nanoseconds, instructions = host instructions, each worth the price `instruction`. */
export type PriceUnit = "us" | "ns" | "instructions";

/**
 * The elementary prices of a price model: key, unit, meaning. A file may leave out one that is "optional", as those from before it
 * was known do; it is 0 then, and says so.
 */
export type PriceTable = Readonly<Record<string, readonly [PriceUnit, string, "optional"?]>>;

/** One elementary price: `low` = `high` = `value` where the file gives no range. */
export interface Price {
  /** of the model's {@link PriceTable} */
  readonly key: string;
  /** what the step is */
  readonly meaning: string;
  readonly unit: PriceUnit;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly source: string;
  /** the measurement on which it was calibrated, which then is no check of the model; absent otherwise */
  readonly calibratedOn?: string;
}

/** Numbers of PEs; undefined: unknown. */
export interface Reach {
  /** that a broadcast reaches */
  readonly pes?: number | undefined;
  /** that broadcast at once, the one whose price it is among them */
  readonly broadcasters?: number | undefined;
}

/** A host file, read and checked. Beside these it has what its price model makes of the file's further keys. */
export interface Host extends Reach {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** its price model: a row of PRICE_MODELS */
  readonly kind: string;
  /** name of the CPU profile that the hypervisor under study sees */
  readonly cpu: string;
  /** the machine whose prices these are; undefined where the file does not say */
  readonly machine?: string;
  readonly assumptions: readonly string[];
  /** what nobody knows of the price of its broadcasts: a sentence each */
  readonly unknown: readonly string[];
  /** every key of the model's table */
  readonly prices: Readonly<Record<string, Price>>;
}
