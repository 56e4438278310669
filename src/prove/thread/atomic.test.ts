import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "../program.js";
import { Values } from "../tlb/index.js";
import { updated } from "./atomic.js";

type Atomic = Extract<Action, { op: "atomic" }>;

test("each atomic writes what the manual's pseudocode makes of memory and register (DDI 0487, C6.2, and shared MemOp)", () => {
  const values = new Values();
  const minusOne = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn, 8: 0xffff_ffff_ffff_ffffn };
  const written = (kind: Atomic["kind"], size: 1 | 2 | 4 | 8, old: bigint, rs: bigint): bigint => {
    const at = { op: "atomic", kind, rs: 1, rt: 2, rn: 3, size, acquire: false, release: false } as const;
    return values.big(updated(at, values.id(old), values.id(rs), 0, values)!);
  };
  assert.equal(written("swp", 8, 5n, 6n), 6n);
  assert.equal(written("add", 8, 5n, 6n), 11n);
  assert.equal(written("set", 8, 5n, 6n), 7n);
  assert.equal(written("clr", 8, 5n, 6n), 1n);
  assert.equal(written("eor", 8, 5n, 6n), 3n);
  for (const size of [1, 2, 4, 8] as const) {
    const m = minusOne[size];
    for (const [a, b] of [
      [m, 1n],
      [1n, m],
    ] as const) {
      // biome-ignore format: one row
      assert.equal(written("smax", size, a, b), 1n, `${size}`);
      assert.equal(written("smin", size, a, b), m, `${size}`);
      assert.equal(written("umax", size, a, b), m, `${size}`);
      assert.equal(written("umin", size, a, b), 1n, `${size}`);
    }
  }
});

test("a CAS writes only where it finds what it compares with", () => {
  const values = new Values();
  const at = { op: "atomic", kind: "cas", rs: 1, rt: 2, rn: 3, size: 8, acquire: false, release: false } as const;
  assert.equal(updated(at, values.id(5n), values.id(5n), values.id(9n), values), values.id(9n));
  assert.equal(updated(at, values.id(5n), values.id(6n), values.id(9n), values), undefined);
});
