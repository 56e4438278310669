/** From one form to the other and back: nothing is lost on the way, and what a form cannot say is refused by name. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../../builtin/index.js";
import { proverCpu } from "../cpu.js";
import { verdictWord } from "../explore.js";
import { decideTest, readTest } from "../forms.js";
import { Unsupported } from "../program.js";
import { herdForm, islaForm } from "./convert.js";
import { parseHerd } from "./parse.js";
import type { HerdTest } from "./syntax.js";

const OPTIONS = { ...proverCpu(builtInCpu("arch-minimal")), maxStates: 100_000, timeoutMs: 0 };
const verdict = (text: string, file: string): string => verdictWord(decideTest(readTest(text, file), OPTIONS));

const OWN = fileURLToPath(new URL("../../../litmus", import.meta.url));
const SAMPLE = fileURLToPath(new URL("../../../../shared/herd", import.meta.url));
const filesIn = (folder: string, end: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(end))
    .map((file) => join(folder, file));

/** A test without its lines, and without the blanks of its code. */
function bare(test: HerdTest): string {
  const columns = test.columns.map(({ text, ...rest }) => {
    const lines = text.split(/[\n;]/).map((line) => line.trim());
    return { ...rest, lines: lines.filter((line) => line !== "") };
  });
  return JSON.stringify({ ...test, columns }, (key, value) =>
    key === "line" ? undefined : typeof value === "bigint" ? `${value}n` : value instanceof Map ? [...value] : value,
  );
}

/** Files that this tool reads. */
function* readable(files: readonly string[]): Generator<[file: string, text: string]> {
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    try {
      readTest(text, file);
    } catch (error) {
      if (error instanceof Unsupported) continue;
      throw error;
    }
    yield [file, text];
  }
}

function printsTheSame(files: readonly string[]): void {
  for (const [file, text] of readable(files)) {
    const printed = herdForm(text, file);
    assert.equal(bare(parseHerd(printed, file)), bare(parseHerd(text, file)), file);
    assert.equal(herdForm(printed, file), printed, file);
  }
}

test("a test in herd's form that is printed and read again is the same test", () => {
  printsTheSame(filesIn(OWN, ".litmus"));
});

test("so are those of the sample", {
  skip: existsSync(SAMPLE) ? false : "herd's sample is not in ../shared/herd",
}, () => {
  printsTheSame(filesIn(SAMPLE, ".litmus"));
});

test("in isla's form a test has the verdict that it has in herd's", () => {
  const refused: string[] = [];
  for (const [file, text] of readable(filesIn(OWN, ".litmus")))
    try {
      const there = islaForm(text, file);
      assert.equal(islaForm(there, file), there, "a text in isla's form is left as it is");
      assert.equal(verdict(there, file), verdict(text, file), file);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      refused.push(error.message);
    }
  assert.ok(
    refused.every((reason) => /which isla's form cannot say$/.test(reason)),
    refused.join("; "),
  );
});

test("in herd's form a test has the verdict that it has in isla's; stage 2, EL2, identifiers, ranges and nXS are refused", () => {
  const reasons = new Set<string>();
  let same = 0;
  for (const [file, text] of readable(filesIn(OWN, ".toml"))) {
    let there: string;
    try {
      there = herdForm(text, file);
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      reasons.add(error.message.replace(/, which herd's form cannot say$/, ""));
      continue;
    }
    // What hangs on an amalgam of two entries is ordinary in herd's form: nothing else makes it allowed.
    const here = verdict(text, file);
    assert.equal(verdict(there, file), here === "breaks-bbm" ? "forbidden" : here, `${file}\n${there}`);
    same++;
  }
  assert.ok(same >= 50, `${same} tests have both forms`);
  for (const what of ["stage 2", "EL2", "an ASID", "TLBI RVAE1IS", "TLBI VAE1ISNXS", "a descriptor above level 3"])
    assert.ok(reasons.has(what), `${what} is refused by name, not as ${[...reasons].join(", ")}`);
});
