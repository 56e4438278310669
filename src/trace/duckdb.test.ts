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
import { GROUP_ROWS } from "./parquet/format.js";
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
    event: "BIGINT",
    phase: "VARCHAR",
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
    before: "UBIGINT",
    after: "UBIGINT",
    unknown: "UTINYINT",
    time: "UBIGINT",
    took: "UBIGINT",
    host_instructions: "UBIGINT",
    host_ripas2: "UBIGINT",
    host_ipas2: "UBIGINT",
    host_vmalle1: "UBIGINT",
    host_other_tlbi: "UBIGINT",
    host_entries: "UBIGINT",
    host_faults: "UBIGINT",
  });
});

test("no column's name must be quoted in a query: none is a reserved word", async () => {
  const found = await rows(
    `SELECT column_name FROM (DESCRIBE SELECT * FROM '${path}') JOIN duckdb_keywords() ON keyword_name = column_name
     WHERE keyword_category IN ('reserved', 'type_function')`,
  );
  assert.deepEqual(found, []);
});

test("rows are numbered, across row groups, in the trace's order", async () => {
  const [[first, last, different, total]] = (await rows(
    `SELECT min(event), max(event), count(DISTINCT event), count(*) FROM '${path}'`,
  )) as [bigint[]];
  assert.deepEqual([first, last! + 1n, different], [0n, total, total]);
  const pcpus = await rows(`SELECT pcpu FROM '${path}' WHERE event % 4 = 0 ORDER BY event LIMIT 6`);
  assert.deepEqual(pcpus.flat(), [0, 1, 2, 3, 0, 1]);
});

test("a column is null where it does not apply, and not where it holds zero", async () => {
  const marked = join(folder, "marked.parquet");
  const file = await writeTrace(marked);
  const r = new Recorder(1, [file]);
  r.begin(0, r.names.id("phase:p"));
  r.begin(0, r.names.id("domain:create"), 0);
  r.write(0, 0, 2, 3, 0, 5, 0, 0, 0);
  r.tlbi(0, tlbiIndex("vmalls12e1is")!, 0, 0);
  r.tlbi(0, tlbiIndex("ipas2e1is")!, 0, 0);
  r.sysreg(0, 0, { lo: 0, hi: 0 }, { lo: 0, hi: 0 });
  r.owner(0, 0, 0, 0);
  r.barrier(0, 0);
  r.end(0, r.names.id("domain:create"));
  r.end(0, r.names.id("phase:p"));
  r.barrier(0, 0);
  r.flush();
  file.close();
  assert.deepEqual(
    await rows(
      `SELECT phase, kind, domain, stage, level, slot, site, address, before, after FROM '${marked}' ORDER BY event`,
    ),
    [
      ["p", "begin", null, null, null, null, null, null, null, null],
      ["p", "begin", null, null, null, null, null, null, null, 0n],
      ["p", "write", null, 2, 3, 0, null, 0n, 5n, 0n],
      ["p", "tlbi", null, null, null, null, null, null, null, null],
      ["p", "tlbi", null, null, null, null, null, null, null, 0n],
      ["p", "sysreg", null, null, null, null, null, null, 0n, 0n],
      ["p", "owner", null, null, 3, null, null, 0n, 0n, 0n],
      ["p", "barrier", null, null, null, null, null, null, null, null],
      ["p", "end", null, null, null, null, null, null, null, null],
      ["p", "end", null, null, null, null, null, null, null, null],
      [null, "barrier", null, null, null, null, null, null, null, null],
    ],
  );
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
    `SELECT min(address), max(before), max(after) FROM '${path}' WHERE kind = 'write' AND slot = 1`,
  );
  const last = Math.floor(((GROUP_ROWS * 3) / 8 - 1 - 1) / 512) * 512 + 1;
  assert.deepEqual(row, [
    0xff_ffff_f010_08n,
    (0x8000_0000n << 32n) | BigInt(last),
    (0xffff_ffffn << 32n) | BigInt(last),
  ]);
  assert.deepEqual(await rows(`SELECT DISTINCT after FROM '${path}' WHERE kind = 'tlbi'`), [[2n ** 64n - 1n]]);
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
    ["shootdown.trace", "2"],
  ]);
  assert.match(String(pairs[1]![1]), /^[0-9a-f]{64}$/);
});
