/** The command line, as a user has it: files, JSON, exit statuses. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as command from "./command.fixture.js";
import { type Done, spawned } from "./command.fixture.js";

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

interface Answer {
  readonly host: string;
  readonly ipaBits: number | null;
  readonly cheapest: readonly string[];
  readonly timesLess: number;
  readonly against: { readonly policy: string };
}

test("compare --expect sound: status 3 where a policy is unsound in the scenario, and it needs verdicts", async () => {
  const expecting = ["compare", "vcpu-switch", "--host", "bare-metal", "--expect", "sound", "-p"];
  assert.equal((await shootdown(...expecting, "xen-today")).status, 0);
  const { status, out, err } = await shootdown(...expecting, "xen-today,vmid-per-vcpu");
  assert.deepEqual(
    [status, err],
    [3, "shootdown: expected sound: vmid-per-vcpu is unsound for switch in vcpu-switch\n"],
  );
  assert.match(out, /The answer: the cheapest policy that is sound/, "the answer all the same");
  const { status: wrong, err: why } = await shootdown(...expecting, "xen-today", "--no-prove");
  assert.equal(wrong, 2);
  assert.match(why, /'--no-prove' cannot be used with option '--expect/);
});

test("compare --json keeps its contract", async () => {
  const { rows, checks, answers } = await json<{ rows: Row[]; checks: Record<string, unknown>[]; answers: Answer[] }>(
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
  assert.equal(answers.length, 1 + 3, "bare metal once, each IPA size of the other");
  for (const { host, ipaBits, cheapest, timesLess, against } of answers) {
    const price = (policy: string): number =>
      rows.find((row) => row.policy === policy && row.host === host && row.ipaBits === (ipaBits ?? 48))!.microseconds;
    // One flush for up to 1024 pages in place of one a page: no host makes that dearer.
    assert.deepEqual([cheapest, against.policy], [["remove-batch"], "xen-today"]);
    assert.equal(timesLess, price("xen-today") / price("remove-batch"));
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

test("a recorded trace is read by its name, and a wrong one is answered with those that there are", async () => {
  const [first] = JSON.parse(await output("traces", "--json")) as { name: string }[];
  const name = first!.name;
  const path = (await output("traces", name)).trim();
  assert.equal(await output("show", name, "--json"), await output("show", path, "--json"));
  const { status, err } = await shootdown("price", "xen-4.21-create");
  assert.equal(status, 1);
  assert.match(err, new RegExp(`no trace is named 'xen-4.21-create': expected ${name}, .*or a path to`));
  assert.match(await output("traces", "--sql"), /^-- Views of a trace/);
});

test("simulate prices on a list of hosts, as the other commands take it", async () => {
  const price = async (hosts: string) =>
    (
      await json<{ rows: (Row & { host: string })[] }>(
        "simulate",
        "vcpu-switch",
        "-p",
        "xen-today",
        "-o",
        "hosts.parquet",
        "--host",
        hosts,
      )
    ).rows;
  const both = await price("bare-metal,kvm-nested-7.2");
  const one = await price("kvm-nested-7.2");
  assert.deepEqual(
    both.filter(({ host }) => host === "kvm-nested-7.2"),
    one,
  );
  assert.ok(both.some(({ host }) => host === "bare-metal"));
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
    [/'-p, --policy <policy>' not specified/, "simulate", "create-domu", "-o", "x.parquet"],
    [/'-o, --output <file>' not specified/, "simulate", "create-domu", "-p", "xen-today"],
    [/missing required argument 'trace\|policy'/, "price"],
    [/too many arguments/, "show", "trace.parquet", "trace.parquet"],
    [/--limit goes with --events/, "show", "trace.parquet", "--limit", "3"],
  ];
  for (const [message, ...args] of wrong) {
    const { status, out, err } = await shootdown(...args);
    assert.match(err, message);
    assert.deepEqual({ status, out }, { status: 2, out: "" }, args.join(" "));
  }
});

test("output keeps to 80 columns on a pipe, and to COLUMNS if that is set", async () => {
  const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
  for (const args of [["compare", "create-domu"], ["policies"], ["hosts"], ["scenarios"], ["price", "trace.parquet"]])
    assert.ok(widest(await output(...args)) <= 80, args.join(" "));
  const wide = await command.shootdown(["compare", "create-domu"], { columns: 160 });
  assert.ok(widest(wide.out) > 80 && widest(wide.out) <= 160);
});
