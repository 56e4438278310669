/**
 * Which rows of a Parquet trace say something in a column: the others are null there. Null stands for what an event without the
 * column has (columns.ts), so that a reader puts it back; and never for a value, so that `after = 0` finds the removals, and
 * `host_faults = 0` only what was counted.
 */
import type { EventBuffer } from "../buffer.js";
import { COLUMN_TABLE, type ColumnName, columnOf, fieldOf, wordsOf } from "../columns.js";
import { KINDS, type Names, saysTo } from "../event.js";

const UNKNOWN = 0;
const NOTHING = 1;

/** True where a column may be null. */
export const isNullable = (name: ColumnName): boolean => columnOf(name).of !== undefined;

/** The definition levels of a block's rows, column by column: 1 for a value, 0 for null. */
export class Presence {
  private levels = new Uint8Array(0);
  /** for each column, by kind: 1 = what the column holds is a value, whatever it is */
  private readonly kinds = new Map<ColumnName, Uint8Array>();
  /** by kind and code: 1 more than whether `to` says something; 0 is unknown yet */
  private readonly to = KINDS.map(() => new Uint8Array(0x1_0000));

  /** Levels of a column; valid until the next call. Undefined for a column that is never null. */
  of(name: ColumnName, b: EventBuffer, names: Names): Uint8Array | undefined {
    if (!isNullable(name)) return undefined;
    if (this.levels.length < b.length) this.levels = new Uint8Array(b.length);
    let kinds = this.kinds.get(name);
    if (kinds === undefined) {
      const { of = [] } = columnOf(name);
      kinds = Uint8Array.from(KINDS, (_, kind) => Number(of.includes(kind)));
      this.kinds.set(name, kinds);
    }
    const array = b[fieldOf(name)];
    if (name === "after") this.ofTo(b, names);
    else if (columnOf(name).count) this.counts(array, b);
    else if (wordsOf(name) === 2) this.wide(array, kinds, b);
    else this.small(array, columnOf(name).absent, kinds, b);
    return this.levels;
  }

  private small(values: ArrayLike<number>, absent: number, kinds: Uint8Array, { kind, length }: EventBuffer): void {
    const { levels } = this;
    for (let i = 0; i < length; i++) levels[i] = values[i] === absent ? kinds[kind[i]!]! : 1;
  }

  private wide(words: ArrayLike<number>, kinds: Uint8Array, { kind, length }: EventBuffer): void {
    const { levels } = this;
    for (let i = 0; i < length; i++) levels[i] = (words[2 * i]! | words[2 * i + 1]!) === 0 ? kinds[kind[i]!]! : 1;
  }

  /** A count of 0 is a value where the host's work was counted at all. */
  private counts(words: ArrayLike<number>, { length, hostInstructions, counted }: EventBuffer): void {
    const { levels } = this;
    if (!counted) levels.fill(0, 0, length);
    else
      for (let i = 0; i < length; i++)
        levels[i] = Number(
          (words[2 * i]! | words[2 * i + 1]! | hostInstructions[2 * i]! | hostInstructions[2 * i + 1]!) !== 0,
        );
  }

  private ofTo({ kind, code, to, length }: EventBuffer, names: Names): void {
    const { levels } = this;
    for (let i = 0; i < length; i++) {
      if ((to[2 * i]! | to[2 * i + 1]!) !== 0) {
        levels[i] = 1;
        continue;
      }
      const known = this.to[kind[i]!]!;
      if (known[code[i]!] === UNKNOWN) known[code[i]!] = NOTHING + Number(this.saysTo(kind[i]!, code[i]!, names));
      levels[i] = known[code[i]!]! - NOTHING;
    }
  }

  private saysTo(kind: number, code: number, names: Names): boolean {
    return (COLUMN_TABLE.after.of as readonly number[]).includes(kind) && saysTo(kind, code, names);
  }
}
