/** The tables of searches in the documents are those that the script makes of what searches kept. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

for (const [word, file] of [
  ["table", "docs/synthesis.md"],
  ["left", "docs/synthesis.md"],
  ["front revoke arch-minimal 6", "docs/synthesis.md"],
  ["scaling", "docs/queue.md"],
] as const)
  test(`${file} shows what scripts/searches.mjs ${word} prints`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [at("scripts/searches.mjs"), ...word.split(" ")], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.ok(readFileSync(at(file), "utf8").includes(`\`\`\`text\n${stdout}\`\`\``), stdout);
  });
