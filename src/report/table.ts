/**
 * A table as a value: columns of a kind, rows of raw values with their words. How it looks is up to who renders it: the terminal
 * (`terminal/text.ts`), CSV (`csv.ts`), Markdown (`markdown.ts`).
 */
import { count, duration, durationRange, factor, tally } from "./format.js";

/** Two ends of a range. */
type Ends = readonly [low: number, high: number];

/** What the values of a column are, by its kind; null stands for "there is none" in each. */
interface ValueOf {
  words: string;
  /** names that share the row */
  names: readonly string[];
  /** numbers that count nothing: a VMID, IPA bits */
  id: number;
  count: number;
  /** microseconds */
  time: number;
  /** microseconds */
  times: Ends;
  factor: number;
  factors: Ends;
  /** counts by name */
  tally: Readonly<Record<string, number>>;
}

export type Kind = keyof ValueOf;
export type Value = ValueOf[Kind] | null;

/** A column, without what stands in it. */
export interface Column {
  readonly head: string;
  /** what programs call it, without its unit; made of the head where it is not said */
  readonly key?: string;
  readonly kind: Kind;
  /** heading over this column and its neighbours of the same */
  readonly under?: string;
  /** to be said once by who has little room: not below a row that is the same in it, and in all columns before it */
  readonly once?: boolean;
  /** figures stand at the right side in any case */
  readonly right?: boolean;
}

/** How a cell stands out, where there are colours. */
export type Tone = "good" | "bad";

/**
 * A value and its words. `mark` hangs on them, as a warning, and is no part of the value; nor is `note`, what is said below the
 * words where there is room for small print.
 */
export interface Cell {
  readonly value: Value;
  readonly text: string;
  readonly mark?: string;
  readonly note?: string;
  readonly tone?: Tone;
}

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A column of a kind of rows: what stands in it, in other words than its kind has where `text` says so. */
export type ColumnOf<Row> = {
  [K in Kind]: Omit<Column, "kind"> & {
    readonly kind: K;
    of(row: Row): ValueOf[K] | null;
    text?(row: Row): string;
    mark?(row: Row): string;
    note?(row: Row): string;
    tone?(row: Row): Tone | undefined;
  };
}[Kind];

const WORDS: { readonly [K in Kind]: (value: ValueOf[K]) => string } = {
  words: (value) => value,
  names: (value) => value.join(", "),
  id: String,
  count,
  time: duration,
  times: (ends) => durationRange(...ends),
  factor,
  factors: ([low, high]) => (factor(low) === factor(high) ? factor(low) : `${factor(low)} .. ${factor(high)}`),
  tally,
};

/** The table of some rows. */
export function tableOf<Row>(columns: readonly ColumnOf<Row>[], rows: readonly Row[]): Table {
  return {
    columns: columns.map(({ of: _, text: _text, mark: _mark, note: _note, tone: _tone, ...column }) => column),
    rows: rows.map((row) => columns.map((column) => cellOf(column, row))),
  };
}

function cellOf<Row>(column: ColumnOf<Row>, row: Row): Cell {
  const value = column.of(row);
  const words = WORDS[column.kind] as (of: NonNullable<Value>) => string;
  const text = column.text?.(row) ?? (value === null ? "-" : words(value));
  const [mark, note, tone] = [column.mark?.(row) ?? "", column.note?.(row) ?? "", column.tone?.(row)];
  return { value, text, ...(mark && { mark }), ...(note && { note }), ...(tone && { tone }) };
}

/** A table of nothing but words; a head alone is a column at the left side. */
export function wordTable(heads: readonly (string | Column)[], rows: readonly (readonly string[])[]): Table {
  return {
    columns: heads.map((head) => (typeof head === "string" ? { head, kind: "words" } : head)),
    rows: rows.map((row) => heads.map((_, i) => ({ value: row[i] ?? "", text: row[i] ?? "" }))),
  };
}

/** True for names that share a row: those who have the room show them below one another. */
export const isNames = (value: Value): value is readonly string[] =>
  Array.isArray(value) && typeof value[0] === "string";

/** A column of figures in words. */
export const right = (head: string): Column => ({ head, kind: "words", right: true });

const LEFT: ReadonlySet<Kind> = new Set(["words", "names", "tally"]);

/** Words at whose end figures stand below one another. */
export const isRight = ({ kind, right: asked }: Column): boolean => asked === true || !LEFT.has(kind);

/** What programs call a column. */
export const keyOf = ({ key, head }: Column): string =>
  key ??
  head
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
