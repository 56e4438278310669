import assert from "node:assert/strict";
import { test } from "node:test";
import { type A64, decodeA64 } from "./a64.js";
import { calculate } from "./a64.testing.js";

const X1 = 0x0123_4567_89ab_cdefn;
const REGISTERS = { 0: 7n, 1: X1, 2: 0xffff_ffff_8000_0001n, 3: 12n, sp: 0x1000n };

/** The words are the LLVM assembler's; what the registers become is calculated by hand. */
const COMPUTED: readonly (readonly [assembly: string, word: number, rd: number | "sp", value: bigint])[] = [
  ["lsr x1, x1, #12", 0xd34cfc21, 1, 0x1234_5678_9abcn],
  ["ubfx x0, x1, #12, #36", 0xd34cbc20, 0, 0x4_5678_9abcn],
  ["bfi x0, x1, #48, #16", 0xb3503c20, 0, 0xcdef_0000_0000_0007n],
  ["sbfx x0, x1, #0, #16", 0x93403c20, 0, 0xffff_ffff_ffff_cdefn],
  ["lsl w0, w1, #4", 0x531c6c20, 0, 0x9abc_def0n],
  ["orr x0, x1, x0, lsl #48", 0xaa00c020, 0, X1 | (7n << 48n)],
  ["orr w0, w2, #0x4", 0x321e0040, 0, 0x8000_0005n],
  ["and x0, x1, #0xffff0fffffffffff", 0x9250ec20, 0, X1 & 0xffff_0fff_ffff_ffffn],
  ["and x1, x1, #0xfffffffffffc", 0x927eb421, 1, X1 & 0xffff_ffff_fffcn],
  ["bic x0, x1, x3", 0x8a230020, 0, X1 & ~12n],
  ["mov w2, #32767", 0x528fffe2, 2, 32767n],
  ["movk x1, #4, lsl #32", 0xf2c00081, 1, (X1 & ~(0xffffn << 32n)) | (4n << 32n)],
  ["movn x0, #0", 0x92800000, 0, 0xffff_ffff_ffff_ffffn],
  ["sub w2, w2, #1", 0x51000442, 2, 0x8000_0000n],
  ["sub sp, sp, #96", 0xd10183ff, "sp", 0xfa0n],
  ["add x0, x1, w2, sxtw #2", 0x8b22c820, 0, BigInt.asUintN(64, X1 + (BigInt.asIntN(32, 0x8000_0001n) << 2n))],
  ["lsl w2, w2, w3", 0x1ac32042, 2, BigInt.asUintN(32, 0x8000_0001n << 12n)],
  ["ror x1, x1, #1", 0x93c10421, 1, (X1 >> 1n) | (1n << 63n)],
  ["madd x0, x0, x3, x3", 0x9b030c00, 0, 96n],
  ["adrp x0, +0x165b000", 0xb000b2c0, 0, 0x1_0000n + 0x1659000n],
];

test("data processing computes what the manual says, in 32 and in 64 bits", () => {
  for (const [assembly, word, rd, value] of COMPUTED) {
    const does = decodeA64(word, 0x1_0000);
    assert.equal(does?.kind, "compute", assembly);
    const [set] = (does as Extract<A64, { kind: "compute" }>).sets;
    assert.equal(set?.rd, rd, assembly);
    assert.equal(calculate(set!.value!, REGISTERS).toString(16), value.toString(16), assembly);
  }
});

test("branches tell where they go, on which condition, and whether they come back", () => {
  const branch = (word: number) => decodeA64(word, 0x1000) as Extract<A64, { kind: "branch" }>;
  assert.deepEqual(branch(0x54000100), {
    kind: "branch",
    condition: { test: "flags", code: 0 },
    target: 0x1020,
    call: false,
    returns: false,
  });
  const { condition, target } = branch(0xb5000243); // cbnz x3
  assert.deepEqual([condition, target], [{ test: "zero", value: { reg: 3, wide: true }, not: true }, 0x1048]);
  assert.equal((branch(0x36000502).condition as { bit: number }).bit, 0); // tbz w2, #0
  assert.deepEqual([branch(0x94000010).call, branch(0x94000010).target], [true, 0x1040]);
  assert.deepEqual([branch(0xd65f03c0).returns, branch(0xd69f03e0).returns], [true, true]); // ret, eret
  assert.deepEqual([branch(0xd63f0000).call, branch(0xd61f0000).returns], [true, false]); // blr, br
});

test("loads and stores tell registers, size, address and what becomes of the base", () => {
  const access = (word: number) => decodeA64(word, 0) as Extract<A64, { kind: "load" | "store" }>;
  const address = (word: number): bigint => calculate(access(word).address, REGISTERS);
  assert.deepEqual([access(0xf9401403).kind, access(0xf9401403).registers, address(0xf9401403)], ["load", [3], 47n]); // ldr x3, [x0, #40]
  const stp = access(0xa9be7bfd); // stp x29, x30, [sp, #-32]!
  assert.deepEqual([stp.kind, stp.registers, stp.bytes, address(0xa9be7bfd)], ["store", [29, 30], 8, 0xfe0n]);
  assert.deepEqual(
    stp.sets.map(({ rd }) => rd),
    ["sp"],
  );
  const ldp = access(0xa8c27bfd); // ldp x29, x30, [sp], #32
  assert.deepEqual([address(0xa8c27bfd), calculate(ldp.sets[0]!.value!, REGISTERS)], [0x1000n, 0x1020n]);
  assert.deepEqual([access(0x79400023).bytes, access(0x39410401).bytes], [2, 1]); // ldrh, ldrb
  assert.equal(access(0xb8626820).bytes, 4); // ldr w0, [x1, x2]
  assert.deepEqual([access(0xf8e08020).opaque, access(0xf8e00020).opaque], [false, true]); // swpal, ldaddal
  assert.equal(decodeA64(0xf9800000, 0)?.kind, "nothing"); // prfm
});

test("what is not known of an instruction is said: no value for CLZ, no decoding for reserved words", () => {
  assert.deepEqual((decodeA64(0xdac01020, 0) as Extract<A64, { kind: "compute" }>).sets, [{ rd: 0, value: undefined }]);
  assert.equal(decodeA64(0x00000000, 0), undefined);
  assert.equal(decodeA64(0x92400000 | (63 << 10) | (1 << 22), 0), undefined); // logical immediate of all ones
});
