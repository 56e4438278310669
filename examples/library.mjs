// examples/library.mjs: what a policy of one's own costs beside Xen's, and whether it is safe; no file is read.
import { builtInCpu, builtInHost, builtInPolicy, builtInScenario, compare, InputError, parsePolicy, Question, signOff } from "shootdown";

const TEXT = `
name = "mine"
title = "At a switch, what the local pCPU holds of stage 1"
source = "an example of this package"
base = "xen-today"

[switch]
code = """
  dsb nshst
  tlbi vmalle1
  dsb nsh
  isb
"""
`;

const mine = parsePolicy(TEXT, "mine.toml", builtInPolicy);
const host = builtInHost("kvm-nested-7.2");
const cpu = builtInCpu(host.cpu);
const { rows } = compare({
  scenarios: [builtInScenario("vcpu-switch")],
  policies: [builtInPolicy("xen-today"), mine],
  hosts: [host],
  ipaBits: [40],
  cpuOf: () => cpu,
});
for (const { policy, microseconds } of rows) console.log(`${policy.padEnd(9)}  ${(microseconds / 1e6).toFixed(3)} s of simulated time`);

const [answer] = signOff([new Question(mine, "switch", cpu, { fb: true })], { maxStates: 1e6, timeoutMs: 60_000 });
console.log(`${answer.policy} is ${answer.verdict} for ${answer.occasion} on ${answer.cpu}`);

try {
  parsePolicy(TEXT.replace("tlbi vmalle1", "tlbi vmalle9"), "mine.toml", builtInPolicy);
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  console.log(`refused: ${error.message}`);
}
