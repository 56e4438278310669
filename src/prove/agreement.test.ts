/**
 * Held against everything that others have published and that stands beside the project: the figures of docs/agreement.md come
 * from here (UPDATE_DOCS=1 writes them), and a verdict that differs from a published one is no figure but a failure.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { proverCpu } from "./cpu.js";
import { decideTest, readTest, type TestDecision } from "./forms.js";
import { Unsupported } from "./program.js";

const SHARED = fileURLToPath(new URL("../../../shared", import.meta.url));
const PAGE = fileURLToPath(new URL("../../docs/agreement.md", import.meta.url));
const skip = ["herd", "litmus", "archsem"].every((folder) => existsSync(join(SHARED, folder)))
  ? false
  : "the published tests are not in ../shared/herd, ../shared/litmus and ../shared/archsem";

/** A published test, and what is published about it. */
interface Published {
  readonly file: string;
  readonly want: string;
}

interface Corpus {
  readonly name: string;
  readonly cpu: string;
  readonly ets2: boolean;
  readonly tests: readonly Published[];
}

const CPUS = [
  [false, "without FEAT_ETS2"],
  [true, "with FEAT_ETS2"],
] as const;

function corpora(): Corpus[] {
  const rows = readFileSync(join(SHARED, "herd/verdicts.tsv"), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((row) => row.split("\t"));
  const { verdicts } = JSON.parse(readFileSync(join(SHARED, "litmus/verdicts.json"), "utf8"));
  const archsem = readdirSync(join(SHARED, "archsem"))
    .filter((file) => file.endsWith(".toml"))
    .flatMap((file): Published[] => {
      const text = readFileSync(join(SHARED, "archsem", file), "utf8");
      const expect = /^expect *= *"(\w+)"/m.exec(text)?.[1];
      const all = /^kind *= *"forall"/m.test(text);
      const want = all ? "holds" : expect === "sat" ? "allowed" : expect === "unsat" ? "forbidden" : undefined;
      return want === undefined ? [] : [{ file: join("archsem", file), want }];
    });
  return [
    ...CPUS.map(([ets2, cpu], i) => {
      const list = rows.filter((row) => row[2 + i] !== "-");
      const tests = list.map((row) => ({ file: join("herd", row[0]!), want: row[2 + i]!.toLowerCase() }));
      return { name: "herd's catalogue", cpu, ets2, tests };
    }),
    ...CPUS.map(([ets2, cpu]) => {
      const list = Object.keys(verdicts).filter((name) => verdicts[name][cpu] !== undefined);
      const of = (name: string): string => join("litmus/tests", `${name}.litmus.toml`);
      return {
        name: "isla's suite",
        cpu,
        ets2,
        tests: list.map((name) => ({ file: of(name), want: verdicts[name][cpu] })),
      };
    }),
    { name: "ArchSem's tests", cpu: "without FEAT_ETS2", ets2: false, tests: archsem },
  ];
}

function decided(file: string, ets2: boolean): TestDecision {
  try {
    const test = readTest(readFileSync(join(SHARED, file), "utf8"), file);
    return decideTest(test, { ...proverCpu(builtInCpu("arch-minimal")), ets2, maxStates: 2_000_000, timeoutMs: 0 });
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    const reason = "reason" in error ? String(error.reason) : error.message;
    return { verdict: "unsupported", reason, states: 0, timelines: 0 };
  }
}

const BEGIN = "<!-- figures: written by UPDATE_DOCS=1 node --test dist/prove/agreement.test.js -->";
const END = "<!-- end of figures -->";

/** What the page says of tests that come out otherwise: "CoWTf.inv+po with FEAT_ETS2". */
function argued(page: string): Set<string> {
  const section = page.slice(page.indexOf("## Where verdicts differ") + 3).split("\n## ")[0]!;
  const rows = section.matchAll(/^\| (`.+?) \| (\w+), (with\w* FEAT_ETS2) \|/gm);
  return new Set(
    [...rows].flatMap(([, names, , cpu]) => [...names!.matchAll(/`(.+?)`/g)].map(([, name]) => `${name} ${cpu}`)),
  );
}

test("every published verdict is the verdict here, but where the page says why not, or that it is not modelled", {
  skip,
}, () => {
  const page = readFileSync(PAGE, "utf8");
  const expected = argued(page);
  const differing = new Set<string>();
  const lines = ["| published | CPU | tests | same | different | not modelled |", "|---|---|---|---|---|---|"];
  const reasons = new Map<string, number>();
  for (const { name, cpu, ets2, tests } of corpora()) {
    let [different, unsupported] = [0, 0];
    for (const { file, want } of tests) {
      const { verdict, holds, reason = "" } = decided(file, ets2);
      const found = want === "holds" ? (holds ? "holds" : "does not hold") : verdict;
      if (verdict === "unsupported") {
        unsupported++;
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      } else if (found !== want) {
        different++;
        differing.add(`${basename(file).replace(/\.litmus(\.toml)?$/, "")} ${cpu}`);
        assert.match(verdict, /^(allowed|forbidden)$/, `${file}: ${reason}`);
      }
    }
    const same = tests.length - different - unsupported;
    lines.push(`| ${name} | ${cpu} | ${tests.length} | ${same} | ${different} | ${unsupported} |`);
  }
  assert.deepEqual([...differing].sort(), [...expected].sort(), "docs/agreement.md, Where verdicts differ");
  const named = [...reasons].sort(([a], [b]) => (a < b ? -1 : 1)).map(([reason, n]) => `- ${reason}: ${n}`);
  const figures = `${BEGIN}\n${lines.join("\n")}\n\nNot modelled, and refused by name:\n\n${named.join("\n")}\n${END}`;
  const there = page.slice(page.indexOf(BEGIN), page.indexOf(END) + END.length);
  if (process.env.UPDATE_DOCS && there !== figures)
    writeFileSync(
      PAGE,
      page.replace(there, () => figures),
    );
  else assert.equal(there, figures, "docs/agreement.md, UPDATE_DOCS=1 writes it");
});

test("every test of isla's sample is decided, but the one of a misaligned access", { skip }, () => {
  const folder = join(SHARED, "litmus/tests");
  for (const file of readdirSync(folder))
    for (const [ets2] of CPUS) {
      const { verdict, reason } = decided(join("litmus/tests", file), ets2);
      const wanted = file.includes("misaligned") ? /^unsupported$/ : /^(allowed|forbidden)$/;
      assert.match(verdict, wanted, `${file}: ${reason}`);
    }
});
