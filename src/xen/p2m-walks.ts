/** Where walks of a p2m ended, so that most take one step: a help for the simulation, nothing of Xen's. */
import { pagesAtLevel } from "../arch/index.js";

/** Walks remembered, a power of two. */
const WALKS = 64;
const PER_PAGE = 1 / pagesAtLevel(2);

export class P2mWalks {
  private readonly region = new Float64Array(WALKS).fill(-1);
  private readonly tables = new Int32Array(WALKS);
  private readonly levels = new Int8Array(WALKS);
  /** the table that the last successful {@link find} found */
  table = 0;

  /** The level at which the last walk in the 2 MiB around gfn ended, if that is not below `target`; else -1. */
  find(gfn: number, target: number): number {
    const region = Math.floor(gfn * PER_PAGE);
    const i = region & (WALKS - 1);
    if (this.region[i] !== region || this.levels[i]! > target) return -1;
    this.table = this.tables[i]!;
    return this.levels[i]!;
  }

  remember(gfn: number, table: number, level: number): void {
    const region = Math.floor(gfn * PER_PAGE);
    const i = region & (WALKS - 1);
    this.region[i] = region;
    this.tables[i] = table;
    this.levels[i] = level;
  }

  /** A table was freed. */
  forget(): void {
    this.region.fill(-1);
  }
}
