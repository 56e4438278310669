/** Which elementary price decides: each moved alone through its range, all the others where they are. */
import type { Host, Priced } from "../host/index.js";

/** One elementary price moved alone, and what a whole price is at its ends, in microseconds. */
export interface Bar {
  /** its key in the host's file */
  readonly key: string;
  readonly unit: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly microseconds: readonly [atLow: number, atHigh: number];
}

/** A row with its bars, the longest first; prices that do not matter to it have none. */
export type Tornado<Row> = Row & { readonly bars: readonly Bar[] };

/** A host with one price at one end of its range. */
interface Moved {
  readonly original: string;
  readonly key: string;
  readonly end: "low" | "high";
}

/** Hosts as they are and with each price at each end: to be compared or priced together, at no further simulation. */
export class Tornados {
  readonly hosts: readonly Host[];
  private readonly moved = new Map<string, Moved>();

  constructor(private readonly originals: readonly Host[]) {
    this.hosts = originals.flatMap((host) => [host, ...this.movedHosts(host)]);
  }

  private movedHosts(host: Host): Host[] {
    return Object.values(host.prices)
      .filter(({ low, high }) => low < high)
      .flatMap((price) =>
        (["low", "high"] as const).map((end): Host => {
          const name = `${host.name} ${price.key} ${end}`;
          this.moved.set(name, { original: host.name, key: price.key, end });
          const at = { ...price, value: price[end], low: price[end], high: price[end] };
          return { ...host, name, prices: { ...host.prices, [price.key]: at } };
        }),
      );
  }

  /** The rows of the hosts as they are, with their bars; `key` tells rows of one host apart that are not the same. */
  rows<Row extends Priced & { readonly host: string }>(
    rows: readonly Row[],
    key: (row: Row) => string,
  ): Tornado<Row>[] {
    const at = new Map(rows.map((row) => [`${row.host}\0${key(row)}`, row.microseconds]));
    return rows
      .filter(({ host }) => !this.moved.has(host))
      .map((row) => {
        const { prices } = this.originals.find(({ name }) => name === row.host)!;
        const bars = Object.values(prices).flatMap(({ key: price, unit, value, low, high }): Bar[] => {
          const [atLow, atHigh] = ["low", "high"].map((end) => at.get(`${row.host} ${price} ${end}\0${key(row)}`));
          if (atLow === undefined || atHigh === undefined || atLow === atHigh) return [];
          return [{ key: price, unit, value, low, high, microseconds: [atLow, atHigh] }];
        });
        return { ...row, bars: bars.sort((a, b) => lengthOf(b) - lengthOf(a)) };
      });
  }
}

const lengthOf = ({ microseconds: [low, high] }: Bar): number => Math.abs(high - low);
