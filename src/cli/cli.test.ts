/** The command line, as a user has it: files, exit statuses; processes where it is they that are told of. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import * as command from "./command.fixture.js";
import { type Done, ENV, listening, MAIN, PATIENCE, spawned } from "./command.fixture.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-cli-"));
after(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);
process.chdir(folder);

const shootdown = (...args: string[]): Promise<Done> => command.shootdown(args);

/** What a command prints when all is well: nothing on standard error, which is no terminal here. */
async function output(...args: string[]): Promise<string> {
  const { status, out, err } = await shootdown(...args);
  assert.deepEqual({ status, err }, { status: 0, err: "" }, args.join(" "));
  return out;
}

/** What a command prints with --json; the shape is the contract, so the test says it. */
const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await output(...args, "--json")) as T;

/** Refused input: status 1, nothing on standard output, one sentence that matches, and no new file. */
async function refused(message: RegExp, ...args: string[]): Promise<void> {
  const files = readdirSync(folder).sort();
  const { status, out, err } = await shootdown(...args);
  assert.match(err, message, args.join(" "));
  assert.match(err, /^shootdown: [^\n]+\n$/, "one sentence");
  assert.deepEqual({ status, out }, { status: 1, out: "" }, args.join(" "));
  assert.deepEqual(readdirSync(folder).sort(), files, "no file is left");
}

/** A built-in file with one thing changed, under the folder's roof; returns its name. */
function edited(shelf: "policies" | "hosts" | "scenarios", name: string, ...changes: [RegExp, string][]): string {
  let text = readFileSync(join(ROOT, shelf, `${name}.toml`), "utf8");
  for (const [from, to] of changes) {
    assert.match(text, from);
    text = text.replace(from, to);
  }
  const file = `edited-${++edits}.toml`;
  writeFileSync(at(file), text);
  return file;
}
let edits = 0;

before(async () => {
  writeFileSync(at("empty.toml"), "");
  writeFileSync(at("empty.parquet"), "");
  writeFileSync(at("empty.ndjson"), "");
  for (const name of ["folder.toml", "folder.parquet", "folder.ndjson", "folder.html"]) mkdirSync(at(name));
  const binary = Uint8Array.from({ length: 4096 }, (_, i) => (i * 151 + 129) & 255);
  for (const name of ["binary.toml", "binary.parquet", "binary.ndjson"]) writeFileSync(at(name), binary);
  await output("simulate", "create-domu", "-p", "remove-batch", "-o", "trace.parquet");
  const whole = readFileSync(at("trace.parquet"));
  writeFileSync(at("cut.parquet"), whole.subarray(0, whole.length - 100));
  writeFileSync(at("short.parquet"), whole.subarray(0, whole.length >> 1));
});

interface Row {
  readonly scenario: string;
  readonly policy: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly microseconds: number;
  readonly microsecondsRange: [number, number];
  readonly parts: Record<string, number>;
  readonly tlbi: Record<string, number>;
  readonly hypercalls: Record<string, number>;
  readonly refaults: number;
}

test("compare --json keeps its contract", async () => {
  const { rows, checks } = await json<{ rows: Row[]; checks: Record<string, unknown>[] }>(
    ...["compare", "create-domu", "-p", "xen-today,remove-batch", "--host", "bare-metal", "--host", "kvm-nested-7.2"],
  );
  assert.equal(rows.length, 2 * 2 * 3);
  for (const row of rows) {
    const [low, high] = row.microsecondsRange;
    assert.ok(low <= row.microseconds && row.microseconds <= high, "a price lies in its range");
    const parts = Object.values(row.parts).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(parts - row.microseconds) <= 1e-9 * row.microseconds, "parts sum up to the price");
    for (const key of ["trap", "walk", "flush", "refault"]) assert.equal(typeof row.parts[key], "number");
  }
  const today = rows.find((row) => row.policy === "xen-today" && row.host === "kvm-nested-7.2" && row.ipaBits === 48)!;
  assert.equal(today.scenario, "create-domu");
  assert.equal(today.hypercalls.XENMEM_remove_from_physmap, 7463);
  assert.equal(today.tlbi.VMALLS12E1IS, 7464);
  assert.equal(today.tlbi.ALLE1IS, 9, "the page allocator's");
  assert.ok(today.microseconds > 180 * 60e6 && today.microseconds < 200 * 60e6);
  assert.equal(typeof today.refaults, "number");
  assert.ok(checks.length > 0);
  for (const check of checks)
    for (const [key, type] of Object.entries({
      name: "string",
      predicted: "number",
      measuredLow: "number",
      measuredHigh: "number",
      source: "string",
      agrees: "boolean",
    }))
      assert.equal(typeof check[key], type, `${key} of ${check.name}`);
});

