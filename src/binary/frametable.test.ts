import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE, buildText, NOP, RET } from "./build.testing.js";
import { Directmap } from "./directmap.js";
import { FrameTable, frameTableOf } from "./frametable.js";

const START = 0xa08_0000_0000n;
const VARIABLES = ["directmap_virt_start", "directmap_base_pdx", "frametable_base_pdx"];

const imm16 = (word: number, rd: number, value: bigint, quarter: number): number =>
  (word | (quarter << 21) | (Number((value >> BigInt(16 * quarter)) & 0xffffn) << 5) | rd) >>> 0;
const mov = (rd: number, value: bigint): number[] =>
  [0, 1, 2, 3].map((quarter) => imm16(quarter === 0 ? 0xd2800000 : 0xf2800000, rd, value, quarter));
/** ADD X8, X2, X8; ASR X8, X8, #shift; MADD X8, X8, X9, X6 */
const ADD_8_2_8 = 0x8b080048;
const asr = (shift: number): number => (0x9340fd08 | (shift << 16)) >>> 0;
const MADD_8_8_9_6 = 0x9b091908;
/** ADD X8, X6, X8, ASR #shift */
const addAsr = (shift: number): number => (0x8b8800c8 | (shift << 10)) >>> 0;

/** ADRP X0 and LDR X6, [X0, #offset] of the variable at `variable`, from the code at `at`. */
function load(variable: number, at: number): number[] {
  const pages = Math.floor(variable / 4096) - Math.floor(at / 4096);
  const adrp = (0x90000000 | ((pages & 3) << 29) | ((pages >> 2) << 5)) >>> 0;
  return [adrp, (0xf9400006 | (((variable % 4096) / 8) << 10)) >>> 0];
}

/** page_to_mfn() as a compiler makes it, for a struct of `bytes`; `inverse` of what is odd of it. */
function build(ways: readonly { readonly start: bigint; readonly shift: number; readonly inverse: bigint }[]) {
  const make = (variable: number) => {
    let at = BASE;
    const code: Record<string, (number | string)[]> = {};
    ways.forEach(({ start, shift, inverse }, i) => {
      const constant = mov(8, BigInt.asUintN(64, -start));
      const factor = mov(9, inverse);
      const end = inverse === 1n ? [addAsr(shift), NOP] : [asr(shift), MADD_8_8_9_6];
      code[`page_to_mfn_${i}`] = [...constant, ...factor, ...load(variable, at), ADD_8_2_8, ...end, RET];
      at += 4 * code[`page_to_mfn_${i}`]!.length;
    });
    return buildText({ code, variables: VARIABLES });
  };
  return make(make(0).variableNamed("frametable_base_pdx")!.address);
}
/** 1/7 modulo 2^64. */
const SEVENTH = 0x6db6_db6d_b6db_6db7n;

test("the frame table's place and the size of its structs are learnt from how code divides", () => {
  const shape = frameTableOf(build([{ start: START, shift: 3, inverse: SEVENTH }]));
  assert.ok(typeof shape !== "string", String(shape));
  assert.deepEqual([shape.virtStart, shape.bytes], [START, 56n]);
  const power = frameTableOf(build([{ start: START, shift: 6, inverse: 1n }]));
  assert.ok(typeof power !== "string", String(power));
  assert.deepEqual([power.virtStart, power.bytes], [START, 64n], "a power of 2 wants no product");
});

test("what a build does not say of its frame table is said by name", () => {
  assert.match(String(frameTableOf(buildText({ code: { f: [RET] } }))), /physical addresses are not known/);
  const without = buildText({ code: { f: [RET] }, variables: VARIABLES.slice(0, 2) });
  assert.match(String(frameTableOf(without)), /no variable frametable_base_pdx/);
  assert.match(String(frameTableOf(buildText({ code: { f: [RET] }, variables: VARIABLES }))), /nothing divides/);
  const two = [
    { start: START, shift: 3, inverse: SEVENTH },
    { start: START + 0x1000n, shift: 3, inverse: SEVENTH },
  ];
  assert.match(String(frameTableOf(build(two))), /several places or sizes/);
});

test("a struct page_info's address is a page, and an address that is no struct's is none", () => {
  const directmap = new Directmap({ virtStart: 0n, basePdx: 0n });
  const frames = new FrameTable({ virtStart: START, bytes: 56n, basePdx: 0 }, 0x40000n, directmap);
  assert.equal(frames.pageOf(Number(START)), 0x40000);
  assert.equal(frames.pageOf(Number(START) + 56 * 0x123), 0x40123);
  assert.equal(frames.pageOf(Number(START) + 55), undefined);
  assert.equal(frames.pageOf(0), undefined, "a null pointer");
});
