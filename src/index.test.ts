/** The package's own door: it needs no Node, and its page names what it hands out. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as door from "./index.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "..");

/** Built files that a file needs, itself and theirs included, with what they import of others. */
function needed(start: string): { readonly files: ReadonlySet<string>; readonly packages: ReadonlySet<string> } {
  const [files, packages] = [new Set([start]), new Set<string>()];
  for (const file of files)
    for (const [, from] of readFileSync(file, "utf8").matchAll(/(?<!["\w])(?:from|import\(?)\s*"([^"]+)"/g))
      if (from!.startsWith(".")) files.add(join(dirname(file), from!));
      else packages.add(from!);
  return { files, packages };
}

test("whatever the door leads to runs without Node: readers of TOML and of shapes, and nothing else", () => {
  const { files, packages } = needed(join(HERE, "index.js"));
  assert.ok(files.size > 80, `${files.size} files`);
  assert.deepEqual([...packages].sort(), ["toml-eslint-parser", "valibot"]);
});

test("what is built in, as a text, is what the folders of the package have", () => {
  for (const [shelf, names] of [
    ["policies", door.policyNames()],
    ["hosts", door.hostNames()],
    ["scenarios", door.scenarioNames()],
  ] as const) {
    // biome-ignore format: one row
    const files = readdirSync(join(ROOT, shelf)).filter((file) => file.endsWith(".toml"));
    assert.deepEqual(names.map((name) => `${name}.toml`).sort(), files.sort());
    for (const name of names)
      assert.equal(door.builtInText(shelf, name), readFileSync(join(ROOT, shelf, `${name}.toml`), "utf8"));
  }
  assert.throws(() => door.builtInPolicy("constructor"), /^InputError: no policy is named 'constructor'/);
});

test("docs/library.md names everything that the door hands out", () => {
  const page = readFileSync(join(ROOT, "docs/library.md"), "utf8");
  const source = readFileSync(join(HERE, "index.d.ts"), "utf8").replace(/^\/\*[\s\S]*?\*\//, "");
  const names = [...source.matchAll(/\{([^}]*)\}/g)].flatMap(([, list]) =>
    list!.split(",").map((name) => name.trim().replace(/^type /, "")),
  );
  assert.ok(names.length >= Object.keys(door).length);
  for (const name of names) assert.match(page, new RegExp(`\\b${name}\\b`), name);
});