test("without arguments, compare has every scenario, policy, host and size, and writes the report", {
  timeout: PATIENCE,
}, async () => {
  const names = async (shelf: string): Promise<string[]> =>
    (await json<{ name: string }[]>(shelf)).map(({ name }) => name);
  const [scenarios, policies, hosts] = [await names("scenarios"), await names("policies"), await names("hosts")];
  for (const name of ["create-domu", "create-domu-ramdisk", "vcpu-switch", "destroy-domu"])
    assert.ok(scenarios.includes(name), name);
  assert.ok(policies.length >= 13 && hosts.length >= 4);
  const { status, out, err } = spawned(["compare", "--report", "all.html", "--json"]);
  assert.deepEqual([status, err], [0, ""]);
  const { rows } = JSON.parse(out) as { rows: Row[] };
  const cells = new Set(rows.map((row) => [row.scenario, row.policy, row.host, row.ipaBits].join(" ")));
  for (const s of scenarios)
    for (const p of policies)
      for (const h of hosts) for (const bits of [40, 44, 48]) assert.ok(cells.has([s, p, h, bits].join(" ")));
  assert.match(readFileSync(at("all.html"), "utf8"), /^<!doctype html>/i);
  assert.ok(!readdirSync(folder).some((name) => name.includes("partial")));
});

test("a trace goes from simulate through show and price, in both forms and by a pipe", async () => {
  const made = await json<Record<string, unknown> & { rows: Row[] }>(
    ...["simulate", "create-domu", "-p", "remove-batch", "-o", "again.ndjson", "--host", "kvm-nested-7.2"],
  );
  assert.deepEqual([made.scenario, made.policy, made.cpu], ["create-domu", "remove-batch", "neoverse-v2"]);
  const price = (trace: string) =>
    json<{ events: number; rows: (Row & { phase: string })[] }>("price", trace, "--host", "kvm-nested-7.2");
  const [parquet, ndjson] = [await price("trace.parquet"), await price("again.ndjson")];
  assert.deepEqual(ndjson.rows, parquet.rows, "the form does not change the price");
  assert.equal(parquet.events, made.events);
  assert.deepEqual(
    made.rows.map((row) => row.tlbi),
    parquet.rows.map((row) => row.tlbi),
  );
  const total = parquet.rows.find((row) => row.phase === "total")!;
  assert.ok(total.microseconds > 0);

  const summary = await json<{ events: number; phases: Record<string, { tlbi: Record<string, number> }> }>(
    "show",
    "trace.parquet",
  );
  assert.equal(summary.events, made.events);
  assert.deepEqual(summary, await json("show", "again.ndjson"));
  assert.equal(
    summary.phases.create!.tlbi.VMALLS12E1IS,
    9,
    "three of the images, five of single pages, one of the new VMID",
  );

  const { out, err } = spawned(["show", "-", "--json"], readFileSync(at("again.ndjson"), "utf8"));
  assert.deepEqual({ summary: JSON.parse(out) as unknown, err }, { summary, err: "" });

  const events = (await output("show", "trace.parquet", "--events", "--kind", "tlbi", "--json")).trimEnd().split("\n");
  const tlbis = Object.values(summary.phases).flatMap(({ tlbi }) => Object.values(tlbi));
  assert.equal(
    events.filter((line) => (JSON.parse(line) as { kind?: string }).kind === "tlbi").length,
    tlbis.reduce((a, b) => a + b, 0),
  );
});

