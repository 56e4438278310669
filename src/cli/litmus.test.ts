/** `shootdown litmus`, as a user has it: folders, one wrong file among many, JSON, exit statuses. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Done, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-litmus-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);

const litmus = (...args: string[]): Promise<Done> => shootdown(["litmus", ...args]);

/** A thread unmaps x, the other one reads it after a flag; `flush` stands between. */
const text = (name: string, flush: string, expect: string): string => `arch = "AArch64"
name = "${name}"
symbolic = ["x", "flag"]
page_table_setup = """
  physical pa1 pa2;
  x |-> pa1;
  x ?-> invalid;
  flag |-> pa2;
  *pa1 = 7;
"""
[thread.0]
code = """
  STR XZR,[X1]
  ${flush}
  STR X2,[X3]
"""
[thread.0.reset]
R1 = "pte3(x, page_table_base)"
R2 = "0x1"
R3 = "flag"
R4 = "page(x)"
"PSTATE.EL" = "0b01"
[thread.1]
code = """
  LDR X0,[X1]
  DSB SY
  ISB
  LDR X2,[X3]
"""
[thread.1.reset]
R1 = "flag"
R3 = "x"
[final]
expect = "${expect}"
assertion = "1:X0 = 1 & 1:X2 = 7"
`;

const SOUND = "DSB SY\n  TLBI VAE1IS,X4\n  DSB SY";
const LONG = "a-name-of-many-parts.that-does-not-fit.into-what-the-table-leaves-for-it.in-eighty-columns";

before(async () => {
  mkdirSync(join(folder, "tests", "deep"), { recursive: true });
  mkdirSync(join(folder, "empty"));
  const file = (name: string, content: string): void => writeFileSync(join(folder, name), content);
  file("tests/flushed.litmus.toml", text("flushed", SOUND, "unsat"));
  file("tests/local.litmus.toml", text("local", SOUND.replace("IS", ""), "sat"));
  file("tests/deep/long.toml", text(LONG, SOUND, "unsat"));
  file("tests/notes.txt", "not a test");
  file("pair.toml", text("pair", "LDP X5,X6,[X3]", "sat"));
  file("broken.toml", text("broken", "SRT X0,[X1]", "sat"));
  file("binary.toml", "\u00ff\u0000");
  writeFileSync(join(folder, "latin.toml"), Uint8Array.of(0x61, 0xff, 0x0a));
});

interface Json {
  readonly results: Record<string, unknown>[];
  readonly summary: Record<string, unknown>;
}

test("every test of a folder gets its verdict, in the order of the files", async () => {
  const { status, out, err } = await litmus("tests", "--json");
  assert.deepEqual({ status, err }, { status: 0, err: "" });
  const { results, summary } = JSON.parse(out) as Json;
  assert.deepEqual(
    results.map(({ name, file, verdict }) => [name, file, verdict]),
    [
      [LONG, join("tests", "deep", "long.toml"), "forbidden"],
      ["flushed", join("tests", "flushed.litmus.toml"), "forbidden"],
      ["local", join("tests", "local.litmus.toml"), "allowed"],
    ],
  );
  for (const one of results) {
    assert.equal(typeof one.milliseconds, "number");
    assert.ok((one.states as number) > 0);
    assert.ok(!("witness" in one));
  }
  const { tests, allowed, forbidden, refused } = summary;
  assert.deepEqual({ tests, allowed, forbidden, refused }, { tests: 3, allowed: 1, forbidden: 2, refused: 0 });
});

test("the table keeps to 80 columns, long names break at their parts", async () => {
  const { out } = await litmus("tests");
  assert.match(out, /^verdict +states +time +test\n/);
  for (const line of out.split("\n")) assert.ok(line.length <= 80, line);
  assert.ok(out.replace(/\s/g, "").includes(LONG));
  assert.match(out, /\n3 tests: 1 allowed, 2 forbidden\. /);
});

test("a witness is told step by step, for what is allowed only", async () => {
  const { out } = await litmus("tests", "--witness");
  assert.match(out, /\nlocal is allowed, for example so:\ntime +who +what\n +[01] +PE/);
  assert.doesNotMatch(out, /flushed is allowed/);
  const { results } = JSON.parse((await litmus("tests/local.litmus.toml", "--witness", "--json")).out) as Json;
  const steps = results[0]!.witness as Record<string, unknown>[];
  for (const { time, who, what } of steps)
    assert.deepEqual([typeof time, typeof who, typeof what], ["number", "string", "string"]);
});

