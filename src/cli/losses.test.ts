import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { tlbiIndex } from "../arch/index.js";
import { writeTrace } from "../trace/file.js";
import { incomplete, Recorder } from "../trace/index.js";
import { shootdown } from "./command.fixture.js";

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

async function run(...args: string[]): Promise<string> {
  const { out, err } = await shootdown(args, { columns: 500 });
  assert.equal(err, "");
  return out;
}

const SAID = [
  /the recorder of this trace says: stage-2 descriptor writes: 1 of 11 places are followed/,
  /3 of 3 XENMEM_remove_from_physmap have no descriptor write in the trace, and 3 of 3 broadcast stage-2 TLBIs follow none: .* prices are far too low/,
];

for (const ending of ["parquet", "ndjson"])
  test(`a ${ending} trace whose removals have no writes is never priced, shown or compared silently`, async () => {
    const path = await lossy(`lossy.${ending}`);
    for (const args of [["price"], ["show"], ["diff", path]]) {
      const text = await run(...args, path);
      for (const sentence of SAID) assert.match(text, new RegExp(`^WARNING: .*${sentence.source}`, "m"));
      const told = JSON.parse(await run(...args, path, "--json"));
      const warnings = told.warnings ?? told.after.warnings;
      SAID.forEach((sentence, i) => void assert.match(warnings[i], sentence));
    }
  });
