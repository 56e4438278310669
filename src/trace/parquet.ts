/**
 * A trace as a Parquet file: one row per event, flat required columns, strings for people and integers as they are.
 * This file is the schema and what reader and writer must agree upon; see parquet-writer.ts and parquet-reader.ts.
 *
 * Every column is dictionary-coded: values repeat (a dozen names, a few thousand descriptors in a row group), so that a row
 * takes about 10 bytes. A page of a 64-bit column whose values do not repeat is PLAIN. Then each page goes through gzip,
 * at the level that is as fast as Snappy in JavaScript and leaves about 1.3 bytes a row, a third of what Snappy leaves: the
 * steps of a piece of work come in the same order again and again, and Huffman codes take what a dictionary cannot.
 */
import type { SchemaElement } from "hyparquet";

/** The columns of a trace, in the file's order. */
export const COLUMNS = [
  "kind",
  "pcpu",
  "name",
  "domain",
  "vmid",
  "stage",
  "level",
  "slot",
  "site",
  "address",
  "from",
  "to",
] as const;
export type ColumnName = (typeof COLUMNS)[number];

/** What a column holds: text, a small integer from `min` to `max`, or 64 bits. */
export type ColumnType =
  | { readonly holds: "text" }
  | { readonly holds: "small"; readonly unsigned: 8 | 16 | false; readonly min: number; readonly max: number }
  | { readonly holds: "wide" };

const TEXT: ColumnType = { holds: "text" };
const WIDE: ColumnType = { holds: "wide" };
const unsigned = (bits: 8 | 16, max: number): ColumnType => ({ holds: "small", unsigned: bits, min: 0, max });

export const COLUMN_TYPES: Readonly<Record<ColumnName, ColumnType>> = {
  kind: TEXT,
  pcpu: unsigned(8, 255),
  name: TEXT,
  domain: unsigned(16, 0xffff),
  vmid: unsigned(16, 0xffff),
  stage: unsigned(8, 2),
  level: { holds: "small", unsigned: false, min: -1, max: 3 },
  slot: unsigned(16, 0xffff),
  site: TEXT,
  address: WIDE,
  from: WIDE,
  to: WIDE,
};

/** Version of the format: of the columns and of what they mean. A reader takes this one and older ones. */
export const TRACE_VERSION = 1;
/** Keys of the file's key-value metadata: the format's version, and what made the trace; see also recording.ts. */
export const VERSION_KEY = "shootdown.trace";
export const PRODUCER_KEY = "shootdown.producer";
export const RECORDING_KEY = "shootdown.recording";

/** Rows of a row group: what a reader holds in memory, and the least that random access reads. */
export const GROUP_ROWS = 131_072;

/** Most rows of a page: enough for gzip to find what repeats. */
export const PAGE_ROWS = 32_768;

/** The file's schema: small integers as UINT_8, UINT_16 and INT_8 on INT32, 64 bits as UINT_64 on INT64, UTF8 strings. */
export const SCHEMA: readonly SchemaElement[] = [
  { name: "trace", num_children: COLUMNS.length },
  ...COLUMNS.map((name): SchemaElement => {
    const column = COLUMN_TYPES[name];
    const repetition_type = "REQUIRED";
    if (column.holds === "text") return { name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type };
    if (column.holds === "wide") return { name, type: "INT64", converted_type: "UINT_64", repetition_type };
    const converted_type = column.unsigned === 8 ? "UINT_8" : column.unsigned === 16 ? "UINT_16" : "INT_8";
    return { name, type: "INT32", converted_type, repetition_type };
  }),
];
