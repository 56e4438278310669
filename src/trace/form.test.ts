import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { barrierIndex } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { Collected } from "./events.testing.js";
import { readTrace, type StreamForm, writeTrace } from "./file.js";
import { peeked } from "./form.js";
import type { ReadPart } from "./read.js";
import { recordRemovals } from "./recorded.fixture.js";
import { Recorder } from "./recorder.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-form-"));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

/** A made-up log: a first line "#barriers", then one barrier a line. */
const BARRIERS_LOG: StreamForm = {
  begins: (first) => new TextDecoder().decode(first).startsWith("#barriers\n"),
  async stream(source, path, sinks) {
    let text = "";
    for await (const bytes of source) text += new TextDecoder().decode(bytes);
    const trace = new Recorder(1, sinks);
    const lines = text.trimEnd().split("\n").slice(1);
    lines.forEach((line, i) => {
      const barrier = barrierIndex(line);
      if (barrier === undefined) throw InputError.at(path, i + 2, `'${line}' is no barrier`);
      trace.barrier(0, barrier);
    });
    trace.flush();
    const read = trace.total();
    return { info: { events: read, integrity: "unchecked", producer: "", recording: undefined }, read };
  },
};

async function read(path: string, part: ReadPart = {}): Promise<Collected["list"]> {
  const sink = new Collected();
  const result = await readTrace(path, [sink], part, [BARRIERS_LOG]);
  assert.equal(result.read, sink.list.length);
  return sink.list;
}

const LOG = "#barriers\ndsb ish\nisb\ndsb nsh\n";

test("a foreign log is told by its first bytes, whatever its name, and read like any trace", async () => {
  for (const name of ["log", "log.txt", "log.ndjson", "log.parquet"]) {
    writeFileSync(file(name), LOG);
    assert.deepEqual(
      (await read(file(name))).map((event) => event.name),
      ["DSB ISH", "ISB", "DSB NSH"],
      name,
    );
  }
  const part = await read(file("log"), { from: 1, count: 1 });
  assert.deepEqual(
    part.map((event) => event.name),
    ["ISB"],
  );
  writeFileSync(file("bad.log"), `${LOG}nop\n`);
  await assert.rejects(read(file("bad.log")), /^InputError: .*bad\.log:5: 'nop' is no barrier$/);
});

test("a foreign log comes through a pipe that brings a few bytes at a time", async () => {
  const path = file("log.fifo");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  const writer = spawn("sh", ["-c", `exec > "$1"; printf '#bar'; sleep 0.1; printf 'riers\\ndsb'; sleep 0.1; printf ' ish\\n'`, "-", path]); // biome-ignore format: one command
  const events = await read(path);
  writer.kill();
  assert.deepEqual(
    events.map((event) => event.name),
    ["DSB ISH"],
  );
});

test("Parquet and NDJSON are told by their first bytes too, under each other's name and under any", async () => {
  for (const form of ["parquet", "ndjson"]) {
    const path = file(`own.${form}`);
    const trace = await writeTrace(path, "a test");
    recordRemovals([trace], 3);
    trace.close();
    const events = await read(path);
    assert.ok(events.length > 3);
    for (const name of ["other.parquet", "other.ndjson", "other", "other.txt"]) {
      copyFileSync(path, file(name));
      assert.deepEqual(await read(file(name)), events, `${form} as ${name}`);
    }
  }
});

test("what no form knows is read by its ending, and without one refused", async () => {
  writeFileSync(file("nothing.txt"), "nothing\n");
  await assert.rejects(read(file("nothing.txt")), /nothing\.txt: unknown ending, expected a trace named \*\.parquet/);
  writeFileSync(file("nothing.ndjson"), "nothing\n");
  await assert.rejects(read(file("nothing.ndjson")), /nothing\.ndjson:1: not valid JSON/);
  writeFileSync(file("nothing.parquet"), "nothing\n");
  await assert.rejects(read(file("nothing.parquet")), /nothing\.parquet: /);
});

test("bytes that were looked at come first of all that comes, however they were cut", async () => {
  async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const bytes = Buffer.from(LOG.repeat(2000));
  for (const size of [1, 7, 5000, bytes.length])
    for (const forms of [[], [BARRIERS_LOG]]) {
      const { form, all } = await peeked(cut(bytes, size), forms);
      assert.equal(form, forms[0]);
      const pieces: Uint8Array[] = [];
      for await (const piece of all) pieces.push(piece);
      assert.ok(Buffer.concat(pieces).equals(bytes));
    }
});
