import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInPolicy, policyNames, usualCpus } from "../builtin/index.js";
import { explainPolicy, type Occasion, type Policy, parsePolicy, policyOn } from "./index.js";

const CPUS = usualCpus().map(builtInCpu);

const lines = (policy: Policy, occasion: Occasion) =>
  explainPolicy(policy, CPUS).find((one) => one.occasion === occasion)!.lines;
/** What is said of each line with that code, in order. */
const said = (policy: Policy, occasion: Occasion, code: string): string[] =>
  lines(policy, occasion)
    .filter((line) => line.code === code)
    .map(({ says }) => says.join("; "));
const withRevoke = (code: string): Policy =>
  parsePolicy(
    `name = "p"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[revoke]\ndue = "unlock"\ncode = """\n${code}"""\n`,
    "p.toml",
    builtInPolicy,
  );

test("a DSB completes the TLBIs before it that its domain covers, and says which it does not", () => {
  // DDI 0487, B2.3 and D8.17: only a DSB of reads and writes completes a TLBI, on the PEs of its domain.
  const policy = withRevoke("dsb ishst\ntlbi vmalls12e1is\ndsb ishst\ndsb nsh\ndsb ish\ndsb sy\n");
  const [first, second] = said(policy, "revoke", "dsb ishst");
  assert.doesNotMatch(first!, /complete/, "nothing is before it");
  assert.match(second!, /does not complete TLBI VMALLS12E1IS: that takes a DSB of reads and writes$/);
  assert.match(said(policy, "revoke", "dsb nsh")[0]!, /does not complete TLBI VMALLS12E1IS: that reaches farther/);
  assert.match(said(policy, "revoke", "dsb ish")[0]!, /completes TLBI VMALLS12E1IS: /);
  assert.doesNotMatch(said(policy, "revoke", "dsb sy")[0]!, /complete/, "it is complete already");
});

test("what either branch has left is completed behind them; a loop's too", () => {
  const policy = withRevoke(
    "if pages > 9\ntlbi vmalls12e1is\nelse\nfor page\ntlbi ipas2e1is, ipa\nend\nend\ndsb ish\n",
  );
  assert.match(said(policy, "revoke", "dsb ish")[0]!, /completes TLBI VMALLS12E1IS, TLBI IPAS2E1IS: /);
});

test("of a TLBI it is said whom it reaches and what it need not remove", () => {
  const ipa = said(builtInPolicy("kvm-ipa-no-ttl"), "revoke", "tlbi ipas2e1is, ipa")[0]!;
  assert.match(ipa, /^reaches every PE of the executing PE's Inner Shareable domain; /);
  assert.match(ipa, /stage-2 entries removed: the current VMID; the IPA/);
  assert.match(ipa, /combined entries may stay \(not required to apply to them\)/);
  const local = said(builtInPolicy("switch-vmalle1"), "switch", "tlbi vmalle1")[0]!;
  assert.match(local, /^reaches the executing PE only; stage-1 and combined entries removed/);
});

test("a condition on a feature names the CPUs on either side, and on one CPU it is decided", () => {
  const policy = builtInPolicy("series-v3-patch2");
  const [says] = said(policy, "switch", "if not FEAT_nTLBPA");
  assert.match(says!, /only on CPUs without FEAT_nTLBPA.*; with it: neoverse-v3, arch-maximal; without: cortex-a72, /);
  const on = (cpu: string): string[] => lines(policyOn(policy, builtInCpu(cpu)), "switch").map(({ code }) => code);
  assert.deepEqual(on("neoverse-v2"), ["dsb nshst", "tlbi vmalle1", "dsb nsh", "isb"]);
  assert.deepEqual(on("neoverse-v3"), []);
});

test("the code of every built-in policy, written down from its explanation, is the same code", () => {
  for (const name of policyNames()) {
    const policy = builtInPolicy(name);
    const sections = explainPolicy(policy, CPUS).map(
      ({ occasion, lines: code }) =>
        `[${occasion}]\n${occasion === "revoke" ? `due = "${policy.due}"\n` : ""}code = """\n${code.map((line) => `${"  ".repeat(line.depth)}${line.code}\n`).join("")}"""\n`,
    );
    const head = `name = "${name}"\ntitle = "t"\nsource = "s"\nvmid-per = "${policy.vmidPer}"\nrequires = ${JSON.stringify(policy.requires)}\n`;
    const again = parsePolicy(head + sections.join(""), "again.toml", builtInPolicy);
    const bare = (code: Policy["code"]): unknown =>
      JSON.parse(JSON.stringify(code, (key, value) => (key === "line" ? undefined : value)));
    assert.deepEqual(bare(again.code), bare(policy.code), name);
    for (const { says, code } of explainPolicy(policy, CPUS).flatMap(({ lines: all }) => all))
      if (code !== "end" && code !== "else") assert.ok(says.length > 0, `${name}: ${code}`);
  }
});
