/** A table as a Parquet file: the fields of its CSV, numbers as doubles, words as strings, nulls where there is none. */
import { parquetWriteBuffer } from "hyparquet-writer";
import { type Field, fieldsOf } from "./csv.js";
import type { Table } from "./table.js";

/** The whole file. */
export function tableParquet(table: Table): Uint8Array {
  const { names, rows } = fieldsOf(table);
  const columnData = names.map((name, i) => {
    const data = rows.map((row): Field => row[i] ?? null);
    const type = data.some((value) => typeof value === "string") ? "STRING" : "DOUBLE";
    return { name, data, type, nullable: true } as const;
  });
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}
