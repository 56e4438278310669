/** What a trace says about its run, in both forms of file. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { barrierIndex } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { readTrace, writeTrace } from "./file.js";
import { Recorder } from "./recorder.js";
import { parseRecording, recordingJson, type TraceRecording } from "./recording.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-recording-"));
after(() => rmSync(folder, { recursive: true }));

const RECORDING: TraceRecording = {
  source: "capture",
  cpu: { profile: "arch-maximal", repeatTlbi: true },
  xen: { banner: "4.20.4 (Debian)", buildId: "cd2aa25f", own: false },
  sha256: { xen: "a".repeat(64) },
  leftOut: ["xen-boot"],
  run: {
    segments: [{ name: "kernel", gfn: 0x40000, pages: 9212 }],
    memoryMib: 128,
    vcpus: 1,
    dom0Vcpus: 2,
    pcpus: 2,
    ipaBits: 48,
    lastRan: [{ pcpu: 1, domain: 0, vcpu: 1 }],
    continued: { create: { XENMEM_populate_physmap: 16 } },
  },
  blind: [["p2m_restore_state", "VTTBR_EL2"]],
};

async function written(name: string, recording?: TraceRecording): Promise<string> {
  const path = join(folder, name);
  const writer = await writeTrace(path, "a test");
  const recorder = new Recorder(1, [writer]);
  recorder.barrier(0, barrierIndex("isb")!);
  recorder.flush();
  if (recording) writer.describe(recording);
  writer.close();
  return path;
}

for (const form of ["parquet", "ndjson"]) {
  test(`a ${form} trace gives back what it was told, and nothing where it was told nothing`, async () => {
    const { info, read } = await readTrace(await written(`a.${form}`, RECORDING), []);
    assert.deepEqual([info.recording, read], [RECORDING, 1]);
    assert.equal((await readTrace(await written(`b.${form}`), [])).info.recording, undefined);
  });

  test(`a ${form} trace whose record is damaged is refused with its name`, async () => {
    const path = await written(`c.${form}`, RECORDING);
    // In both forms the record stands in the file as it is; the same length keeps Parquet's footer whole.
    const text = readFileSync(path, "latin1");
    writeFileSync(path, text.replace('"pages":9212', '"pages":"921'), "latin1");
    await assert.rejects(readTrace(path, []), (error) => error instanceof InputError && error.message.startsWith(path));
    writeFileSync(path, text.replace('"pages":9212', '"pages":9.12'), "latin1");
    // Parquet's digest tells it before the record is looked at.
    const message =
      form === "parquet" ? /do not match their digest/ : /record of the recording: run\.segments\.0\.pages: /;
    await assert.rejects(readTrace(path, []), message);
  });
}

test("a record is bounded, has no control characters, and keys of later versions are left out", () => {
  const with_ = (more: object): string => JSON.stringify({ ...RECORDING, ...more });
  assert.deepEqual(parseRecording(with_({ later: 1 })), RECORDING);
  assert.match(String(parseRecording(with_({ model: "\u001b[31m" }))), /model: expected no control characters/);
  assert.match(String(parseRecording(with_({ source: "a dream" }))), /source: /);
  assert.match(String(parseRecording(with_({ sha256: { xen: "abc" } }))), /64 hex digits/);
  assert.match(String(parseRecording(`"${"x".repeat(32_768)}"`)), /expected at most 32768/);
  assert.match(String(parseRecording("{")), /not valid JSON/);
  const many = Array.from({ length: 256 }, (_, i): [string, string] => [`f${i}`.padEnd(128, "x"), "VMALLS12E1IS"]);
  assert.throws(() => recordingJson({ ...RECORDING, blind: many }), RangeError);
});
