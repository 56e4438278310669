import assert from "node:assert/strict";
import { test } from "node:test";
import { leafHi, leafLo, tlbiIndex, XN_HI } from "../arch/index.js";
import { incomplete, Losses, lossWarnings, NO_LEVEL, Recorder, traceWarnings } from "./index.js";

const REMOVAL = "hypercall:XENMEM_remove_from_physmap";

/** A trace as a recorder makes it that finds a removal's store or does not. */
function recorded() {
  const losses = new Losses();
  const r = new Recorder(2, [losses]);
  const mark = r.names.id(REMOVAL);
  const write = (to: "removed" | "mapped", level = 3, stage: 1 | 2 = 2): void => {
    const [lo, hi] = [leafLo(0x40000, 3, 0x7fc), leafHi(0x40000, XN_HI)];
    if (to === "removed") r.write(0, 0x90000, stage, level, 5, lo, hi, 0, 0);
    else r.write(0, 0x90000, stage, level, 5, 0, 0, lo, hi);
  };
  const flush = (op = "VMALLS12E1IS", cpu = 0): void => r.tlbi(cpu, tlbiIndex(op)!, 0, 0);
  const removal = (body: () => void, result = 0, cpu = 0): void => {
    r.begin(cpu, mark);
    body();
    r.end(cpu, mark, result);
  };
  const of = () => {
    r.flush();
    return losses.losses();
  };
  return { r, write, flush, removal, of };
}

test("a removal without a descriptor that became invalid is counted, and the flush that follows no write", () => {
  const { write, flush, removal, of } = recorded();
  const whole = (): void => {
    write("removed");
    flush();
  };
  removal(whole);
  removal(flush);
  removal(() => {
    write("mapped");
    flush();
  });
  removal(flush, -22); // failed: nothing was to be removed
  removal(() => write("removed", 3, 1)); // a stage-1 descriptor is none of it
  const losses = of();
  assert.deepEqual([losses.removals, losses.removalsWithoutWrite], [4, 3]);
  assert.deepEqual([losses.flushes, losses.flushesWithoutWrite], [4, 2]);
  assert.match(
    lossWarnings(losses).join(),
    /^3 of 4 XENMEM_remove_from_physmap have no descriptor write in the trace, and 2 of 4 broadcast stage-2 TLBIs/,
  );
});

test("writes and flushes count on their own pCPU, a removal only from its begin on", () => {
  const { r, write, flush, removal, of } = recorded();
  r.end(1, r.names.id(REMOVAL)); // its begin is before the trace
  write("removed");
  flush("IPAS2E1IS", 1);
  removal(() => write("removed"), 0, 1); // the write is pCPU 0's
  assert.deepEqual(of(), {
    removals: 1,
    removalsWithoutWrite: 1,
    flushes: 1,
    flushesWithoutWrite: 1,
    writes: 2,
    writesWithoutTable: 0,
    withoutOperand: 0,
    withoutVmid: 0,
  });
});

test("local TLBIs, Xen's own, and the page allocator's ALLE1IS follow no descriptor and are not counted", () => {
  const { flush, of } = recorded();
  for (const op of ["VMALLS12E1", "VAE2IS", "ALLE1IS", "VMALLE1IS"]) flush(op);
  for (const op of ["VMALLS12E1OS", "RIPAS2E1IS", "IPAS2LE1IS"]) flush(op);
  assert.equal(of().flushes, 3);
});

test("a write into no known table is told; a trace that lacks nothing has no warning", () => {
  const { write, flush, removal, of } = recorded();
  removal(() => {
    write("removed");
    flush();
  });
  assert.deepEqual(traceWarnings("a capture", of()), []);
  write("mapped", NO_LEVEL);
  assert.match(traceWarnings("a capture", of()).join(), /^1 of 2 stage-2 descriptor writes are into no known table/);
});

test("what a recorder could not find stands in the producer, and is told to every reader", () => {
  const { of } = recorded();
  assert.equal(incomplete("a capture", []), "a capture");
  const producer = incomplete("a capture", ["descriptor writes: 1 of 11 places", "VMIDs: none"]);
  assert.deepEqual(traceWarnings(producer, of()), [
    "the recorder of this trace says: descriptor writes: 1 of 11 places; VMIDs: none",
  ]);
});
