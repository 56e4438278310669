/** What the search for the cheapest takes for granted of prices, held against the hosts' models. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { builtInCpu, builtInHost, builtInPolicy, builtInText, hostNames } from "../builtin/index.js";
import { runJob } from "../compare/index.js";
import { parseScenario } from "../hypervisor/index.js";
import { policyOf, wordsOf } from "./candidate.js";
import type { Instruction } from "./instruction.js";
import { alphabet } from "./space.js";

const hosts = hostNames().map(builtInHost);
const base = builtInPolicy("xen-today");
/** The built-in scenarios in which the occasions are priced, with fewer turns and pages. */
const SCENARIOS = {
  switch: builtInText("scenarios", "vcpu-switch").replace("1_000_000", "40_000"),
  revoke: builtInText("scenarios", "disk-grants").replace("disk-pages = 512", "disk-pages = 32"),
};

for (const [occasion, cpuName] of [
  ["switch", "arch-minimal"],
  ["revoke", "neoverse-v2"],
] as const)
  test(`one more instruction is never cheaper, on any host: ${occasion} on ${cpuName}`, () => {
    const cpu = builtInCpu(cpuName);
    const instructions = alphabet(occasion, [cpu]);
    const done = instructions.find(({ code }) => code === "dsb ish")!;
    const scenario = parseScenario(SCENARIOS[occasion], "scenario.toml");
    const price = (owner: boolean, words: readonly (readonly Instruction[])[]) => {
      const policies = words.map((word, i) => policyOf({ owner, instructions: word }, { base, occasion }, `p${i}`));
      return runJob({ scenario, policies, cpu, hosts, ipaBits: [40] }).map(({ rows }) => rows);
    };
    const one = fc.constantFrom(...instructions);
    const asked = fc.tuple(
      fc.boolean(),
      fc.array(one, { maxLength: 3 }),
      fc.array(fc.tuple(fc.nat({ max: 3 }), one), { minLength: 8, maxLength: 8 }),
    );
    let looked = 0;
    fc.assert(
      fc.property(asked, (given) => {
        const [owner, start, added] = given;
        const word = [...start, done];
        const longer = added.map(([at, more]) => word.toSpliced(Math.min(at, start.length), 0, more));
        const [before, ...after] = price(owner, [word, ...longer]);
        after.forEach((rows, i) => {
          rows.forEach(({ microseconds, host }, k) => {
            looked++;
            assert.ok(
              microseconds >= before![k]!.microseconds * (1 - 1e-9),
              `${host}: ${wordsOf({ owner, instructions: longer[i]! })} is cheaper than ${wordsOf({ owner, instructions: word })}`,
            );
          });
        });
      }),
      { numRuns: 25 },
    );
    assert.ok(looked > 100, `${looked} looked at`);
  });
