/** Cases of the checker's own state: several VMIDs, tables that come back, pages that were roots, flushes pCPU by pCPU. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { Checker } from "./checker.js";
import { INVALID, leaf, TraceOf, table } from "./trace.testing.js";

const PAGE = 0x900;

/** "kind/reason" of what is found besides waste. */
function found(build: (trace: TraceOf) => void): string[] {
  const checker = new Checker(builtInCpu("arch-minimal"));
  const trace = new TraceOf(checker);
  build(trace);
  trace.end();
  return checker
    .finish()
    .findings.filter(({ class: of }) => of !== "wasteful")
    .map(({ kind, reason }) => `${kind}/${reason}`);
}

/** Tables from a root down to level 3, in the pages behind it; one page mapped at slot 5. */
const tree = (trace: TraceOf, root: number, page = PAGE): void => {
  for (const level of [0, 1, 2]) trace.write(0, root + level, level, 0, table(root + level + 1));
  trace.write(0, root + 3, 3, 5, leaf(page, 3));
};
const flush = (trace: TraceOf, pcpu = 0): TraceOf =>
  trace.barriers(pcpu, "DSB ISHST").tlbi(pcpu, "VMALLS12E1IS").barriers(pcpu, "DSB ISH", "ISB");

test("a new mapping of one VMID at an address that another VMID's stale entry has is nobody's fault", () => {
  const result = found((trace) => {
    tree(trace, 0x100);
    tree(trace, 0x200, 0x800);
    trace.vttbr(0, 1, 0x100).vttbr(1, 2, 0x200).barriers(0, "ISB").barriers(1, "ISB");
    trace.write(0, 0x103, 3, 5, INVALID).write(1, 0x203, 3, 6, leaf(0x801, 3)).write(1, 0x203, 3, 7, leaf(0x802, 3));
    flush(trace);
  });
  assert.deepEqual(result, []);
});

test("a root under two VMIDs wants both flushed before a descriptor is made anew", () => {
  const both = (vmids: readonly number[]): string[] =>
    found((trace) => {
      tree(trace, 0x100);
      trace.vttbr(0, 1, 0x100).vttbr(1, 2, 0x100).barriers(0, "ISB").barriers(1, "ISB");
      trace.write(0, 0x103, 3, 5, INVALID).barriers(0, "DSB ISHST");
      for (const vmid of vmids) flush(trace, vmid - 1);
      trace.write(0, 0x103, 3, 5, leaf(0x901, 3));
    });
  // VMID 2's entry saw the flush of VMID 1, by the pCPU that had removed it.
  assert.deepEqual(both([1]), ["broken-bbm/wrong-vmid"]);
  assert.deepEqual(both([1, 2]), []);
});

test("a table that is linked again as it was is no fault; what was removed in it meanwhile is still held", () => {
  const relinked = (meanwhile: boolean): string[] =>
    found((trace) => {
      tree(trace, 0x100);
      trace.vttbr(0, 1, 0x100).barriers(0, "ISB");
      trace.write(0, 0x102, 2, 0, INVALID);
      if (meanwhile) trace.write(0, 0x103, 3, 5, INVALID);
      trace.write(0, 0x102, 2, 0, table(0x103));
      trace.owner(meanwhile ? PAGE : 0x777, 2);
    });
  assert.deepEqual(relinked(false), []);
  // Told when the table comes back above it, before the page has its new owner.
  assert.deepEqual(relinked(true), ["broken-bbm/no-flush"]);
});

test("a page that was a root, and is a table of another tree now, is of that tree", () => {
  const result = found((trace) => {
    tree(trace, 0x100);
    trace.vttbr(1, 2, 0x300).vttbr(1, 0, 0);
    trace.vttbr(0, 1, 0x100).barriers(0, "ISB");
    trace.write(0, 0x102, 2, 1, table(0x300)).write(0, 0x300, 3, 0, leaf(0x950, 3)).write(0, 0x300, 3, 0, INVALID);
    trace.owner(0x950, 2);
  });
  assert.deepEqual(result, ["reuse-before-flush/no-flush"]);
});

test("local TLBIs count where each pCPU that may hold an entry has executed its own", () => {
  const local = (...pcpus: number[]): string[] =>
    found((trace) => {
      tree(trace, 0x100);
      for (const pcpu of [0, 1]) trace.vttbr(pcpu, 1, 0x100).barriers(pcpu, "ISB");
      trace.write(0, 0x103, 3, 5, INVALID).barriers(0, "DSB ISHST");
      for (const pcpu of pcpus) trace.tlbi(pcpu, "VMALLS12E1").barriers(pcpu, "DSB NSH");
      trace.owner(PAGE, 2);
    });
  assert.deepEqual(local(0, 1), []);
  assert.deepEqual(local(0), ["reuse-before-flush/local-only"]);
  assert.deepEqual(local(1), ["reuse-before-flush/local-only"]);
});

test("fewer rights want a flush as a removal does, more do not", () => {
  const rights = (from: number, to: number): string[] =>
    found((trace) => {
      for (const level of [0, 1, 2]) trace.write(0, 0x100 + level, level, 0, table(0x101 + level));
      trace.write(0, 0x103, 3, 5, leaf(PAGE, 3, from));
      trace.vttbr(0, 1, 0x100, 1).barriers(0, "ISB");
      trace.mark(0, "hypercall:x", () => trace.write(0, 0x103, 3, 5, leaf(PAGE, 3, to)));
    });
  const [ro, rw] = [0x440, 0x4c0];
  assert.deepEqual(rights(rw, ro), ["never-flushed/no-flush"]);
  assert.deepEqual(rights(ro, rw), []);
});

test("a table whose leaves are not known wants each of its pages named, or all of the VMID", () => {
  const named = (pages: number): string[] =>
    found((trace) => {
      // The link to the table is older than the trace.
      trace.write(0, 0x100, 0, 0, table(0x101)).write(0, 0x101, 1, 0, table(0x102));
      trace.vttbr(0, 1, 0x100).barriers(0, "ISB");
      trace.recorder.write(0, 0x102, 2, 2, 0, table(0x103).lo, 0, 0, 0);
      trace.barriers(0, "DSB ISHST");
      for (let page = 0; page < pages; page++) trace.tlbi(0, "IPAS2E1IS", { kind: "ipa", page, ttl: 0 });
      trace.barriers(0, "DSB ISH").tlbi(0, "VMALLE1IS").barriers(0, "DSB ISH");
      trace.owner(0x103, 2);
    });
  assert.deepEqual(named(512), []);
  assert.equal(named(511)[0]!.split("/")[0], "freed-table-walked");
});

test("a trace of which only the column vmid tells whose its rows are is judged too", () => {
  const result = found((trace) => {
    trace.recorder.context(0, 1, 7);
    trace.write(0, 0x103, 3, 5, leaf(PAGE, 3)).write(0, 0x103, 3, 5, INVALID).owner(PAGE, 2);
  });
  assert.deepEqual(result, ["reuse-before-flush/no-flush"]);
});
