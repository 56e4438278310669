import assert from "node:assert/strict";
import { test } from "node:test";
import { tlbiIndex } from "../arch/index.js";
import { Recorder } from "./recorder.js";
import { TraceEvents } from "./trace-event.js";

interface Written {
  readonly name?: string;
  readonly ph: string;
  readonly ts?: number;
  readonly pid: number;
  readonly args?: Record<string, unknown>;
}

test("marks are slices on their pCPU, phases apart, TLBIs instants with their operand; what is open at the end is closed", () => {
  let text = "";
  const events = new TraceEvents(
    (piece) => {
      text += piece;
    },
    new Map([[2, [{ name: "late", args: { detail: "x" } }]]]),
  );
  const recorder = new Recorder(2, [events]);
  recorder.begin(1, recorder.names.id("phase:run"));
  recorder.begin(1, recorder.names.id("hypercall:XENMEM_remove_from_physmap"));
  recorder.at(recorder.names.id("p2m_write_unlock"));
  recorder.tlbi(1, tlbiIndex("ipas2e1is")!, 0x40405, 0);
  recorder.end(1, recorder.names.id("hypercall:XENMEM_remove_from_physmap"));
  recorder.flush();
  events.finish();
  const list = (JSON.parse(text) as { traceEvents: Written[] }).traceEvents.filter(({ ph }) => ph !== "M");
  assert.deepEqual(
    list.map(({ ph, name, ts, pid }) => [ph, name, ts, pid]),
    [
      ["B", "phase:run", 0, 1000],
      ["B", "hypercall:XENMEM_remove_from_physmap", 1, 1],
      ["i", "IPAS2E1IS", 2, 1],
      ["i", "late", 2, 1],
      ["E", undefined, 3, 1],
      ["E", undefined, 3, 1000],
    ],
  );
  assert.equal(list[2]!.args!.what, "TLBI IPAS2E1IS IPA 0x40405000");
  assert.equal(list[2]!.args!.site, "p2m_write_unlock");
});
