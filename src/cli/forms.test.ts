/** `--csv` and `--markdown`: each command's table says what its `--json` says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DuckDBInstance } from "@duckdb/node-api";
import type { CompareResult, PriceRow, TraceDifference } from "../compare/index.js";
import { writeTrace } from "../trace/file.js";
import { incomplete, type Summary } from "../trace/index.js";
import { recordRemovals } from "../trace/recorded.fixture.js";
import { shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-forms-"));
const at = (name: string): string => join(folder, name);
const [paged, batched] = [at("paged.parquet"), at("batched.parquet")];
const duckdb = await (await DuckDBInstance.create()).connect();
after(() => {
  duckdb.disconnectSync();
  rmSync(folder, { recursive: true });
});

before(async () => {
  for (const [path, batch] of [
    [paged, undefined],
    [batched, 50],
  ] as const) {
    const trace = await writeTrace(path, "a test");
    recordRemovals([trace], 100, batch);
    trace.close();
  }
});

async function output(...args: string[]): Promise<string> {
  const { status, out, err } = await shootdown(args);
  assert.deepEqual([status, err], [0, ""], args.join(" "));
  return out;
}

const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await output(...args, "--json")) as T;

type Row = Readonly<Record<string, string | number | null>>;

/** Rows of `--csv` as another reader has them. */
async function csvRows(...args: string[]): Promise<Row[]> {
  const file = at("table.csv");
  writeFileSync(file, await output(...args, "--csv"));
  const read = await duckdb.runAndReadAll(
    `SELECT * FROM read_csv('${file}', header = true, strict_mode = true, sample_size = -1)`,
  );
  return read.getRowObjectsJson().map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => {
        const isNumber = value !== null && value !== "" && Number.isFinite(Number(value));
        return [key, isNumber ? Number(value) : (value as string | null)];
      }),
    ),
  );
}

test("price: a row for each price, with the figures of --json", async () => {
  const args = ["price", paged, "--host", "kvm-nested-7.2", "--ipa-bits", "40,48"];
  const { rows } = await json<{ rows: PriceRow[] }>(...args);
  const csv = await csvRows(...args);
  assert.equal(csv.length, rows.length);
  for (const row of rows) {
    const same = csv.find((one) => one.phase === row.phase && one.ipa_bits === row.ipaBits);
    assert.equal(same?.price_us, row.microseconds);
    assert.deepEqual([same?.price_low_us, same?.price_high_us], row.microsecondsRange);
    assert.equal(same?.rest_us, row.rest);
    assert.equal(same?.tlbi_VMALLS12E1IS, row.tlbi.VMALLS12E1IS ?? 0);
  }
});

test("price: bare metal has one row whatever the IPA sizes, and no IPA size", async () => {
  const rows = await csvRows("price", paged, "--host", "bare-metal", "--ipa-bits", "40,48");
  assert.deepEqual(
    rows.map(({ ipa_bits }) => ipa_bits),
    rows.map(() => null),
  );
  assert.equal(new Set(rows.map(({ phase }) => phase)).size, rows.length);
});

test("show: counts of the phases by who issued them", async () => {
  const { phases } = await json<Summary>("show", paged);
  const rows = await csvRows("show", paged);
  for (const [phase, { byCaller, stage2Writes }] of Object.entries(phases)) {
    const own = rows.filter((row) => row.phase === phase);
    assert.deepEqual(
      own.filter((row) => row.vmid !== null).map((row) => [row.what, row.count, row.vmid, row.issued_by]),
      byCaller.map(({ op, count, vmid, caller }) => [op, count, vmid, caller || null]), // CSV has no other nothing
    );
    assert.equal(own.find(({ what }) => what === "stage-2 descriptor write")?.count ?? 0, stage2Writes);
  }
});

test("diff: what differs, and with --all the rest; prices have columns of their own", async () => {
  const args = ["diff", paged, batched, "--host", "bare-metal"];
  const { phases, prices } = await json<TraceDifference>(...args);
  const [rows, all] = [await csvRows(...args), await csvRows(...args, "--all")];
  const create = phases.create!.byCaller.filter(({ difference }) => difference !== 0);
  assert.deepEqual(
    rows
      .filter((row) => row.phase === "create" && row.vmid !== null)
      .map((row) => [row.what, row.issued_by, row.before, row.after, row.difference]),
    create.map(({ op, caller, before, after: now, difference }) => [op, caller, before, now, difference]),
  );
  const total = prices.find(({ phase }) => phase === "total")!;
  const priced = rows.find((row) => row.phase === "total" && row.what === "price")!;
  assert.deepEqual(
    [priced.price_before_us, priced.price_after_us, priced.factor],
    [total.before!.microseconds, total.after!.microseconds, total.factor],
  );
  assert.ok(all.length > rows.length);
});

