/** What is lifted from a trace is what was executed in it: simulations of every built-in policy, and captures of Debian's Xen. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { CpuProfile } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy, policyNames, traceNames } from "../catalog/index.js";
import {
  type Occasion,
  type Policy,
  type Sequence,
  specialise,
  thresholdsOf,
  withThresholds,
} from "../policy/index.js";
import { PROVED, type ProvedOccasion, Question } from "../prove/index.js";
import { readTrace } from "../trace/file.js";
import { simulate } from "../xen/index.js";
import { executedPolicies, SEES_ALL } from "./executed.js";
import { Flushes } from "./flushes.js";
import { type Lifted, Lifting } from "./lifting.js";
import { scenarioOf } from "./small.fixture.js";

const CPU = builtInCpu("arch-maximal");

const REPEATING = builtInCpu("neoverse-v2");

/** Thresholds of tens of thousands of pages make long code, and nothing else; the domain has fewer than this. */
const withSmallThresholds = (policy: Policy): Policy =>
  withThresholds(policy, Object.fromEntries([...thresholdsOf(policy).keys()].map((key) => [key, 2048])));

const recordingOf = (cpu: CpuProfile) =>
  ({ source: "simulation", cpu: { profile: cpu.name, repeatTlbi: cpu.symptoms.has("repeat-tlbi") } }) as const;

function liftedOf(policy: Policy, cpu = CPU): Lifted & { flushes: Flushes } {
  const [lifting, flushes] = [new Lifting(), new Flushes()];
  simulate(scenarioOf(policy.name !== "va-ipa-range"), cpu, [{ policy, sinks: [...lifting.sinks, flushes] }]);
  flushes.finish();
  return { ...lifting.lifted("t.parquet", "t", recordingOf(cpu)), flushes };
}

/** What a policy must survive on an occasion, as text: what is equal here is proved alike. */
const scenarios = (policy: Policy, occasion: ProvedOccasion, cpu: CpuProfile): (readonly [string, string])[] =>
  new Question(policy, occasion, cpu, { fb: true }).tasks.map(({ name, scenario }) => [name, scenario]);

/** Where the lifted policy says that it is unknown what is executed: not all of a short life shows both ways. */
const UNKNOWN = '"UNKNOWN';

for (const name of policyNames())
  test(`what is lifted from a simulation of ${name} executes all of it, and is proved as ${name} is`, () => {
    const policy = withSmallThresholds(loadPolicy(name));
    for (const cpu of name === "xen-today" ? [CPU, REPEATING] : [REPEATING]) {
      const { policies, sequences, flushes } = liftedOf(policy, cpu);
      const [first] = policies;
      const text = policies.map((one) => one.text).join("");
      assert.deepEqual([policies.length, sequences.every(({ code }) => code !== undefined)], [1, true], text);
      // Where no vCPU moves in the life, what a policy does then is unknown, and with it a switch of one that has moved.
      for (const { occasion, executes, unknown } of executedPolicies(flushes, [first!.policy], cpu, SEES_ALL, [])
        .flushes)
        assert.ok(executes.includes("t") || (occasion === "switch" && unknown.includes("t")), `${occasion}\n${text}`);
      const shown = new Set<Occasion>(sequences.map(({ occasion }) => occasion));
      for (const occasion of Object.keys(PROVED) as ProvedOccasion[]) {
        const { of } = PROVED[occasion];
        if (!shown.has(of === "batch-end" ? "revoke" : of)) continue;
        const those = new Map(scenarios(policy, occasion, cpu));
        const is = scenarios(first!.policy, occasion, cpu);
        // A threshold that the life is too short for makes scenarios of its own.
        for (const [scenario, what] of is)
          assert.ok(what.includes(UNKNOWN) || what === those.get(scenario), `${scenario}\n${text}`);
        assert.ok(
          is.some(([, what]) => !what.includes(UNKNOWN)),
          `${occasion} is unknown in each scenario\n${text}`,
        );
      }
    }
  });

/** Code without the lines where it stands. */
const bare = (program: Sequence): unknown =>
  JSON.parse(JSON.stringify(program, (key, value) => (key === "line" ? 0 : value)));

const TRACES = fileURLToPath(new URL("../../traces", import.meta.url));
for (const trace of traceNames())
  test(`what Debian's Xen executed in ${trace} is xen-today on every occasion that it has, and nothing else`, async () => {
    const lifting = new Lifting();
    const { info } = await readTrace(join(TRACES, `${trace}.parquet`), lifting.sinks);
    const { policies, sequences, beyond, unplaced, unfinished } = lifting.lifted(trace, "t", info.recording);
    assert.deepEqual([policies.length, beyond, unplaced, unfinished], [1, 0, 0, 0]);
    const { policy } = policies[0]!;
    const occasions = new Set(sequences.map(({ occasion }) => occasion));
    for (const occasion of ["revoke", "split", "vmid-assigned", "domain-dies"] as const)
      assert.ok(occasions.has(occasion));
    assert.equal(occasions.has("switch"), trace.includes("2vcpu"));
    const today = loadPolicy("xen-today");
    assert.deepEqual([policy.due, policy.batch, policy.vmidPer], [today.due, today.batch, today.vmidPer]);
    for (const occasion of occasions) {
      const code = (of: Policy): unknown => bare(specialise(of.code[occasion], CPU));
      assert.deepEqual(code(policy), code(today), occasion);
      assert.equal(policy.own.includes(occasion), false, occasion);
    }
  });
