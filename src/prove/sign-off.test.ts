/**
 * Verdicts on policies, each with the reason out of the manual (DDI 0487) why it must be so. They were derived by hand; a
 * change of the model that turns one of them is wrong, or the reason is.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CpuProfile } from "../arch/index.js";
import { builtInCpu, usualCpus } from "../builtin/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { decideTask, Inquiry, PROVED, type ProvedOccasion, Question, type SignOff, signOff } from "./index.js";
import { builtinPolicy, builtinPolicyText } from "./policies.fixture.js";

const CPUS = usualCpus().map(builtInCpu);

const LIMITS = { maxStates: 1_000_000, timeoutMs: 0 };
const FB = { fb: true };
const V2 = builtInCpu("neoverse-v2");
const V3 = builtInCpu("neoverse-v3");
const A72 = builtInCpu("cortex-a72");
const OCCASIONS = Object.keys(PROVED) as ProvedOccasion[];

/** No built-in policy says what it does then: Xen does neither. */
const NOT_STATED: readonly ProvedOccasion[] = ["access-flag-cleared", "stage1-edited"];

const known = new Map<string, SignOff>();
const keyOf = (...[policy, occasion, cpu, setting]: ConstructorParameters<typeof Question>): string =>
  JSON.stringify([policy, occasion, cpu.name, setting]);
function verdict(policy: Policy, occasion: ProvedOccasion, cpu: CpuProfile, setting = FB): SignOff {
  const key = keyOf(policy, occasion, cpu, setting);
  const found = known.get(key) ?? signOff([new Question(policy, occasion, cpu, setting)], LIMITS)[0]!;
  known.set(key, found);
  return found;
}

const told = ({ witness = [] }: SignOff): string => witness.map(({ what, rule }) => `${what} [${rule}]`).join("\n");

/** A built-in policy with another text: each of the changes must be found. */
function changed(name: string, ...changes: readonly (readonly [string | RegExp, string])[]): Policy {
  let text = builtinPolicyText(name);
  for (const [from, to] of changes) {
    const next = text.replace(from, to);
    assert.notEqual(next, text, `${name} has ${from}`);
    text = next;
  }
  return parsePolicy(text, `${name}.toml`, builtinPolicy);
}

/** Why each is sound: what the entries of the former owner's VMID are, and what has removed them before the page goes. */
const SOUND: Readonly<Record<string, string>> = {
  "xen-today": "VMALLS12E1IS removes stage-1, stage-2 and combined entries of the VMID on every PE, behind a DSB ISHST",
  "remove-batch": "the same, once, and no page goes before it",
  "switch-vmalle1":
    "stage-2 entries are right for every vCPU of the domain; VMALLE1 removes the others on the one pCPU",
  "kvm-ipa": "stage 2 goes first and is complete (DSB ISH) before VMALLE1IS takes what was made from it",
  "kvm-ipa-range": "the same with RIPAS2E1IS",
  "batch-range": "the same over the batch, and no page goes before it",
};

/** All of them together: what policies and CPUs share is decided once. */
test("the verdicts on all of these are there", () => {
  const questions = Object.keys(SOUND).flatMap((name) =>
    CPUS.flatMap((cpu) => OCCASIONS.map((occasion) => new Question(builtinPolicy(name), occasion, cpu, FB))),
  );
  const found = signOff(questions, LIMITS);
  questions.forEach(({ policy, occasion, cpu }, i) => {
    known.set(keyOf(policy, occasion, cpu, FB), found[i]!);
  });
  assert.equal(known.size, 6 * CPUS.length * OCCASIONS.length);
});

for (const [name, why] of Object.entries(SOUND))
  test(`${name} is sound for every occasion on every CPU: ${why}`, () => {
    for (const cpu of CPUS)
      for (const occasion of OCCASIONS) {
        const found = verdict(builtinPolicy(name), occasion, cpu);
        if (NOT_STATED.includes(occasion)) {
          assert.equal(found.verdict, "not-stated");
          continue;
        }
        assert.equal(found.verdict, "sound", `${occasion} on ${cpu.name}: ${told(found)}`);
        assert.ok(found.scenarios >= 2 && found.timelines > 0);
      }
  });

