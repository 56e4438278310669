import assert from "node:assert/strict";
import { test } from "node:test";
import { BARRIERS, TLBI_OPS } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import type { Instruction } from "../program.js";
import { assemble } from "./assembler.js";
import { UnsupportedInTest } from "./unsupported.js";

const code = (text: string): readonly Instruction[] =>
  assemble({ text, file: "t.toml", line: 10 }, 0x40_0000).instructions;

/** What one instruction does, without where it stands. */
function action(text: string): object {
  const [first, ...others] = code(text);
  assert.ok(first && others.length === 0, text);
  const { address: _, text: __, line: ___, ...rest } = first;
  return rest;
}

test("instructions know their addresses, texts and lines; comments and blank lines are nothing", () => {
  const text = "  STR X0,[X1] // store\n\n/* two\nlines */ NOP ; isb\n# a remark\nMOV X0,#1 # another\n@ a third\nERET";
  assert.deepEqual(
    code(text).map(({ address, text, line }) => [address, text, line]),
    [
      [0x40_0000, "STR X0,[X1]", 10],
      [0x40_0004, "NOP", 13],
      [0x40_0008, "isb", 13],
      [0x40_000c, "MOV X0,#1", 15],
      [0x40_0010, "ERET", 17],
    ],
  );
});

test("labels are names or numbers, and numbers are looked for forwards or backwards", () => {
  const text = "0:\nCBNZ X0,1f\nB 0b\n1: B.EQ 1f\n1:\nBNE end\nend: NOP";
  assert.deepEqual(
    code(text).flatMap((one) => ("target" in one ? [one.target - 0x40_0000] : [])),
    [8, 0, 12, 16],
  );
  assert.equal(assemble({ text: "NOP\nL0:\n", file: "", line: 1 }, 0x100).labels.get("L0"), 0x104);
});

test("loads and stores: sizes, orders, addresses", () => {
  const plain = { op: "load", rt: 0, rn: 1, offset: { imm: 0n }, size: 8, acquire: "none", exclusive: false };
  assert.deepEqual(action("ldr x0,[x1]"), plain);
  assert.deepEqual(action("LDR W0,[X1]"), { ...plain, size: 4 });
  assert.deepEqual(action("LDRB W0,[X1]"), { ...plain, size: 1 });
  assert.deepEqual(action("LDAR X0,[X1]"), { ...plain, acquire: "acquire" });
  assert.deepEqual(action("LDAPRH W0,[X1]"), { ...plain, acquire: "acquire-pc", size: 2 });
  assert.deepEqual(action("LDAXR X0,[X1]"), { ...plain, acquire: "acquire", exclusive: true });
  assert.deepEqual(action("LDR X0, [X1, #0x1000]"), { ...plain, offset: { imm: 0x1000n } });
  assert.deepEqual(action("LDUR X0,[X1,#-8]"), { ...plain, offset: { imm: 2n ** 64n - 8n } });
  assert.deepEqual(action("LDR X0,[X1,X2]"), { ...plain, offset: { reg: 2 } });
  assert.deepEqual(action("LDR X0,[X1,X2,LSL #3]"), { ...plain, offset: { reg: 2, shift: 3 } });
  assert.deepEqual(action("LDR X0,[X1,W2,SXTW]"), { ...plain, offset: { reg: 2, extend: "sxtw" } });
  const store = { op: "store", rt: 2, rn: 3, offset: { imm: 0n }, size: 8, release: false };
  assert.deepEqual(action("STR X2,[X3]"), store);
  assert.deepEqual(action("STLR XZR,[X3]"), { ...store, rt: 31, release: true });
  assert.deepEqual(action("STLXR W4,X2,[X3]"), { ...store, release: true, status: 4 });
});

test("atomics say where the old value goes, and acquire only if it goes somewhere", () => {
  const swap = { op: "atomic", kind: "swp", rs: 0, rt: 1, rn: 2, size: 8, acquire: false, release: false };
  assert.deepEqual(action("SWP X0,X1,[X2]"), swap);
  assert.deepEqual(action("CASAL W0,W1,[X2]"), { ...swap, kind: "cas", size: 4, acquire: true, release: true });
  assert.deepEqual(action("LDADDA X0,X1,[X2]"), { ...swap, kind: "add", acquire: true });
  assert.deepEqual(action("LDSETA X0,XZR,[X2]"), { ...swap, kind: "set", rt: 31 });
  assert.deepEqual(action("STCLRL X0,[X2]"), { ...swap, kind: "clr", rt: 31, release: true });
});