test("expect decides the exit status only where it is asked for", async () => {
  assert.equal((await litmus("tests", "--expect")).status, 0);
  writeFileSync(join(folder, "wrong.toml"), text("wrong", SOUND, "sat"));
  assert.equal((await litmus("wrong.toml")).status, 0);
  const { status, out } = await litmus("wrong.toml", "--expect");
  assert.equal(status, 3);
  assert.match(out, /^forbidden +allowed ! /m);
});

test("what is not supported is a verdict with its reason", async () => {
  const { status, out } = await litmus("pair.toml", "--json");
  assert.equal(status, 0);
  const [one] = (JSON.parse(out) as Json).results;
  assert.deepEqual([one!.name, one!.verdict], ["pair", "unsupported"]);
  assert.match(String(one!.reason), /^pair\.toml:14: the instruction 'LDP'$/);
  assert.match((await litmus("pair.toml")).out, /pair is unsupported: pair\.toml:14: the instruction 'LDP'/);
});

test("over the bounds the answer is unknown", async () => {
  const [one] = (JSON.parse((await litmus("tests/flushed.litmus.toml", "--max-states", "3", "--json")).out) as Json)
    .results;
  assert.equal(one!.verdict, "unknown");
  assert.match(String(one!.reason), /limit of 3 states/);
});

test("a wrong file alone is refused; among others it gets its sentence and they their verdicts", async () => {
  const alone = await litmus("broken.toml");
  assert.deepEqual([alone.status, alone.out], [1, ""]);
  assert.match(alone.err, /^shootdown: broken\.toml:14: 'SRT X0,\[X1\]': no instruction of that name is known\n$/);
  const { status, out, err } = await litmus("tests", "broken.toml", "binary.toml", "latin.toml", "--json");
  assert.equal(status, 1);
  assert.equal((JSON.parse(out) as Json).results.length, 3);
  assert.equal((JSON.parse(out) as Json).summary.refused, 3);
  assert.match(err, /^(shootdown: (broken|binary|latin)\.toml:[^\n]+\n){3}$/);
});

test("files that are too deep or too long, or whose numbers do not fit, are refused one by one, and the others judged", async () => {
  const odd = (name: string, content: string): void => writeFileSync(join(folder, "odd", `${name}.toml`), content);
  mkdirSync(join(folder, "odd"));
  const good = text("good", SOUND, "unsat");
  const final = (assertion: string): string => good.replace(/assertion = .*/, `assertion = "${assertion}"`);
  odd("good", good);
  odd("parens", final("(".repeat(20_000)));
  odd("constant", final("1:X0 = 0x10000000000000000"));
  odd("string", good.replace('"good"', `"${"x".repeat(125_000)}"`));
  odd("arrays", good.replace('["x", "flag"]', `${"[".repeat(10_000)}${"]".repeat(10_000)}`));
  odd("lines", `${"\n".repeat(1_000_000)}x = 1`);
  const { status, out, err } = await litmus("odd", "--json");
  assert.equal(status, 1);
  assert.deepEqual(
    (JSON.parse(out) as Json).results.map(({ name, verdict }) => [name, verdict]),
    [["good", "forbidden"]],
  );
  assert.deepEqual(err.split("\n").map((line) => line.replace(/^shootdown: odd.(\w+)\.toml(:\d+)?: /, "$1: ")), [
    "arrays: arrays and tables nested too deep, expected at most 32",
    "constant: 0x10000000000000000 needs more than 64 bits",
    "lines: name: is missing",
    "parens: parentheses and negations nested too deep, expected at most 100, found '('",
    "string: a text of 125000 characters, expected at most 100000",
    "",
  ]); // biome-ignore format: a table
});

test("the time limit counts what a test takes to be set up", async () => {
  const names = Array.from({ length: 5000 }, (_, i) => `  physical q${i};`).join("\n");
  writeFileSync(
    join(folder, "many.toml"),
    text("many", SOUND, "unsat").replace("  x |-> pa1;", `${names}\n  x |-> pa1;`),
  );
  const [one] = (JSON.parse((await litmus("many.toml", "--timeout", "0.0001", "--json")).out) as Json).results;
  assert.equal(one!.verdict, "unknown");
  assert.equal(one!.reason, "the time limit of 0.0001 s was reached while the test was set up");
});

