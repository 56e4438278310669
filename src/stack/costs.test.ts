import assert from "node:assert/strict";
import { test } from "node:test";
import { tlbiIndex } from "../arch/index.js";
import { Recorder } from "../trace/index.js";
import { Costs, HostCounts } from "./costs.js";

const counts = (instructions: number, tlbi = {}) =>
  `"host":${instructions},"hostTlbi":${JSON.stringify(tlbi)},"calls":{"__guest_enter":3,"kvm_handle_guest_abort":2}`;
const window = (word: string, operand: string, instructions: number) =>
  `{"tlbi":"${word}","pc":"a0000","operand":"${operand}","at":7,${counts(instructions, { d5088300: 4 })}}`;
const ALL = "d50c83c0";
const IPA = "d50c8020";

test("windows are joined with the trace's TLBIs in order; a TLBI without one is counted, and not guessed", () => {
  const host = new HostCounts([
    `{"phase":16,${counts(100)}}`,
    window(ALL, "0", 700),
    window(IPA, "1000", 50),
    window(ALL, "0", 900),
    `{"phase":17,${counts(2000, { d5088300: 8 })}}`,
  ]);
  const costs = new Costs(host);
  const trace = new Recorder(1, [costs]);
  trace.begin(0, trace.names.id("phase:create"));
  // Before its MMU is on Xen's TLBIs have no window.
  trace.tlbi(0, tlbiIndex("ALLE2")!, 0, 0);
  trace.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0);
  trace.tlbi(0, tlbiIndex("IPAS2E1IS")!, 0x1000, 0);
  trace.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0);
  trace.flush();
  const rows = costs
    .rows()
    .map(({ phase, op, count, counted, instructions }) => [phase, op, count, counted, instructions]);
  assert.deepEqual(rows, [
    ["create", "VMALLS12E1IS", 2, 2, 1600],
    ["create", "IPAS2E1IS", 1, 1, 50],
    ["create", "ALLE2", 1, 0, 0],
  ]);
  assert.equal(costs.unjoined, 0);
});

test("a span is what lies between two marks, with what of it was in TLBIs", () => {
  const host = new HostCounts([
    `{"phase":16,${counts(100)}}`,
    window(ALL, "0", 700),
    `{"phase":17,${counts(2000, { d5088300: 8 })}}`,
  ]);
  assert.deepEqual(host.spans(), [
    { from: 16, to: 17, tlbi: { VMALLE1IS: 8 }, instructions: 1900, exits: 0, faults: 0, inHandlers: 700 },
  ]);
});
