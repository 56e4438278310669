/** docs/model.md against the sources: what it quotes is the code, nothing that asks for a rule is missing, its tests notice. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu, cpuNames } from "../builtin/index.js";
import { proverCpu } from "./cpu.js";
import { explore, verdictWord } from "./explore.js";
import { parseLitmus } from "./litmus/index.js";
import { RULES, type Rule } from "./rules.js";

const CPUS = cpuNames().map(builtInCpu);

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const source = existsSync(join(ROOT, "src"));
const skip = source ? false : "the sources are not here";
const page = source ? readFileSync(join(ROOT, "docs/model.md"), "utf8") : "";

interface Quote {
  readonly file: string;
  /** the function that it stands in */
  readonly name: string;
  readonly code: string;
}

/** What the page says of a rule. */
interface Section {
  readonly rule: string;
  readonly statement: string;
  readonly quotes: readonly Quote[];
  /** litmus tests, by folder and name */
  readonly noticedBy: readonly string[];
}

const sections: readonly Section[] = page
  .split(/^### /m)
  .slice(1)
  .map((text) => ({
    rule: /^`(.+)`$/m.exec(text)?.[1] ?? "",
    statement: /^> (.+)$/m.exec(text)?.[1] ?? "",
    quotes: [...text.matchAll(/^In \[`(.+)`\]\(\.\.\/\1\), `(.+)`:\n\n```ts\n([\s\S]+?)\n```$/gm)].map(
      ([, file, name, code]) => ({ file: file!, name: name!, code: code! }),
    ),
    noticedBy: [...(/^Noticed by: (.+)\.$/m.exec(text)?.[1] ?? "").matchAll(/`(.+?)`/g)].map(([, name]) => name!),
  }));

/** Code without what a formatter may change. */
const plain = (code: string): string => code.replace(/\s+/g, " ").trim();
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
const textOf = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** What is declared last in a text, at the top of a file or of a class: "next", "constructor". */
function lastDeclared(text: string): string | undefined {
  const pattern = /^(?:export )?(?:function|const) (\w+)|^ {2}(?:private |get )*(\w+)\((?:.*[{(])?$/gm;
  return [...text.matchAll(pattern)].map(([, top, member]) => top ?? member).at(-1);
}

test("the page states every rule of the model, in its words, with code and a test that notices", { skip }, () => {
  assert.deepEqual(sections.map(({ rule }) => rule).sort(), Object.keys(RULES).sort());
  for (const { rule, statement, quotes, noticedBy } of sections) {
    assert.equal(statement, RULES[rule as Rule]);
    assert.ok(quotes.length > 0 && noticedBy.length > 0, rule);
  }
  const fences = page.match(/^```ts$/gm)!.length;
  assert.equal(sections.flatMap(({ quotes }) => quotes).length, fences, "each piece of code says where it stands");
  for (const [, file] of page.matchAll(/`(src\/[^`]+)`/g)) assert.ok(existsSync(join(ROOT, file!)), file);
});

test("each piece of code on the page occurs once in the file, in the function that it names", { skip }, () => {
  for (const { quotes } of sections)
    for (const { file, name, code } of quotes) {
      const pieces = textOf(file).split(new RegExp(plain(code).split(" ").map(escaped).join("\\s+")));
      assert.equal(pieces.length, 2, `${file} has this ${pieces.length - 1} times: ${code}`);
      assert.equal(lastDeclared(`${pieces[0]}${code.split("\n")[0]}`), name, code);
    }
});

test("every place that asks for a rule stands on the page under that rule", { skip }, () => {
  const files = readdirSync(join(ROOT, "src/prove"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.ts$/.test(file) && !/\.(test|fixture)\./.test(file))
    .map((file) => `src/prove/${file}`);
  const missing: string[] = [];
  let asked = 0;
  for (const file of files) {
    const text = plain(textOf(file));
    for (const { index, 0: words, 1: quoted, 2: named } of text.matchAll(/\bmodel(?:\["([\w-]+)"\]|\.(\w+))/g)) {
      const rule = quoted ?? named!;
      const quotes = sections.find((section) => section.rule === rule)?.quotes ?? [];
      const stands = quotes.some((quote) => {
        const at = quote.file === file ? text.indexOf(plain(quote.code)) : -1;
        return at >= 0 && at <= index && index + words.length <= at + plain(quote.code).length;
      });
      asked++;
      if (!stands) missing.push(`${file}: ${text.slice(index - 20, index + 60)}`);
    }
  }
  assert.ok(asked >= Object.keys(RULES).length, `${asked} places`);
  assert.deepEqual(missing, []);
});

test("each test that the page names has another verdict without the rule, on some CPU", { skip }, () => {
  const cpus = new Map(CPUS.map((profile) => [JSON.stringify(proverCpu(profile)), proverCpu(profile)]));
  const unaware: string[] = [];
  for (const { rule, noticedBy } of sections)
    for (const name of noticedBy) {
      const { program, verdictFor } = parseLitmus(textOf(`litmus/${name}.toml`), name);
      const notices = [...cpus.values()].some((cpu) => {
        const without = new Set([rule as Rule]);
        const word = verdictWord(explore(program, { ...cpu, maxStates: 20_000, timeoutMs: 0, without }));
        const said = verdictFor(cpu);
        return said !== undefined && word !== said && word !== "unknown" && word !== "unsupported";
      });
      if (!notices) unaware.push(`${rule}: ${name}`);
    }
  assert.deepEqual(unaware, []);
});
