/** The edges of every command: pipes and devices, full disks, wrong names, hostile text, signals. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Done, ENV, MAIN, PATIENCE, shootdown, spawned } from "./command.fixture.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-edge-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);
const at = (name: string): string => join(folder, name);

/** Status 1 and one sentence that matches. */
function isRefusal({ status, err }: Pick<Done, "status" | "err">, message: RegExp, args: readonly string[]): void {
  assert.match(err, message, args.join(" "));
  assert.match(err, /^shootdown: [^\n]+\n$/, "one sentence");
  assert.equal(status, 1);
}

const refused = async (message: RegExp, args: readonly string[]): Promise<void> =>
  isRefusal(await shootdown(args), message, args);

async function done(...args: string[]): Promise<Done> {
  const all = await shootdown(args);
  assert.deepEqual([all.status, all.err], [0, ""], args.join(" "));
  return all;
}

const HOSTILE = "\x1b[2J\x1b]0;x\x07\r\nFAKE\x7f\u009b1m\u202e";
const QUICK = ["compare", "vcpu-switch", "-p", "xen-today", "--host", "bare-metal", "--no-prove"];

before(async () => {
  const events = [
    { shootdown: "trace", version: 1, producer: HOSTILE },
    { kind: "begin", name: `phase:${HOSTILE}` },
    { kind: "tlbi", name: "VMALLS12E1IS", vmid: 1, site: HOSTILE },
    { kind: "begin", name: `hypercall:${HOSTILE}` },
    { kind: "end", name: `hypercall:${HOSTILE}` },
    { kind: "end", name: `phase:${HOSTILE}` },
    { end: true, events: 5 },
  ];
  writeFileSync(at("hostile.ndjson"), `${events.map((event) => JSON.stringify(event)).join("\n")}\n`);
  for (const name of ["pipe.toml", "pipe.ndjson", "out.html"]) spawnSync("mkfifo", [at(name)]);
  for (const name of ["zero.toml", "zero.ndjson", "zero.parquet"]) symlinkSync("/dev/zero", at(name));
  for (const name of ["round.toml", "round.ndjson", "round.parquet", "round.html"]) symlinkSync(name, at(name));
  mkdirSync(at("tests"));
  symlinkSync(".", at("tests/again"));
  symlinkSync("round.toml", at("tests/round.toml"));
  writeFileSync(at("tests/test.toml"), readFileSync(join(ROOT, "litmus/order/mp.toml")));
});

test("a full disk behind standard output is one sentence, whatever prints", async () => {
  const full = openSync("/dev/full", "w");
  try {
    for (const args of [
      ...[QUICK, ["policies"], ["--help"], ["show", "hostile.ndjson", "--events"]],
      ["simulate", "vcpu-switch", "-p", "xen-today", "-o", "-"],
    ]) {
      const { status, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
        ...{ env: ENV, encoding: "utf8", timeout: PATIENCE },
        stdio: ["ignore", full, "pipe"],
      });
      const message = /standard output: cannot be written: no space left on the device/;
      isRefusal({ status, err: stderr }, message, args);
    }
  } finally {
    closeSync(full);
  }
});

test("names too long, links in a circle, and a working folder that is gone are one sentence", async () => {
  const long = `${"x".repeat(300)}.toml`;
  await refused(/: the name is too long/, ["compare", long]);
  await refused(/: the name is too long/, ["litmus", long]);
  await refused(/: the name is too long/, ["price", `${"x".repeat(300)}.parquet`]);
  await refused(/: the name is too long/, [...QUICK, "--report", long]);
  await refused(/: the name is too long/, ["prove", "xen-today", "--cpu", "neoverse-n1", "--save", "x".repeat(300)]);
  for (const args of [
    ["compare", "round.toml"],
    ["litmus", "round.toml"],
    ["show", "round.ndjson"],
    ["show", "round.parquet"],
    [...QUICK, "--report", "round.html"],
  ])
    await refused(/: its links lead in a circle/, args);
  mkdirSync(at("gone"));
  const { status, stderr } = spawnSync(
    "/bin/sh",
    ["-c", `rmdir "${at("gone")}"; "${process.execPath}" "${MAIN}" litmus`],
    {
      cwd: at("gone"),
      env: ENV,
      encoding: "utf8",
    },
  );
  assert.deepEqual(
    [status, stderr],
    [1, "shootdown: the working folder is gone, expected one that exists: change to another\n"],
  );
});

