/** The report of a trace on trial: where its findings show. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "../../check/kinds.js";
import type { Checked } from "../../jobs/index.js";
import { checkReport } from "./check.js";

type Found = Checked["findings"][number];

const found = (kind: "late" | "broken-bbm", site: string, places: readonly number[]): Found => ({
  ...KINDS[kind],
  ...{ kind, reason: null, site, count: places.length, first: [], window: null, waste: null, places },
  ...{ costs: [], allowed: false },
});

const checked: Checked = {
  ...{ trace: "some.parquet", events: 1000, integrity: "checked", cpu: "cortex-a72", cpuAssumed: false },
  findings: [found("broken-bbm", "p2m_set_entry < do_memory_op", [0, 500]), found("late", "", [999, 999])],
  phases: [
    { phase: "boot", from: 0 },
    { phase: "create", from: 990 },
  ],
  ...{ groupsLost: 0, unknown: [], warnings: [] },
};

test("each finding is a row of the axis that leads to it, with a stroke where it shows; phases and round numbers stand by", () => {
  const page = checkReport([checked], "shootdown check some.parquet");
  const axis = /<nav class="axis".*?<\/nav>/s.exec(page)![0];
  assert.deepEqual(
    [...axis.matchAll(/ d="([^"]*)"/g)].map(([, d]) => d),
    ["M0 0V14M500 0V14", "M999 0V14"],
  );
  for (const [, target] of axis.matchAll(/href="#([^"]*)"/g))
    assert.ok(page.includes(`<article id="${target}"`), target);
  assert.match(axis, /broken-bbm <small>p2m_set_entry</);
  assert.match(axis, /left: 0.00%; width: 99.00%" title="boot: events 0 to 990">boot</);
  assert.match(axis, /title="create: events 990 to 1,000"><\/span>/, "no room for its name");
  assert.deepEqual(
    [...axis.matchAll(/class="tick"[^>]*>([^<]*)/g)].map(([, text]) => text),
    ["0", "200", "400", "600", "800", "1,000"],
  );
});