/** Unsound, for what, on which CPU, a word of the story, and why. */
const UNSOUND: readonly (readonly [string, ProvedOccasion, CpuProfile, RegExp, string])[] = [
  ["remove-no-flush", "revoke", V2, /combined entry x -> pa1/, "nothing removes the entries of the former owner"],
  ["va-ipa-range", "revoke", V2, /it is local/, "RVAE1 and RIPAS2E1 do not reach the pCPU where the owner runs"],
  ["series-v1", "revoke", V2, /may stay/, "VMALLE1 is local: IPAS2E1IS need not apply to combined entries elsewhere"],
  [
    "series-v1",
    "revoke",
    V3,
    /IPAS2E1IS/,
    "with FEAT_nTLBPA nothing at all removes combined entries: it is not about them",
  ],
  [
    "series-v3-patch1",
    "revoke",
    V2,
    /before the TLBI IPAS2E1IS in front of it/,
    "DSB ISHST does not order the two TLBIs",
  ],
  ["series-v3-patch2", "revoke", V2, /before the TLBI IPAS2E1IS in front of it/, "as its first patch"],
  ["series-v3-patch2", "revoke", V3, /may stay/, "with FEAT_nTLBPA combined entries are left"],
  ["switch-no-flush", "switch", V2, /present tables do not give/, "both vCPUs use one VMID, and the same ASID"],
  [
    "series-v1",
    "switch",
    V3,
    /present tables do not give/,
    "FEAT_nTLBPA says nothing about stage-1 and combined entries",
  ],
  ["series-v3-patch2", "switch", V3, /present tables do not give/, "the same"],
  ["vmid-per-vcpu", "switch", V2, /it is for VMID 1/, "the guest's VAE1IS has the VMID of the vCPU that executes it"],
];

for (const [name, occasion, cpu, word, why] of UNSOUND)
  test(`${name} is unsound for ${occasion} on ${cpu.name}: ${why}`, () => {
    const found = verdict(builtinPolicy(name), occasion, cpu);
    assert.equal(found.verdict, "unsound");
    assert.match(told(found), word);
    assert.ok(found.unsound!.includes(found.scenario!.name));
  });

test("where FEAT_nTLBPA is absent, series-v1 and series-v3-patch2 flush at the switch, and are sound there", () => {
  for (const name of ["series-v1", "series-v3-patch2"])
    for (const cpu of [V2, A72]) assert.equal(verdict(builtinPolicy(name), "switch", cpu).verdict, "sound");
});

test("what does not touch an occasion leaves the verdict of its base: no flush at a removal is sound for the switch", () => {
  for (const occasion of ["switch", "split", "vmid-assigned"] as const)
    assert.equal(verdict(builtinPolicy("remove-no-flush"), occasion, V2).verdict, "sound");
  for (const occasion of ["revoke", "batch", "split", "vmid-assigned"] as const)
    assert.equal(verdict(builtinPolicy("switch-no-flush"), occasion, V2).verdict, "sound");
});

const REPEAT = /if repeat-tlbi[\s\S]*?end\n/;

