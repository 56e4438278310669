import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { findStack } from "../stack/index.js";
import { shootdown } from "./command.fixture.js";

const CODE = fileURLToPath(new URL("../../examples/code/flush.o", import.meta.url));
const SCHEMA = fileURLToPath(new URL("../../docs/schema/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-prove-code-"));
after(() => rmSync(folder, { recursive: true }));

const prove = (f: string, ...rest: string[]) => shootdown(["prove", "--code", `${CODE}${f}`, ...rest]);
/** An occasion of few scenarios, on a CPU with the erratum. */
const QUICK = ["--occasion", "switch", "--cpu", "neoverse-v2"];

test("a function is judged for what it is called for: sound at a switch, unsound where it must name the VMID", async () => {
  const { out } = await prove(
    ":flush_guest",
    ...QUICK,
    "--occasion",
    "vmid-assigned",
    "--capability",
    "11=no",
    "--csv",
  );
  const verdicts = out
    .split("\n")
    .slice(1, 3)
    .map((row) => row.split(",").slice(0, 4).join());
  assert.deepEqual(verdicts, ["flush-guest,switch,neoverse-v2,sound", "flush-guest,vmid-assigned,neoverse-v2,unsound"]);
});

test("what is printed is the listing, the ways, what was taken for granted, and the verdicts; --save keeps the policy", async () => {
  const saved = join(folder, "mine.toml");
  const { out, status } = await prove(":flush_guest", ...QUICK, "--capability", "11=repeat-tlbi", "--save", saved);
  assert.equal(status, 0);
  assert.match(out, /^flush_guest at 0x1094 of .*flush\.o/);
  assert.match(out, /0x1098 +d50c83df +tlbi vmalls12e1is +tlbi vmalls12e1is\n/);
  assert.match(out, /flush-guest: when always\n +dsb ishst\n +tlbi vmalls12e1is\n +dsb ish\n +if repeat-tlbi\n/);
  assert.match(out, /- capability 11 is repeat-tlbi, as the CPU profile has it/);
  assert.match(out, /flush-guest +sound +neoverse-v2/);
  const text = readFileSync(saved, "utf8");
  assert.match(text, /tlbi vmalls12e1is +\/\/ 0x1098\n/);
  assert.match((await shootdown(["prove", saved, ...QUICK])).out, /flush-guest +sound/);
});

test("--json is what its schema says, with ways that are judged, ways without a TLBI, and what no policy can say", async () => {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  for (const name of ["parts", "prove"])
    ajv.addSchema(JSON.parse(readFileSync(join(SCHEMA, `${name}.json`), "utf8")) as object);
  const { out, status } = await prove(":flush_pages", ...QUICK, "--json", "--expect", "sound");
  const found = JSON.parse(out) as {
    results: { verdict: string; reason: string }[];
    code: { ways: { flushes: boolean }[] };
  };
  assert.deepEqual(ajv.getSchema("prove.json")!(found) || ajv.getSchema("prove.json")!.errors, true);
  assert.deepEqual(
    found.code.ways.map(({ flushes }) => flushes),
    [false, true],
  );
  // The occasion has no pages, so the loop over them cannot be said: no verdict, and what is expected is not met.
  assert.deepEqual(
    found.results.map(({ verdict }) => verdict),
    ["unknown"],
  );
  assert.match(found.results[0]!.reason, /no policy says this: .*'for page': this occasion is about a whole VMID/);
  assert.equal(status, 3);
});

