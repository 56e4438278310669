/** Sweeps as a user has them: tables, files, a page. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import { type Done, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-sweep-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);

const COMPARE = [
  "compare",
  "vcpu-switch",
  "-p",
  "xen-today,kvm-ipa",
  "--host",
  "kvm-nested-skip-holes",
  "--ipa-bits",
  "40",
];
const QUICK = ["compare", "vcpu-switch", "-p", "xen-today", "--host", "bare-metal,kvm-nested-7.2", "--no-prove"];

const refused = ({ status, out, err }: Done): string => {
  assert.deepEqual([status, out], [1, ""]);
  return err;
};

test("a sweep has a row for each value, and a CSV and a Parquet file have the same", async () => {
  const set = [...QUICK, "--ipa-bits", "40", "--set", "run.slice-us=10000..40000*2", "--set", "prices.exit=10,20"];
  const { status, out } = await shootdown([...set, "--csv", "-o", "sweep.parquet"]);
  assert.equal(status, 0);
  const [head, ...lines] = out.trimEnd().split("\r\n");
  const names = head!.split(",");
  assert.deepEqual(names.slice(0, 6), ["scenario", "host", "ipa_bits", "policy", "run_slice_us", "prices_exit"]);
  // Of bare metal three, which has no exits; when nested, each with each.
  assert.equal(lines.length, 3 + 3 * 2);
  const duckdb = await (await DuckDBInstance.create()).connect();
  try {
    const read = await duckdb.runAndReadAll(`SELECT * FROM '${join(folder, "sweep.parquet")}'`);
    assert.deepEqual(read.columnNames(), names);
    const rows = read.getRows().map((row) => row.map((value) => (value === null ? "" : String(value))).join(","));
    assert.deepEqual(rows, lines);
  } finally {
    duckdb.disconnectSync();
  }
});

test("a terminal gets the table, and which policy is the cheapest", async () => {
  const { out } = await shootdown([...COMPARE, "--no-prove", "--set", "prices.broadcast=0.001,2.7,1000"]);
  assert.match(out, /^vcpu-switch on kvm-nested-skip-holes at 40 bits\n {2}policy +prices\.broadcast +price +range$/m);
  assert.deepEqual(
    out.split("\n").filter((line) => line.length > 80),
    [],
  );
  // A whole flush drops leaves that fault in again, a TLBI for one page does not: whatever a broadcast costs.
  const cheapest =
    "kvm-nested-skip-holes at 40 bits: the cheapest by prices.broadcast (us) is kvm-ipa from 0.001 to 1,000.";
  assert.ok(out.replaceAll(/\s+/g, " ").includes(cheapest));
});

test("an unsound policy is never called the cheapest", async () => {
  const policies = ["compare", "vcpu-switch", "-p", "xen-today,vmid-per-vcpu,switch-vmalle1", "--host", "bare-metal"];
  const { out } = await shootdown([...policies, "--set", "run.slice-us=10000,20000"]);
  const sentence = out.replaceAll(/\s+/g, " ").match(/- vcpu-switch on bare-metal: .*? Prices/)![0];
  assert.match(sentence, /the cheapest that is not unsound by run\.slice-us/);
  assert.doesNotMatch(sentence, /vmid-per-vcpu/);
  assert.match(out, /vmid-per-vcpu .*UNSOUND/);
});

test("--report has pictures whose lines are named, with the table and the command that makes it again", async () => {
  const { status } = await shootdown([...QUICK, "--set", "run.slice-us=10000,20000,40000", "--report", "sweep.html"]);
  assert.equal(status, 0);
  const page = readFileSync("sweep.html", "utf8");
  assert.equal(page.match(/<svg/g)!.length, 4, "bare metal, and three IPA sizes");
  assert.match(page, /<title id="p0-title">vcpu-switch on bare-metal: price against run\.slice-us<\/title>/);
  assert.match(page, /shootdown compare vcpu-switch -p xen-today .*--set run\.slice-us=10000,20000,40000/);
  assert.doesNotMatch(page, /NaN|undefined|<script/);
});

test("a tornado names the prices that matter, the longest bar first; price has one too", async () => {
  const { out } = await shootdown([...QUICK, "--tornado", "--report", "tornado.html"]);
  const keys = [...out.matchAll(/(?:local|broadcast|instruction|exit) +(?:us|ns)/g)].map(([key]) => key.split(" ")[0]);
  assert.deepEqual(keys.slice(0, 2), ["local", "broadcast"], "of 198 local and 4 broadcast TLBIs on bare metal");
  assert.equal(readFileSync("tornado.html", "utf8").match(/<svg/g)!.length, 2);
  await shootdown(["simulate", "vcpu-switch", "-p", "xen-today", "-o", "trace.ndjson"]);
  const { out: csv } = await shootdown(["price", "trace.ndjson", "--host", "bare-metal", "--tornado", "--csv"]);
  assert.match(csv, /^host,ipa_bits,phase,price_us,elementary,unit,low,high,moved_low_us,moved_high_us\r\n/);
  assert.match(csv, /\r\nbare-metal,,run,[\d.]+,local,us,0\.05,1,/);
});

test("options that belong together are asked for, and what cannot be written is refused", async () => {
  assert.match(refused(await shootdown([...QUICK, "-o", "x.csv"])), /--output: expected --set or --tornado too/);
  const ending = await shootdown([...QUICK, "--tornado", "-o", "x.txt"]);
  assert.match(refused(ending), /--output x\.txt: expected a name that ends in \.parquet or \.csv/);
  assert.match(refused(await shootdown([...QUICK, "--set", "run.slice=1"])), /did you mean run\.slice-us\?/);
  assert.equal((await shootdown([...QUICK, "--tornado", "--set", "lives=1"])).status, 2);
  writeFileSync("trace.ndjson", "");
  assert.match(refused(await shootdown(["price", "trace.ndjson", "--set", "lives=1"])), /--set lives: no scenario/);
});
