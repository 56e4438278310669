/**
 * Two columns that say nothing new, for who asks a Parquet trace in SQL: `event`, the number of the row from 0 on (as `show
 * --events` counts), for a table has no order; and `phase`, in which the event is (as `show` adds up), null outside any. Readers
 * here pass over them, and hold their bytes against the digest when they read all.
 */
import { type EventBuffer, EventError } from "../buffer.js";
import { Kind, type Names } from "../event.js";
import { MarkReader } from "../marks.js";

export const DERIVED_COLUMNS = ["event", "phase"] as const;
export type DerivedColumn = (typeof DERIVED_COLUMNS)[number];

/** Ids of names that may be a phase's. */
export const PHASE_DOMAIN = 0x1_0000;

/** The phase of each row: the id of its mark, and whether there is one. */
export class PhaseRows {
  values = new Uint16Array(0);
  levels = new Uint8Array(0);
  private readonly marks = new MarkReader();

  /** What stands in the column for a value. */
  text(mark: number): string {
    return this.marks.what(mark);
  }

  /** Fills `values` and `levels` for a block. */
  fill(b: EventBuffer, names: Names): void {
    const n = b.length;
    if (this.values.length < n) {
      this.values = new Uint16Array(n);
      this.levels = new Uint8Array(n);
    }
    this.marks.learn(names);
    for (let i = 0; i < n; i++) {
      const kind = b.kind[i]!;
      let { phase } = this.marks;
      if (kind === Kind.begin || kind === Kind.end) {
        this.mark(kind, b.code[i]!, i);
        // The begin of a phase is in it, and so is its end.
        if (kind === Kind.begin) phase = this.marks.phase;
      }
      this.values[i] = phase;
      this.levels[i] = phase === 0 ? 0 : 1;
    }
  }

  /** A mark that cannot be is written all the same, and refused by who adds the file up. */
  private mark(kind: number, code: number, i: number): void {
    try {
      this.marks.event(kind, code, i);
    } catch (error) {
      if (!(error instanceof EventError)) throw error;
    }
  }
}
