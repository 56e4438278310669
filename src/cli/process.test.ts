/** The command as a process: all that is built in on all cores, pipes, Ctrl-C. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { usualHosts } from "../catalog/index.js";
import { ENV, listening, MAIN, shootdown, spawned } from "./command.fixture.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-process-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);

/** Many seconds of work for any command: the ramdisk's domU, again and again. */
const LONG = "long.toml";

before(async () => {
  const text = readFileSync(join(ROOT, "scenarios/create-domu-ramdisk.toml"), "utf8");
  assert.match(text, /^\[machine\]/m);
  writeFileSync(LONG, text.replace(/^\[machine\]/m, "lives = 1000\n\n[machine]"));
  await shootdown(["simulate", "create-domu", "-p", "remove-batch", "-o", "trace.parquet"]);
});

test("without arguments, compare has every scenario, policy and size on the usual hosts, and writes the report", async () => {
  const names = async (shelf: string): Promise<string[]> =>
    (JSON.parse((await shootdown([shelf, "--json"])).out) as { name: string }[]).map(({ name }) => name);
  const [scenarios, policies, hosts] = [await names("scenarios"), await names("policies"), usualHosts()];
  for (const name of ["create-domu", "create-domu-ramdisk", "vcpu-switch", "destroy-domu"])
    assert.ok(scenarios.includes(name), name);
  assert.ok(policies.length >= 13 && hosts.length >= 4);
  for (const host of hosts) assert.ok((await names("hosts")).includes(host), host);
  const { status, out, err } = spawned(["compare", "--report", "all.html", "--json"]);
  assert.deepEqual([status, err], [0, ""]);
  const { rows } = JSON.parse(out) as { rows: Record<string, unknown>[] };
  const cells = new Set(rows.map((row) => [row.scenario, row.policy, row.host, row.ipaBits].join(" ")));
  for (const s of scenarios)
    for (const p of policies)
      for (const h of hosts) for (const bits of [40, 44, 48]) assert.ok(cells.has([s, p, h, bits].join(" ")));
  assert.match(readFileSync("all.html", "utf8"), /^<!doctype html>/i);
  assert.ok(!readdirSync(folder).some((name) => name.includes("partial")));
});

test("simulate on standard output is a trace that price takes, and the summary keeps out of the way", async () => {
  const { status, out, err } = spawned(["simulate", "vcpu-switch", "-p", "xen-today", "-o", "-"]);
  assert.equal(status, 0);
  assert.match(err, /events of vcpu-switch under xen-today/);
  writeFileSync("piped.ndjson", out);
  const priced = await shootdown(["price", "piped.ndjson", "--host", "bare-metal", "--json"]);
  const { rows } = JSON.parse(priced.out) as { rows: { phase: string; tlbi: Record<string, number> }[] };
  assert.equal(rows.find((row) => row.phase === "run")!.tlbi.VMALLS12E1, 198);
});

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
    assert.deepEqual(await interrupted(begun, "simulate", LONG, "-p", "xen-today", "-o", name), [130, ""]);
    assert.deepEqual(parts(), []);
  }
});

test("Ctrl-C ends compare, of one job as of many, and price", async () => {
  // At once, or in the midst of it: both must do.
  const [now, soon] = [async () => {}, () => sleep(500)];
  const one = ["compare", LONG, "-p", "xen-today", "--host", "bare-metal", "--report", "stopped.html"];
  assert.deepEqual(await interrupted(soon, ...one), [130, ""]);
  assert.deepEqual(await interrupted(now, "compare", LONG, "--report", "stopped.html"), [130, ""]);
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
