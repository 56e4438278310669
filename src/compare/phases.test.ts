import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { tlbiIndex } from "../arch/index.js";
import { builtInHost } from "../host/builtin.fixture.js";
import { EventError } from "../trace/buffer.js";
import { OUTSIDE, Recorder, Summing, type TraceSink } from "../trace/index.js";
import { markName } from "../trace/marks.js";
import { sideOf } from "./difference.fixture.js";
import { differenceOf, type TraceSide } from "./difference.js";
import { PhasePrices } from "./phases.js";

const HOST = builtInHost("bare-metal");
const ALLE1 = tlbiIndex("ALLE1IS")!;
const NAMES = ["a", "b", "__proto__", "constructor", "toString", ""];

/** What is recorded: a TLBI, or a phase or a hypercall that begins or ends on a pCPU. */
type Step =
  | "tlbi"
  | { readonly of: "phase" | "hypercall"; readonly what: string; readonly begin: boolean; pcpu: number };

const step = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Step>("tlbi") },
  fc.record({
    of: fc.constantFrom<"phase" | "hypercall">("phase", "hypercall"),
    what: fc.constantFrom(...NAMES),
    begin: fc.boolean(),
    pcpu: fc.nat(1),
  }) as fc.Arbitrary<Step>,
);

function record(steps: readonly Step[], sinks: readonly TraceSink[]): void {
  const r = new Recorder(2, sinks);
  for (const step of steps) {
    if (step === "tlbi") r.tlbi(0, ALLE1, 0, 0);
    else r[step.begin ? "begin" : "end"](step.pcpu, r.names.id(markName(step.of, step.what)));
  }
  r.flush();
}

/** TLBIs and hypercalls of each phase, as [phase, name, count], in the order of their names. */
type Count = readonly [phase: string, name: string, count: number];
const sorted = (list: readonly Count[]): string[] => list.map((count) => JSON.stringify(count)).sort();

test("summary, prices and difference count the same in the same phases, whatever these are called", () => {
  let read = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const summing = new Summing();
      const prices = new PhasePrices([HOST], [48], 2);
      try {
        record(steps, [summing]);
      } catch (error) {
        // An end without a begin is refused by both.
        assert.ok(error instanceof EventError);
        assert.throws(() => record(steps, [prices]), { message: error.message });
        return;
      }
      read++;
      record(steps, [prices]);
      const shown = Object.entries(summing.summary().phases).flatMap(([phase, { tlbi, hypercalls }]) =>
        [...Object.entries(tlbi), ...Object.entries(hypercalls)].map(([name, n]): Count => [phase, name, n]),
      );
      const priced = prices
        .phases()
        .flatMap(({ phase, counts }) =>
          [...Object.entries(counts.tlbi), ...Object.entries(counts.hypercalls)].map(
            ([name, n]): Count => [phase, name, n],
          ),
        );
      assert.deepEqual(sorted(priced), sorted(shown));
      assert.deepEqual(sorted(differences(steps)), sorted(shown));
      const tlbis = steps.filter((step) => step === "tlbi").length;
      assert.equal(prices.total()[0]!.counts.tlbi.ALLE1IS ?? 0, tlbis);
    }),
    { numRuns: 400 },
  );
  assert.ok(read > 40, `${read} of them were traces`);
});

/** What a trace has over an empty one. */
function differences(steps: readonly Step[]): Count[] {
  const of = (list: readonly Step[]): TraceSide => sideOf("x", (sinks) => record(list, sinks));
  const { phases } = differenceOf(of([]), of(steps));
  return Object.entries(phases).flatMap(([phase, { tlbi, hypercalls }]) =>
    [...Object.entries(tlbi), ...Object.entries(hypercalls)].map(([name, { before, after }]): Count => {
      // A phase that the empty one does not have is not recorded there.
      assert.ok(before === 0 || before === null);
      return [phase, name, after!];
    }),
  );
}

test("where phases cross, what follows the end of the first is in the second", () => {
  const prices = new PhasePrices([HOST], [48], 1);
  const mark = (what: string, begin: boolean): Step => ({ of: "phase", what, begin, pcpu: 0 });
  const steps = [mark("a", true), mark("b", true), "tlbi", mark("a", false), "tlbi", mark("b", false), "tlbi"] as const;
  record(steps, [prices]);
  assert.deepEqual(
    prices.phases().map(({ phase, counts }) => [phase, counts.tlbi.ALLE1IS]),
    [
      ["b", 2],
      [OUTSIDE, 1],
    ],
  );
});
