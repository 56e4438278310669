import assert from "node:assert/strict";
import { test } from "node:test";
import { ExecutionLog } from "./log.js";
import { logText } from "./records.testing.js";

const LINKING = "Linking TBs 0x7f46f0000300 index 0 -> 0x7f46f0000440\n";
const STOPPED = "Stopped execution of TB chain before 0x7f46f0223b40 [00000a000025b6a8] name\n";

function readAll(text: string, size: number): string[] {
  const seen: string[] = [];
  const log = new ExecutionLog((r) =>
    seen.push([r.cpu, r.pc, r.hi(0), r.lo(0), r.lo(30), r.hi(31), r.lo(31)].map((n) => n.toString(16)).join(" ")),
  );
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) log.feed(bytes.subarray(at, at + size));
  log.end();
  return seen;
}

test("a record tells CPU, PC and registers, however the log is cut into pieces", () => {
  const text =
    LINKING +
    logText(0, 0xa000025b6a8, { 0: 0x8000fffcd208n, 30: 0xa000025cb2cn, 31: 0xa00002f7d00n }) +
    LINKING +
    logText(11, 0xa00002688b8, { 0: 0xfedcba9876543210n });
  const wanted = ["0 a000025b6a8 8000 fffcd208 25cb2c a00 2f7d00", "b a00002688b8 fedcba98 76543210 0 0 0"];
  for (const size of [1, 7, 64, 500, text.length]) assert.deepEqual(readAll(text, size), wanted, `pieces of ${size}`);
});

test("a block that was stopped before it began is no record", () => {
  const block = logText(0, 0x1000, { 0: 1 });
  assert.equal(readAll(block + STOPPED + block, 50).length, 1);
  assert.equal(readAll(block + STOPPED, 50).length, 0);
  assert.equal(readAll(block + LINKING + block, 50).length, 2);
});

test("a log may end within a record, which then is none", () => {
  assert.equal(readAll(logText(0, 0x1000) + logText(0, 0x2000).slice(0, 300), 64).length, 1);
});

test("what is no log ends in one sentence, not in an endless search", () => {
  const good = logText(0, 0x1000);
  for (const bad of [
    good.replace("Trace 0:", "Trace 0 "),
    good.replace("Trace 0:", "Trace x:"),
    good.replaceAll("/", " "),
  ])
    assert.throws(() => readAll(bad, 64), /InputError: QEMU's execution log has a line that is not understood: Trace/);
  assert.throws(
    () => readAll(`${good}${"a".repeat(17 * 2 ** 20)}`, 2 ** 20),
    /InputError: .* a record of more than 16777216 bytes/,
  );
});

test("what a guest executes at an address of Xen's, at another EL or in AArch32 state, is no record", () => {
  const guests = [0, 1].map((el) => logText(0, 0x25_b6a8, { 0: 1 }, el)).join("");
  const aarch32 = `Trace 0: 0x7f46f0223b40 [00000000/0000000000200008/00000061/ff022000] name\nR00=00000001 R01=00000000\nPSR=200001d0 --C- A S usr32\n`;
  const xen = logText(1, 0x25_b6a8, { 0: 2 });
  for (const size of [3, 64, 10_000])
    assert.deepEqual(
      readAll(guests + aarch32 + xen + guests + aarch32, size),
      ["1 25b6a8 0 2 0 0 0"],
      `pieces of ${size}`,
    );
});
