import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { InputError } from "../input/index.js";
import { Case, type Policy, parsePolicy, policyOn, unroll } from "./index.js";

const noBase = (name: string): Policy => {
  throw new InputError(`no base ${name}`);
};

/** A policy file with that revoke and switch code; the code's first line is line 8 of the file. */
function fileOf(revoke: string, switchCode = "", head = "", due = "unlock"): string {
  return `name = "mine"
title = "t"
source = "s"
${head}
[revoke]
due = "${due}"
code = """
${revoke}
"""
[switch]
code = """
${switchCode}
"""
[split]
code = ""
[vmid-assigned]
code = ""
`;
}

const parse = (...args: Parameters<typeof fileOf>): Policy => parsePolicy(fileOf(...args), "mine.toml", noBase);

/** What the code does for one page of the current VMID. */
function run(revoke: string, pages = 1, cpu = "neoverse-v2"): string[] {
  const on = new Case();
  on.add(8, pages, -1);
  return unroll(parse(revoke).code.revoke, on, builtInCpu(cpu)).map((i) => i.text);
}

function refuses(text: string, line: number, reason: RegExp): void {
  assert.throws(
    () => parsePolicy(text, "mine.toml", noBase),
    (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, line > 0 ? new RegExp(`^mine\\.toml:${line}: `) : /^mine\.toml: /);
      assert.match(error.message, reason);
      return true;
    },
  );
}

