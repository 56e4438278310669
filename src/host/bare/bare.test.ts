import assert from "node:assert/strict";
import { test } from "node:test";
import { barrierIndex, tlbiIndex } from "../../arch/index.js";
import { Recorder } from "../../trace/index.js";
import { builtInHost } from "../builtin.fixture.js";
import type { Counts } from "../counts.js";
import { price } from "../price.js";
import { BareMetal } from "./bare.js";

/** Instructions of one pCPU, or of several where a word is "pcpu:instruction". */
function countsOf(...code: string[]): Counts {
  const bare = new BareMetal();
  const trace = new Recorder(2, [bare]);
  for (const line of code) {
    const [pcpu, text] = line.startsWith("1:") ? [1, line.slice(2)] : [0, line];
    const tlbi = tlbiIndex(text);
    if (tlbi === undefined) trace.barrier(pcpu, barrierIndex(text)!);
    else trace.tlbi(pcpu, tlbi, 0, 0);
  }
  trace.flush();
  return bare.counts();
}

const flush = (...code: string[]) => countsOf(...code).parts.flush;

test("a broadcast TLBI and its DSB are one step, and a DSB alone is none", () => {
  assert.deepEqual(flush("dsb ishst", "vmalls12e1is", "dsb ish", "isb", "dsb ish"), {
    broadcast: 1,
    local: 0,
    further: 0,
  });
});

test("a local TLBI with DSB NSH is a local step", () => {
  assert.deepEqual(flush("dsb nshst", "vmalle1", "dsb nsh", "isb"), { broadcast: 0, local: 1, further: 0 });
});

test("broadcast TLBIs under one DSB are one step and further ones, and local ones are local steps there too", () => {
  assert.deepEqual(flush("ipas2e1is", "ipas2e1is", "vmalle1", "dsb ish"), { broadcast: 1, local: 1, further: 1 });
  assert.deepEqual(flush("vmalle1", "ipas2e1", "dsb nsh"), { broadcast: 0, local: 2, further: 0 });
});

test("a DSB less never makes a local TLBI dearer", () => {
  const { prices } = builtInHost("bare-metal");
  const costs = (...code: string[]): number =>
    (["broadcast", "local", "further"] as const).reduce(
      (sum, part) => sum + flush(...code)[part]! * prices[part]!.value,
      0,
    );
  assert.ok(costs("vmalls12e1is", "vmalle1", "dsb ish") <= costs("vmalls12e1is", "dsb ish", "vmalle1", "dsb ish"));
});

test("DSB NSH, DSB ISHST and another pCPU's DSB ISH leave a broadcast TLBI waiting", () => {
  const code = ["ipas2e1is", "dsb nsh", "dsb ishst", "1:dsb ish", "vmalle1is", "dsb ish"];
  assert.deepEqual(flush(...code), { broadcast: 1, local: 0, further: 1 });
});

test("a TLBI that no DSB completes is priced as if one did", () => {
  assert.deepEqual(flush("vmalls12e1is"), { broadcast: 1, local: 0, further: 0 });
});

test("what the hypervisor executes is what the hardware executes, and the rest of the work is unknown", () => {
  const counts = countsOf("ipas2e1is", "ipas2e1is", "vmalle1is", "dsb ish");
  assert.deepEqual(counts.tlbi, { VMALLE1IS: 1, IPAS2E1IS: 2 });
  assert.deepEqual(counts.hardwareTlbi, counts.tlbi);
  const host = builtInHost("bare-metal");
  const { microseconds, parts, rest } = price(counts, host);
  const expected = host.prices.broadcast!.value + 2 * host.prices.further!.value;
  assert.deepEqual([microseconds, parts.trap + parts.walk + parts.refault, rest], [expected, 0, null]);
});

test("what an OS TLBI does in this machine is complete with a DSB ISH, and priced like an IS one", () => {
  assert.deepEqual(flush("vmalls12e1os", "dsb ish", "vmalls12e1os", "dsb ish"), { broadcast: 2, local: 0, further: 0 });
});