test("simulate on standard output is a trace that price takes, and the summary keeps out of the way", async () => {
  const { status, out, err } = spawned(["simulate", "vcpu-switch", "-p", "xen-today", "-o", "-"]);
  assert.equal(status, 0);
  assert.match(err, /events of vcpu-switch under xen-today/);
  writeFileSync(at("piped.ndjson"), out);
  const { rows } = await json<{ rows: (Row & { phase: string })[] }>("price", "piped.ndjson", "--host", "bare-metal");
  assert.equal(rows.find((row) => row.phase === "run")!.tlbi.VMALLS12E1, 198);
});

test("tlbi explains and prices a single instruction", async () => {
  assert.match(await output("tlbi", "0xd50c83df"), /^TLBI +VMALLS12E1IS\n/);
  const priced = await json<Record<string, unknown> & { tlbi: Record<string, number> }>(
    ...["tlbi", "vmalls12e1is", "--host", "kvm-nested-7.2", "--ipa-bits", "48", "--shadow-leaves", "601"],
  );
  assert.equal(priced.tlbi.RIPAS2E1IS, 2 ** 18);
  assert.equal(priced.leavesDropped, 601);
  for (const key of ["instructions", "microseconds"]) assert.equal(typeof priced[key], "number");
  await refused(
    /expected one IPA size/,
    "tlbi",
    "vmalle1",
    "--host",
    "kvm-nested-7.2",
    "--ipa-bits",
    "40,48",
    "--json",
  );
  await refused(/--shadow-leaves: expected --host/, "tlbi", "vmalls12e1is", "--shadow-leaves", "601");
});

test("every listed name prints its file, which works as a file of the user's own", async () => {
  for (const shelf of ["policies", "hosts", "scenarios"] as const) {
    const listed = await json<{ name: string; title: string; source: string }[]>(shelf);
    for (const { name, title, source } of listed) assert.ok(name && title && source, `${shelf} ${name}`);
    const { name } = listed.at(-1)!;
    assert.equal(await output(shelf, name), readFileSync(join(ROOT, shelf, `${name}.toml`), "utf8"));
  }
  const text = await output("compare", "--help");
  assert.match(text, /^Usage: shootdown compare /);
});

test("files of the user's own work wherever a name does, and a base is sought beside the file that names it", async () => {
  const policy = edited(
    "policies",
    "remove-batch",
    [/name = .*/, 'name = "my-policy"'],
    [/base = .*/, 'base = "lib/base.toml"'],
  );
  mkdirSync(at("lib"));
  writeFileSync(
    at("lib/base.toml"),
    'name = "my-base"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n\n[switch]\ncode = ""\n',
  );
  const host = edited("hosts", "kvm-nested-7.2", [/name = .*/, 'name = "my-host"']);
  const scenario = edited("scenarios", "create-domu", [/name = .*/, 'name = "my-scenario"']);
  const rows = async (s: string, p: string, h: string): Promise<Row[]> =>
    (await json<{ rows: Row[] }>("compare", s, "-p", p, "--host", h, "--ipa-bits", "48")).rows;
  const [mine] = await rows(scenario, policy, `./${host}`);
  const [theirs] = await rows("create-domu", "remove-batch", "kvm-nested-7.2");
  assert.deepEqual(mine, { ...theirs, scenario: "my-scenario", policy: "my-policy", host: "my-host" });

  await output("simulate", scenario, "-p", join(folder, policy), "--host", host, "-o", "mine.parquet");
  await output("price", "mine.parquet", "--host", host);
  const switching = await json<{ rows: Row[] }>(
    "compare",
    "vcpu-switch",
    "-p",
    policy,
    "--host",
    host,
    "--ipa-bits",
    "48",
  );
  assert.equal(switching.rows[0]!.tlbi.VMALLS12E1, undefined, "the base's switch is in force: it does not flush");
});

