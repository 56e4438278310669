/** The assembler against three readers: this room's disassembler, its decoder of effects, and LLVM's assembler where that is here. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { decodeA64 } from "./a64.js";
import { Assembler, SP, XZR } from "./assembler.js";
import { BARRIERS } from "./barrier.js";
import { disassemble } from "./disassemble.js";
import { TLBI_OPS, tlbiIndex } from "./tlbi.js";

const BASE = 0xa00_0025_b000;

/** Each method, with usual and with extreme fields. */
function everything(): Assembler<string> {
  const a = new Assembler(BASE, "");
  a.label("start")
    .b("end")
    .bl("start")
    .bl(BASE - 0x20_0000)
    .ret()
    .nop();
  for (const condition of ["eq", "ne", "hs", "lo", "hi", "ls"] as const) a.bc(condition, "start");
  a.cbz(3, "end")
    .cbnz(XZR, "start")
    .adr(4, "end")
    .adr(5, "start")
    .adrp(10, 0xa00_0030_1310)
    .adrp(11, BASE - 0x5000);
  a.push(30, XZR, 16).push(3, 4, 112).pop(3, 4, 112).stp(9, 10, SP, 16).ldp(11, 12, SP, 32).ldp(0, 1, 5, -512);
  a.stp(0, 1, 5, 504).str(9, 10, 16).str(XZR, 4, 0).ldr(11, 10, 0).ldr(0, SP, 32_760).strw(9, SP, 64).ldrw(8, 4, 12);
  a.strb(XZR, 0, 65).ldrb(9, 0, 4095).ldrPost(6, 5, 8).ldrPost(6, SP, -256).mov(5, 11).imm(3, 0n).imm(3, 1n);
  a.imm(14, 65_536n)
    .imm(14, 0x1_0001n)
    .imm(14, 1n << 46n)
    .imm(0, 0xffff_0000_1234_0001n)
    .addi(SP, SP, 144);
  a.addi(6, 6, 1).subi(9, 9, 4095).add(3, 10, 10, 2).add(6, 6, 13).sub(9, 9, 13).orr(3, XZR, 10, 44).orr(3, 3, 6);
  a.orr(3, XZR, 6).orr(9, 9, 2, 63).lsl(9, 3, 10).lsr(13, 9, 3).ubfx(9, 6, 44, 19).ubfx(6, 6, 0, 36).ubfx(3, 5, 63, 1);
  a.cmpi(9, 2).cmpi(SP, 4095).cmp(30, 3).cmpw(11, 2).mrs(11, "tpidr_el2").msr("tpidr_el2", 3).mrs(3, "nzcv");
  a.msr("nzcv", 3).tlbi(tlbiIndex("ipas2e1is")!, 6).tlbi(tlbiIndex("vmalle1is")!, XZR).tlbi(tlbiIndex("vale2is")!, XZR);
  BARRIERS.forEach((_, i) => void a.barrier(i));
  return a.label("end").ret();
}

test("the disassembler reads each word that the assembler makes as the text that was meant", () => {
  for (const { word, address, text } of everything().link()) assert.equal(disassemble(word, address), text);
});

test("the decoder of effects understands each word of the assembler's but for system instructions", () => {
  for (const { word, address, text } of everything().link())
    if (!/^(ret|nop|mrs|msr|tlbi|dsb|dmb|isb)/.test(text)) assert.ok(decodeA64(word, address), text);
});

test("what the decoder says of registers, addresses and targets is what was meant", () => {
  const effect = (make: (a: Assembler<null>) => unknown): unknown => {
    const a = new Assembler(BASE, null);
    make(a);
    return decodeA64(a.link()[0]!.word, BASE);
  };
  const branch = (to: number) => effect((a) => a.bl(BASE + to)) as { target: number; call: boolean };
  for (const to of [4, -4, 2 ** 27 - 4, -(2 ** 27)]) assert.equal(branch(to).target, BASE + to);
  const page = effect((a) => a.adrp(4, 0xa00_0030_1310)) as { sets: readonly { value: { imm: bigint } }[] };
  assert.equal(page.sets[0]!.value.imm, 0xa00_0030_1000n);
  const load = effect((a) => a.ldrPost(6, 5, 8)) as { registers: readonly number[]; sets: readonly { rd: number }[] };
  assert.deepEqual([load.registers, load.sets.map(({ rd }) => rd)], [[6], [5]]);
});

test("a field that cannot hold what is asked for, a missing label and one too far are errors", () => {
  const a = () => new Assembler(BASE, null);
  for (const make of [
    () => a().addi(0, 0, 4096),
    () => a().str(0, 0, 4),
    () => a().push(0, 1, 520),
    () => a().ubfx(0, 0, 60, 8),
    () => a().ldrPost(0, 0, 256),
    () => a().label("x").label("x"),
    () => a().b("nowhere").link(),
    () =>
      a()
        .bl(BASE + 2 ** 27)
        .link(),
    () =>
      a()
        .adr(0, BASE + 2 ** 20)
        .link(),
    () =>
      a()
        .adr(0, BASE - 2 ** 20 - 1)
        .link(),
    () =>
      a()
        .cbz(0, BASE + 2 ** 20)
        .link(),
    () =>
      a()
        .adrp(0, BASE + 2 ** 33)
        .link(),
  ])
    assert.throws(make, RangeError);
});

test("an instruction that is not the assembler's has no text, and one that looks like one neither", () => {
  for (const word of [0xd421e000, 0x5400000e, 0xd37cec00, 0xeb030fdf, 0xd5384240, 0x00000000, 0xd50c83c5])
    assert.equal(disassemble(word, BASE), undefined, word.toString(16));
});

const llvm = spawnSync("llvm-mc", ["--version"]).status === 0;
const skip = llvm ? false : "SKIPPED: no llvm-mc here to read the assembler's text: apt-get install llvm";
if (skip) console.error(skip);

test("LLVM's assembler makes the same words of the same text", { skip }, () => {
  const words = everything().link();
  const few = TLBI_OPS.filter(({ needs }) => needs.length < 2).map((op, i) => {
    const a = new Assembler(BASE + 4 * (words.length + i), "");
    return a.tlbi(TLBI_OPS.indexOf(op), op.operand === "none" ? XZR : i % 31).link()[0]!;
  });
  const all = [...words, ...few];
  // A target is an address there as well: what stands before the code is only counted.
  const relative = (text: string, address: number): string =>
    /^(b|bl|b\.\w+|cbn?z|adrp?) /.test(text)
      ? text.replace(/0x[0-9a-f]+$/, (to) => {
          const page = text.startsWith("adrp") ? Math.floor(address / 4096) * 4096 : address;
          return `#${Number(to) - page}`;
        })
      : text;
  const source = all.map(({ text, address }) => relative(text, address)).join("\n");
  const made = spawnSync("llvm-mc", ["--triple=aarch64", "--mattr=+v8.7a,+xs,+tlb-rmi", "--show-encoding"], {
    input: source,
  });
  assert.equal(made.stderr.toString(), "");
  const encodings = [...made.stdout.toString().matchAll(/encoding: \[(.*)\]/g)].map(([, bytes]) =>
    Buffer.from(bytes!.split(",").map(Number)).readUInt32LE(),
  );
  assert.deepEqual(
    all.map(({ text }, i) => `${encodings[i]?.toString(16)} ${text}`),
    all.map(({ word, text }) => `${word.toString(16)} ${text}`),
  );
});
