/** traces/views.sql, run by DuckDB on a trace of a few rows. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { tlbiIndex } from "../arch/index.js";
import { writeTrace } from "./file.js";
import { Recorder } from "./recorder.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-views-"));
const VIEWS = readFileSync(new URL("../../traces/views.sql", import.meta.url), "utf8");
let duckdb: DuckDBConnection;
const rows = async (query: string): Promise<unknown[][]> => (await duckdb.runAndReadAll(query)).getRowsJS();

/** Rows 0 to 14: two removals under one flush, a removal on another pCPU, stores that remove nothing, a removal never flushed. */
async function record(path: string): Promise<void> {
  const file = await writeTrace(path);
  const r = new Recorder(2, [file]);
  const tlbi = (pcpu: number, op: string): void => r.tlbi(pcpu, tlbiIndex(op)!, 0, 0);
  const store = (pcpu: number, stage: 1 | 2, before: number, now: number): void =>
    r.write(pcpu, 8, stage, 3, 1, before, 0, now, 0);
  const at = (site: string): unknown => r.at(r.names.id(site));
  r.context(0, 0, 1);
  r.context(1, 3, 2);
  const phase = r.names.id("phase:create");
  r.begin(0, phase); // 0
  at("p2m_set_entry < remove");
  store(0, 2, 0x3, 0x0); // 1
  store(0, 2, 0x3, 0x2); // 2: invalid, with bits of its own
  store(0, 2, 0x0, 0x3); // 3: a mapping made
  store(0, 1, 0x3, 0x0); // 4: stage 1
  at("flush < remove");
  tlbi(1, "vmalls12e1is"); // 5: another pCPU
  tlbi(0, "vmalle1is"); // 6: stage 1
  tlbi(0, "vmalls12e1is"); // 7
  r.end(0, phase); // 8
  at("other < remove");
  store(1, 2, 0x3, 0x0); // 9
  tlbi(1, "ipas2e1is"); // 10
  store(1, 2, 0x3, 0x0); // 11: never flushed
  r.flush();
  file.close();
}

before(async () => {
  const path = join(folder, "x.parquet");
  await record(path);
  duckdb = await (await DuckDBInstance.create()).connect();
  await duckdb.run(`CREATE VIEW trace AS FROM '${path}'`);
  await duckdb.run(VIEWS);
});
after(() => {
  duckdb.disconnectSync();
  rmSync(folder, { recursive: true });
});

test("TLBIs are counted by phase, by caller and by VMID", async () => {
  assert.deepEqual(await rows("FROM tlbis_by_phase"), [
    ["create", "VMALLS12E1IS", 2n],
    ["create", "VMALLE1IS", 1n],
    [null, "IPAS2E1IS", 1n],
  ]);
  assert.deepEqual(await rows("FROM tlbis_by_caller"), [
    ["flush", "VMALLS12E1IS", 2n],
    ["flush", "VMALLE1IS", 1n],
    ["other", "IPAS2E1IS", 1n],
  ]);
  assert.deepEqual(await rows("FROM tlbis_by_vmid"), [
    [1, "VMALLE1IS", 1n],
    [1, "VMALLS12E1IS", 1n],
    [2, "IPAS2E1IS", 1n],
    [2, "VMALLS12E1IS", 1n],
  ]);
});

test("a removal is followed by the next TLBI of its pCPU that reaches stage 2", async () => {
  assert.deepEqual(
    await rows("SELECT event, flush_event, flush, rows_later FROM flushes_after_removals ORDER BY event"),
    [
      [1n, 7n, "VMALLS12E1IS", 6n],
      [2n, 7n, "VMALLS12E1IS", 5n],
      [9n, 10n, "IPAS2E1IS", 1n],
      [11n, null, null, null],
    ],
  );
});

test("a flush is counted with the removals that it serves", async () => {
  assert.deepEqual(await rows("SELECT phase, flush, removals, times FROM removals_by_flush ORDER BY flush"), [
    [null, "IPAS2E1IS", 1n, 1n],
    ["create", "VMALLS12E1IS", 2n, 1n],
    [null, null, 1n, 1n],
  ]);
});

test("a TLBI has its price where the table of prices has its row, and null elsewhere", async () => {
  await duckdb.run("INSERT INTO prices VALUES (5, 'h', 48, 2.5), (7, 'h', 48, 4)");
  assert.deepEqual(await rows("SELECT event, price_us FROM tlbi_prices ORDER BY event"), [
    [5n, 2.5],
    [6n, null],
    [7n, 4],
    [10n, null],
  ]);
  assert.deepEqual(await rows("FROM price_by_caller"), [["h", 48, "flush", "VMALLS12E1IS", 2n, 6.5]]);
});

test("the views are made anew over another trace, and keep the prices", async () => {
  await duckdb.run(VIEWS);
  assert.deepEqual(await rows("SELECT count(*) FROM prices"), [[2n]]);
});