test("a trace that cannot be read is refused in one sentence", async () => {
  const reasons: [string, RegExp][] = [
    ["missing.parquet", /missing\.parquet: no such file/],
    ["missing.ndjson", /missing\.ndjson: no such file/],
    ["empty.parquet", /empty\.parquet: the file is empty/],
    ["empty.ndjson", /empty\.ndjson: the file is empty/],
    ["folder.parquet", /folder\.parquet: it is a folder/],
    ["folder.ndjson", /folder\.ndjson: it is a folder/],
    ["binary.parquet", /binary\.parquet: not a Parquet file/],
    ["binary.ndjson", /binary\.ndjson: not UTF-8/],
    ["cut.parquet", /cut\.parquet: cut off/],
    ["short.parquet", /short\.parquet: cut off/],
    ["trace.csv", /trace\.csv: unknown ending, expected .*\.parquet or \*\.ndjson/],
  ];
  for (const [i, [trace, reason]] of reasons.entries()) await refused(reason, i % 2 ? "show" : "price", trace);
});

test("a TOML file that cannot be read is refused in one sentence, wherever a name may stand", async () => {
  const reasons: [string, RegExp][] = [
    ["missing.toml", /missing\.toml: no such file/],
    ["empty.toml", /empty\.toml: the file is empty/],
    ["folder.toml", /folder\.toml: it is a folder/],
    ["binary.toml", /binary\.toml: .*UTF-8/],
    ["nothing", /no (scenario|policy|host) is named 'nothing': expected .*or a path to a \.toml file/],
  ];
  const places: ((name: string) => string[])[] = [
    (name) => ["compare", name],
    (name) => ["compare", "create-domu", "-p", name],
    (name) => ["price", "trace.parquet", "--host", name],
    (name) => ["simulate", "create-domu", "-p", name, "-o", "never.parquet"],
  ];
  for (const [i, [name, reason]] of reasons.entries())
    for (const place of [places[i % 4]!, places[(i + 1) % 4]!]) await refused(reason, ...place(name));
});

test("a wrong key, type or size is refused with file and line", async () => {
  const pcpus = /^pcpus = .*/m;
  const scenario = (to: string): string => edited("scenarios", "create-domu", [pcpus, to]);
  const line = `:${
    readFileSync(join(ROOT, "scenarios/create-domu.toml"), "utf8")
      .split("\n")
      .findIndex((l) => pcpus.test(l)) + 1
  }: `;
  const reasons: [string, string][] = [
    ['pcpus = "four"', `${line}machine.pcpus: expected number, found "four"`],
    ["pcpus = 4.5", `${line}machine.pcpus: `],
    ["pcpus = -1", `${line}machine.pcpus: `],
    ["pcpus = 1e99", `${line}machine.pcpus: `],
    ["pcpus = nan", `${line}machine.pcpus: `],
    ["colour = 4\npcpus = 4", `${line}unknown key 'machine.colour'`],
    ["# none", "machine.pcpus: is missing"],
    ["pcpus = ", "not valid TOML"],
  ];
  for (const [to, reason] of reasons)
    await refused(new RegExp(reason.replace(/[.[\]()]/g, "\\$&")), "compare", scenario(to));
  await refused(/unknown key 'machine\.colour'/, "scenarios", scenario("colour = 4\npcpus = 4"));
  await refused(
    /ram-mib: expected/,
    "compare",
    edited("scenarios", "create-domu", [/ram-mib = .*/, "ram-mib = 99999999999999"]),
  );
  await refused(
    /pages: expected/,
    "compare",
    edited("scenarios", "create-domu", [/pages = .*/, "pages = 99999999999999"]),
  );
  await refused(
    /:\d+: .*'flush'/,
    ...["compare", "create-domu", "-p", edited("policies", "xen-today", [/tlbi vmalls12e1is/, "flush"])],
  );
  await refused(
    /:\d+: prices\.exit\.value/,
    ...["price", "trace.parquet", "--host", edited("hosts", "kvm-nested-7.2", [/value = .*/, 'value = "dear"'])],
  );
});

