import assert from "node:assert/strict";
import { test } from "node:test";
import { Recorder } from "../trace/index.js";
import { CallMarks } from "./call-marks.js";
import { blockRecord } from "./records.testing.js";

/** Names of the marks that calls of do_memory_op begin, by what X0 holds. */
function marksOf(commands: readonly number[], names?: ReadonlyMap<number, string>): [string[], CallMarks] {
  const recorder = new Recorder(1, []);
  const marks = new CallMarks(1, (_, event) => event(recorder), names);
  const list = commands.map((command) => {
    marks.entered(blockRecord(0, 0, { 0: command }), "do_memory_op");
    marks.returned(blockRecord(0, 0, { 0: 0 }), "do_memory_op");
    return recorder.names.list.at(-1)!;
  });
  return [list, marks];
}

test("a memory_op that Xen has bears its name, one that it has not its number", () => {
  assert.deepEqual(marksOf([15, 29, 8])[0], [
    "hypercall:XENMEM_remove_from_physmap",
    "hypercall:memory_op_29",
    "hypercall:memory_op_8",
  ]);
});

test("a memory_op of the user's own Xen bears the name that he gave, also where it goes on with an earlier one", () => {
  const names = new Map([[29, "XENMEM_remove_from_physmap_batch"]]);
  // Bits above the command say from which extent on.
  const [list, marks] = marksOf([29, 29 | (512 << 6)], names);
  assert.deepEqual(list, Array(2).fill("hypercall:XENMEM_remove_from_physmap_batch"));
  assert.deepEqual(marks.continued, { "xen-boot": { XENMEM_remove_from_physmap_batch: 1 } });
});
