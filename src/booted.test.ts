/** scripts/booted.mjs, which prints rows of docs/inject.md out of what captures said. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("../scripts/booted.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-booted-"));
after(() => rmSync(folder, { recursive: true }));

/** A run of few figures; `unexplained` of one of them. */
const runWith = (unexplained: number): string =>
  JSON.stringify({
    recording: { cpu: { profile: "arch-maximal" }, injected: { policy: "switch-vmalle1" } },
    comparison: [
      { phase: "create", what: "VMALLS12E1IS", recorded: 9702, predicted: 9702, causes: [], unexplained: 0 },
      { phase: "run", what: "VMALLE1", recorded: 802, predicted: 802, causes: [], unexplained: 0 },
      { phase: "run", what: "VAE2IS", recorded: 7, predicted: 7, causes: [], unexplained: 0 },
      {
        ...{ phase: "destroy", what: "VMALLS12E1IS", recorded: 5, predicted: 4, unexplained },
        causes: [{ because: "relinquish_p2m_mapping() gave way", count: 1 }],
      },
    ],
  });

function booted(...texts: readonly string[]) {
  const files = texts.map((_, i) => join(folder, `${i}.json`));
  files.forEach((file, i) => {
    writeFileSync(file, texts[i]!);
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCRIPT, ...files], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("a run is a row as the document has it: what was recorded in each phase, and why the model differs", () => {
  assert.deepEqual(booted(runWith(0)), {
    status: 0,
    stdout:
      "| `switch-vmalle1`, arch-maximal | VMALLS12E1IS 9,702 | VMALLE1 802 | VMALLS12E1IS 5 | VMALLS12E1IS 4: gave way +1 | none |\n",
    stderr: "",
  });
});

test("a figure that is unexplained, and a file that is something else, end it with 1 and a sentence", () => {
  const { status, stderr } = booted(runWith(1));
  assert.deepEqual([status, /0\.json: a figure is unexplained/.test(stderr)], [1, true]);
  for (const text of ["", "{", "{}", "7", runWith(0).slice(0, -9)]) {
    const wrong = booted(text);
    assert.deepEqual([wrong.status, wrong.stdout], [1, ""]);
    assert.match(wrong.stderr, /^[^\n]*0\.json: is not what 'shootdown capture --inject POLICY --json' says[^\n]*\n$/);
  }
  assert.equal(booted().status, 2);
});
