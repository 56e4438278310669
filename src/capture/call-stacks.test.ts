import assert from "node:assert/strict";
import { test } from "node:test";
import { buildText, RET, VMALLS12E1IS } from "../binary/build.testing.js";
import { CallStacks } from "./call-stacks.js";

const text = buildText({
  code: {
    flush: [VMALLS12E1IS, RET],
    sync: ["jump flush"],
    unlock: ["call sync", RET],
    remove: ["call unlock", "call helper", RET],
    helper: ["call unlock", RET],
    do_memory_op: ["call remove", "call remove", RET],
  },
});
const f = (name: string) => text.functionNamed(name)!;
/** The return address of the n-th branch from one function to another. */
const back = (from: string, n = 0): number => f(from).address + 4 * (n + 1);

test("a way is followed from return address to return address, through jumps, to the hypercall", () => {
  const stacks = new CallStacks(text);
  stacks.enter(0, f("remove"), 1000, back("do_memory_op"));
  stacks.enter(0, f("unlock"), 900, back("remove"));
  stacks.enter(0, f("sync"), 800, back("unlock"));
  assert.deepEqual(stacks.path(0, f("flush"), 800, back("unlock")), [
    "flush",
    "sync",
    "unlock",
    "remove",
    "do_memory_op",
  ]);
});

test("a function that has returned is not on the way", () => {
  const stacks = new CallStacks(text);
  stacks.enter(0, f("remove"), 1000, back("do_memory_op"));
  stacks.enter(0, f("unlock"), 900, back("remove"));
  stacks.enter(0, f("sync"), 800, back("unlock"));
  stacks.enter(0, f("helper"), 900, back("remove", 1));
  stacks.enter(0, f("unlock"), 850, back("helper"));
  stacks.enter(0, f("sync"), 800, back("unlock"));
  const way = ["flush", "sync", "unlock", "helper", "remove", "do_memory_op"];
  assert.deepEqual(stacks.path(0, f("flush"), 800, back("unlock")), way);
  // Called again from the next place: at the same SP, and no jump from one call to the other.
  stacks.enter(0, f("remove"), 1000, back("do_memory_op", 1));
  stacks.enter(0, f("unlock"), 900, back("remove"));
  assert.deepEqual(stacks.path(0, f("flush"), 800, back("unlock")), ["flush", "unlock", "remove", "do_memory_op"]);
});

test("a way ends where the next caller's entry was not seen, and begins at nothing else", () => {
  const stacks = new CallStacks(text);
  // An old call of remove, and then unlock from helper, which was not seen.
  stacks.enter(0, f("remove"), 1000, back("do_memory_op"));
  stacks.enter(0, f("unlock"), 900, back("helper"));
  assert.deepEqual(stacks.path(0, f("flush"), 800, back("unlock")), ["flush", "unlock", "helper"]);
  assert.deepEqual(stacks.path(1, f("flush"), 800, back("unlock")), ["flush", "unlock"], "another CPU");
  assert.deepEqual(
    stacks.path(1, f("unlock"), 800, back("unlock")),
    ["unlock"],
    "X30 is used up in a function that calls",
  );
  assert.deepEqual(stacks.path(1, f("flush"), 800, 4), ["flush"], "an address in no function");
});
