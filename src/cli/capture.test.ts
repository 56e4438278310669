import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { elfFile, RET } from "../binary/build.testing.js";
import { findDistribution } from "../capture/index.js";
import { MAIN, PATIENCE, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-capture-test-"));
after(() => rmSync(folder, { recursive: true }));
const debian = findDistribution();
const skip = debian ? false : "SKIPPED: Debian's Xen is not here: run scripts/setup-debian.sh";

interface Said {
  readonly status: number | null;
  readonly said: string;
}

/** What comes of a capture, in an environment that has these too. */
async function capture(args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    const { status, out, err } = await shootdown(["capture", "-o", join(folder, "x.parquet"), ...args]);
    assert.equal(out, "");
    return { status, said: err };
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** An arm64 Image that holds nothing. */
function image(): Uint8Array {
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32LE(0x644d5241, 56);
  return bytes;
}

const refuses = async (args: readonly string[], message: RegExp): Promise<void> => {
  const { status, said } = await capture(args);
  assert.match(said, message);
  assert.equal(said.trim().split("\n").length, 1, "one sentence");
  assert.equal(status, 1);
  assert.ok(!readdirSync(folder).some((name) => name.includes("x.parquet")), "no output is left");
};

test("without the set-up, a capture says what to run", async () => {
  const { status, said } = await capture([], { SHOOTDOWN_CACHE: join(folder, "empty") });
  assert.match(said, /^shootdown: nothing to boot in .*: run 'shootdown capture --setup' first/);
  assert.equal(status, 1);
});

test("a manifest of the cache that is something else counts as none", async () => {
  const debian = join(folder, "odd", "debian");
  mkdirSync(debian, { recursive: true });
  const whole = { version: 1, machine: "amd64", packages: [] };
  const odd = ["null", "[]", "7", '"x"', "{", "{}", ...[{ machine: "__proto__" }, { machine: 5 }, { packages: null }, { version: "1" }].map((part) => JSON.stringify({ ...whole, ...part }))]; // biome-ignore format: a list
  for (const manifest of odd) {
    writeFileSync(join(debian, "manifest.json"), manifest);
    const { status, said } = await capture([], { SHOOTDOWN_CACHE: join(folder, "odd") });
    assert.match(said, /^shootdown: nothing to boot in [^\n]*\n$/, manifest);
    assert.equal(status, 1);
  }
});

test("a release that is not set up is named, with what to run", async () => {
  const { status, said } = await capture(["--debian", "sid"], { SHOOTDOWN_CACHE: join(folder, "empty") });
  assert.match(said, /^shootdown: nothing to boot in .*: run 'shootdown capture --setup --debian sid' first/);
  assert.equal(status, 1);
});

test("a relative cache folder is one from where the command runs", async () => {
  const { said } = await capture([], { SHOOTDOWN_CACHE: "no-such-cache" });
  assert.ok(said.includes(`nothing to boot in ${join(process.cwd(), "no-such-cache")}:`), said);
});

test("an empty HOME is no folder for a cache", async () => {
  const { status, said } = await capture([], { HOME: "", XDG_CACHE_HOME: "cache", SHOOTDOWN_CACHE: "" });
  assert.match(said, /^shootdown: HOME is '', expected an absolute path.*SHOOTDOWN_CACHE to a folder for it\n$/);
  assert.equal(status, 1);
  assert.ok(!existsSync("shootdown") && !existsSync(".cache") && !existsSync("cache"));
});

test("a cache that others may write to is not run from, nor set up in", async () => {
  const cache = join(folder, "everybody's");
  mkdirSync(join(cache, "debian"), { recursive: true });
  chmodSync(join(cache, "debian"), 0o777);
  for (const args of [[], ["--setup", "--yes"]]) {
    const { status, said } = await capture(args, { SHOOTDOWN_CACHE: cache });
    assert.match(said, /everybody's\/debian: may be written by others \(mode 0777\): [^\n]*\n$/);
    assert.equal(status, 1);
  }
});

test("the set-up says that it needs apt where there is none", async () => {
  const { status, said } = await capture(["--setup", "--yes"], {
    SHOOTDOWN_CACHE: join(folder, "empty"),
    PATH: folder,
  });
  assert.match(said, /^shootdown: dpkg not found: the set-up needs Debian's apt/);
  assert.equal(status, 1);
});

test("one set-up is at work in a cache at a time; one that was killed is in nobody's way", async () => {
  const cache = join(folder, "busy");
  const setUp = () => capture(["--setup", "--yes"], { SHOOTDOWN_CACHE: cache, PATH: folder });
  mkdirSync(cache, { mode: 0o755 });
  writeFileSync(join(cache, "setting-up"), `${process.pid}\n`);
  const busy = await setUp();
  assert.match(
    busy.said,
    /^shootdown: [^\n]*busy\/setting-up: another set-up \(process \d+\) is at work in this cache/,
  );
  assert.deepEqual([busy.status, existsSync(join(cache, "setting-up"))], [1, true]);
  const { pid } = spawnSync(process.execPath, ["-e", "0"]);
  writeFileSync(join(cache, "setting-up"), `${pid}\n`);
  assert.match((await setUp()).said, /^shootdown: dpkg not found/);
  assert.ok(!existsSync(join(cache, "setting-up")), "it ends with the set-up");
});

test("the set-up asks for a terminal before it fetches anything", async () => {
  const cache = join(folder, "untouched");
  assert.match(
    (await capture(["--setup"], { SHOOTDOWN_CACHE: cache })).said,
    /^shootdown: no terminal to ask on: add --yes\n$/,
  );
  assert.ok(!existsSync(cache));
});

test("wrong usage is status 2", async () => {
  for (const args of [
    ["--memory", "5"],
    ["--vcpus", "0"],
    ["--scenario", "x"],
    ["--from", "x"],
    ["--timeout", "x"],
    ["--debian", "buster"],
  ])
    assert.equal((await capture(args)).status, 2, args.join(" "));
});

test("a wrong Xen or xen-syms is named, with what was expected", { skip }, async () => {
  await refuses(["--xen-syms", "x"], /--xen-syms goes with --xen/);
  await refuses(["--xen", join(folder, "none")], /no xen-syms beside it; name it with --xen-syms/);
  await refuses(
    ["--xen", file("text", "no Xen"), "--xen-syms", debian!.xenSyms],
    /text: is no arm64 boot Image, expected Xen/,
  );
  await refuses(["--xen", debian!.xenSyms, "--xen-syms", debian!.xenSyms], /is an ELF file, expected Xen as it boots/);
  await refuses(
    ["--xen", file("image", image()), "--xen-syms", debian!.xenSyms],
    /xen-syms-.* is of another build than .*image/,
  );
  await refuses(
    ["--xen", debian!.xen, "--xen-syms", file("elf", elfFile({ code: { f: [RET] } }))],
    /elf: is of another build/,
  );
});

test("a wrong kernel is named", { skip }, async () => {
  await refuses(["--dom0-kernel", file("text", "no kernel")], /text: is no arm64 boot Image, expected dom0's kernel/);
  await refuses(
    ["--domu-kernel", file("text", "no kernel")],
    /text: is no arm64 boot Image, expected the domU's kernel/,
  );
  await refuses(["--domu-ramdisk", join(folder, "none")], /none: no such file or folder/);
});

test("a toolstack or a module that is none is named", { skip }, async () => {
  await refuses(["--toolstack", join(folder, "none")], /none: no such file or folder/);
  const empty = join(folder, "empty-toolstack");
  mkdirSync(empty, { recursive: true });
  await refuses(
    ["--toolstack", empty],
    /empty-toolstack: no program xl in a folder bin or sbin, expected an install of Xen/,
  );
  await refuses(
    ["--dom0-module", file("text", "no module")],
    /text: is no kernel module by its name, expected NAME\.ko, /,
  );
  await refuses(["--dom0-module", file("m.ko", "no module")], /m\.ko: not an ELF file/);
});

test("a Xen in a kernel's place is named", { skip }, async () => {
  await refuses(["--dom0-kernel", debian!.xen], /xen-4\.20-arm64: is a Xen, expected dom0's kernel, a Linux/);
});

test("a folder for temporary files that cannot be used is named", { skip }, async () => {
  const none = join(folder, "none");
  assert.match(
    (await capture([], { TMPDIR: none })).said,
    /none: holds the files of a run \(TMPDIR\): no such file or folder\n$/,
  );
  const long = join(folder, "x".repeat(90));
  mkdirSync(long);
  assert.match(
    (await capture([], { TMPDIR: long })).said,
    /is too long a path for a Unix socket in it; set TMPDIR to a short/,
  );
  assert.deepEqual(readdirSync(long), []);
});

test("mkfifo that is missing is told", { skip }, async () => {
  assert.match((await capture([], { PATH: folder })).said, /^shootdown: mkfifo not found: [^\n]*\n$/);
});

test("a QEMU that sleeps for ever, or was stopped, is ended with a sentence", { skip, timeout: PATIENCE }, async () => {
  const [asleep, stopped] = ["exec sleep 1000000", "kill -STOP $$"].map(async (does, i) => {
    const own = mkdtempSync(join(folder, "idle-"));
    const qemu = join(own, "qemu");
    writeFileSync(qemu, `#!/bin/sh\n[ "$1" = --version ] && echo "QEMU emulator version 10.0.${i}" || ${does}\n`);
    chmodSync(qemu, 0o755);
    const child = spawn(process.execPath, [MAIN, "capture", "-o", join(own, "x.parquet"), "--qemu", qemu], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, TMPDIR: own },
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    assert.deepEqual([status, readdirSync(own), processesWith(own)], [1, ["qemu"], []]);
    return said;
  });
  assert.match(await asleep!, /^shootdown: QEMU hangs: it sleeps and has nothing to do, in the phase xen-boot\n$/);
  assert.match(await stopped!, /^shootdown: QEMU is stopped \(by a signal or a debugger\), in the phase xen-boot\n$/);
});

test("a QEMU that ends before it has opened its GDB stub is told at once", { skip }, async () => {
  const ends = file("ends", '#!/bin/sh\n[ "$1" = --version ] && echo "QEMU emulator version 10.0.0"\nexit 0\n');
  chmodSync(ends, 0o755);
  await refuses(["--qemu", ends], /^shootdown: QEMU ended before its GDB stub answered\n$/);
});

test("a QEMU that is missing, too old, or none at all is named", { skip }, async () => {
  await refuses(["--qemu", join(folder, "none")], /QEMU cannot be started .*not found.*capture --setup/);
  const script = (name: string, says: string): string => {
    const path = file(name, `#!/bin/sh\necho "${says}"\n`);
    chmodSync(path, 0o755);
    return path;
  };
  await refuses(
    ["--qemu", script("old", "QEMU emulator version 7.2.1")],
    /QEMU 7\.2 is too old, expected 8\.0 or newer/,
  );
  await refuses(["--qemu", script("other", "hello")], /other is no QEMU/);
  await refuses(["--cpu", "no-such-cpu"], /QEMU failed: unable to find CPU model 'no-such-cpu'/);
});

/** Processes whose command line has the word in it. */
const processesWith = (word: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(word);
    } catch {
      return false; // it has just ended
    }
  });

test("a machine that does not finish ends with the console's last lines, and nothing is left", { skip }, async () => {
  const own = mkdtempSync(join(folder, "late, with a comma-"));
  const log = file("x.console.log", "of an earlier capture");
  const failed = join(folder, "x.failed.console.log");
  const hasBegun = (): boolean => existsSync(failed) && /Xen version 4\.20/.test(readFileSync(failed, "latin1"));
  // However slow the machine is, after some of these Xen has said something.
  let limit = 1;
  let { status, said } = await capture(["--timeout", "1"], { TMPDIR: own });
  while (!hasBegun() && limit < 512) {
    limit *= 2;
    ({ status, said } = await capture(["--timeout", String(limit)], { TMPDIR: own }));
  }
  assert.ok(hasBegun());
  const [told, lines] = said.split(/:\n {2}(?=\(XEN\))/);
  assert.equal(
    told,
    `shootdown: the machine did not finish within ${limit} s of QEMU's CPU time; the console's last lines (all of them are in ${failed})`,
  );
  assert.ok(lines!.length > 0);
  assert.equal(readFileSync(log, "latin1"), "of an earlier capture");
  assert.equal(status, 1);
  assert.deepEqual([processesWith(own), readdirSync(own)], [[], []]);
});

test("a reader that has seen enough ends a capture quietly", { skip, timeout: PATIENCE }, async () => {
  const script = 'set -o pipefail; "$0" "$1" capture -o - | head -n 1';
  const done = spawnSync("bash", ["-c", script, process.execPath, MAIN], { encoding: "utf8", timeout: PATIENCE });
  assert.match(done.stdout, /^{"shootdown":"trace"/);
  assert.deepEqual([done.status, done.stderr], [0, ""]);
});

for (const signal of ["SIGHUP", "SIGINT", "SIGTERM", "SIGKILL"] as const)
  test(`after ${signal} QEMU is gone`, { skip, timeout: PATIENCE }, async () => {
    const own = mkdtempSync(join(folder, "stopped-"));
    const child = spawn(process.execPath, [MAIN, "capture", "-o", join(own, "x.parquet")], {
      env: { ...process.env, TMPDIR: own },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const qemus = (): string[] => processesWith(`${own}/shootdown-capture`);
    while (qemus().length === 0) await setTimeout(50);
    child.kill(signal);
    const status = await ended;
    while (qemus().length > 0) await setTimeout(50);
    if (signal === "SIGKILL") return;
    assert.deepEqual([status, said], [130, ""]);
    assert.deepEqual(readdirSync(own), [], "nothing is left of it");
  });
