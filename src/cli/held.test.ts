/** `shootdown show TRACE -p POLICY` as a user has it, and what it says. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Executed } from "../compare/index.js";
import type { Done } from "./command.fixture.js";
import * as command from "./command.fixture.js";

const CAPTURE = fileURLToPath(new URL("../../traces/xen-4.20-create-small.parquet", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-held-"));
after(() => rmSync(folder, { recursive: true }));

process.chdir(folder);

const shootdown = (...args: string[]): Promise<Done> => command.shootdown(args, { columns: 80 });

/** kvm-ipa without the DSB between stage 2 and stage 1. */
const WEAK = `name = "weak-ipa"
title = "t"
source = "s"
base = "kvm-ipa"
[revoke]
due = "at-once"
code = """
  with owner-vmid
    for entry
      dsb ishst
      tlbi ipas2e1is, ipa, ttl
      tlbi vmalle1is
      dsb ish
      if repeat-tlbi
        tlbi vale2is, xzr
        dsb ish
      end
      isb
    end
  end
"""
`;

before(async () => {
  writeFileSync(join(folder, "weak.toml"), WEAK);
  for (const [policy, file] of [
    ["kvm-ipa", "ipa.parquet"],
    ["./weak.toml", "weak.ndjson"],
  ])
    assert.equal((await shootdown("simulate", "create-domu", "-p", policy!, "-o", file!)).status, 0);
  // Its events alone, as a capture of an earlier version, or another tool, would hand them on.
  writeFileSync(
    join(folder, "bare.ndjson"),
    (await shootdown("show", CAPTURE, "--events", "--json", "--limit", "1000000")).out,
  );
});

interface Told {
  readonly comparison: unknown;
  readonly executed: Executed;
  readonly policy: string;
  readonly cpu: string;
}

const json = async (...args: string[]): Promise<Told> => JSON.parse((await shootdown("show", ...args, "--json")).out);

test("a trace is held against a policy on the CPU that it says, and the policy that it is of is named", async () => {
  const { executed, comparison, policy, cpu } = await json("ipa.parquet", "-p", "kvm-ipa");
  assert.deepEqual([policy, cpu, comparison], ["kvm-ipa", "neoverse-v2", null]);
  assert.ok(executed.executes.includes("kvm-ipa"));
  assert.ok(!executed.executes.includes("xen-today"));
  assert.ok(
    (await json("ipa.parquet", "-p", "xen-today")).executed.executes.includes("kvm-ipa"),
    "whoever was asked for",
  );
});

test("an unsound build with the same number of TLBIs is not the policy that it should be", async () => {
  const { executed } = await json("weak.ndjson", "-p", "kvm-ipa");
  assert.deepEqual(executed.executes, []);
  const of = await json("weak.ndjson", "-p", "./weak.toml");
  assert.deepEqual([of.policy, of.executed.executes], ["weak-ipa", ["weak-ipa"]]);
  const { out, status, err } = await shootdown("show", "weak.ndjson", "-p", "kvm-ipa");
  assert.deepEqual([status, err], [0, ""]);
  assert.match(out, /No policy is what was executed on all of these occasions\./);
  // What was executed on the left, the policy on the right, a mark at the first difference.
  assert.match(out, / tlbi ipas2e1is, ipa, level 3 +tlbi ipas2e1is, ipa, level 3\n +! +tlbi vmalle1is +dsb ish\n/);
  assert.doesNotMatch(out, /executed unseen/, "a simulation has every barrier");
});

test("a capture without what the model must be told says so, and its flushes are compared all the same", async () => {
  const { out, status } = await shootdown("show", "bare.ndjson", "-p", "kvm-ipa");
  assert.equal(status, 0);
  assert.match(out, /does not keep the sizes that the model must be told[\s\S]*its figures have no prediction\./);
  assert.match(out, /On all of these occasions: xen-today, xen-4\.17, switch-no-flush/);
  assert.match(out, /! +tlbi vmalls12e1is +tlbi ipas2e1is, ipa, level 3\n/);
  assert.match(out, /one that stands elsewhere may have been executed unseen\./);
  assert.ok(out.split("\n").every((line) => line.length <= 80));
  assert.equal((await json("bare.ndjson", "-p", "kvm-ipa")).comparison, null);
});

test("a shipped capture is held against the model from the file alone, and each difference has a cause", async () => {
  const { comparison, executed } = await json(CAPTURE, "-p", "xen-today");
  const rows = comparison as readonly { recorded: number; predicted: number; unexplained: number }[];
  assert.ok(rows.length > 5);
  assert.deepEqual(
    rows.map(({ unexplained }) => unexplained),
    rows.map(() => 0),
  );
  assert.ok(executed.executes.includes("xen-today"));
});

test("a removal of a whole table of level 0 is not compared page by page, and is said to be unknown", async () => {
  const rows = [
    { shootdown: "trace", version: 1 },
    { kind: "write", name: "PTE", domain: 0, vmid: 1, stage: 2, level: 0, address: "0x90000028", from: "0x90001003" },
    { kind: "barrier", name: "DSB ISHST", vmid: 1 },
    { kind: "tlbi", name: "VMALLS12E1IS", vmid: 1 },
    { kind: "barrier", name: "DSB ISH", vmid: 1 },
    { kind: "barrier", name: "ISB", vmid: 1 },
    { end: true, events: 5 },
  ];
  writeFileSync(join(folder, "huge.ndjson"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const { executed } = await json("huge.ndjson", "-p", "kvm-ipa-no-ttl");
  assert.deepEqual(executed.executes, []);
  assert.ok(executed.unknown.includes("xen-today"));
});

test("a policy that the CPU cannot have, and options that do not go together, are refused in one sentence", async () => {
  const cases: readonly (readonly [string[], number, RegExp])[] = [
    [["ipa.parquet", "-p", "va-ipa-range", "--cpu", "cortex-a72"], 1, /requires FEAT_TLBIRANGE, which cortex-a72/],
    [["ipa.parquet", "--cpu", "neoverse-n1"], 2, /--cpu goes with --policy/],
    [["ipa.parquet", "-p", "kvm-ipa", "--events"], 2, /--policy does not go with --events/],
    [["ipa.parquet", "-p", "none"], 1, /no policy is named 'none'/],
  ];
  for (const [args, code, message] of cases) {
    const { status, err, out } = await shootdown("show", ...args);
    assert.deepEqual([status, out], [code, ""], args.join(" "));
    assert.match(err, message);
  }
});