test("wrong usage and wrong input end with one sentence", async () => {
  const refused = async (args: readonly string[], status: number, why: RegExp): Promise<void> => {
    const done = await shootdown(["prove", ...args]);
    assert.match(done.err, why);
    assert.deepEqual([done.status, done.out], [status, ""]);
  };
  await refused(["--code", CODE], 2, /--code stands in place of a policy, and wants --occasion/);
  await refused(["xen-today", "--code", CODE, ...QUICK], 2, /--code stands in place of a policy/);
  await refused(["xen-today", "--operand", "x0=ipa"], 2, /--operand goes with --code/);
  await refused(["--code", CODE, ...QUICK], 1, /flush\.o: has 4 functions that flush, expected FILE:FUNCTION/);
  await refused(["--code", `${CODE}:nobody`, ...QUICK], 1, /has no function 'nobody'/);
  await refused(
    ["--code", `${CODE}:flush_page`, ...QUICK, "--operand", "x0"],
    1,
    /--operand x0: expected VALUE=MEANING/,
  );
  await refused(
    ["--code", `${CODE}:flush_page`, ...QUICK, "--begin", "2"],
    1,
    /--begin 2: expected an offset .* of an instruction/,
  );
  await refused(["--code", `${CODE}:flush_page`, ...QUICK, "--capability", "x"], 1, /--capability x: expected NUMBER=/);
  await refused(["--code", join(folder, "none:f"), ...QUICK], 1, /none: no such file/);
  await refused(
    ["--code", `${CODE}:flush_page`, ...QUICK, "--occasion", "stage1-edited", "--vhe"],
    1,
    /--occasion: with VHE stage1-edited is about the kernel's own stage 1 .*, expected it alone/,
  );
});

const compiler = findStack() ? false : "SKIPPED: no compiler of arm64 code is here: run scripts/setup-debian.sh";
const source = (name: string): string => fileURLToPath(new URL(`../../examples/code/${name}`, import.meta.url));
const policyIn = (out: string): string => /^flush-page.*: when always\n(?: .*\n)+/m.exec(out)![0];

test("C with inline assembly and assembly are compiled, and are the policies that their object file is", {
  skip: compiler,
}, async () => {
  for (const [f, occasion] of [
    ["flush_page", "revoke"],
    ["flush_page_at_once", "revoke"],
  ] as const) {
    const policies: string[] = [];
    for (const name of ["flush.o", "flush.c", "flush.S"]) {
      const asked = ["prove", "--code", `${source(name)}:${f}`, "--occasion", occasion, "--cpu", "cortex-a72"];
      const { out, err, status } = await shootdown(asked);
      assert.deepEqual([err, status], ["", 0]);
      policies.push(policyIn(out));
      assert.match(
        out,
        new RegExp(`${f.replaceAll("_", "-")} +${f === "flush_page" ? "sound" : "UNSOUND"} +cortex-a72`),
      );
    }
    assert.deepEqual(new Set(policies).size, 1, policies.join("\n"));
  }
});
test("a source that the compiler does not take, of another language, or without a compiler is one error with what to do", {
  skip: compiler,
}, async () => {
  const refused = async (name: string, text: string, message: RegExp, ...args: string[]): Promise<void> => {
    const file = join(folder, name);
    writeFileSync(file, text);
    const { status, err, out } = await shootdown(["prove", "--code", `${file}:f`, ...QUICK, ...args]);
    assert.match(err, message);
    assert.deepEqual([status, out], [1, ""]);
  };
  await refused("bad.c", "int x = ;\n", /bad\.c: clang does not take it\n.*bad\.c:1:9: error: expected expression/);
  await refused(
    "none.c",
    "static void f(void) {}\n",
    /none\.c: has no function in what the compiler makes of it: a static one/,
  );
  await refused("f.rs", "fn f() {}\n", /f\.rs: is Rust source, expected its object file: rustc/);
  await refused("ok.c", "void f(void) {}\n", /^shootdown: --cc: 'no-such-cc' cannot be run/, "--cc", "no-such-cc -Os");
  await refused("ok.c", "void f(void) {}\n", /^shootdown: --cc: is empty, expected a compiler/, "--cc", " ");
  await refused("ok.txt", "x\n", /^shootdown: --cc: .*ok\.txt is no source/, "--cc", "cc");
});
