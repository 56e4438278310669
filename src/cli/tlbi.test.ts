import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { encodeTlbi, TLBI_OPS } from "../arch/index.js";
import { parseInstruction } from "../jobs/index.js";
import { shootdown } from "./command.fixture.js";

interface Options {
  readonly xt?: string;
  readonly json?: boolean;
}

const wordsOf = ({ xt, json }: Options): string[] => [
  ...(xt === undefined ? [] : [`--xt=${xt}`]),
  ...(json ? ["--json"] : []),
];

/** What the command prints of an instruction; of the list, without one. */
async function output(instruction: readonly string[] | string, options: Options = {}, columns = 80): Promise<string> {
  const words = typeof instruction === "string" ? [instruction] : instruction;
  const { status, out, err } = await shootdown(["tlbi", ...words, ...wordsOf(options)], { columns });
  assert.deepEqual([status, err], [0, ""], `${instruction}`);
  return out;
}

async function refused(instruction: readonly string[] | string, message: RegExp, options: Options = {}): Promise<void> {
  const words = typeof instruction === "string" ? [instruction] : instruction;
  const { status, out, err } = await shootdown(["tlbi", ...words, ...wordsOf(options)]);
  assert.deepEqual([status, out], [1, ""], `${instruction}`);
  assert.match(err, /^shootdown: [^\n]*\n$/);
  assert.match(err.slice("shootdown: ".length, -1), message, `${instruction}`);
}

test("an instruction is read as an assembler writes it: case, blanks and 'tlbi' do not matter", async () => {
  for (const text of ["ripas2e1is, x7", "TLBI RIPAS2E1IS,X7", "  tlbi  ripas2e1is ,  x7 "]) {
    const { op, rt } = parseInstruction(text);
    assert.deepEqual([op.name, rt], ["RIPAS2E1IS", 7]);
  }
  assert.equal(parseInstruction("vale2is, xzr").rt, 31);
  assert.equal(parseInstruction("vmalle1").rt, 31);
  assert.equal(await output(["tlbi", "vae1is,", "x1"]), await output("vae1is, x1"), "words of a shell without quotes");
});

test("every TLBI is read back from its name and from its word", async () => {
  for (const op of TLBI_OPS) {
    const rt = op.operand === "none" ? 31 : 30;
    assert.deepEqual(parseInstruction(`tlbi ${op.name.toLowerCase()}${rt === 30 ? ", x30" : ""}`), { op, rt });
    const word = encodeTlbi(op, rt).toString(16);
    assert.deepEqual(parseInstruction(`0x${word}`), { op, rt });
    assert.deepEqual(parseInstruction(word.toUpperCase()), { op, rt }, "as objdump prints it");
  }
});

test("an unknown name is refused, with the nearest names", async () => {
  await refused("vmalls12eis", /^unknown TLBI 'vmalls12eis'; did you mean vmalls12e1is, /);
  await refused("tlbi ipas2e1si, x0", /^unknown TLBI 'ipas2e1si'; did you mean .*ipas2e1is/);
  await refused("flush", /^unknown TLBI 'flush'; 'shootdown tlbi' lists them all$/);
  await refused("", /^expected an instruction/);
  await refused("tlbi", /^unknown TLBI 'tlbi'/);
});

