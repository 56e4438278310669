/** A scenario is the same program whether it is made from the value or read from the litmus test that people get. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, usualCpus } from "../../builtin/index.js";
import { loadPolicy, policyNames } from "../../catalog/index.js";
import { missingFeature } from "../../policy/index.js";
import { parseLitmus } from "../litmus/index.js";
import type { InitialMemory, Program } from "../program.js";
import { litmusText, PROVED, programOf, type Scenario } from "./index.js";
import { Pcpu } from "./scenario.js";

const CPUS = usualCpus().map(builtInCpu);

const OTHERS = [12, 14, 16] as const;

/** Every different scenario of every built-in policy on every CPU; with HCR_EL2.FB = 0 and larger granules, those of one policy. */
function allScenarios(): Scenario[] {
  const all = new Map<string, Scenario>();
  for (const policy of policyNames().map((name) => loadPolicy(name)))
    for (const cpu of CPUS.filter((profile) => missingFeature(policy, profile) === undefined))
      for (const { scenarios } of Object.values(PROVED))
        for (const fb of policy.name === "xen-today" ? [true, false] : [true])
          for (const granule of policy.name === "kvm-ipa-range" && cpu.name === "neoverse-v2"
            ? OTHERS
            : OTHERS.slice(0, 1))
            for (const one of scenarios(policy, cpu, { fb, granule })) all.set(JSON.stringify(one), one);
  return [...all.values()];
}

const EVERY = allScenarios();

/** Pages in which a scenario has tables or data: the tables' regions begin at the bases that are written in them. */
const REGIONS = [0x20_0000, 0x24_0000, 0x28_0000, 0x2c_0000, 0x30_0000, 0x34_0000, 0x38_0000];
/** Pages of 4 KiB of a region that may hold something: all of it where tables are larger (granules of more than 12 bits). */
const pagesOf = ({ granule }: Scenario): number => ((granule ?? 12) === 12 ? 12 : 64);

function wordsOf(
  { read, describe }: InitialMemory,
  names: Program["names"],
  count: number,
): [number, bigint, string | undefined][] {
  const pages = REGIONS.flatMap((base) => Array.from({ length: count }, (_, i) => base + i * 0x1000));
  const words: [number, bigint, string | undefined][] = [];
  for (const page of [...pages, ...names.physical.keys()])
    for (let pa = page; pa < page + 0x1000; pa += 8) {
      const value = read(pa);
      if (value !== 0n) words.push([pa, value, describe(pa)]);
    }
  return words;
}

/** The terms within a value that walk a table: pteN, descN and tableN of an address. */
function walksIn(value: unknown): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap(walksIn);
  return "call" in value && /^(s[12])?(pte|desc|table)\d$/.test(String(value.call)) ? [value, ...inner] : inner;
}

/** A program without functions, lines of files, and titles, which are remarks in a file; its memory's words if wanted. */
function plain({ memory, threads, ...rest }: Program, words: number): object {
  const code = (list: Program["threads"][number]["code"]) => list.map(({ line: _, ...one }) => one);
  return {
    ...rest,
    threads: threads.map(({ title: _, ...thread }) => ({ ...thread, code: code(thread.code) })),
    words: words > 0 ? wordsOf(memory, rest.names, words) : [],
  };
}

test("every scenario, printed as a litmus test and read again, is the program that its value is", () => {
  assert.ok(EVERY.length > 1000, `${EVERY.length} scenarios`);
  // Tables, and the terms that name a place in one and so may make it, are all that the memory depends on: each different memory
  // is read once.
  const seen = new Set<string>();
  for (const scenario of EVERY) {
    const { tables, granule, pcpus } = scenario;
    const walks = pcpus.flatMap(({ registers, sysregs }) => walksIn([registers, sysregs]));
    const memory = JSON.stringify([tables, granule, walks]);
    const words = seen.has(memory) ? 0 : pagesOf(scenario);
    seen.add(memory);
    const text = litmusText(scenario);
    const [made, read] = [plain(programOf(scenario), words), plain(parseLitmus(text, scenario.name).program, words)];
    assert.deepEqual(made, read, text);
  }
});

test("a scenario is plain data: sent as JSON it is the same program", () => {
  for (const one of EVERY.filter((_, i) => i % 50 === 0))
    assert.deepEqual(plain(programOf(JSON.parse(JSON.stringify(one))), 0), plain(programOf(one), 0));
});

test("registers with the same value are one, results have their own, and there are 25", () => {
  const on = new Pcpu("pCPU 0", 1);
  assert.deepEqual([on.number(0), on.constant("x"), on.number(0), on.result(), on.result()], ["X1", "X2", "X1", "X3", "X4"]); // biome-ignore format: one row
  for (let i = 0; i < 21; i++) on.result();
  assert.throws(() => on.result(), /more registers than the 25 that there are/);
  assert.equal(on.constant("x"), "X2");
});
