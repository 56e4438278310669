import assert from "node:assert/strict";
import { test } from "node:test";
import { tlbiOp } from "../arch/index.js";
import { cellsOf, opsNamed } from "./cells.js";
import { probeScript } from "./probe-script.js";

/** Commands of a script behind its head of four words, six words each. */
function commands(bytes: Uint8Array): bigint[][] {
  const words = [...new BigUint64Array(bytes.buffer)].slice(4);
  return Array.from({ length: words.length / 6 }, (_, i) => words.slice(6 * i, 6 * i + 6));
}
const script = (pageSize: "4K" | "16K", ...names: string[]) => {
  const cells = cellsOf(opsNamed(names), pageSize);
  return { cells, ...probeScript(cells, pageSize === "4K" ? 12 : 14, 48) };
};

test("what an interrupt of the host may disturb is counted three times: all but the unmap of a whole shadow of 48 bits", () => {
  const times = (op: string, paBits: number): number => {
    const cells = cellsOf(opsNamed([op]), "4K");
    const { counted } = probeScript(cells, 12, paBits);
    return counted.filter((of) => "cell" in of && of.what === "tlbi").length / cells.length;
  };
  assert.deepEqual([times("vmalls12e1", 44), times("vmalls12e1", 48), times("ipas2e1is", 48)], [3, 1, 3]);
});

test("each count has a number of its own, which leads to its cell and the instruction with X1", () => {
  const { cells, bytes, counted } = script("4K", "ipas2e1is", "vmalls12e1");
  const counts = commands(bytes).filter(([command]) => command! >= 5n);
  assert.deepEqual(
    counts.map(([, number]) => Number(number)),
    counted.map((_, i) => i),
  );
  for (const [command, number, word, operand] of counts) {
    const of = counted[Number(number)]!;
    if (command !== 5n || !("cell" in of)) continue;
    assert.equal(Number(word), (cells[of.cell]!.op.word | 1) >>> 0);
    assert.equal(operand, cells[of.cell]!.operand.value);
  }
});

test("until all cells of one shadow are counted no second one is made: ALLE1 would reach it", () => {
  const { cells, bytes, counted } = script("4K", "alle1is", "vae1");
  const second = commands(bytes).findIndex(([command, context], i) => command === 1n && context === 2n && i > 4);
  const numbers = commands(bytes)
    .slice(0, second)
    .flatMap(([command, number]) => (command === 5n ? [counted[Number(number)]!] : []));
  const before = numbers.flatMap((of) => ("cell" in of ? [cells[of.cell]!.state.name] : []));
  assert.deepEqual(new Set(before), new Set(["none", "empty", "leaves-2", "leaves-601", "block"]));
});

test("operands are of the host's granule: TG in TTL and in ranges, and the code apart from what is mapped as a block", () => {
  const small = script("16K", "ripas2e1is", "ipas2e1is");
  const [granule, code] = new BigUint64Array(small.bytes.buffer);
  assert.deepEqual([granule, code], [14n, BigInt(2 ** 26 - 2 ** 14)]);
  const range = small.cells.find(({ op }) => op === tlbiOp("RIPAS2E1IS"))!;
  assert.equal((range.operand.value >> 46n) & 3n, 2n);
  const hinted = small.cells.find(({ operand }) => operand.name === "page 0, TTL 3")!;
  assert.equal((hinted.operand.value >> 44n) & 15n, 0b1011n);
});

test("a TLBI that there is not is refused by name", () => {
  assert.throws(() => opsNamed(["VMALLS13E1"]), /--op: unknown TLBI 'VMALLS13E1', expected a name as VMALLS12E1IS/);
  assert.ok(opsNamed(undefined).every(({ nXS }) => !nXS));
});
