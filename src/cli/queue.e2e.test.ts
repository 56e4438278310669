/** Commands and workers on a real server: whatever ends in mid-work, the answer is the same, and nothing hangs. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Redis } from "ioredis";
import { ENV, MAIN, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-queue-"));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** A server that is installed, or that the set-up script has unpacked: its program, and where its libraries are. */
function findServer(): { readonly program: string; readonly libraries: string } | undefined {
  const { SHOOTDOWN_CACHE, XDG_CACHE_HOME } = process.env;
  const cache = SHOOTDOWN_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "shootdown");
  const unpacked = join(cache, "debian", "queue", "usr");
  const libraries = join(unpacked, "lib", process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu");
  return ["/usr/bin", "/usr/local/bin", join(unpacked, "bin")]
    .flatMap((bin) => ["valkey-server", "redis-server"].map((name) => ({ program: join(bin, name), libraries })))
    .find(({ program }) => existsSync(program));
}
const found = findServer();
const skip = found === undefined && "SKIPPED: no valkey-server or redis-server; scripts/setup-debian.sh fetches one";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

function started(program: string, args: readonly string[], env: Record<string, string | undefined>): ChildProcess {
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  child.on("exit", () => children.delete(child));
  return child;
}

/** Starts a server in the folder, with what an earlier one there has kept; resolves when it answers. */
async function server(port: number, more: readonly string[] = []): Promise<ChildProcess> {
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", ...more];
  const child = started(found!.program, args, { ...process.env, LD_LIBRARY_PATH: found!.libraries });
  let said = "";
  for await (const piece of child.stdout!) {
    said += piece;
    if (said.includes("Ready to accept connections")) return child;
  }
  throw new Error(`the server ended: ${said}`);
}

/** Starts a worker of a thread; resolves when it has joined. */
async function worker(url: string, env: Record<string, string> = {}): Promise<ChildProcess> {
  const args = [MAIN, "worker", "--queue", url, "--jobs", "1", "--lease", "1", "--no-cache"];
  const child = started(process.execPath, args, { ...ENV, ...env });
  const [said] = (await once(child.stdout!, "data")) as [Buffer];
  assert.match(said.toString(), /^A worker of shootdown .* takes jobs from redis/);
  return child;
}

/** What a command says, without the line that repeats it and what a clock says. */
const answer = (out: string): string => out.replace(/^Made by [\s\S]*/m, "").replace(/\s*\b(time|[\d.]+\sm?s)\b/g, "");

/** Kills a worker that is at a job: it is stopped first, to be sure that it is. */
async function killAtWork(child: ChildProcess, client: Redis): Promise<void> {
  for (;;) {
    child.kill("SIGSTOP");
    await setTimeout(20);
    if ((await client.llen("bull:shootdown:active")) > 0) break;
    child.kill("SIGCONT");
    await setTimeout(10);
  }
  child.kill("SIGKILL");
  await once(child, "exit");
}

const PROVE = ["prove", "xen-today", "--occasion", "switch", "--cpu", "cortex-a72", "--no-cache"];

/** A scenario that costs next to nothing to price in. */
const BRIEF = `name = "brief"
title = "two vCPUs take turns a few times"
source = "a test"
[machine]
pcpus = 1
ram-mib = 256
[dom0]
memory-mib = 64
[[domu]]
memory-mib = 16
vcpus = 2
[run]
time-us = 40_000
slice-us = 10_000
`;
const brief = join(folder, "brief.toml");
writeFileSync(brief, BRIEF);

