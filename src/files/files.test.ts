/** What is read and written where: links, modes, pipes, devices, and the files of one command. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { InputError } from "../input/index.js";
import { isStream, OutputFile, openSeekable, openStream, readBytes, readText, writeWhole } from "./index.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-files-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const fifo = (name: string): string => {
  assert.equal(spawnSync("mkfifo", [at(name)]).status, 0);
  return at(name);
};
const refuses = (work: () => unknown, message: RegExp): void =>
  assert.throws(work, (error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, message);
    return true;
  });
const mode = (path: string): number => statSync(path).mode & 0o7777;

test("a new file gets the mode that the umask leaves, one that stood there keeps its own", () => {
  const mask = process.umask(0o027);
  try {
    writeWhole(at("new"), "new");
    assert.equal(mode(at("new")), 0o640);
  } finally {
    process.umask(mask);
  }
  for (const bits of [0o600, 0o644, 0o755, 0o664]) {
    chmodSync(at("new"), bits);
    writeWhole(at("new"), `${bits}`);
    assert.deepEqual([mode(at("new")), readFileSync(at("new"), "utf8")], [bits, `${bits}`]);
  }
});

test("a link stays, and what it leads to is written, also where that is not there yet", () => {
  mkdirSync(at("elsewhere"));
  symlinkSync("elsewhere/target", at("second"));
  symlinkSync("second", at("first"));
  for (const text of ["new", "again"]) {
    writeWhole(at("first"), text);
    assert.deepEqual([readlinkSync(at("first")), readlinkSync(at("second"))], ["second", "elsewhere/target"]);
    assert.ok(!lstatSync(at("elsewhere/target")).isSymbolicLink());
    assert.equal(readFileSync(at("elsewhere/target"), "utf8"), text);
  }
});

test("until it is complete, what stood there stands there; an abort, an error or the process's end leaves nothing else", () => {
  mkdirSync(at("tidy"));
  const path = at("tidy/out");
  writeFileSync(path, "before");
  const file = OutputFile.open(path);
  file.write(Buffer.from("half"));
  assert.equal(readFileSync(path, "utf8"), "before");
  const [part] = readdirSync(at("tidy")).filter((name) => name !== "out");
  assert.match(part!, /^\.out\.[0-9a-f]{12}\.part$/, "a name that nobody can foresee");
  assert.equal(mode(at(`tidy/${part}`)), mode(path), "and no more rights than the file's");
  file.abort();
  const program = `import { OutputFile } from ${JSON.stringify(new URL("./index.js", import.meta.url).href)};
    OutputFile.open(${JSON.stringify(path)}).write(Buffer.from("half")); process.exit(130);`;
  assert.equal(spawnSync(process.execPath, ["--input-type=module", "-e", program]).status, 130);
  assert.deepEqual(readdirSync(at("tidy")), ["out"]);
  assert.equal(readFileSync(path, "utf8"), "before");
});

test("what cannot be written is one sentence", () => {
  const long = "x".repeat(256);
  symlinkSync("round", at("round"));
  mkdirSync(at("folder"));
  const reasons: [string, RegExp][] = [
    [long, /: cannot be written: the name is too long$/],
    ["round", /round: cannot be written: its links lead in a circle$/],
    ["folder", /folder: cannot be written: it is a folder/],
    ["none/out", /none\/out: cannot be written: no such file or folder/],
    ["new/out", /new\/out: cannot be written: no such file or folder/],
  ];
  for (const [name, reason] of reasons) refuses(() => writeWhole(at(name), ""), reason);
  refuses(() => writeWhole("/dev/full", "x"), /^\/dev\/full: cannot be written: no space left on the device$/);
  writeWhole(at("x".repeat(255)), "a name of the greatest length");
});

test("a device and a pipe are written in place, and a descriptor where it stands", async () => {
  writeWhole("/dev/null", "x");
  assert.ok(statSync("/dev/null").isCharacterDevice());
  const pipe = fifo("pipe");
  const reader = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "inherit"] });
  let read = "";
  reader.stdout.setEncoding("utf8").on("data", (text) => (read += text));
  writeWhole(pipe, "through the pipe");
  await once(reader, "close");
  assert.equal(read, "through the pipe");
  assert.ok(statSync(pipe).isFIFO());
  assert.deepEqual(
    [isStream(pipe), isStream("/dev/null"), isStream(at("new")), isStream(at("none"))],
    [true, true, false, false],
  );
  writeFileSync(at("open"), "first ");
  const fd = openSync(at("open"), "a");
  writeWhole(`/dev/fd/${fd}`, "second");
  assert.equal(readFileSync(at("open"), "utf8"), "first second");
});

test("a text is read from a file or a pipe, and never more of it than a text may have", () => {
  writeFileSync(at("text"), "é");
  assert.equal(readText(at("text")), "é");
  const big = at("big");
  writeFileSync(big, "x".repeat((1 << 20) + 1));
  for (const path of ["/dev/zero", big])
    refuses(
      () => readText(path, "NAME", "TOML"),
      /^NAME: is larger than 1048576 bytes, expected a text file of at most/,
    );
  refuses(() => readText(at("\0")), /the name holds a NUL character/);
  writeFileSync(at("binary"), Uint8Array.of(0xff));
  refuses(() => readText(at("binary"), "NAME", "TOML"), /^NAME: is not UTF-8 text, expected TOML$/);
  refuses(() => readBytes("/dev/zero", 1 << 20), /is no regular file, expected a regular file/);
});

test("waiting for the writer of a pipe can be ended, and a Parquet file is not sought in one", async () => {
  const pipe = fifo("waiting");
  const stream = openStream(pipe);
  const ended = assert.rejects(async () => {
    for await (const _ of stream);
  }, /enough/);
  stream.destroy(new Error("enough"));
  await ended;
  await assert.rejects(openSeekable(pipe, "a Parquet file"), /waiting: is no regular file, expected a Parquet file/);
});

test("one command writes over none of its inputs and nothing twice; standard output is no input", () => {
  const program = `import { oneCommand, readText, writeWhole } from ${JSON.stringify(new URL("./index.js", import.meta.url).href)};
    const attempt = (work) => { try { work(); return "done"; } catch (error) { return error.message; } };
    oneCommand();
    readText("input");
    const said = [attempt(() => writeWhole("input", "")), attempt(() => writeWhole("link", "")), attempt(() => writeWhole("hard", "")),
      attempt(() => writeWhole("a", "")), attempt(() => writeWhole("./b/../a", "")), attempt(() => readText("out"))];
    console.error(JSON.stringify(said));`;
  const cwd = at("command");
  mkdirSync(cwd);
  mkdirSync(join(cwd, "b"));
  writeFileSync(join(cwd, "input"), "input");
  symlinkSync("input", join(cwd, "link"));
  assert.equal(spawnSync("ln", ["input", "hard"], { cwd }).status, 0);
  const out = openSync(join(cwd, "out"), "a");
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", out, "pipe"],
  });
  assert.deepEqual(JSON.parse(stderr), [
    "input: is an input too, expected another file",
    "link: is an input too (as input), expected another file",
    "hard: is an input too (as input), expected another file",
    "done",
    "./b/../a: is written by this command already, expected another file",
    "out: is where standard output goes too, expected another file for it",
  ]);
  assert.equal(readFileSync(join(cwd, "input"), "utf8"), "input");
});
