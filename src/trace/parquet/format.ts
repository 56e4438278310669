/**
 * A trace as a Parquet file: one row per event, flat columns, strings for people and integers as they are, null where a column
 * does not apply (nulls.ts). The columns are those of columns.ts behind two that are derived (derived.ts); here is
 * what reader and writer must agree upon beside them.
 *
 * Every column is dictionary-coded: values repeat (a dozen names, a few thousand descriptors in a row group), so that a row
 * takes about 10 bytes. A page of a 64-bit column whose values do not repeat is PLAIN. Then each page goes through gzip,
 * at the level that is as fast as Snappy in JavaScript and leaves about 1.3 bytes a row, a third of what Snappy leaves: the
 * steps of a piece of work come in the same order again and again, and Huffman codes take what a dictionary cannot.
 */
import type { SchemaElement } from "hyparquet";
import { COLUMNS, columnOf } from "../columns.js";
import { DERIVED_COLUMNS } from "./derived.js";
import { isNullable } from "./nulls.js";

/**
 * Version of the format: of the columns and of what they mean. A reader takes this one and older ones. Version 1 had no null,
 * neither `event` nor `phase`, and called `before` and `after` `from` and `to`.
 */
export const TRACE_VERSION = 2;
/** Keys of the file's key-value metadata: the format's version, and what made the trace; see also recording.ts. */
export const VERSION_KEY = "shootdown.trace";
export const PRODUCER_KEY = "shootdown.producer";
export const RECORDING_KEY = "shootdown.recording";

/** Rows of a row group: what a reader holds in memory, and the least that random access reads. */
export const GROUP_ROWS = 131_072;

/** Most rows of a page: enough for gzip to find what repeats. */
export const PAGE_ROWS = 32_768;

/**
 * The file's schema: small integers as UINT_8, UINT_16 and INT_8 on INT32, 64 bits as UINT_64 on INT64, UTF8 strings. The
 * number of an event is signed, so that a query may subtract it.
 */
export const SCHEMA: readonly SchemaElement[] = [
  { name: "trace", num_children: DERIVED_COLUMNS.length + COLUMNS.length },
  { name: "event", type: "INT64", repetition_type: "REQUIRED" },
  { name: "phase", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  ...COLUMNS.map((name): SchemaElement => {
    const column = columnOf(name);
    const repetition_type = isNullable(name) ? "OPTIONAL" : "REQUIRED";
    if (column.holds === "text") return { name, type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type };
    if (column.holds === "wide") return { name, type: "INT64", converted_type: "UINT_64", repetition_type };
    const converted_type = column.array === Uint8Array ? "UINT_8" : column.array === Uint16Array ? "UINT_16" : "INT_8";
    return { name, type: "INT32", converted_type, repetition_type };
  }),
];
