/** The build: what it makes replaces what stood there file by file, and only when all of it has been made. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SCRIPT = join(ROOT, "scripts/build.mjs");
const folder = mkdtempSync(join(tmpdir(), "shootdown-build-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const built = (name: string): string => readFileSync(at(`dist/${name}`), "utf8");

test("a build keeps what is the same, removes what no source makes, and fails as a whole", {
  skip: existsSync(SCRIPT) ? false : "the build's script is not here",
}, async () => {
  for (const name of ["scripts", "src/inner"]) mkdirSync(at(name), { recursive: true });
  cpSync(SCRIPT, at("scripts/build.mjs"));
  cpSync(join(ROOT, "tsconfig.json"), at("tsconfig.json"));
  symlinkSync(join(ROOT, "node_modules"), at("node_modules"));
  writeFileSync(at("package.json"), '{ "type": "module" }');
  writeFileSync(at("src/same.ts"), "export const same = 1;\n");
  writeFileSync(at("src/other.ts"), "export const other = 1;\n");
  writeFileSync(at("src/inner/gone.ts"), "export const gone = 1;\n");
  const build = [at("scripts/build.mjs")];
  // Two at once: neither takes the other's files away.
  const both = [0, 1].map(() => once(spawn(process.execPath, build, { stdio: "inherit" }), "exit"));
  assert.deepEqual(await Promise.all(both), [
    [0, null],
    [0, null],
  ]);
  assert.ok(existsSync(at("dist/inner/gone.js")));

  const before = statSync(at("dist/same.js")).ino;
  rmSync(at("src/inner"), { recursive: true });
  writeFileSync(at("src/other.ts"), "export const other = 2;\n");
  assert.equal(spawnSync(process.execPath, build).status, 0);
  assert.equal(statSync(at("dist/same.js")).ino, before);
  assert.match(built("other.js"), /other = 2/);
  assert.deepEqual(readdirSync(at("dist")).sort(), ["other.d.ts", "other.js", "same.d.ts", "same.js"]);

  writeFileSync(at("src/other.ts"), "export const other = 3;\n");
  writeFileSync(at("src/same.ts"), "export const same: string = 1;\n");
  assert.notEqual(spawnSync(process.execPath, build).status, 0);
  assert.match(built("other.js"), /other = 2/);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("dist")),
    ["dist"],
  );
});
