import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Pump } from "./pump.js";

/** A list that is handed over one by one; `behind` is called when the last look has found nothing more, before the pump knows. */
function pumped(behind: () => void = () => {}) {
  const [waiting, handed]: [number[], number[]] = [[], []];
  const pump = new Pump(
    async () => {
      await setImmediate();
      while (waiting.length > 0) {
        await setImmediate();
        handed.push(waiting.shift()!);
      }
      behind();
    },
    () => waiting.length > 0,
    (error) => assert.fail(String(error)),
  );
  return { waiting, handed, pump };
}

test("what is added at any moment is handed over, also behind the last look of the work at hand", async () => {
  let late = 3;
  const { waiting, handed, pump } = pumped(() => {
    if (late === 0) return;
    waiting.push(10 + late--);
    pump.wake();
  });
  waiting.push(1, 2);
  pump.wake();
  pump.wake();
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.deepEqual(handed, [1, 2, 13, 12, 11]);
});

test("one go runs at a time, and a failure ends it for good", async () => {
  const errors: unknown[] = [];
  let goes = 0;
  const pump = new Pump(
    async () => {
      goes++;
      await setImmediate();
      throw new Error("no");
    },
    () => true,
    (error) => errors.push(error),
  );
  pump.wake();
  pump.wake();
  await setImmediate();
  await setImmediate();
  pump.wake();
  await setImmediate();
  assert.deepEqual([goes, errors.length], [1, 1]);
});