test("a folder of tests is read once, without going round its links; a test that cannot be read is told beside the others", async () => {
  const { status, out, err } = await shootdown(["litmus", "tests", "--json"]);
  assert.equal(status, 1);
  assert.match(err, /^shootdown: tests\/round\.toml: its links lead in a circle\n$/);
  assert.equal((JSON.parse(out) as { results: unknown[] }).results.length, 1);
});

test("an input without end is refused", async () => {
  for (const args of [
    ["compare", "zero.toml"],
    ["prove", "zero.toml"],
    ["litmus", "zero.toml"],
    ["price", "hostile.ndjson", "--host", "zero.toml"],
  ])
    await refused(/zero\.toml: is larger than 1048576 bytes, expected a text file of at most that/, args);
  await refused(/zero\.ndjson:1: a line of more than/, ["show", "zero.ndjson"]);
  await refused(/zero\.parquet: is no regular file, expected a Parquet file/, ["show", "zero.parquet"]);
});

/** Waits until a process has a pipe open for reading, or waits to; returns a writer's end. */
async function writerOf(pipe: string): Promise<number> {
  for (;;)
    try {
      return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENXIO");
      await sleep(10);
    }
}

/** How a command ends when a signal comes once it is `ready`. */
async function ended(
  args: readonly string[],
  signal: NodeJS.Signals,
  ready: (child: ChildProcess) => Promise<unknown>,
): Promise<unknown[]> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: ENV,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  try {
    const exit = once(child, "exit");
    await ready(child);
    child.kill(signal);
    return await exit;
  } finally {
    clearTimeout(limit);
    child.kill("SIGKILL");
  }
}

test("while it waits for a pipe's writer or reader, Ctrl-C and SIGTERM end a command", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    for (const args of [
      ["compare", "pipe.toml"],
      ["show", "pipe.ndjson"],
    ]) {
      let writer: number | undefined;
      const [status, by] = await ended(args, signal, async () => {
        writer = await writerOf(at(args[1]!));
      });
      closeSync(writer!);
      assert.ok(status === 130 || by === signal, `${args.join(" ")}: ${status} ${by}`);
    }
    // Nobody reads what it prints: the pipe fills, and the process waits in a write.
    const trace = ["show", join(ROOT, "traces/xen-4.20-create-ramdisk.parquet"), "--events", "--json"];
    const [status, by] = await ended(trace, signal, async (child) => {
      await once(child.stdout!, "readable");
      await sleep(500);
    });
    assert.ok(status === 130 || by === signal, `${status} ${by}`);
  }
});

test("a policy and a trace may come by a pipe", async () => {
  const script = `cat "${ROOT}/policies/xen-today.toml" > pipe.toml & "${process.execPath}" "${MAIN}" policies pipe.toml --json; cat hostile.ndjson > pipe.ndjson & "${process.execPath}" "${MAIN}" show pipe.ndjson --json`;
  const { stdout, stderr } = spawnSync("/bin/sh", ["-c", script], { cwd: folder, env: ENV, encoding: "utf8" });
  assert.equal(stderr, "");
  assert.match(stdout, /"name": "xen-today"[\s\S]*"events": 5/);
});

