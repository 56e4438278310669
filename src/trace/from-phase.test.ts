import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_EVENTS } from "./buffer.js";
import { Kind } from "./event.js";
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

test("the end of a mark that began before the phase is left out with it", () => {
  const seen = new Collected();
  const r = new Recorder(2, [new FromPhase("create", seen)]);
  const [call, create] = [r.names.id("hypercall:x"), r.names.id("phase:create")];
  r.begin(1, call);
  r.begin(0, create);
  r.begin(0, call);
  r.end(0, call, 1);
  r.end(1, call, 2);
  r.end(0, create);
  r.flush();
  assert.deepEqual(
    seen.list.map(({ kind, name, words }) => [kind, name, words[4]]),
    [
      [Kind.begin, "phase:create", 0],
      [Kind.begin, "hypercall:x", 0],
      [Kind.end, "hypercall:x", 1],
      [Kind.end, "phase:create", 0],
    ],
  );
});
