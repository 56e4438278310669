import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { barrierIndex, leafHi, leafLo, tlbiIndex, XN_HI } from "../arch/index.js";
import { writeTrace } from "../trace/file.js";
import { Recorder } from "../trace/index.js";
import { HEAP_PATH, REMOVAL_PATH, recordRemovals } from "../trace/recorded.fixture.js";
import { type Done, ENV, type Given, MAIN, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-show-"));
const small = join(folder, "small.parquet");
const lines = join(folder, "small.ndjson");
const large = join(folder, "large.parquet");
after(() => rmSync(folder, { recursive: true }));

const PATH = "p2m_force_tlb_flush_sync < p2m_set_entry < guest_physmap_remove_page < do_memory_op";

/** Removals of pages, each with its flush, in the phase "create". */
async function removals(path: string, pages: number): Promise<void> {
  const file = await writeTrace(path, "a test");
  const r = new Recorder(1, [file]);
  const [create, call] = [r.names.id("phase:create"), r.names.id("hypercall:XENMEM_remove_from_physmap")];
  r.context(0, 0, 1);
  r.begin(0, create);
  for (let i = 0; i < pages; i++) {
    r.begin(0, call);
    r.write(0, 0x90000, 2, 3, i % 512, leafLo(0x40000 + i, 3, 0x7fc), leafHi(0x40000 + i, XN_HI), 0, 0);
    r.at(r.names.id(PATH));
    r.barrier(0, barrierIndex("dsb ishst")!);
    r.tlbi(0, tlbiIndex("RIPAS2E1IS")!, 0x5f80_0004_0000, 0);
    r.at(0);
    r.end(0, call, -22);
  }
  r.end(0, create);
  r.flush();
  file.close();
}

before(async () => {
  await removals(small, 20);
  await removals(lines, 20);
  await removals(large, 100_000);
});

/** The command in a process of its own. */
const start = (args: readonly string[]): ChildProcess => spawn(process.execPath, [MAIN, "show", ...args], { env: ENV });

const show = (args: readonly string[], given?: Given): Promise<Done> => shootdown(["show", ...args], given);

test("the summary says who issued which TLBI, for whom, how often and from where", async () => {
  const { out, err, status } = await show([small]);
  assert.equal(
    out,
    `small.parquet: 102 events
made by: a test

Phase create: 102 events

  TLBI        count  VMID  issued by
  RIPAS2E1IS     20     1  ${PATH}

  TLBI        on pCPU  for
  RIPAS2E1IS  0        d0

                                        count
  hypercall XENMEM_remove_from_physmap     20
  stage-2 descriptor write                 20
  DSB ISHST                                20
`,
  );
  assert.deepEqual([err, status], ["", 0]);
});

test("both forms of a trace, and standard input, give the same summary", async () => {
  const { out } = await show([small, "--json"]);
  assert.equal(JSON.parse(out).phases.create.tlbi.RIPAS2E1IS, 20);
  assert.equal((await show([lines, "--json"])).out, out);
  const child = start(["-", "--json"]);
  child.stdin!.end(readFileSync(lines));
  let piped = "";
  for await (const data of child.stdout!) piped += data;
  assert.equal(piped, out);
});

for (const columns of [80, 140])
  test(`at ${columns} columns no line is longer, and no name is cut`, async () => {
    for (const args of [[small], [small, "--events"]]) {
      const { out } = await show(args, { columns });
      for (const line of out.split("\n").filter((l) => !l.startsWith("next page")))
        assert.ok(line.length <= columns, `${line.length}: ${line}`);
      assert.ok(out.replace(/\s+/g, "").includes(PATH.replace(/\s+/g, "")), out);
      assert.ok(!out.includes("…"));
    }
  });

test("a recorded trace, with its phases and call paths, keeps the contract of --json", async () => {
  const path = join(folder, "recorded.parquet");
  const file = await writeTrace(path, "a test");
  recordRemovals([file], 50);
  file.close();
  const { events, phases } = JSON.parse((await show([path, "--json"])).out);
  assert.equal(events, 5 + 5 + 5 + 50 * 6);
  assert.deepEqual(Object.keys(phases), ["xen-boot", "dom0-build", "create"]);
  const { tlbi, hypercalls, stage2Writes, byCaller } = phases.create;
  assert.deepEqual(
    { tlbi, hypercalls, stage2Writes, byCaller },
    {
      tlbi: { ALLE1IS: 1, VMALLS12E1IS: 50 },
      hypercalls: { XENMEM_remove_from_physmap: 50 },
      stage2Writes: 50,
      byCaller: [
        { op: "VMALLS12E1IS", caller: REMOVAL_PATH, vmid: 1, count: 50 },
        { op: "ALLE1IS", caller: HEAP_PATH, vmid: 1, count: 1 },
      ],
    },
  );
  const { out } = await show([path], { columns: 80 });
  for (const line of out.split("\n")) assert.ok(line.length <= 80, `${line.length}: ${line}`);
  for (const caller of [REMOVAL_PATH, HEAP_PATH])
    assert.ok(out.replace(/\s+/g, "").includes(caller.replace(/\s+/g, "")), out);
  assert.ok(!/^ *</m.test(out), "an arrow stays on the line of the function before it");
  assert.match(out, /ALLE2IS +1 +0 +\(not said\)/);
});

test("events are shown one a line, decoded, and the last line leads to the next page", async () => {
  const { out } = await show([small, "--events", "--limit", "6"]);
  assert.equal(
    out,
    `       0 p0   d0    v1    { phase create
       1 p0   d0    v1      { hypercall XENMEM_remove_from_physmap
       2 p0   d0    v1        S2 L3[0] 0x90000000: page 0x40000000 rw- AF -> 0
       3 p0   d0    v1        DSB ISHST  @ ${PATH}
       4 p0   d0    v1        TLBI RIPAS2E1IS IPA 0x40000000 + 2,048 pages (SCALE 1 NUM 31)  @ ${PATH}
       5 p0   d0    v1      } hypercall XENMEM_remove_from_physmap = -22
next page: shootdown show ${small} --events --skip 6 --limit 6
`,
  );
});

test("following the next pages shows every event of the kinds once, and then the end", async () => {
  const seen: string[] = [];
  let args = [small, "--events", "--kind", "tlbi,barrier", "--limit", "15"];
  for (let pages = 0; pages < 10; pages++) {
    const { out } = await show(args);
    const all = out.trimEnd().split("\n");
    const last = all.pop()!;
    seen.push(...all);
    if (last === "end of the trace") break;
    args = /^next page: shootdown show (.*)$/.exec(last)![1]!.split(" ");
  }
  assert.equal(seen.length, 40);
  assert.equal(new Set(seen).size, 40);
  assert.ok(seen.every((line) => /DSB ISHST|TLBI RIPAS2E1IS/.test(line)));
});

test("--events --json is NDJSON that the tool reads again", async () => {
  const { out } = await show([small, "--events", "--json", "--kind", "tlbi"]);
  assert.equal(out.trimEnd().split("\n").length, 22, "a header, 20 TLBIs and an end line");
  const again = join(folder, "again.ndjson");
  writeFileSync(again, out);
  assert.equal(JSON.parse((await show([again, "--json"])).out).phases.other.tlbi.RIPAS2E1IS, 20);
});

test("a reader that leaves early ends the command quietly", async () => {
  const child = start([large, "--events", "--json"]);
  let err = "";
  child.stderr!.on("data", (data) => {
    err += data;
  });
  child.stdout!.once("data", () => child.stdout!.destroy());
  const code = await new Promise<number | null>((done) => child.on("close", done));
  assert.deepEqual([code, err], [0, ""]);
});

test("Ctrl-C ends the command with status 130", async () => {
  const child = start(["-"]);
  // More than a pipe holds: once it is written, the command has begun to read. It then waits for more.
  const [header, ...events] = readFileSync(lines, "utf8").trimEnd().split("\n").slice(0, -1);
  const text = `${header}\n${`${events.join("\n")}\n`.repeat(50)}`;
  assert.ok(text.length > 500_000);
  await new Promise((done) => child.stdin!.write(text, done));
  child.kill("SIGINT");
  assert.equal(await new Promise((done) => child.on("close", done)), 130);
});

test("options that make no sense are refused with what was expected", async () => {
  for (const [args, message] of [
    [[small, "--skip", "3"], /--skip goes with --events/],
    [[small, "--events", "--kind", "flush"], /Expected some of write,tlbi/],
    [[small, "--events", "--limit", "-1"], /Expected a whole number/],
    [[join(folder, "x.csv")], /unknown ending, expected/],
  ] as const) {
    const { err, status } = await show(args);
    assert.equal(status, args[0] === join(folder, "x.csv") ? 1 : 2);
    assert.match(err, message);
  }
});