test("an operand register is demanded where there is an operand, refused elsewhere, and well formed", async () => {
  await refused("ipas2e1is", /IPAS2E1IS needs an operand register, as in 'tlbi ipas2e1is, x0'$/);
  await refused("ipas2e1is,", /needs an operand register/);
  await refused("vmalle1is, x0", /VMALLE1IS takes no operand register, expected 'tlbi vmalle1is'$/);
  await refused("vmalle1is,", /takes no operand register/);
  for (const register of ["w0", "x31", "x00", "x1, x2", "sp", "#0", "x-1"])
    await refused(`vae1is, ${register}`, /expected ', x0' to ', x30' or ', xzr' after VAE1IS, not '/);
  await refused("vae1is x0", /expected ', x0'/);
});

test("--xt is a number of at most 64 bits, for an instruction that reads one", async () => {
  const xt = (text: string) => ({ xt: text });
  assert.equal(await output("vae1, x0", xt("4096")), await output("vae1, x0", xt("0x1000")));
  for (const text of ["", "0x", "1e3", "-1", "0x12g", "x0", "1.5"])
    await refused("vae1, x0", /expected a number, 0x... or decimal/, xt(text));
  await refused("vae1, x0", /expected at most 64 bits/, xt("0x10000000000000000"));
  await refused("vmalle1", /^--xt: VMALLE1 takes no operand$/, xt("0"));
  await refused("vale2is, xzr", /XZR, which reads as 0/, xt("1"));
  assert.equal(await output("vale2is, xzr", xt("0")), await output("vale2is, xzr"));
  await refused([], /^--xt: expected an instruction before it$/, xt("1"));
});

test("a word that is no TLBI is named if it can be", async () => {
  await refused("0xd5033b9f", /^0xd5033b9f is not a TLBI of EL1&0 or EL2; it is DSB ISH$/);
  await refused("0xd51c2100", /it is MSR VTTBR_EL2, X0$/);
  await refused("d50e831f", /none of EL1&0 or EL2/);
  await refused("0xd65f03c0", /^0xd65f03c0 is not a TLBI of EL1&0 or EL2$/);
  for (const text of ["0x", "0x1d50c83df", "0xd50c83dfg"])
    await refused(text, /expected an instruction word|unknown TLBI/);
});

test("a range TLBI with its operand is explained in one screen", async () => {
  assert.equal(
    await output("ripas2e1is, x0", { xt: "0x5f8000040000" }),
    `TLBI        RIPAS2E1IS, X0
word        0xd50c8040 = SYS #4, C8, C0, #2, Rt 0
regime      EL1&0
needs       FEAT_TLBIRANGE
reaches     every PE of the executing PE's Inner Shareable domain
stage-1     may stay
stage-2     removed: the current VMID; IPAs in the range; every level of the
            walk
combined    may stay: not required to apply to them
completion  a later DSB of loads and stores: ISH, OSH, SY; not one of stores
            only (ST) or loads only (LD)

Operand 0x5f8000040000
bits     field     value    meaning
[63:48]  RES0      0x0
[47:46]  TG        0x1      4 KiB granule
[45:44]  SCALE     0x1
[43:39]  NUM       0x1f     (31 + 1) * 2^(5 * 1 + 1) = 2,048 granules
[38:37]  TTL       0x0      no hint: any level
[36:0]   BaseADDR  0x40000  from 0x40000000
bytes [0x40000000, 0x40800000): 8 MiB

- Not required to apply to combined entries (VA to PA, both stages folded
  together): where they matter, a VMALLE1 of the same reach must follow, after a
  DSB that completes this one.
- At EL2 the VMID is VTTBR_EL2.VMID; a write of VTTBR_EL2 is certain to count
  only after an ISB (or another context synchronisation event).
- On a CPU with the repeat-TLBI erratum (CVE-2025-10263) the DSB may complete
  before other PEs' writes through the entry are observed: after it, one more
  broadcast TLBI and one more DSB.
- On a CPU with the repeat-TLBI erratum (1286807) the DSB may complete before
  other PEs' reads through the entry are observed: after it, one more broadcast
  TLBI and one more DSB.
- Only for tables with the 4 KiB granule: no entry of tables with another
  granule is required to go.
- With 52-bit addresses of FEAT_LPA2 (VTCR_EL2.DS = 1) BaseADDR counts 64 KiB,
  whatever the granule: the range then begins at 0x400000000.
`,
  );
});

test("a TLBI of a whole VMID, and one of EL2, from their words", async () => {
  assert.match(
    await output("0xd50c83df"),
    /^TLBI +VMALLS12E1IS\n(.*\n)*stage-1 +removed: .*\n(.*\n)*stage-2 +removed: .*\ncombined +removed: /,
  );
  const el2 = await output("0xd50c83bf");
  assert.match(el2, /^TLBI +VALE2IS, XZR\n(.*\n)*regime +EL2\n/);
  assert.doesNotMatch(el2, /^(stage-2|combined)/m);
});

test("an operand whose value is not given shows its layout, and how to give one", async () => {
  assert.match(
    await output("vae1, x0"),
    /^Operand \(--xt 0x\.\.\. explains a value\)\nbits +field\n\[63:48\] +ASID\n\[47:44\] +TTL\n\[43:0\] +VA\[55:12\]\n$/m,
  );
});

test("the list has one line a TLBI and names what each removes and needs", async () => {
  const text = await output([]);
  for (const op of TLBI_OPS) assert.match(text, new RegExp(`^${op.name} +(local|IS|OS) `, "m"));
  assert.match(text, /^RIPAS2LE1OS +OS +IPA range +S2 \(leaf\) +TLBIRANGE TLBIOS$/m);
  assert.match(text, /^ASIDE1 +local +ASID +S1, combined$/m);
  assert.equal((JSON.parse(await output([], { json: true })) as unknown[]).length, TLBI_OPS.length);
});

test("all text keeps to 80 columns, and a wide terminal gets longer lines", async () => {
  const widest = (text: string) => Math.max(...text.split("\n").map((line) => line.length));
  assert.ok(widest(await output([])) <= 80);
  for (const op of TLBI_OPS) {
    const [spelt, options] = op.operand === "none" ? [op.name, {}] : [`${op.name}, x0`, { xt: "0xffff6fffffffffff" }];
    assert.ok(widest(await output(spelt, options)) <= 80, spelt);
    assert.ok(widest(await output(spelt, options, 140)) > 80, spelt);
  }
});

test("--json gives words, values and addresses in hex, as strings", async () => {
  const json = JSON.parse(await output("ipas2e1is, x3", { xt: "0x600000040200", json: true })) as Record<
    string,
    unknown
  >;
  assert.deepEqual(json.word, "0xd50c8023");
  assert.deepEqual(json.encoding, { op1: 4, CRn: 8, CRm: 0, op2: 1, Rt: 3 });
  assert.deepEqual(json.needs, []);
  assert.deepEqual(json.completedBy, ["DSB ISH", "DSB OSH", "DSB SY"]);
  const operand = json.operand as { value: string; fields: object[]; range: object };
  assert.equal(operand.value, "0x600000040200");
  assert.deepEqual(operand.fields[1], {
    name: "TTL",
    bits: [47, 44],
    value: "0x6",
    meaning: "4 KiB granule, leaf at level 2",
  });
  assert.deepEqual(operand.range, { start: "0x40200000", end: "0x40400000" });
});

test("a range is covered by its TLBIs with their operands, as text and as JSON, and each reads back as its part", async () => {
  const range = ["--range", "0x40000000+513"];
  const text = await output(range);
  assert.match(text, /^2 TLBIs cover IPAs \[0x40000000, 0x40201000\): 2,052 KiB, 513 pages of 4 KiB$/m);
  assert.match(text, /^RIPAS2E1IS +0x538000040000 +0x40000000 +2 MiB\nIPAS2E1IS +0x40200 +0x40200000 +4 KiB$/m);
  const json = JSON.parse(await output(range, { json: true })) as {
    instructions: { name: string; word: string; xt: string; range: object }[];
  };
  for (const { name, word, xt, range } of json.instructions)
    for (const instruction of [`${name}, x0`, word]) {
      const back = JSON.parse(await output(instruction, { xt, json: true })) as Record<string, unknown>;
      assert.deepEqual([back.name, (back.operand as { range: object }).range, back.lint], [name, range, []]);
    }
});

test("the form of a range is an instruction's name, with or without a register; granule, level, ASID and FEAT_LPA2 are options", async () => {
  for (const form of ["rvale1os", "tlbi RVALE1OS, x3"])
    assert.match(
      await output([form, "--range", "va:0xffff800010000000+2560", "--ttl", "2", "--asid", "5"]),
      // 2,560 pages are four leaves of 2 MiB in SCALE 2, NUM 0, and one more.
      /^RVALE1OS .* 8 MiB\nVALE1OS .* 2 MiB$/m,
    );
  assert.match(await output(["--range", "0+3", "--granule", "64K"]), /^RIPAS2E1IS .* 128 KiB\nIPAS2E1IS .* 64 KiB$/m);
  // Fifteen pages before the first 64 KiB, and one behind it.
  assert.match(await output(["--range", "0x1000+16", "--lpa2"]), /^16 TLBIs cover/);
  const many = await output(["ipas2e1is", "--range", "0+100"]);
  assert.match(many, /^\.\.\. +60 more$/m, "a long list is shortened, and says by how much");
});

test("what is wrong with an operand is told by name and section, first of all the address in the wrong place", async () => {
  const text = await output(["ipas2e1is, x0", "--range", "0x40000000+1", "--el", "1"], { xt: "0x40000000" });
  assert.match(text, /^WRONG +why \(DDI 0487\)\nel-may-not /m);
  assert.match(text, /^unshifted-address +The field holds 0x40000000, the address itself/m);
  const kernel = await output("vae1is, x0", { xt: "0xffff800010000000" });
  assert.match(kernel, /^WRONG +why \(DDI 0487\)\nunshifted-address\? (.*\n)*ttl-reserved /m);
  const looks = await output("ipas2e1is, x0", { xt: "0x40000000" });
  assert.match(looks, /^wrong\? +why \(DDI 0487\)\nunshifted-address\? /m, "it only looks so");
  assert.doesNotMatch(await output("ipas2e1is, x0", { xt: "0x40000" }), /wrong/i);
});

test("a range that cannot be, and options that lead nowhere, are refused in a sentence", async () => {
  await refused(["--range", "nonsense"], /^--range: expected IPA\+PAGES or va:ADDR\+PAGES/);
  await refused(["vmalle1is", "--range", "0+1"], /^--range: VMALLE1IS takes no IPA$/);
  await refused(["vae1is, x0", "--range", "0+1"], /^--range: VAE1IS takes no IPA$/, { xt: "1" });
  await refused(["vae1is", "--range", "va:0+1"], /^--range: VAE1IS needs an ASID$/);
  await refused(["--range", "0+1", "--asid", "65536"], /^--asid '65536': expected 0 to 65535$/);
  await refused(["--range", "0+1", "--host", "bare-metal"], /^--host: expected one instruction/);
  for (const option of ["granule=4K", "ttl=1", "lpa2", "asid=1", "el=1"])
    await refused([`--${option}`], new RegExp(`^--${option.split("=")[0]}: expected an instruction`));
});

test("each finding that the contract names is explained in the commands' page", () => {
  const page = readFileSync(new URL("../../docs/commands.md", import.meta.url), "utf8");
  const parts = JSON.parse(readFileSync(new URL("../../docs/schema/parts.json", import.meta.url), "utf8")) as {
    $defs: { lint: { items: { properties: { name: { enum: string[] } } } } };
  };
  for (const name of parts.$defs.lint.items.properties.name.enum)
    assert.match(page, new RegExp(`^\\|(?: .*,)? ${name}(?:,.*)? \\| .* \\|$`, "m"));
});