test("what is no test or folder of tests is refused in one sentence", async () => {
  for (const [path, message] of [
    ["nowhere", /^shootdown: nowhere: no such file or folder, expected a litmus test or a folder of them\n$/],
    ["empty", /^shootdown: empty: no test is in this folder, expected \.toml or \.litmus files\n$/],
  ] as const) {
    const { status, out, err } = await litmus(path);
    assert.deepEqual([status, out], [1, ""]);
    assert.match(err, message);
  }
  assert.equal((await litmus("tests", "--max-states", "none")).status, 2);
});

test("without a path every built-in test is decided as its file says; a name stands for one, or for a folder of them", async () => {
  const all = await litmus("--expect", "--json");
  assert.equal(all.status, 0);
  const { results } = JSON.parse(all.out) as Json;
  assert.ok(results.length >= 40);
  for (const { file, verdict, breach, expected } of results)
    assert.deepEqual(
      [breach ? "breaks-bbm" : verdict, verdict === "allowed" || !breach],
      [expected, true],
      String(file),
    );
  const files = async (...paths: string[]): Promise<unknown[]> =>
    (JSON.parse((await litmus(...paths, "--json")).out) as Json).results.map(({ file }) => file);
  for (const name of ["mp-dmb", "order/mp-dmb", "litmus/order/mp-dmb.toml"])
    assert.deepEqual(await files(name), ["litmus/order/mp-dmb.toml"], name);
  assert.deepEqual(
    await files("erratum"),
    results.map(({ file }) => file).filter((file) => String(file).startsWith("litmus/erratum/")),
  );
});

test("a CPU profile has its own verdicts, and the files say them", async () => {
  for (const [cpu, verdict] of [
    ["cortex-a72", "forbidden"],
    ["neoverse-n1", "allowed"],
  ] as const) {
    const { status, out } = await litmus("write-after-revoke", "--cpu", cpu, "--expect", "--json");
    assert.equal(status, 0);
    assert.equal((JSON.parse(out) as Json).results[0]!.verdict, verdict);
  }
  const { status, err } = await litmus("tests", "--cpu", "z80");
  assert.equal(status, 1);
  assert.match(err, /^shootdown: no CPU is named 'z80': expected cortex-a72, .*\n$/);
});

test("a CPU has FEAT_ETS2 or not", async () => {
  assert.equal((await litmus("tests", "--ets2")).status, 0);
  assert.equal((await litmus("tests", "--no-ets2")).status, 0);
});

/** One thread that reads x through a descriptor that is invalid. */
const HERD = `AArch64 invalid
{ PTE(x)=(valid:0); 0:X1=x; }
 P0 ;
 L0: LDR W0,[X1] ;
~exists (~fault(P0:L0,x))
`;

test("a folder may mix forms, final states are printed as herd prints them, and what is asked for holds or not", async () => {
  mkdirSync("mixed");
  writeFileSync("mixed/a.litmus", HERD);
  writeFileSync("mixed/b.toml", text("flushed", SOUND, "unsat"));
  const { results } = JSON.parse((await litmus("mixed", "--states", "--json")).out);
  assert.deepEqual(
    results.map(({ name, verdict, holds }: { name: string; verdict: string; holds?: boolean }) => [
      name,
      verdict,
      holds,
    ]),
    [
      ["invalid", "forbidden", true],
      ["flushed", "forbidden", undefined],
    ],
  );
  assert.deepEqual(results[0].finals.states, [{ places: { "fault(P0:L0,x)": "taken" }, satisfies: false }]);
  const { out } = await litmus("mixed/a.litmus", "--states");
  assert.match(out, /^Test invalid Forbidden\nStates 1\nFault\(P0:L0,x\);\nOk\nWitnesses\nPositive: 1 Negative: 0\n/);
  assert.match(out, /\nObservation invalid Never 0 1\n/);
});

test("--to prints one test in the other form, saves many, and refuses by name what that form cannot say", async () => {
  const isla = (await litmus("mixed/a.litmus", "--to", "isla")).out;
  writeFileSync("there.toml", isla);
  assert.match((await litmus("there.toml")).out, /^forbidden .* invalid/m);
  const many = await litmus("switch", "mixed", "--to", "herd", "--save", "there");
  assert.match(many.out, /tests in herd's form written to there\..*refused: .*stage 2/s);
  assert.match((await litmus("there/a.litmus")).out, /~exists holds/);
  const [more, alone] = [await litmus("mixed", "--to", "herd"), await litmus("vmid-new", "--to", "herd")];
  assert.match(more.err, /--to herd: 2 tests, expected one, or --save/);
  assert.match(alone.err, /stage 2, which herd's form cannot say/);
  assert.deepEqual([more.status, alone.status], [1, 1]);
});