test("arithmetic: immediates with and without #, shifts, 32-bit forms, aliases", () => {
  const add = { op: "alu", kind: "add", rd: 1, rn: 2, operand: { imm: 0x1000n }, flags: false };
  assert.deepEqual(action("ADD X1,X2,#(1 << 12)"), add);
  assert.deepEqual(action("ADD X1,X2,#1,LSL #12"), add);
  assert.deepEqual(action("SUBS X1, X2, 0b010110"), { ...add, kind: "sub", operand: { imm: 22n }, flags: true });
  assert.deepEqual(action("EOR W1,W2,W2"), { ...add, kind: "eor", operand: { reg: 2 }, word: true });
  assert.deepEqual(action("CMP X2,#0b111"), { ...add, kind: "sub", rd: 31, operand: { imm: 7n }, flags: true });
  assert.deepEqual(action("TST X2,X3"), { ...add, kind: "and", rd: 31, operand: { reg: 3 }, flags: true });
  assert.deepEqual(action("MOV X1,X3"), { ...add, kind: "mov", rn: 31, operand: { reg: 3 } });
  assert.deepEqual(action("MOVZ X1,#2,LSL #16"), { ...add, kind: "mov", rn: 31, operand: { imm: 0x2_0000n } });
  assert.deepEqual(action("MOVN X1,#0"), { ...add, kind: "mov", rn: 31, operand: { imm: 2n ** 64n - 1n } });
  assert.deepEqual(action("MOVK X1,#5,LSL #48"), { ...add, kind: "movk", rn: 1, operand: { imm: 5n }, imms: [48, 16] });
  assert.deepEqual(action("UBFX X1, X2, #26, #5"), { ...add, kind: "ubfx", operand: { imm: 0n }, imms: [26, 5] });
  assert.deepEqual(action("LSR X1,X2,#26"), { ...add, kind: "lsr", operand: { imm: 26n } });
  assert.deepEqual(action("CSEL X0,X1,X2,eq"), { op: "csel", kind: "sel", rd: 0, rn: 1, rm: 2, cond: "eq" });
  assert.deepEqual(action("CSET X0,NE"), { op: "csel", kind: "inc", rd: 0, rn: 31, rm: 31, cond: "eq" });
});

test("system instructions", () => {
  const barrier = (text: string): string => BARRIERS[(action(text) as { barrier: number }).barrier]!.name;
  assert.deepEqual(["DSB ISHST", "dmb sy", "ISB", "DSB", "DMB LD"].map(barrier), ["DSB ISHST", "DMB SY", "ISB", "DSB SY", "DMB LD"]); // biome-ignore format: two lists
  const tlbi = (text: string): string => {
    const { tlbi, rt } = action(text) as { tlbi: number; rt: number };
    return `${TLBI_OPS[tlbi]!.name} ${rt}`;
  };
  assert.deepEqual(["TLBI VAE1IS,X5", "tlbi vae1, x4", "TLBI VMALLE1IS"].map(tlbi), ["VAE1IS 5", "VAE1 4", "VMALLE1IS 31"]); // biome-ignore format: two lists
  assert.deepEqual(action("MSR TTBR0_EL1,X0"), { op: "msr", sysreg: "TTBR0_EL1", rt: 0 });
  assert.deepEqual(action("mrs x14,esr_el1"), { op: "mrs", sysreg: "ESR_EL1", rt: 14 });
  assert.deepEqual(action("HVC #0x10"), { op: "hvc", imm: 16 });
  assert.deepEqual(action("DC CIVAC,X5"), { op: "nop" });
});

test("what is no instruction is refused, what is one but not done here is unsupported", () => {
  for (const [text, message] of [
    ["LOAD X0,[X1]", /^t\.toml:10: 'LOAD X0,\[X1\]': no instruction of that name/],
    ["STR X0", /expected one more operand/],
    ["STR X0,X1", /expected an address such as \[X1\], found 'X1'/],
    ["NOP\nB L1", /^t\.toml:11: no label 'L1'/],
    ["LDAR X0,[X1,#8]", /takes an address without an offset/],
    ["TLBI VAE1IS", /expected one more operand/],
    ["TLBI VMALLE1,X1", /takes no register/],
    ["DSB EVERYWHERE", /unknown barrier/],
    ["MOV X31,#1", /expected a register such as X0, found 'X31'/],
    ["L:\nL:", /^t\.toml:11: the label 'L' stands here a second time/],
  ] as const)
    assert.throws(
      () => code(text),
      (error) => error instanceof InputError && message.test(error.message),
      text,
    );
  for (const text of ["LDP X0,X1,[X2]", "LDR X0,[X1],#8", "LDR X0,[X1,#8]!", "TLBI ALLE3", "MSR SCTLR_EL3,X0", "SMC #0", "ADD X0,SP,#1", "BLR X1", "DC ZVA,X0"]) // biome-ignore format: a list
    assert.throws(() => code(text), UnsupportedInTest, text);
});