test("what is given twice, nests without end or has no bound is refused in one sentence", async () => {
  const overlap = '[[domu.segment]]\nname = "over"\ngfn = 0x40005\npages = 20\n\n[run]';
  await refused(/:\d+: segments '.*' and 'over' overlap/, "scenarios", edited("scenarios", "vcpu-switch", [/\[run\]/, `[[domu.segment]]\nname = "one"\ngfn = 0x40000\npages = 20\n${overlap}`])); // biome-ignore format: one row
  const price = (value: string): string[] => ["price", "trace.parquet", "--host", edited("hosts", "bare-metal", [/high = .*/, `high = ${value}`])]; // biome-ignore format: one row
  for (const value of ["1e308", "inf"]) await refused(/:\d+: prices\.broadcast\.high: /, ...price(value));
  const title = /^title = .*$/m;
  await refused(/:\d+: a text of 125000 characters/, "policies", edited("policies", "xen-today", [title, `title = "${"t".repeat(125_000)}"`])); // biome-ignore format: one row
  await refused(/:\d+: arrays and tables nested too deep/, "policies", edited("policies", "xen-today", [title, `requires = ${"[".repeat(10_000)}`])); // biome-ignore format: one row
  const shadow = (ranges: string): string[] => ["tlbi", "vmalls12e1is", "--host", "kvm-nested-7.2", "--shadow", ranges];
  for (const ranges of ["0+10,5+10", "5+10,0+6", "0+1,0+1", "0x200+1@2M,0x3ff+1", "0+1@1G,0x200+512@2M"])
    await refused(/^shootdown: --shadow: the ranges at 0x\w+ and 0x\w+ overlap, expected (pages|leaves) of their own/, ...shadow(ranges)); // biome-ignore format: one row
  await output(...shadow("0+10,10+10,0x200+1@2M,0x201+1@2M,0x400+512@2M"));
});

