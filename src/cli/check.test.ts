/** `shootdown check` and `import` as a user types them. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type Done, shootdown as run } from "./command.fixture.js";

const shootdown = (...args: string[]): Promise<Done> => run(args);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const example = (name: string): string => join(ROOT, "examples", "check", `${name}.ndjson`);
const folder = mkdtempSync(join(tmpdir(), "shootdown-check-"));
after(() => rmSync(folder, { recursive: true }));

test("what is unsafe or against a discipline is status 3, unless it is allowed; what is late or wasteful is not", async () => {
  const status = async (...words: string[]): Promise<number | null> => (await shootdown("check", ...words)).status;
  assert.equal(await status(example("stale-access.bad")), 3);
  assert.equal(await status(example("table-unlocked.bad")), 3);
  assert.equal(await status(example("broken-bbm.bad"), "--allow", "broken-bbm"), 0);
  assert.equal(await status(example("late.bad"), example("too-wide.bad")), 0);
  assert.equal(await status(example("late.bad"), example("stale-access.bad")), 3);
});

test("a DSB ISH completes an OS TLBI for the PEs that a trace has, a DSB NSH completes neither", async () => {
  const good = readFileSync(example("broken-bbm.good"), "utf8");
  const judged = async (op: string, dsb: string): Promise<number | null> => {
    const path = join(folder, `${op}-${dsb}.ndjson`);
    writeFileSync(path, good.replace("VMALLS12E1IS", op).replace('"DSB ISH"', `"DSB ${dsb}"`));
    return (await shootdown("check", path, "--cpu", "arch-maximal")).status;
  };
  for (const op of ["VMALLS12E1IS", "VMALLS12E1OS"])
    assert.deepEqual([await judged(op, "ISH"), await judged(op, "NSH")], [0, 3], op);
});

test("a kind that there is not is wrong usage, a CPU that there is not an input that cannot be used", async () => {
  for (const [status, ...words] of [
    [2, "--allow", "slow"],
    [1, "--cpu", "m1"],
  ] as const) {
    const done = await shootdown("check", example("late.bad"), ...words);
    assert.equal(done.status, status);
    assert.match(done.err, /expected/i);
  }
});

test("the CPU decides: a flush without the erratum's repeat is enough on one CPU and not on another", async () => {
  const { out } = await shootdown("check", example("reuse-before-flush.good"), "--cpu", "neoverse-v2");
  assert.match(out, /UNSAFE reuse-before-flush/);
  assert.match(out, /CVE-2025-10263/);
});

test("the report page has each finding with its rule and its events, and the command", async () => {
  const page = join(folder, "page.html");
  await shootdown("check", example("broken-bbm.bad"), "--report", page);
  const html = readFileSync(page, "utf8");
  for (const part of ["broken-bbm", "D8.16.1", "<svg", "TLBI VMALLS12E1IS"]) assert.ok(html.includes(part), part);
  assert.doesNotMatch(html, /<script|https?:\/\/(?!www\.w3)/);
});

test("a trace that comes with the package goes by its name", async () => {
  const { status, out } = await shootdown("check", "xen-4.20-create-small", "--host", "bare-metal");
  assert.equal(status, 0);
  assert.match(out, /^xen-4\.20-create-small: 200,092 events, judged on arch-maximal/);
});

test("three captures of Debian's Xen 4.20 have nothing unsafe; late is only that references on foreign pages go first", async () => {
  const traces = readdirSync(join(ROOT, "traces"))
    .filter((name) => name.endsWith(".parquet"))
    .map((name) => join(ROOT, "traces", name));
  const { status, out } = await shootdown("check", ...traces, "--json", "--host", "bare-metal");
  assert.equal(status, 0);
  const { traces: checked } = JSON.parse(out) as {
    traces: {
      findings: { kind: string; class: string; site: string; count: number }[];
      unknown: readonly string[];
    }[];
  };
  assert.equal(checked.length, 3);
  // p2m_free_entry() puts a foreign page before the p2m's unlock flushes: one for each page that a toolstack unmaps.
  assert.deepEqual(
    checked.map(({ findings }) =>
      findings.filter((one) => one.class !== "wasteful").map(({ kind, count }) => [kind, count]),
    ),
    [[["dropped-before-flush", 15_845]], [["dropped-before-flush", 9_701]], [["dropped-before-flush", 9_701]]],
  );
  for (const { findings, unknown } of checked) {
    assert.ok(!unknown.some((one) => /owners|references/.test(one)), unknown.join("\n"));
    assert.ok(findings.some(({ kind, count }) => kind === "mergeable" && count > 9_000));
  }
});

test("the report's finding comes out of the report's scenario: of 7,459 flushes 7,458 would be saved", async () => {
  const trace = join(folder, "create.parquet");
  await shootdown("simulate", "create-domu", "-p", "xen-today", "--cpu", "cortex-a72", "-o", trace);
  const { out } = await shootdown("check", trace, "--json", "--host", "kvm-nested-7.2");
  const { findings } = (JSON.parse(out) as { traces: { findings: { kind: string; waste: { saved: object } }[] }[] })
    .traces[0]!;
  assert.deepEqual(findings.find(({ kind }) => kind === "mergeable")!.waste.saved, { VMALLS12E1IS: 7458 });
});

test("show writes a trace for Perfetto, with what check finds, and folded stacks", async () => {
  const file = join(folder, "p.json.gz");
  await shootdown("show", example("stale-access.bad"), "--perfetto", file);
  const { traceEvents } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as { traceEvents: { name?: string }[] };
  assert.ok(traceEvents.some(({ name }) => name === "stale-access"));
  const { out } = await shootdown("show", join(ROOT, "traces", "xen-4.20-create-small.parquet"), "--folded");
  assert.match(out, /^create;do_memory_op;guest_physmap_remove_page;.*;VMALLS12E1IS 9701$/m);
});

const CASES = join(ROOT, "..", "shared", "casemate");
test("casemate's logs come out as their names say", {
  skip: existsSync(CASES) ? false : "shared/casemate is not here",
}, async () => {
  for (const log of readdirSync(CASES).filter((name) => name.endsWith(".log"))) {
    const { status } = await shootdown("check", join(CASES, log));
    assert.equal(status, log.startsWith("bad") ? 3 : 0, log);
  }
});

test("an NDJSON trace that says its CPU behind its events is judged on that one", async () => {
  const trace = join(folder, "switch.ndjson");
  await shootdown("simulate", "vcpu-switch", "-p", "xen-today", "--cpu", "neoverse-v2", "-o", trace);
  const { out } = await shootdown("check", trace, "--host", "bare-metal");
  assert.match(out, /judged on neoverse-v2:\s+nothing unsafe found/);
});
