import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { barrierIndex, tlbiIndex } from "../arch/index.js";
import { Collected } from "./events.testing.js";
import { readTrace, writeTrace } from "./file.js";
import { GROUP_ROWS } from "./parquet.js";
import { Recorder } from "./recorder.js";
import { Summing } from "./summary.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-duckdb-"));
const path = join(folder, "trace.parquet");
const summing = new Summing();
let duckdb: DuckDBConnection;
const rows = async (query: string): Promise<unknown[][]> => (await duckdb.runAndReadAll(query)).getRows();

before(async () => {
  const file = await writeTrace(path, "a test");
  const r = new Recorder(4, [file, summing]);
  const ops = ["VMALLS12E1IS", "IPAS2E1IS", "ALLE1IS"].map((name) => tlbiIndex(name)!);
  for (let i = 0; i < (GROUP_ROWS * 3) / 8; i++) {
    const pcpu = i % 4;
    r.context(pcpu, i % 3, (i % 3) + 1);
    r.at(r.names.id(`caller${i % 5}`));
    r.write(pcpu, 0xf_ffff_ff00 + i, 2, 3, i % 512, i, 0x8000_0000, i, 0xffff_ffff);
    r.barrier(pcpu, barrierIndex("dsb ishst")!);
    r.tlbi(pcpu, ops[i % ops.length]!, 2 ** 48 - 1, 0xffff);
    r.barrier(pcpu, barrierIndex("dsb ish")!);
  }
  r.flush();
  file.close();
  duckdb = await (await DuckDBInstance.create()).connect();
});
after(() => {
  duckdb.disconnectSync();
  rmSync(folder, { recursive: true });
});

test("DuckDB opens a Parquet trace: strings as strings, 64 bits unsigned", async () => {
  const types = await rows(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '${path}')`);
  assert.deepEqual(Object.fromEntries(types as [string, string][]), {
    kind: "VARCHAR",
    pcpu: "UTINYINT",
    name: "VARCHAR",
    domain: "USMALLINT",
    vmid: "USMALLINT",
    stage: "UTINYINT",
    level: "TINYINT",
    slot: "USMALLINT",
    site: "VARCHAR",
    address: "UBIGINT",
    from: "UBIGINT",
    to: "UBIGINT",
    unknown: "UTINYINT",
    time: "UBIGINT",
    took: "UBIGINT",
  });
});

test("DuckDB's GROUP BY counts the TLBIs as the summary does", async () => {
  const grouped = await rows(
    `SELECT name, site, vmid, count(*) FROM '${path}' WHERE kind = 'tlbi' GROUP BY ALL ORDER BY ALL`,
  );
  const { byCaller, barriers } = summing.summary().phases.other!;
  assert.deepEqual(
    grouped,
    byCaller.map(({ op, caller, vmid, count }) => [op, caller, vmid, BigInt(count)]).sort(byText),
  );
  assert.deepEqual(
    await rows(`SELECT name, count(*) FROM '${path}' WHERE kind = 'barrier' GROUP BY ALL ORDER BY ALL`),
    [
      ["DSB ISH", BigInt(barriers["DSB ISH"]!)],
      ["DSB ISHST", BigInt(barriers["DSB ISHST"]!)],
    ],
  );
});

const byText = (a: readonly unknown[], b: readonly unknown[]): number => (a.join() < b.join() ? -1 : 1);

test("64-bit values keep their high bits in DuckDB", async () => {
  const [row] = await rows(
    `SELECT min(address), max("from"), max("to") FROM '${path}' WHERE kind = 'write' AND slot = 1`,
  );
  const last = Math.floor(((GROUP_ROWS * 3) / 8 - 1 - 1) / 512) * 512 + 1;
  assert.deepEqual(row, [
    0xff_ffff_f010_08n,
    (0x8000_0000n << 32n) | BigInt(last),
    (0xffff_ffffn << 32n) | BigInt(last),
  ]);
  assert.deepEqual(await rows(`SELECT DISTINCT "to" FROM '${path}' WHERE kind = 'tlbi'`), [[2n ** 64n - 1n]]);
});

test("what DuckDB reads is compressed", async () => {
  const codecs = await rows(`SELECT DISTINCT compression FROM parquet_metadata('${path}')`);
  assert.deepEqual(codecs, [["GZIP"]]);
});

const filtered = join(folder, "filtered.parquet");
const filter = (codec: string): Promise<unknown> =>
  duckdb.run(
    `COPY (SELECT * FROM '${path}' WHERE kind = 'tlbi' AND pcpu = 1 LIMIT 1000) TO '${filtered}' (FORMAT parquet, COMPRESSION ${codec})`,
  );

for (const codec of ["snappy", "gzip", "uncompressed"])
  test(`what DuckDB has filtered and written again, ${codec}, is a trace`, async () => {
    await filter(codec);
    const sink = new Collected();
    const { info } = await readTrace(filtered, [sink]);
    assert.deepEqual(info, { events: 1000, integrity: "unchecked", producer: "", recording: undefined });
    assert.ok(sink.list.every((e) => e.pcpu === 1 && e.words[4] === 0xffff_ffff && e.words[5] === 0xffff_ffff));
    assert.equal(sink.list[0]!.name, "IPAS2E1IS");
  });

test("a row group of millions of rows is read in memory that does not grow with it", async () => {
  const rows = 2_000_000;
  await duckdb.run(
    `COPY (SELECT t.* FROM (SELECT * FROM '${path}' LIMIT 1000) t, range(${rows / 1000})) TO '${filtered}'
     (FORMAT parquet, COMPRESSION gzip, ROW_GROUP_SIZE ${rows})`,
  );
  assert.deepEqual(await rowGroups(filtered), [[BigInt(rows)]]);
  const program = `
    import { readTrace } from ${JSON.stringify(new URL("./file.js", import.meta.url).href)};
    let most = 0;
    const progress = () => void (most = Math.max(most, process.memoryUsage.rss()));
    const { read } = await readTrace(${JSON.stringify(filtered)}, [], { progress });
    console.log(read, most);`;
  const done = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  const [read, bytes] = done.stdout.split(" ").map(Number);
  assert.equal(read, rows, done.stderr);
  // All rows decoded would take 120 MB on top of what Node takes.
  assert.ok(bytes! < 150e6, `${bytes} bytes`);
});

const rowGroups = (of: string): Promise<unknown[][]> =>
  rows(`SELECT DISTINCT row_group_num_rows FROM parquet_metadata('${of}')`);

test("a compression that cannot be undone here is named", async () => {
  await filter("zstd");
  await assert.rejects(readTrace(filtered, []), /filtered\.parquet: row 0: column 'kind' cannot be read: .*ZSTD/);
});

test("DuckDB reads back who made the trace", async () => {
  const pairs = await rows(`SELECT decode(key), decode(value) FROM parquet_kv_metadata('${path}') ORDER BY ALL`);
  assert.deepEqual(pairs, [
    ["shootdown.producer", "a test"],
    ["shootdown.sha256", String(pairs[1]![1])],
    ["shootdown.trace", "1"],
  ]);
  assert.match(String(pairs[1]![1]), /^[0-9a-f]{64}$/);
});
