import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInHost, builtInPolicy } from "../builtin/index.js";
import { runJob } from "../compare/index.js";
import { scenarioOf } from "./scenarios.js";

test("the price in the scenario of an occasion hangs on the occasion's code", () => {
  const base = builtInPolicy("xen-today");
  for (const occasion of ["revoke", "switch", "split", "vmid-assigned", "write-protected"] as const) {
    const without = { ...base, name: "without", own: [...base.own, occasion], code: { ...base.code, [occasion]: [] } };
    const [one, other] = runJob({
      ...{ scenario: scenarioOf(occasion)!, policies: [base, without], cpu: builtInCpu("arch-minimal") },
      ...{ hosts: [builtInHost("bare-metal")], ipaBits: [40] },
    }).map(({ rows }) => rows[0]!.microseconds);
    assert.ok(one! > other!, `${occasion}: ${one} and ${other}`);
  }
});