test("a worker killed and a server started again in mid-work: the same answer, and nothing is left", {
  skip,
}, async () => {
  const alone = await shootdown(PROVE);
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const keeping = ["--appendonly", "yes"];
  const first = await server(port, keeping);
  const client = new Redis(port, { maxRetriesPerRequest: null });
  client.on("error", () => {}); // the server goes, and comes
  try {
    const asked = shootdown([...PROVE, "--queue", url]);
    await killAtWork(await worker(url), client);
    assert.equal(await client.llen("bull:shootdown:active"), 1);
    const dead = (await client.zrange("shootdown:members", 0, -1)).filter((who) => who.startsWith("worker:"));
    first.kill("SIGKILL");
    await once(first, "exit");
    await server(port, keeping);
    const second = await worker(url);
    const { status, out, err } = await asked;
    assert.equal(status, 0, err);
    assert.equal(answer(out), answer(alone.out));
    assert.deepEqual(
      await Promise.all(["wait", "active"].map((list) => client.llen(`bull:shootdown:${list}`))),
      [0, 0],
    );

    // The same worker, each kind of job.
    for (const words of [
      ["litmus", "litmus/herd/read-only.litmus"],
      ["distinguish", "xen-today", "switch-no-flush", "--occasion", "switch", "--cpu", "arch-minimal", "--no-cache"],
    ]) {
      const [here, there] = [await shootdown(words), await shootdown([...words, "--queue", url])];
      assert.equal(there.status, 0, there.err);
      assert.equal(answer(there.out), answer(here.out));
    }
    const about = ["--occasion", "switch", "--cpu", "arch-minimal", "--host", "bare-metal", "--scenario", brief, "--queue", url]; // biome-ignore format: one row
    // What these find on one machine stands in their own tests.
    const minimal = await shootdown(["minimize", "switch-vmalle1", ...about]);
    assert.match(minimal.out, /dsb nshst +superfluous .*\n.*tlbi vmalle1 +needed [\s\S]*dsb nsh +needed /, minimal.err);
    const search = await shootdown(["synthesize", "--length", "2", ...about]);
    assert.match(search.out, /^24 are sound, 342 fail, none is undecided/m, search.err);
    assert.match(search.out, /The cheapest, by price on bare-metal\n.*\n +2 .* tlbi vmalle1; dsb nsh\n/);

    // A job that asks for more than the worker gives is refused by it, and it lives on.
    const greedy = await shootdown([...PROVE, "--queue", url, "--timeout", "100"]);
    assert.deepEqual([greedy.status, greedy.out], [1, ""]);
    assert.match(greedy.err, /^shootdown: a job asks for --timeout 100, the worker gives 60: .* \(0 of \d+ parts of the proof were done\)\n$/); // biome-ignore format: one row
    second.kill("SIGINT");
    assert.deepEqual(await once(second, "exit"), [130, null]);
    assert.deepEqual(await client.zrange("shootdown:members", 0, -1), dead, "all but the killed one have left");

    // Nobody takes jobs any more: what is wrong with the queue is one error.
    const fails = async (...words: string[]) => {
      const { status, out, err } = await shootdown([...PROVE, "--queue", url, ...words]);
      assert.deepEqual([status, out], [1, ""]);
      return err.replace(/^shootdown: no worker is on .*\n/, "");
    };
    await client.set("shootdown:owner", "9.9.9 (build 0)");
    await client.zadd("shootdown:members", Date.now() + 60_000, "worker:other");
    assert.match(await fails(), /^shootdown: the queue at redis.* is used by shootdown 9\.9\.9 \(build 0\), and this is shootdown .*: expected the same on both ends/); // biome-ignore format: one row
    await client.del("shootdown:members");
    const lost = fails();
    while ((await client.llen("bull:shootdown:wait")) === 0) await setTimeout(20);
    await client.flushall();
    assert.match(await lost, /has lost its data: expected a server that keeps it \(appendonly yes\) \(0 of \d+/);
    await client.config("SET", "maxmemory", "1");
    assert.match(await fails(), /^shootdown: the queue at .* is full: give its server more memory/);
  } finally {
    client.disconnect();
  }
});

test("a queue that cannot be reached, or goes away and does not come back, is one clear error", { skip }, async () => {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const none = await shootdown([...PROVE, "--queue", url]);
  assert.deepEqual([none.status, none.out], [1, ""]);
  assert.match(none.err, /^shootdown: the queue at redis:\/\/127\.0\.0\.1:\d+ cannot be used: .*ECONNREFUSED/);
  const child = await server(port);
  const client = new Redis(port);
  client.on("error", () => {});
  const asked = shootdown([...PROVE, "--queue", url], { env: { SHOOTDOWN_QUEUE_PATIENCE: "1" } });
  while ((await client.llen("bull:shootdown:wait")) === 0) await setTimeout(20);
  client.disconnect();
  child.kill("SIGKILL");
  const { status, err } = await asked;
  assert.equal(status, 1);
  assert.match(err, /^shootdown: the queue at .* gave no answer for 1 s \(0 of \d+ parts of the proof were done\)\n$/);
});

test("a password comes out of the environment, and TLS is checked", { skip }, async (t) => {
  const [plain, tls] = [await freePort(), await freePort()];
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]); // biome-ignore format: one row
  if (made.status !== 0) return t.skip("SKIPPED: no openssl to make a certificate with");
  await server(plain, ["--tls-port", String(tls), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no", "--requirepass", "open sesame"]); // biome-ignore format: one row
  const fails = async (url: string, env: Record<string, string> = {}) =>
    (await shootdown([...PROVE, "--queue", url], { env })).err;
  const password = { SHOOTDOWN_QUEUE_PASSWORD: "open sesame" };
  assert.match(await fails(`redis://127.0.0.1:${plain}`), /lets nobody in .*: expected the password in SHOOTDOWN_QUEUE_PASSWORD/); // biome-ignore format: one row
  assert.match(await fails(`redis://127.0.0.1:${plain}`, { SHOOTDOWN_QUEUE_PASSWORD: "no" }), /lets nobody in/);
  assert.match(await fails(`rediss://localhost:${tls}`, password), /cannot be used: self-signed certificate/);
  await worker(`rediss://localhost:${tls}`, { ...password, NODE_EXTRA_CA_CERTS: certificate });
  assert.equal((await shootdown([...PROVE, "--queue", `redis://127.0.0.1:${plain}`], { env: password })).status, 0);
  assert.match(readFileSync(certificate, "utf8"), /BEGIN CERTIFICATE/);
});

test("what is no address of a queue is wrong usage", async () => {
  const { status, err } = await shootdown([...PROVE, "--queue", "localhost:6379"]);
  assert.equal(status, 2);
  assert.match(err, /--queue .*expected redis:\/\/HOST:PORT/);
  assert.equal((await shootdown(["worker"])).status, 2);
});
