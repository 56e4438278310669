import assert from "node:assert/strict";
import { test } from "node:test";
import { pictures, reignSentence, type SweepResult } from "./sweep-view.js";

/** Prices in microseconds of policies at 1, 10 and 100 pages. */
function result(prices: Readonly<Record<string, readonly number[]>>, unsound: readonly string[] = []): SweepResult {
  const values = [1, 10, 100];
  const rows = Object.entries(prices).flatMap(([policy, of]) =>
    of.map((microseconds, i) => ({
      ...{ scenario: "s", policy, host: "h", ipaBits: 40, rest: 0, refaults: 0, microseconds },
      microsecondsRange: [microseconds, microseconds] as const,
      parts: { trap: 0, walk: 0, flush: microseconds, refault: 0 },
      verdict: unsound.includes(policy) ? ("unsound" as const) : ("sound" as const),
      // One price at all: the policy does not have the number.
      set: of.length === 1 ? {} : { pages: values[i]! },
    })),
  );
  return { keys: [{ key: "pages", values, of: "scenario" }], rows: rows as SweepResult["rows"], notes: [] };
}
const said = (...of: Parameters<typeof result>): string[] => pictures(result(...of)).map(reignSentence);

test("where another policy becomes the cheapest is told, unsound ones apart and equal ones together", () => {
  const lines = { "page-wise": [1, 10, 100], whole: [50, 50, 50] };
  const first = "s on h at 40 bits: the cheapest";
  assert.deepEqual(said(lines), [`${first} by pages is page-wise from 1 to 10; whole at 100.`]);
  assert.deepEqual(said({ ...lines, same: [50, 50, 50], nothing: [0, 0, 0] }, ["nothing"]), [
    `${first} that is not unsound by pages is page-wise from 1 to 10; whole and same at 100.`,
  ]);
  assert.deepEqual(said({ ...lines, fixed: [20] }), [`${first} by pages is page-wise from 1 to 10; fixed at 100.`]);
});

test("a policy alone has a best value, unless all are", () => {
  assert.deepEqual(said({ only: [7, 3, 3] }), ["s on h at 40 bits: only costs least, 3 us, at pages = 10 and 100."]);
  assert.deepEqual(said({ only: [7, 7, 7] }), [""]);
});