const REFUSED: readonly (readonly [what: string, code: string, line: number, reason: RegExp])[] = [
  ["an unknown instruction", "dsb ish\nmov x0, x1", 9, /unknown instruction or directive 'mov x0, x1'/],
  ["an unknown barrier", "dsb isx", 8, /unknown barrier 'dsb isx'/],
  ["an unknown TLBI", "\n\ntlbi vmalls13e1is", 10, /unknown TLBI operation 'vmalls13e1is'/],
  ["an operand where there is none", "tlbi vmalls12e1is, ipa", 8, /takes no operand, found 'ipa'/],
  ["a missing operand", "for page\ntlbi ipas2e1is\nend", 9, /takes one operand/],
  ["two operands", "for page\ntlbi ipas2e1is, ipa, ipa\nend", 9, /takes one operand/],
  ["three operands", "for page\ntlbi ipas2e1is, ipa, ttl, ttl\nend", 9, /takes one operand/],
  ["another word after the operand", "for page\ntlbi ipas2e1is, ipa, level\nend", 9, /after ipa may stand ', ttl'/],
  ["a level of the guest's own stage 1", "for va-page\ntlbi vae1is, va, ttl\nend", 9, /expected only after ipa/],
  ["a level of nothing", "for page\ntlbi ipas2e1is, xzr, ttl\nend", 9, /expected only after ipa/],
  ["the wrong operand", "for page\ntlbi ipas2e1is, va\nend", 9, /cannot have the operand 'va', expected ipa or xzr/],
  ["an ASID for what goes by page", "for page\ntlbi ipas2e1is, asid\nend", 9, /'asid', expected ipa or xzr/],
  ["a page for what goes by ASID", "for va-page\ntlbi aside1is, va\nend", 9, /'va', expected asid or xzr/],
  ["an IPA operand outside a loop", "tlbi ipas2e1is, ipa", 8, /must stand inside 'for page' or 'for entry'/],
  ["a VA operand in an IPA loop", "for page\ntlbi vae1is, va\nend", 9, /must stand inside 'for va-page'/],
  [
    "a range form in a page loop",
    "if FEAT_TLBIRANGE\nfor page\ntlbi ripas2e1is, ipa\nend\nend",
    10,
    /must stand inside 'for range'/,
  ],
  ["a single form in a range loop", "for range\ntlbi ipas2e1is, ipa\nend", 9, /must stand inside 'for page'/],
  ["a feature not stated", "for range\ntlbi ripas2e1is, ipa\nend", 9, /needs FEAT_TLBIRANGE: put it inside 'if/],
  ["a feature that the condition denies", "if not FEAT_TLBIOS\ntlbi vmalle1os\nend", 9, /needs FEAT_TLBIOS/],
  ["a feature in the else part", "if FEAT_TLBIOS\nelse\ntlbi vmalle1os\nend", 10, /needs FEAT_TLBIOS/],
  ["a feature after its block", "if FEAT_XS\nend\ndsb ishnxs", 10, /needs FEAT_XS/],
  ["page loops inside each other", "for page\nfor range\nend\nend", 9, /inside 'for page' of line 8.*do not nest/],
  ["blocks nested without end", "if owner-current\n".repeat(5000), 40, /blocks nested too deep, expected at most 32/],
  ["an unknown loop", "for line", 8, /unknown loop 'for line'/],
  ["a VMID loop where domains hold VMIDs", "for vmid\nend", 8, /needs vmid-per = "vcpu"/],
  ["a block never closed", "dsb ish\nwith owner-vmid\nisb", 9, /'with owner-vmid' is never closed/],
  ["an else without if", "for page\nelse\nend", 9, /'else' without an 'if'/],
  ["an else twice", "if repeat-tlbi\nelse\nelse\nend", 10, /'else' without an 'if'/],
  ["an end alone", "isb\nend", 9, /'end' without/],
  ["an unknown condition", "if FEAT_NONE\nend", 8, /unknown condition 'FEAT_NONE'/],
  ["pages compared otherwise", "if pages < 5\nend", 8, /unknown condition 'pages < 5'/],
  ["another with", "with guest-vmid", 8, /expected 'with owner-vmid'/],
  ["IPIs to others", "on some-pe\nend", 8, /unknown directive 'on some-pe', expected 'on every-pe' or 'on vmid-pes'/],
  [
    "IPIs that send IPIs",
    "on every-pe\nif old\non vmid-pes\nend\nend\nend",
    10,
    /inside 'on every-pe' of line 8: .*do not nest/,
  ],
  ["another register", "msr hcr_el2, owner", 8, /unknown 'msr hcr_el2, owner'/],
  ["another value of VTTBR_EL2", "msr vttbr_el2, x0", 8, /expected 'msr vttbr_el2, owner'/],
];

for (const [what, code, line, reason] of REFUSED)
  test(`refused with its line: ${what}`, () => refuses(fileOf(code), line, reason));

test("a comment goes to the end of its line, whatever stands in it, and many slashes take no time to speak of", () => {
  refuses(fileOf(`isb ${"//".repeat(40_000)}\u2028\nnop`), 9, /unknown instruction or directive 'nop'/);
});

test("an 'else if' is refused: taken for an 'else' it would run another program", () => {
  refuses(fileOf("if repeat-tlbi\nisb\nelse if FEAT_XS\ndsb ish\nend"), 10, /'if FEAT_XS' after 'else'/);
  refuses(fileOf("if repeat-tlbi\nend if"), 9, /'if' after 'end'/);
});

test("the vCPU switch has no pages to loop over or to count", () => {
  refuses(fileOf("isb", "for page\nend"), 12, /about a whole VMID/);
  refuses(fileOf("isb", "if pages > 4\nend"), 12, /about a whole VMID/);
  refuses(fileOf("isb", "tlbi aside1, asid"), 12, /about a whole VMID, it has no ASID/);
});

test("every occasion but batch-end and domain-dies must be there, or a base", () => {
  for (const section of ["revoke", "switch", "split", "vmid-assigned"]) {
    const text = fileOf("isb").replace(
      new RegExp(`\\[${section}\\]\\n(due.*\\n)?code = """[^"]*"""\\n|\\[${section}\\]\\ncode = ""\\n`),
      "",
    );
    assert.ok(!text.includes(`[${section}]`));
    refuses(text, 0, new RegExp(`\\[${section}\\] is missing`));
  }
});

test("an unknown key, due or feature is refused with its line", () => {
  refuses(fileOf("isb", "", "colour = 1"), 4, /unknown key 'colour'/);
  refuses(fileOf("isb", "", "", "later"), 6, /revoke\.due: expected/);
  refuses(fileOf("isb", "", 'requires = ["FEAT_NONE"]'), 4, /requires/);
  refuses(fileOf("isb").replace('"mine"', '"My Policy"'), 1, /kebab-case/);
});

test("code that begins on the line of its quotes keeps its line numbers", () => {
  const text = fileOf("isb").replace('code = """\nisb\n"""', 'code = """isb\nmov x0, x1"""');
  refuses(text, 8, /unknown instruction/);
});

test("comments, upper case and blank lines do not matter", () => {
  assert.deepEqual(run("  DSB ISHST // why\n\n# all of it\n TLBI VMALLS12E1IS # broadcast\n\tdsb ISH"), [
    "dsb ishst",
    "tlbi vmalls12e1is",
    "dsb ish",
  ]);
});

test("a condition on a feature or on the erratum follows the CPU", () => {
  const code = "if FEAT_TLBIRANGE\nisb\nelse\ndsb ish\nend\nif not repeat-tlbi\ndsb nsh\nend";
  assert.deepEqual(run(code, 1, "neoverse-v2"), ["isb"]);
  assert.deepEqual(run(code, 1, "cortex-a72"), ["dsb ish", "dsb nsh"]);
});

test("a threshold counts the pages of the case", () => {
  const code = "if pages > 4\nisb\nend\nif pages <= 4\ndsb ish\nend";
  assert.deepEqual(run(code, 4), ["dsb ish"]);
  assert.deepEqual(run(code, 5), ["isb"]);
});

test("VTTBR_EL2 may be written by hand: the owner's, and what was in force", () => {
  const on = new Case();
  on.currentVmid = 3;
  on.ownerVmids = [7];
  const { code } = parse("if owner-current\nisb\nelse\nmsr vttbr_el2, owner\nisb\nmsr VTTBR_EL2 , current\nend");
  const list = unroll(code.revoke, on, builtInCpu("neoverse-v2")).map((i) => i.text);
  assert.deepEqual(list, ["msr vttbr_el2, vmid 7", "isb", "msr vttbr_el2, vmid 3"]);
});

test("after a loop over VMIDs the owner is the first one again", () => {
  const on = new Case();
  on.currentVmid = 1;
  on.ownerVmids = [1, 2];
  const { code } = parse("for vmid\nend\nwith owner-vmid\ndsb ish\nend", "", 'vmid-per = "vcpu"');
  assert.deepEqual(
    unroll(code.revoke, on, builtInCpu("neoverse-v2")).map((i) => i.text),
    ["dsb ish"],
  );
});

test("a VA that nobody knows is an error that names the loop's line", () => {
  const on = new Case();
  on.add(0x55, 1, -1);
  const { code, file } = parse("isb\nfor va-page\ntlbi vae1is, va\nend");
  assert.throws(
    () => unroll(code.revoke, on, builtInCpu("neoverse-v2"), file),
    /^InputError: mine\.toml:9: .*gfn 0x55/,
  );
});

test("an ASID is the guest's where the VA is known, and else an error that names its line", () => {
  const { code, file } = parse("dsb ishst\ntlbi aside1is, asid");
  const on = new Case();
  on.asid = 5;
  on.add(0x55, 1, 0x99);
  const texts = () => unroll(code.revoke, on, builtInCpu("neoverse-v2"), file).map(({ text }) => text);
  assert.deepEqual(texts(), ["dsb ishst", "tlbi aside1is, 0x5000000000000"]);
  on.add(0x77, 1, -1);
  assert.throws(texts, /^InputError: mine\.toml:9: 'asid' is that of the guest's mappings.* gfn 0x77/);
});

test("a policy with a base takes from it what it leaves out", () => {
  const base = parse("dsb ish", "dsb nsh", 'requires = ["FEAT_XS"]', "at-once");
  const text = 'name = "child"\ntitle = "t"\nsource = "s"\nbase = "mine"\n[switch]\ncode = ""\n';
  const child = parsePolicy(text, "child.toml", () => base);
  assert.deepEqual([child.due, child.requires, child.code.switch], ["at-once", ["FEAT_XS"], []]);
  assert.deepEqual(child.code.revoke, base.code.revoke);
});

test("a policy on a CPU without a feature that it requires is refused", () => {
  const policy = parse("isb", "", 'requires = ["FEAT_XS"]');
  assert.throws(() => policyOn(policy, builtInCpu("neoverse-v2")), /mine requires FEAT_XS, which neoverse-v2/);
});

test("a policy with a batch-end part wants batches on every CPU, also where that part is empty", () => {
  const text = `${fileOf("isb")}[batch-end]\ncode = """\nif FEAT_XS\nisb\nend\n"""\n`;
  const on = policyOn(parsePolicy(text, "mine.toml", noBase), builtInCpu("neoverse-v2"));
  assert.deepEqual([on.batch, on.code["batch-end"]], [true, []]);
  assert.equal(parse("isb").batch, false);
});

test("domain-dies is a policy's own, or its base's, or the revoke code", () => {
  const end = '[domain-dies]\ncode = """\nfor entry\nisb\nend\n"""\n';
  const plain = parse("isb");
  assert.deepEqual([plain.own, plain.code["domain-dies"]], [[], []]);
  const own = parsePolicy(`${fileOf("isb")}${end}`, "mine.toml", noBase);
  assert.deepEqual([own.own, own.code["domain-dies"].length, own.batch], [["domain-dies"], 1, false]);
  const child = 'name = "child"\ntitle = "t"\nsource = "s"\nbase = "mine"\n[switch]\ncode = ""\n';
  assert.deepEqual(parsePolicy(child, "child.toml", () => own).code["domain-dies"], own.code["domain-dies"]);
  assert.deepEqual(parsePolicy(child, "child.toml", () => own).own, ["domain-dies"]);
  const nothing = parsePolicy(`${child}[domain-dies]\ncode = ""\n`, "child.toml", () => plain);
  assert.deepEqual([nothing.own, nothing.code["domain-dies"]], [["domain-dies"], []], "none, and said so");
});