test("what does not fit is refused, by one job as by many", async () => {
  const small = edited("scenarios", "create-domu", [/ram-mib = .*/, "ram-mib = 600"]);
  await refused(
    /domain 1 .*does not fit into the machine's RAM/,
    "simulate",
    small,
    "-p",
    "xen-today",
    "-o",
    "never.parquet",
  );
  await refused(/domain 1 .*does not fit into the machine's RAM/, "compare", small, "-p", "xen-today");
  await refused(/domain 1 .*does not fit into the machine's RAM/, "compare", small);
  const tiny = edited("scenarios", "create-domu", [/ram-mib = .*/, "ram-mib = 512"]);
  await refused(/dom0 .*does not fit/, "compare", tiny, "--json");
  const far = edited("scenarios", "create-domu", [/foreign-gfn = .*/, "foreign-gfn = 0x200000"]);
  await refused(/access to IPA 0x\w+, expected one below 2\^32/, "compare", far, "--ipa-bits", "40,32");
  await output("simulate", far, "-p", "remove-batch", "-o", "far.parquet");
  await refused(/access to IPA 0x\w+, expected one below 2\^32/, "price", "far.parquet", "--ipa-bits", "32");
  await refused(
    /va-ipa-range requires FEAT_TLBIRANGE, which cortex-a72 does not have/,
    ...["simulate", "create-domu", "-p", "va-ipa-range", "--cpu", "cortex-a72", "-o", "never.parquet"],
  );
});

test("an output that cannot be written is refused, and what stood there stays", async () => {
  const simulate = (to: string): string[] => ["simulate", "create-domu", "-p", "xen-today", "-o", to];
  await refused(/no such file or folder/, ...simulate("no/such/folder/x.parquet"));
  await refused(/no such file or folder/, ...simulate("trace.parquet/x.ndjson"));
  await refused(/it is a folder/, ...simulate("folder.parquet"));
  await refused(/unknown ending/, ...simulate("x.txt"));
  const compare = ["compare", "create-domu", "-p", "xen-today", "--host", "bare-metal", "--no-prove", "--report"];
  await refused(/no such file or folder/, ...compare, "no/such/folder/x.html");
  await refused(/it is a folder/, ...compare, "folder.html");
  const before = readFileSync(at("trace.parquet"));
  const tiny = edited("scenarios", "create-domu", [/ram-mib = .*/, "ram-mib = 600"]);
  await refused(/does not fit/, "simulate", tiny, "-p", "xen-today", "-o", "trace.parquet");
  assert.deepEqual(readFileSync(at("trace.parquet")), before);
});

test("wrong usage is status 2 and says what was wrong", async () => {
  const wrong: [RegExp, ...string[]][] = [
    [/^Usage: shootdown /],
    [/unknown command 'frobnicate'/, "frobnicate"],
    [/unknown option '--frob'/, "compare", "--frob"],
    [/Expected numbers from 32 to 52/, "compare", "--ipa-bits", "31"],
    [/Expected numbers from 32 to 52/, "compare", "--ipa-bits", "40.5"],
    [/Allowed choices are cortex-a72/, "compare", "--cpu", "z80"],
    [/'-p, --policy <policy>' not specified/, "simulate", "create-domu", "-o", "x.parquet"],
    [/'-o, --output <file>' not specified/, "simulate", "create-domu", "-p", "xen-today"],
    [/missing required argument 'trace'/, "price"],
    [/too many arguments/, "show", "trace.parquet", "trace.parquet"],
    [/--limit goes with --events/, "show", "trace.parquet", "--limit", "3"],
  ];
  for (const [message, ...args] of wrong) {
    const { status, out, err } = await shootdown(...args);
    assert.match(err, message);
    assert.deepEqual({ status, out }, { status: 2, out: "" }, args.join(" "));
  }
});

/** Many seconds of work for any command: the ramdisk's domU, again and again. */
const long = (): string => edited("scenarios", "create-domu-ramdisk", [/^\[machine\]/m, "lives = 1000\n\n[machine]"]);

/** Interrupts a command once it would hear it and is `ready`, and tells how it ended. */
async function interrupted(ready: () => Promise<unknown>, ...args: string[]): Promise<unknown[]> {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env: ENV, stdio: "pipe" });
  try {
    let said = "";
    child.stderr.on("data", (data: Buffer) => (said += data.toString()));
    child.stdout.resume();
    const exit = once(child, "exit");
    await listening(child);
    await ready();
    child.kill("SIGINT");
    return [(await exit)[0], said];
  } finally {
    child.kill("SIGKILL");
  }
}

test("Ctrl-C ends simulate with status 130 and leaves no file", async () => {
  const parts = (): string[] => readdirSync(folder).filter((name) => name.includes("stopped"));
  for (const name of ["stopped.parquet", "stopped.ndjson"]) {
    const begun = async (): Promise<void> => {
      while (parts().length === 0) await sleep(20);
    };
    assert.deepEqual(await interrupted(begun, "simulate", long(), "-p", "xen-today", "-o", name), [130, ""]);
    assert.deepEqual(parts(), []);
  }
});

test("Ctrl-C ends compare, of one job as of many, and price", async () => {
  // At once, or in the midst of it: both must do.
  const [now, soon] = [async () => {}, () => sleep(500)];
  const one = ["compare", long(), "-p", "xen-today", "--host", "bare-metal", "--report", "stopped.html"];
  assert.deepEqual(await interrupted(soon, ...one), [130, ""]);
  assert.deepEqual(await interrupted(now, "compare", long(), "--report", "stopped.html"), [130, ""]);
  assert.ok(!readdirSync(folder).some((name) => name.includes("stopped")));
  assert.deepEqual(await interrupted(now, "price", "-"), [130, ""], "also while it waits for input that never comes");
});

test("a reader that has seen enough is no error", { skip: process.platform === "win32" }, async () => {
  for (const args of [
    "show trace.parquet --events --json",
    "simulate create-domu -p xen-today -o -",
    "compare create-domu --no-prove --json",
    "tlbi",
  ]) {
    const script = `{ "${process.execPath}" "${MAIN}" ${args}; echo "status $?" >&2; } | head -n 1`;
    const { stdout, stderr } = spawnSync("/bin/sh", ["-c", script], { cwd: folder, env: ENV, encoding: "utf8" });
    assert.equal(stdout.split("\n").length, 2, args);
    assert.equal(stderr, "status 0\n", args);
  }
});

