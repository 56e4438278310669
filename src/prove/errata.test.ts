/** What errata and what nobody knows of a CPU do to a verdict. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, type Erratum, erratumOf, type Feature, withErratum } from "../arch/index.js";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { Question, type SignOff, signOff } from "./index.js";

const A72 = builtInCpu("cortex-a72");
const LIMITS = { maxStates: 100_000, timeoutMs: 60_000 };
/** The shortest sound removal on a CPU without errata; a hypervisor that repeats, or does not. */
const removal = (repeats: boolean): Policy =>
  parsePolicy(
    `name = "mine"
title = "t"
source = "s"
base = "xen-today"
[revoke]
due = "at-once"
code = """
  with owner-vmid
    dsb ishst
    tlbi vmalls12e1is
    dsb ish
    ${repeats ? "if repeat-tlbi\n tlbi vale2is, xzr\n dsb ish\n end" : ""}
    isb
  end
"""
`,
    "mine.toml",
    builtInPolicy,
  );
const asked = (
  policy: Policy,
  cpu: CpuProfile,
  occasion: "revoke" | "switch",
  about: readonly Erratum[] = [],
): SignOff =>
  signOff([new Question(policy, occasion, about.reduce(withErratum, cpu), { fb: true }, about)], LIMITS)[0]!;
const unknown = (...features: Feature[]): CpuProfile => ({ ...A72, unknown: new Set(features) });

test("a sequence that does not repeat fails on a CPU with late reads, one that repeats where it must is sound", () => {
  const reads = erratumOf("1286807")!;
  assert.equal(asked(removal(false), A72, "revoke").verdict, "sound");
  const late = asked(removal(false), A72, "revoke", [reads]);
  assert.equal(late.verdict, "unsound");
  assert.ok(late.witness!.some(({ rule }) => /1286807/.test(rule ?? "")));
  assert.match(late.witness!.map(({ what }) => what).join("\n"), /the read is observed only now/);
  assert.equal(asked(removal(true), A72, "revoke", [reads]).verdict, "sound");
});

test("of an erratum outside of the model the answer is unknown, with the reason; what fails anyway is unsound", () => {
  const fetch = erratumOf("1542418")!;
  const { verdict, reason } = asked(builtInPolicy("xen-today"), A72, "switch", [fetch]);
  assert.equal(verdict, "unknown");
  assert.match(reason!, /^erratum 1542418 is outside of the model: it is about instruction fetch/);
  assert.equal(asked(builtInPolicy("switch-no-flush"), A72, "switch", [fetch]).verdict, "unsound");
});

test("a policy that asks for an unknown feature is looked at both ways, and the worse counts", () => {
  const policy = builtInPolicy("series-v3-patch2");
  assert.equal(asked(policy, A72, "switch").bothWays, undefined);
  const { verdict, bothWays, unsound, scenario } = asked(policy, unknown("FEAT_nTLBPA", "FEAT_XS"), "switch");
  assert.deepEqual([verdict, bothWays], ["unsound", ["FEAT_nTLBPA"]]);
  assert.ok(
    unsound!.every((name) => name.endsWith("+FEAT_nTLBPA")),
    unsound!.join(),
  );
  assert.match(scenario!.text, /^name = ".*\+FEAT_nTLBPA"$/m);
});

test("a policy that requires an unknown feature is sound nowhere: unknown, or unsound where it fails with it", () => {
  const { verdict, reason } = asked(builtInPolicy("va-ipa-range"), unknown("FEAT_TLBIRANGE"), "switch");
  assert.deepEqual([verdict, reason], ["unknown", "requires FEAT_TLBIRANGE, and whether the CPU has it is unknown"]);
  assert.equal(asked(builtInPolicy("va-ipa-range"), A72, "switch").verdict, "not-applicable");
});
