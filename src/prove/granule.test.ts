/** Policies with tables of 16 and 64 KiB: the code's operands are of that granule, and one that is written for 4 KiB is held against it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeOperand, type GranuleBits, halvesOf, levelShift, operandRange, TLBI_OPS } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { type Policy, parsePolicy, policyFile } from "../policy/index.js";
import { PROVED, type ProvedOccasion, programOf, type Scenario } from "./occasion/index.js";
import { builtinPolicy } from "./policies.fixture.js";
import { Question, signOff } from "./sign-off.js";

/** It has FEAT_TTL and FEAT_TLBIRANGE. */
const CPU = builtInCpu("neoverse-v2");

/** A built-in policy whose operands are of a granule, whatever the tables have. */
const written = (base: string, granule: string, more = ""): Policy =>
  parsePolicy(
    `name = "mine"\ntitle = "t"\nsource = "s"\nbase = "${base}"\ngranule = "${granule}"\n${more}`,
    "mine.toml",
    builtinPolicy,
  );

function verdict(policy: Policy, granule: GranuleBits, occasion: ProvedOccasion = "split", cpu = CPU): string {
  const question = new Question(policy, occasion, cpu, { fb: true, granule });
  const [found] = signOff([question], { maxStates: 1_000_000, timeoutMs: 0 });
  return `${found!.verdict}${found!.reason === undefined ? "" : `: ${found!.reason}`}`;
}

/** What the TLBIs of pCPU 0 with an operand reach, as [start, end) from ipa1 on, and the operands' own granules. */
function reached(scenario: Scenario, granuleBits: GranuleBits) {
  const { threads, names } = programOf(scenario);
  const [thread] = threads;
  const [ipa1] = [...names.intermediate].find(([, name]) => name === "ipa1")!;
  return thread!.code.flatMap((one) => {
    if (one.op !== "tlbi" || one.rt === 31) return [];
    const op = TLBI_OPS[one.tlbi]!;
    const xt = thread!.registers[one.rt]!;
    const { start, end } = operandRange(op, xt, { granuleBits })!;
    const { lo, hi } = halvesOf(xt);
    return [{ start: Number(start) - ipa1, end: Number(end) - ipa1, fields: decodeOperand(op.operand, lo, hi) }];
  });
}

/** The first scenario in which a block goes. */
const blockOf = (policy: Policy, granule: GranuleBits): Scenario =>
  PROVED.revoke.scenarios(policy, CPU, { fb: true, granule }).find(({ name }) => name.includes(".block."))!;

for (const granule of [12, 14, 16] as const) {
  const kib = `${2 ** (granule - 10)} KiB`;

  test(`a policy's range operands cover a block of ${kib} tables exactly, with TG and TTL of that granule`, () => {
    const list = reached(blockOf(builtinPolicy("kvm-ipa-range"), granule), granule);
    assert.equal(list[0]!.start, 0);
    assert.equal(Math.max(...list.map(({ end }) => end)), 2 ** levelShift(2, granule));
    for (const [i, { start }] of list.entries()) assert.equal(start, i === 0 ? 0 : list[i - 1]!.end);
    for (const { fields } of list) assert.equal("granuleBits" in fields && fields.granuleBits, granule);
  });

  test(`a TTL hint of ${kib} tables has their granule, and the address is of bits [55:12] whatever the granule`, () => {
    const list = reached(blockOf(builtinPolicy("kvm-ipa"), granule), granule);
    const ttls = list.map(({ fields }) => "ttl" in fields && fields.ttl);
    assert.deepEqual(ttls, [{ 12: 0b0110, 14: 0b1010, 16: 0b1110 }[granule]]);
    assert.deepEqual([list[0]!.start, list[0]!.end], [0, 2 ** levelShift(2, granule)]);
  });
}

test("the built-in policies are sound with 16 and 64 KiB too, and the bugs of one stay what they are", () => {
  for (const granule of [14, 16] as const) {
    for (const name of ["kvm-ipa-range", "kvm-ipa", "xen-today"])
      assert.equal(verdict(builtinPolicy(name), granule), "sound", name);
    assert.equal(verdict(builtinPolicy("series-v1"), granule, "revoke"), "unsound");
  }
});

test("operands of 4 KiB on larger tables: a range's TG and a TTL are of another granule, and need not reach anything", () => {
  assert.equal(verdict(written("kvm-ipa-range", "4K"), 12), "sound");
  assert.equal(verdict(written("kvm-ipa", "4K"), 12), "sound");
  assert.equal(verdict(written("kvm-ipa-range", "4K"), 14), "unsound");
  assert.equal(verdict(written("kvm-ipa", "4K"), 14), "unsound");
  assert.equal(verdict(written("kvm-ipa", "16K"), 16), "unsound");
});

test("without a hint any address of a page reaches its entry, and code that goes over 4 KiB pages is as good", () => {
  assert.equal(verdict(written("kvm-ipa-no-ttl", "4K"), 14), "sound");
  const loop = (ops: string) =>
    `[split]\ncode = """\nwith owner-vmid\ndsb ishst\nfor page\n${ops}\nend\ndsb ish\ntlbi vmalle1is\ndsb ish\nisb\nend\n"""\n`;
  assert.equal(verdict(written("xen-4.17", "4K", loop("tlbi ipas2e1is, ipa, ttl")), 14), "unsound");
});

test("operands of a larger granule than the tables' are unknown, with that reason", () => {
  assert.match(verdict(written("kvm-ipa", "64K"), 14), /^unknown: its operands are of 64 KiB .* tables of 16 KiB$/);
});

test("the file that is printed of a policy has its granule, and fb", () => {
  const text = policyFile({ ...written("kvm-ipa", "16K"), fb: false });
  const again = parsePolicy(text, "again.toml", builtinPolicy);
  assert.deepEqual([again.granule, again.fb], [14, false]);
});

test("an operand by VA or by ASID in stage1-edited has the guest's ASID: with it sound, also of larger granules; with another one, or of the last level only, unsound", () => {
  const plain = builtInCpu("cortex-a72");
  const policy = (tlbi: string): Policy =>
    written(
      "xen-4.17",
      "4K",
      `[stage1-edited]\ncode = """\nwith owner-vmid\ndsb ishst\nfor va-page\ntlbi ${tlbi}\nend\ndsb ish\nisb\nend\n"""\n`,
    );
  assert.equal(verdict(policy("vae1is, va"), 12, "stage1-edited", plain), "sound");
  assert.equal(verdict(policy("vae1is, va"), 14, "stage1-edited", plain), "sound");
  // Operand 0 is VA 0 under ASID 0; by VALE1IS the walk caches keep the table that was taken out.
  assert.equal(verdict(policy("vae1is, xzr"), 12, "stage1-edited", plain), "unsound");
  assert.equal(verdict(policy("vale1is, va"), 12, "stage1-edited", plain), "unsound");
  assert.equal(verdict(policy("aside1is, asid"), 12, "stage1-edited", plain), "sound");
  assert.equal(verdict(policy("aside1, asid"), 12, "stage1-edited", plain), "unsound");
  assert.equal(verdict(policy("aside1is, xzr"), 12, "stage1-edited", plain), "unsound");
});
