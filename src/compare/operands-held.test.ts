/** Operands of injected code against the descriptors written before them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOperand, operandHalves, rangeOperand, tlbiIndex, ttlOf, VALID } from "../arch/index.js";
import { Recorder } from "../trace/index.js";
import { OperandsHeld } from "./operands-held.js";

const TABLE = 0x1_0000;
const SITE = "policy mine, revoke < p2m_force_tlb_flush_sync < p2m_tlb_flush_sync";

/** A domain's table at level 3 whose place is known only by slot; what `act` does in it, held. */
function held(
  act: (go: {
    gone(slot: number, level?: number): void;
    tlbi(name: string, operand: number, site?: string): void;
  }) => void,
): OperandsHeld {
  const sink = new OperandsHeld();
  const recorder = new Recorder(1, [sink]);
  recorder.context(0, 0, 1);
  act({
    gone(slot, level = 3) {
      recorder.at(recorder.names.id("__p2m_set_entry"));
      recorder.write(0, TABLE + level, 2, level, slot, VALID | (level === 3 ? 2 : 0), 1, 0, 0);
    },
    tlbi(name, operand, site = SITE) {
      recorder.at(recorder.names.id(site));
      const { lo, hi } = operandHalves(operand, 0);
      recorder.tlbi(0, tlbiIndex(name)!, lo + (hi & 0xffff) * 2 ** 32, hi >>> 16);
    },
  });
  recorder.flush();
  sink.finish();
  return sink;
}

test("an operand that names what went, with its level or without, is as it must be", () => {
  const sink = held(({ gone, tlbi }) => {
    gone(5);
    tlbi("ipas2e1is", addressOperand(512 * 7 + 5, ttlOf(3)));
    tlbi("vmalle1is", 0);
    gone(6, 2);
    tlbi("ipas2e1is", addressOperand(512 * 6));
    gone(10);
    gone(11);
    tlbi("ripas2e1is", rangeOperand(10, 0, 0));
  });
  assert.deepEqual([sink.operands, sink.wrong, sink.first], [3, 0, ""]);
});

test("another page, another level, and a page that nothing names are told", () => {
  const other = held(({ gone, tlbi }) => {
    gone(5);
    tlbi("ipas2e1is", addressOperand(6));
  });
  assert.deepEqual([other.wrong, other.first], [2, "IPAS2E1IS of gfn 0x6 names no page that went before it"]);
  const level = held(({ gone, tlbi }) => {
    gone(5);
    tlbi("ipas2e1is", addressOperand(5, ttlOf(2)));
  });
  assert.match(level.first, /gives level 2, where one of level 3 went/);
  const missing = held(({ gone, tlbi }) => {
    gone(5);
    gone(9);
    tlbi("ipas2e1is", addressOperand(5));
  });
  assert.deepEqual([missing.wrong, missing.first], [1, "gfn 0x9 went, and no operand names it"]);
});

test("Xen's own flush of the whole VMID takes all with it, and its own operands are not looked at", () => {
  const sink = held(({ gone, tlbi }) => {
    gone(5);
    tlbi("vmalls12e1is", 0, "p2m_force_tlb_flush_sync");
    gone(7);
    tlbi("ipas2e1is", addressOperand(1), "somebody_else");
    tlbi("ipas2e1is", addressOperand(7));
  });
  assert.deepEqual([sink.operands, sink.wrong], [1, 0]);
});