test("a report goes to where a name leads: a link's target with its mode, a pipe, a device; never over an input", async () => {
  writeFileSync(at("target.html"), "before");
  chmodSync(at("target.html"), 0o600);
  symlinkSync("target.html", at("link.html"));
  await done(...QUICK, "--report", "link.html");
  assert.ok(lstatSync(at("link.html")).isSymbolicLink());
  assert.equal(statSync(at("target.html")).mode & 0o777, 0o600);
  assert.match(readFileSync(at("target.html"), "utf8"), /^<!doctype html>[\s\S]*<\/html>\n$/i);
  await done(...QUICK, "--report", "/dev/null");
  assert.ok(statSync("/dev/null").isCharacterDevice());

  const reader = spawn("cat", [at("out.html")], { stdio: ["ignore", "pipe", "inherit"] });
  let read = "";
  reader.stdout.setEncoding("utf8").on("data", (text) => (read += text));
  const closed = once(reader, "close");
  assert.equal(spawned([...QUICK, "--report", "out.html"]).status, 0);
  await closed;
  assert.match(read, /^<!doctype html>[\s\S]*<\/html>\n$/i);

  const scenario = readFileSync(join(ROOT, "scenarios/vcpu-switch.toml"), "utf8");
  writeFileSync(at("own.toml"), scenario);
  symlinkSync("own.toml", at("own.ndjson"));
  await refused(/own\.toml: is an input too, expected another file/, [
    "compare",
    "own.toml",
    ...QUICK.slice(2),
    "--report",
    "own.toml",
  ]);
  await refused(/own\.ndjson: is an input too \(as own\.toml\)/, [
    "simulate",
    "own.toml",
    "-p",
    "xen-today",
    "-o",
    "own.ndjson",
  ]);
  assert.equal(readFileSync(at("own.toml"), "utf8"), scenario);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".part")),
    [],
  );
});

test("no text of a file reaches a terminal or a page as a control character", async () => {
  const CONTROL = /[^\P{Cc}\n]|[\p{Bidi_C}\u2028\u2029]/u;
  for (const args of [
    ["show"],
    ["show", "--events"],
    ["show", "--events", "--json"],
    ["price"],
    ["diff", "hostile.ndjson"],
    ["diff", "--all", "--json", "hostile.ndjson"],
  ]) {
    const { out } = await done(...args, "hostile.ndjson");
    assert.doesNotMatch(out, CONTROL, args.join(" "));
    assert.doesNotMatch(out, /^FAKE/m, args.join(" "));
  }
  for (const args of [
    ["show", `${HOSTILE}.ndjson`],
    ["litmus", `${HOSTILE}.toml`],
    ["compare", "--host", HOSTILE],
  ]) {
    const { err } = await shootdown(args);
    assert.doesNotMatch(err, CONTROL);
    await refused(/␛\[2J/, args);
  }
  assert.doesNotMatch((await shootdown([HOSTILE])).err, CONTROL);
  const policy = `name = "hostile"\ntitle = ${JSON.stringify(HOSTILE).replaceAll("\x7f", "\\u007f")}\nsource = "s"\nbase = "xen-today"\n`;
  writeFileSync(at("hostile.toml"), policy);
  for (const args of [
    ["compare", "vcpu-switch", "--host", "bare-metal", "--no-prove", "-p"],
    ["prove", "--cpu", "neoverse-n1"],
  ]) {
    const { out } = await done(...args, "hostile.toml", "--report", "hostile.html");
    assert.doesNotMatch(out, CONTROL);
    const page = readFileSync(at("hostile.html"), "utf8");
    assert.match(page, /␛\[2J/);
    assert.doesNotMatch(page, /[^\P{Cc}\n\t]|[\p{Bidi_C}]/u);
  }
});

test("on a terminal a command ends, and its progress line is erased", async (t) => {
  if (spawnSync("script", ["--version"]).status !== 0) return t.skip("NOT TESTED: script(1) of util-linux is not here");
  for (const columns of [80, 12]) {
    const { status, stdout } = spawnSync(
      "script",
      ["-qec", `stty cols ${columns}; "${process.execPath}" "${MAIN}" litmus public --json`, "/dev/null"],
      { cwd: folder, env: { ...ENV, TERM: "xterm" }, encoding: "utf8", timeout: PATIENCE },
    );
    assert.equal(status, 0);
    const lines = stdout.split("\r\x1b[K");
    for (const line of lines.slice(1, -1)) assert.ok(line.length < columns && !line.includes("\n"), line);
    JSON.parse(lines.at(-1)!);
    if (lines.length > 1) assert.match(lines[1]!, /^\d+ of \d+ /);
  }
});
