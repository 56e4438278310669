import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_EVENTS } from "./buffer.js";
import { Collected } from "./events.testing.js";
import { FromPhase } from "./from-phase.js";
import { Recorder } from "./recorder.js";

for (const before of [0, 10, BLOCK_EVENTS - 1, BLOCK_EVENTS, BLOCK_EVENTS + 7])
  test(`what comes before a phase is left out, ${before} events of it`, () => {
    const seen = new Collected();
    const part = new FromPhase("create", seen);
    const r = new Recorder(1, [part]);
    for (let i = 0; i < before; i++) r.write(0, i, 2, 3, 0, 0, 0, 1, 0);
    for (const phase of ["create", "run", "create"]) {
      r.begin(0, r.names.id(`phase:${phase}`));
      for (let i = 0; i < BLOCK_EVENTS; i++) r.write(0, i, 2, 3, i % 512, 0, 0, 1, 0);
      r.end(0, r.names.id(`phase:${phase}`));
    }
    r.flush();
    assert.equal(part.passed, 3 * (BLOCK_EVENTS + 2));
    assert.equal(seen.list.length, part.passed);
    assert.equal(seen.list[0]!.name, "phase:create");
    assert.equal(seen.list.at(-1)!.name, "phase:create");
  });

test("a trace without the phase is left out as a whole", () => {
  const seen = new Collected();
  const r = new Recorder(1, [new FromPhase("run", seen)]);
  r.begin(0, r.names.id("phase:create"));
  r.end(0, r.names.id("phase:run"));
  r.flush();
  assert.equal(seen.list.length, 0);
});
