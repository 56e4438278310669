/** A table for programs: RFC 4180, raw numbers, units in the names of the columns. */
import { type Column, type Kind, keyOf, type Table, type Value } from "./table.js";

/** A raw value. */
export type Field = string | number | null;

/** What a column is in CSV. */
interface Fields {
  readonly names: readonly string[];
  of(value: NonNullable<Value>): readonly Field[];
}

/** How values of a kind become fields. */
const FIELDS: Readonly<Record<Exclude<Kind, "tally">, (key: string) => Fields>> = {
  words: (key) => single(key),
  names: (key) => ({ names: [key], of: (value) => [(value as readonly string[]).join(" ")] }),
  id: (key) => single(key),
  count: (key) => single(key),
  factor: (key) => single(key),
  time: (key) => single(`${key}_us`),
  times: (key) => ends(`${key}_low_us`, `${key}_high_us`),
  factors: (key) => ends(`${key}_low`, `${key}_high`),
};

const single = (name: string): Fields => ({ names: [name], of: (value) => [value as Field] });
const ends = (low: string, high: string): Fields => ({ names: [low, high], of: (value) => value as readonly Field[] });

/** A column for each name that is counted anywhere; what a row does not count is 0. */
function tallied(key: string, values: readonly Value[]): Fields {
  const names = [...new Set(values.flatMap((value) => Object.keys(value ?? {})))].sort();
  const counts = (value: NonNullable<Value>) => value as Readonly<Record<string, number>>;
  return {
    names: names.map((name) => `${key}_${name}`),
    of: (value) => names.map((name) => counts(value)[name] ?? 0),
  };
}

/** The table as programs take it: a name for each field, and rows of raw values; what there is none of is null. */
export function fieldsOf({ columns, rows }: Table): {
  readonly names: readonly string[];
  readonly rows: readonly (readonly Field[])[];
} {
  const fields = columns.map((column, i) =>
    columnFields(
      column,
      rows.map((row) => row[i]!.value),
    ),
  );
  const lines = rows.map((row) =>
    fields.flatMap(({ names, of }, i) => {
      const { value } = row[i]!;
      return value === null ? names.map(() => null) : of(value);
    }),
  );
  return { names: fields.flatMap(({ names }) => names), rows: lines };
}

/** The table; its first line names the columns, and what there is none of is empty. */
export function csv(table: Table): string {
  const { names, rows } = fieldsOf(table);
  return [names, ...rows].map((line) => `${line.map(quoted).join(",")}\r\n`).join("");
}

const columnFields = (column: Column, values: readonly Value[]): Fields =>
  column.kind === "tally" ? tallied(keyOf(column), values) : FIELDS[column.kind](keyOf(column));

function quoted(field: Field): string {
  const text = field === null ? "" : String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