test("compare: a row for each scenario, policy, host and IPA size", async () => {
  const args = ["compare", "vcpu-switch", "-p", "switch-vmalle1", "--no-prove", "--host", "bare-metal,kvm-nested-7.2"];
  const { rows } = await json<CompareResult>(...args);
  const csv = await csvRows(...args);
  assert.deepEqual(
    csv.map((row) => [row.policy, row.host, row.ipa_bits, row.price_us]),
    rows
      .filter(({ host, ipaBits }) => host !== "bare-metal" || ipaBits === 40)
      .map((row) => [row.policy, row.host, row.host === "bare-metal" ? null : row.ipaBits, row.microseconds]),
  );
  const markdown = await output(...args, "--markdown");
  assert.match(markdown, /^### vcpu-switch: .*\n\n\| policy +\| bare-metal \| TLBIs \| kvm-nested-7\.2, 40 bits \|/);
  assert.match(markdown, /\n- Prices are simulated time, not measurements/);
});

test("prove: a row for each verdict; in Markdown a row for each policy", async () => {
  const args = ["prove", "va-ipa-range", "--cpu", "cortex-a72"];
  const { results } = await json<{ results: { occasion: string; verdict: string; reason: string }[] }>(...args);
  assert.deepEqual(
    (await csvRows(...args)).map((row) => [row.occasion, row.verdict, row.reason]),
    results.map(({ occasion, verdict, reason }) => [occasion, verdict, reason]),
  );
  assert.match(
    await output(...args, "--occasion", "revoke", "--occasion", "switch", "--markdown"),
    /^\| policy +\| revoke \|.*\n.*\n\| va-ipa-range \| - /,
  );
});

test("litmus: a row for each test; statuses are as without", async () => {
  const args = ["litmus", "map-no-tlbi", "--expect"];
  const [row, ...more] = await csvRows(...args);
  assert.deepEqual([row?.test, row?.verdict, row?.expected, more.length], ["map-no-tlbi", "forbidden", "forbidden", 0]);
  assert.match(await output(...args, "--markdown"), /\n\| forbidden \| forbidden +\| .*map-no-tlbi \|\n$/);
});

test("simulate: its summary, or its prices on a host", async () => {
  const args = ["simulate", "vcpu-switch", "-p", "switch-vmalle1", "-o", at("made.parquet")];
  const rows = await csvRows(...args);
  assert.deepEqual(
    rows.map(({ scenario, policy }) => [scenario, policy]),
    [["vcpu-switch", "switch-vmalle1"]],
  );
  const prices = await output(...args, "--host", "bare-metal", "--markdown");
  assert.match(
    prices,
    /^\| host +\| bits \| phase +\| +price \|(.*\n)*\n- Prices are simulated time, never measurements\.\n/,
  );
});

test("warnings of a trace go to standard error: the table stays a table", async () => {
  const lossy = at("lossy.parquet");
  const trace = await writeTrace(lossy, incomplete("shootdown capture", ["what is not known"]));
  recordRemovals([trace], 3);
  trace.close();
  for (const form of ["--csv", "--markdown"]) {
    const { status, out, err } = await shootdown(["show", lossy, form]);
    assert.deepEqual([status, out.includes("WARNING")], [0, false]);
    assert.match(err, /^WARNING: .*what is not known/);
  }
});

test("one form at a time, and none of what has no table", async () => {
  for (const args of [
    ["price", paged, "--csv", "--json"],
    ["price", paged, "--csv", "--markdown"],
    ["show", paged, "--csv", "--events"],
    ["show", paged, "--markdown", "-p", "xen-today"],
  ]) {
    const { status, err } = await shootdown(args);
    assert.equal(status, 2, args.join(" "));
    assert.match(err, /--(csv|markdown)/);
  }
});