test("without the repeated TLBI, kvm-ipa lets a write land late on a CPU with CVE-2025-10263, and on no other", () => {
  const policy = changed("kvm-ipa", [REPEAT, ""]);
  const found = verdict(policy, "revoke", V2);
  assert.equal(found.verdict, "unsound");
  assert.match(found.scenario!.name, /\.write$/);
  assert.ok(
    found.unsound!.every((name) => name.endsWith(".write")),
    `reads are not affected: ${found.unsound!.join(", ")}`,
  );
  assert.match(told(found), /is observed only now \[CVE-2025-10263/);
  assert.equal(verdict(policy, "revoke", A72).verdict, "sound");
});

test("the repeat is about broadcast TLBIs: without it the local flush at the switch is sound everywhere", () => {
  for (const cpu of CPUS) assert.equal(verdict(builtinPolicy("switch-vmalle1"), "switch", cpu).verdict, "sound");
});

test("kvm-ipa without the DSB ISH in the middle: the stage-1 flush may overtake the stage-2 one", () => {
  const found = verdict(changed("kvm-ipa", [/dsb ish +\/\/ or a walk.*\n/, ""]), "revoke", A72);
  assert.equal(found.verdict, "unsound");
  assert.match(told(found), /before the TLBI IPAS2E1IS in front of it/);
});

test("kvm-ipa with a DSB ISHST in the middle is no better: it waits for stores only", () => {
  const found = verdict(changed("kvm-ipa", [/dsb ish +\/\/ or a walk/, "dsb ishst // or a walk"]), "revoke", A72);
  assert.equal(found.verdict, "unsound");
});

test("IPAS2E1IS alone leaves combined entries", () => {
  const found = verdict(changed("kvm-ipa", [/tlbi vmalle1is\n/, "\n"]), "revoke", A72);
  assert.equal(found.verdict, "unsound");
  assert.match(told(found), /may stay/);
});

test("VMALLE1IS alone leaves the stage-2 entry, from which a combined one is made anew", () => {
  assert.equal(verdict(changed("kvm-ipa", [/tlbi ipas2e1is, ipa, ttl\n/, "\n"]), "revoke", A72).verdict, "unsound");
});

test("xen-today without its DSB ISHST: the TLBI may come before the descriptor's write, and a walk refills", () => {
  const found = verdict(changed("xen-today", [/dsb ishst\n/, "\n"]), "revoke", A72);
  assert.equal(found.verdict, "unsound");
});

test("xen-today with DSB NSH in place of DSB ISH: TLBIs on other PEs are not waited for", () => {
  const found = verdict(changed("xen-today", [/dsb ish\n/, "dsb nsh\n"]), "revoke", A72);
  assert.equal(found.verdict, "unsound");
  assert.ok(
    found.unsound!.every((name) => name.includes("other-pcpu") || name.includes("next-domain")),
    found.unsound!.join(),
  );
});

test("xen-today with DSB ISHST behind the TLBI: it completes no TLBI", () => {
  assert.equal(verdict(changed("xen-today", [/dsb ish\n/, "dsb ishst\n"]), "revoke", A72).verdict, "unsound");
});

test("xen-today with a local TLBI: the other pCPU keeps its entries", () => {
  const found = verdict(changed("xen-today", ["vmalls12e1is", "vmalls12e1"]), "revoke", A72);
  assert.equal(found.verdict, "unsound");
  assert.match(told(found), /it is local/);
});

test("xen-today without the owner's VMID: the TLBI is for whoever is current", () => {
  const found = verdict(changed("xen-today", ["with owner-vmid", "if FEAT_TLBIRANGE"], ["isb\n  end", "isb\n  else\n    dsb ishst\n    tlbi vmalls12e1is\n    dsb ish\n    isb\n  end"]), "revoke", A72); // biome-ignore format: one policy
  assert.equal(found.verdict, "unsound");
  assert.ok(
    found.unsound!.every((name) => name.includes("not-current")),
    found.unsound!.join(),
  );
});

test("stage 1 by a VA, even in the right order: a second VA of the guest keeps its combined entry", () => {
  const text = `name = "by-va"
title = "t"
source = "s"
base = "xen-today"
[revoke]
due = "unlock"
code = """
  with owner-vmid
    dsb ishst
    for page
      tlbi ipas2e1is, ipa
    end
    dsb ish
    for va-page
      tlbi vaae1is, va
    end
    dsb ish
    isb
  end
"""
`;
  const found = verdict(parsePolicy(text, "by-va.toml", builtinPolicy), "revoke", A72);
  assert.equal(found.verdict, "unsound");
  assert.deepEqual(
    found.unsound!.filter((name) => !/\.(alias|block)\./.test(name)),
    [],
    "the VAs that it names are flushed: one page and two",
  );
});

test("a guest's own local TLBI on the pCPU that a vCPU came to: broadcast by HCR_EL2.FB, or stale where it comes back", () => {
  assert.equal(verdict(builtinPolicy("xen-today"), "switch", V2).verdict, "sound");
  const found = verdict(builtinPolicy("xen-today"), "switch", V2, { fb: false });
  assert.equal(found.verdict, "unsound");
  assert.deepEqual(found.unsound, ["switch.left-pcpu.nobody-between"]);
});

test("a page of a batch may be handed out before the batch has flushed, as the allocator flushes all guests first", () => {
  const at = verdict(builtinPolicy("remove-batch"), "batch", V2);
  assert.equal(at.verdict, "sound");
  assert.equal(at.scenarios, 20, "the same as without a batch, and two with the page allocator in between");
});

test("VTTBR_EL2 left at the owner's: unsound for every occasion about another domain, which is current and goes on", () => {
  const left = "msr vttbr_el2, owner\nisb\ndsb ishst\ntlbi vmalls12e1is\ndsb ish\nisb\n";
  for (const [more, expected] of [
    ["", "unsound"],
    ["msr vttbr_el2, current\n", "sound"],
  ] as const)
    for (const occasion of ["revoke", "split", "vmid-assigned"] as const) {
      const code = `[${occasion}]\n${occasion === "revoke" ? `due = "unlock"\n` : ""}code = """\n${left}${more}"""\n`;
      const policy = parsePolicy(
        `name = "left"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n${code}`,
        "left.toml",
        builtinPolicy,
      );
      const found = verdict(policy, occasion, A72);
      assert.equal(found.verdict, expected, `${occasion}: ${told(found)}`);
      if (expected === "unsound") assert.ok(found.unsound!.every((name) => name.includes("caller-goes-on")));
    }
});

for (const occasion of ["split", "vmid-assigned", "switch"] as const)
  test(`no code for ${occasion}, where entries must go: unsound for it, and for nothing that it does not touch`, () => {
    const text = `name = "none"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[${occasion}]\ncode = ""\n`;
    const policy = parsePolicy(text, "none.toml", builtinPolicy);
    for (const other of ["revoke", "switch", "split", "vmid-assigned"] as const)
      assert.equal(verdict(policy, other, V2).verdict, other === occasion ? "unsound" : "sound", other);
  });

test("what code does for a split only where it knows the guest's VA, it does not do where nobody told Xen", () => {
  const code = (byVa: string): string =>
    `with owner-vmid\ndsb ishst\nfor page\ntlbi ipas2e1is, ipa\nend\ndsb ish\n${byVa}\ndsb ish\nend`;
  const loop = "for va-page\ntlbi vae1is, va\nend";
  const split = (byVa: string): SignOff => {
    const text = `name = "by-va"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[split]\ncode = """\n${code(byVa)}\n"""\n`;
    return verdict(parsePolicy(text, "by-va.toml", builtinPolicy), "split", A72);
  };
  const asked = split(`if va-known\n${loop}\nend`);
  assert.equal(asked.verdict, "unsound");
  assert.ok(
    asked.unsound!.every((name) => name.endsWith(".va-unknown")),
    String(asked.unsound),
  );
  assert.equal(split(`if va-known\n${loop}\nelse\ntlbi vmalle1is\nend`).verdict, "sound");
});

test("over a bound the verdict is unknown, with the scenario at which it was", () => {
  const [found] = signOff([new Question(builtinPolicy("xen-today"), "split", V2, FB)], { ...LIMITS, maxStates: 10 });
  assert.equal(found!.verdict, "unknown");
  assert.match(found!.reason!, /^split\..*: /);
});

test("a policy that needs what the CPU lacks is not applicable there, and says why", () => {
  const found = verdict(builtinPolicy("va-ipa-range"), "revoke", A72);
  assert.deepEqual([found.verdict, found.scenarios], ["not-applicable", 0]);
  assert.match(found.reason!, /requires FEAT_TLBIRANGE/);
});

test("one failing scenario is enough where only the verdict is asked for, and verdicts are the same", () => {
  const questions = ["xen-today", "series-v3-patch1"].map(
    (name) => new Question(builtinPolicy(name), "revoke", V2, FB),
  );
  const inquiry = new Inquiry(questions, false);
  let decided = 0;
  for (let tasks = inquiry.next(); tasks.size > 0; tasks = inquiry.next())
    for (const [key, task] of tasks) {
      inquiry.found(key, decideTask(task, LIMITS));
      decided++;
    }
  assert.deepEqual(
    inquiry.results().map((one) => one.verdict),
    ["sound", "unsound"],
  );
  assert.equal(decided, questions[0]!.tasks.length + 1);
});
