import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { build, findStack } from "./index.js";

const parts = findStack();
const skip = parts ? false : "SKIPPED: no compiler is here for guests/: run scripts/setup-debian.sh";
const folder = mkdtempSync(join(tmpdir(), "shootdown-build-"));
after(() => rmSync(folder, { recursive: true }));

test("several that build at once into an empty cache have the same, whole, and leave no other", { skip }, async () => {
  const { SHOOTDOWN_CACHE } = process.env;
  process.env.SHOOTDOWN_CACHE = folder;
  try {
    const { signal } = new AbortController();
    const all = await Promise.all([build(parts!, signal), build(parts!, signal)]);
    assert.deepEqual(all[0], all[1]);
    for (const file of Object.values(all[0]!)) assert.ok(existsSync(file), file);
    assert.deepEqual(readdirSync(dirname(dirname(all[0]!.record))).length, 1);
  } finally {
    if (SHOOTDOWN_CACHE === undefined) delete process.env.SHOOTDOWN_CACHE;
    else process.env.SHOOTDOWN_CACHE = SHOOTDOWN_CACHE;
  }
});