test("output keeps to 80 columns on a pipe, and to COLUMNS if that is set", async () => {
  const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
  for (const args of [["compare", "create-domu"], ["policies"], ["hosts"], ["scenarios"], ["price", "trace.parquet"]])
    assert.ok(widest(await output(...args)) <= 80, args.join(" "));
  const wide = await command.shootdown(["compare", "create-domu"], { columns: 160 });
  assert.ok(widest(wide.out) > 80 && widest(wide.out) <= 160);
});

const sh = (command: string, args: readonly string[], cwd: string): Done => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: ENV, encoding: "utf8", timeout: 50_000 });
  return { status, out: stdout, err: stderr };
};

test("the packed package installs into an empty folder and runs there, and programs get its types", {
  timeout: 55_000,
}, async (t) => {
  // The build is there already; npm pack would make it anew, under the feet of other tests.
  const pack = sh("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], ROOT);
  assert.equal(pack.status, 0, pack.err);
  const [{ filename, files }] = JSON.parse(pack.out) as [{ filename: string; files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const path of ["dist/cli/main.js", "dist/arch/index.d.ts", "policies/xen-today.toml", "README.md", "LICENSE"])
    assert.ok(paths.includes(path), `${path} is packed`);
  assert.deepEqual(
    paths.filter((path) => /(^|\/)src\/|\.(test|testing|fixture)\./.test(path)),
    [],
  );

  const user = at("user");
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), '{ "private": true, "type": "module" }');
  const install = sh(
    "npm",
    ["install", "--prefer-offline", "--no-audit", "--no-fund", "--omit=dev", at(filename)],
    user,
  );
  if (install.status !== 0) {
    const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.exec(
      install.err,
    );
    assert.ok(unreachable || install.status === null, `npm install: ${install.err}`);
    t.skip(`THE PACKAGE WAS NOT INSTALLED: npm cannot reach its registry (${unreachable?.[0] ?? "no answer in time"})`);
    return;
  }
  const npx = (...args: string[]): Done => sh("npx", ["--no-install", "shootdown", ...args], user);
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  assert.equal(npx("--version").out, `${version}\n`);
  const { rows } = JSON.parse(npx("compare", "create-domu", "-p", "xen-today", "--json").out) as { rows: Row[] };
  assert.ok(rows.length > 0);

  writeFileSync(
    join(user, "program.ts"),
    `import { decodeTlbi } from "shootdown/arch";
import { loadPolicy } from "shootdown/catalog";
import type { CompareRow } from "shootdown/compare";
import type { Host } from "shootdown/host";
import type { Policy } from "shootdown/policy";
import type { TraceSink } from "shootdown/trace";
import { readTrace } from "shootdown/trace/file";
import type { Scenario } from "shootdown/xen";
const policy: Policy = loadPolicy("xen-today");
const name: string | undefined = decodeTlbi(0xd50c83df)?.op.name;
// @ts-expect-error: types are resolved, so a wrong one is an error
const wrong: number = policy.name;
export type Used = [CompareRow, Host, TraceSink, Scenario, typeof wrong, typeof readTrace];
console.log(name, policy.name);
`,
  );
  const tsc = sh(
    process.execPath,
    [
      ...[join(ROOT, "node_modules/typescript/bin/tsc"), "program.ts", "--strict", "--skipLibCheck"],
      ...["--ignoreConfig", "--target", "es2022", "--module", "nodenext"],
      ...["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types")],
    ],
    user,
  );
  assert.deepEqual({ status: tsc.status, out: tsc.out }, { status: 0, out: "" });
  assert.ok(existsSync(join(user, "program.js")));
  assert.equal(sh(process.execPath, ["program.js"], user).out, "VMALLS12E1IS xen-today\n");
});
