import assert from "node:assert/strict";
import { test } from "node:test";
import { showText } from "./show.js";

test("a trace without events is said to have none", () => {
  assert.equal(
    showText("x.parquet", { producer: "", integrity: "checked", recording: undefined }, { events: 0, phases: {} }, 80),
    "x.parquet: 0 events\n",
  );
});
