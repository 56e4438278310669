/** Golden files: what was printed once, read by a human and kept under src/report/testdata. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The text must equal the golden file, line by line; UPDATE_GOLDEN=1 in the environment writes the file anew. */
export function assertGolden(name: string, text: string): void {
  const path = join(packageRoot(), "src/report/testdata", name);
  if (process.env.UPDATE_GOLDEN === "1") writeFileSync(path, text);
  assert.deepEqual(text.split("\n"), readFileSync(path, "utf8").split("\n"), `${name} (UPDATE_GOLDEN=1 rewrites it)`);
}

/** The folder of package.json: compiled tests stand elsewhere than their golden files. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}
