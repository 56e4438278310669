import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { tlbiIndex } from "../arch/index.js";
import { writeTrace } from "../trace/file.js";
import { incomplete, Recorder } from "../trace/index.js";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-losses-"));
after(() => rmSync(folder, { recursive: true }));

/** A capture of a Xen in which the store of a removal was not found. */
async function lossy(name: string): Promise<string> {
  const path = join(folder, name);
  const file = await writeTrace(
    path,
    incomplete("a capture", ["stage-2 descriptor writes: 1 of 11 places are followed"]),
  );
  const r = new Recorder(1, [file]);
  const mark = r.names.id("hypercall:XENMEM_remove_from_physmap");
  r.context(0, 0, 1);
  for (let i = 0; i < 3; i++) {
    r.begin(0, mark);
    r.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0);
    r.end(0, mark);
  }
  r.flush();
  file.close();
  return path;
}

function run(...args: string[]): string {
  const done = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    env: { ...process.env, COLUMNS: "500" },
  });
  assert.equal(done.stderr, "");
  return done.stdout;
}

const SAID = [
  /the recorder of this trace says: stage-2 descriptor writes: 1 of 11 places are followed/,
  /3 of 3 XENMEM_remove_from_physmap have no descriptor write in the trace, and 3 of 3 broadcast stage-2 TLBIs follow none: .* prices are far too low/,
];

for (const ending of ["parquet", "ndjson"])
  test(`a ${ending} trace whose removals have no writes is never priced, shown or compared silently`, async () => {
    const path = await lossy(`lossy.${ending}`);
    for (const args of [["price"], ["show"], ["diff", path]]) {
      const text = run(...args, path);
      for (const sentence of SAID) assert.match(text, new RegExp(`^WARNING: .*${sentence.source}`, "m"));
      const told = JSON.parse(run(...args, path, "--json"));
      const warnings = told.warnings ?? told.after.warnings;
      SAID.forEach((sentence, i) => void assert.match(warnings[i], sentence));
    }
  });
