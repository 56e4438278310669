import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "commander";
import { memoryOp } from "./memory-op.js";

const refuses = (text: string, why: RegExp, before?: ReadonlyMap<number, string>): void =>
  assert.throws(
    () => memoryOp(text, before),
    (error) => error instanceof InvalidArgumentError && why.test(error.message),
  );

test("--memory-op gives a number a name, and may be repeated", () => {
  const one = memoryOp("29=XENMEM_remove_from_physmap_batch");
  const two = memoryOp("30=XENMEM_of_mine", memoryOp("29=XENMEM_remove_from_physmap_batch", one));
  assert.deepEqual(
    [...two],
    [
      [29, "XENMEM_remove_from_physmap_batch"],
      [30, "XENMEM_of_mine"],
    ],
  );
});

test("--memory-op refuses what is no number and name, and what Xen has already", () => {
  for (const text of ["29", "29=", "x=XENMEM_a", "29=remove", "64=XENMEM_a", "-1=XENMEM_a", "29=XENMEM_A b"])
    refuses(text, /Expected NUMBER=XENMEM_name/);
  refuses("15=XENMEM_mine", /15 is XENMEM_remove_from_physmap/);
  refuses("29=XENMEM_remove_from_physmap", /XENMEM_remove_from_physmap is number 15/);
  const before = new Map([[29, "XENMEM_a"]]);
  refuses("29=XENMEM_b", /29 is named XENMEM_a already/, before);
  refuses("30=XENMEM_a", /XENMEM_a is number 29/, before);
});
