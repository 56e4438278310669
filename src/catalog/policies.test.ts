import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { Case, missingFeature, type Occasion, unroll } from "../policy/index.js";
import { loadPolicy, policyNames } from "./index.js";

/** Affected by the erratum, with range TLBIs. */
const V2 = "neoverse-v2";
/** Neither. */
const A72 = "cortex-a72";
/** As V2, with FEAT_nTLBPA. */
const V3 = "neoverse-v3";

type Size = "one page" | "two pages" | "a 2 MiB block" | "257 MiB";
const SIZES: Readonly<Record<Size, readonly [entries: number, pages: number]>> = {
  "one page": [1, 1],
  "two pages": [2, 1],
  "a 2 MiB block": [1, 512],
  "257 MiB": [257 * 256, 1],
};
const BASE = 0x40000;
const VA = 0x1000;

function caseOf(size: Size, owner: "current" | "not current"): Case {
  const on = new Case();
  on.currentVmid = 1;
  on.ownerVmids = [owner === "current" ? 1 : 2];
  const [entries, pages] = SIZES[size];
  for (let i = 0; i < entries; i++) on.add(BASE + i * pages, pages, VA + i * pages);
  return on;
}

/** The instructions of a built-in policy. */
function code(policy: string, occasion: Occasion, cpu: string, on: Case = caseOf("one page", "current")): string[] {
  return unroll(loadPolicy(policy).code[occasion], on, builtInCpu(cpu)).map((i) => i.text);
}

const revoke = (policy: string, cpu: string, size: Size): string[] =>
  code(policy, "revoke", cpu, caseOf(size, "current"));

/** A listing as people write it: instructions separated by ';'. */
const asm = (text: string): string[] => text.split(";").map((line) => line.trim());

const REPEAT = "tlbi vale2is, 0x0; dsb ish";

test("Xen of today flushes the whole VMID, whatever was removed, and repeats on a CPU with the erratum", () => {
  for (const size of Object.keys(SIZES) as Size[]) {
    assert.deepEqual(revoke("xen-today", A72, size), asm("dsb ishst; tlbi vmalls12e1is; dsb ish; isb"));
    assert.deepEqual(revoke("xen-today", V2, size), asm(`dsb ishst; tlbi vmalls12e1is; dsb ish; ${REPEAT}; isb`));
  }
  assert.deepEqual(code("xen-today", "split", A72), asm("dsb ishst; tlbi vmalls12e1is; dsb ish; isb"));
  assert.deepEqual(code("xen-today", "vmid-assigned", A72), asm("dsb ishst; tlbi vmalls12e1is; dsb ish; isb"));
  assert.deepEqual(code("xen-today", "switch", V2), asm("dsb nshst; tlbi vmalls12e1; dsb nsh; isb"));
});

test("every removal of a mapping of another VMID goes through VTTBR_EL2 and back, each with its ISB, and is the same inside", () => {
  const [to, back] = [asm("msr vttbr_el2, vmid 2; isb"), asm("msr vttbr_el2, vmid 1; isb")];
  for (const name of policyNames()) {
    const policy = loadPolicy(name);
    for (const cpu of [V2, A72, V3].map((n) => builtInCpu(n)))
      for (const size of Object.keys(SIZES) as Size[]) {
        if (missingFeature(policy, cpu) || (size === "257 MiB" && cpu.name !== V2)) continue;
        for (const occasion of ["revoke", "split"] as const) {
          const list = (owner: "current" | "not current"): string[] =>
            unroll(policy.code[occasion], caseOf(size, owner), cpu).map((i) => i.text);
          const current = list("current");
          const wanted = current.length === 0 ? [] : [...to, ...current, ...back];
          assert.equal(list("not current").join("\n"), wanted.join("\n"), `${name} ${occasion} ${cpu.name} ${size}`);
        }
      }
  }
});

test("the erratum's remedy follows every broadcast flush of every policy, and stands nowhere else", () => {
  for (const policy of policyNames())
    for (const occasion of ["revoke", "split", "vmid-assigned", "switch", "batch-end"] as const) {
      if (policy === "va-ipa-range" && occasion === "revoke") continue; // it is local
      if (policy === "xen-4.17") continue; // it patches its remedy in on Cortex-A76 only
      const list = code(policy, occasion, V2);
      const broadcast = list.some((i) => /^tlbi (?!vale2is).*is\b/.test(i));
      assert.equal(list.includes("tlbi vale2is, 0x0"), broadcast, `${policy} ${occasion}`);
      if (missingFeature(loadPolicy(policy), builtInCpu(A72))) continue;
      assert.ok(
        !code(policy, occasion, A72).includes("tlbi vale2is, 0x0"),
        `${policy} ${occasion} without the erratum`,
      );
    }
});

test("Xen 4.17: the same without the remedy of the erratum, and with barriers of the whole domain at the switch", () => {
  for (const cpu of [A72, V2]) {
    assert.deepEqual(revoke("xen-4.17", cpu, "one page"), asm("dsb ishst; tlbi vmalls12e1is; dsb ish; isb"));
    assert.deepEqual(code("xen-4.17", "switch", cpu), asm("dsb ishst; tlbi vmalls12e1; dsb ish; isb"));
  }
});

test("kvm-ipa: stage 2 complete before stage 1, one invalidation a page and one for a block, each with its level", () => {
  const once = (ipa: string): string => `dsb ishst; tlbi ipas2e1is, ${ipa}; dsb ish; tlbi vmalle1is; dsb ish`;
  assert.deepEqual(revoke("kvm-ipa", A72, "one page"), asm(`${once("0x40000")}; isb`));
  // TTL in [47:44] with FEAT_TTL: the 4 KiB granule and level 3, level 2
  assert.deepEqual(revoke("kvm-ipa", V2, "one page"), asm(`${once("0x700000040000")}; ${REPEAT}; isb`));
  assert.deepEqual(revoke("kvm-ipa", V2, "a 2 MiB block"), asm(`${once("0x600000040000")}; ${REPEAT}; isb`));
  assert.deepEqual(revoke("kvm-ipa", A72, "a 2 MiB block"), asm(`${once("0x40000")}; isb`));
  assert.deepEqual(revoke("kvm-ipa", A72, "two pages"), asm(`${once("0x40000")}; isb; ${once("0x40001")}; isb`));
  for (const size of ["one page", "a 2 MiB block"] as const)
    assert.deepEqual(revoke("kvm-ipa-no-ttl", V2, size), asm(`${once("0x40000")}; ${REPEAT}; isb`));
  assert.deepEqual(code("kvm-ipa", "switch", V2), asm("tlbi vmalle1; dsb nsh; isb"));
});

test("kvm-ipa-range and batch-range: one RIPAS2E1IS for what one encodes, the whole VMID without FEAT_TLBIRANGE", () => {
  for (const policy of ["kvm-ipa-range", "batch-range"]) {
    const tail = `dsb ish; tlbi vmalle1is; dsb ish; ${REPEAT}; isb`;
    assert.deepEqual(revoke(policy, V2, "one page"), asm(`dsb ishst; tlbi ipas2e1is, 0x40000; ${tail}`));
    // TG = 1 in [47:46]; two pages: SCALE 0, NUM 0; 512 pages: SCALE 1, NUM 7
    assert.deepEqual(revoke(policy, V2, "two pages"), asm(`dsb ishst; tlbi ripas2e1is, 0x400000040000; ${tail}`));
    assert.deepEqual(revoke(policy, V2, "a 2 MiB block"), asm(`dsb ishst; tlbi ripas2e1is, 0x538000040000; ${tail}`));
    // 65,792 pages = 65,536 (SCALE 3, NUM 0) + 256 (SCALE 1, NUM 3)
    assert.deepEqual(
      revoke(policy, V2, "257 MiB"),
      asm(`dsb ishst; tlbi ripas2e1is, 0x700000040000; tlbi ripas2e1is, 0x518000050000; ${tail}`),
    );
    assert.deepEqual(revoke(policy, A72, "two pages"), asm("dsb ishst; tlbi vmalls12e1is; dsb ish; isb"));
  }
  assert.equal(loadPolicy("batch-range").due, "batch-end");
  assert.equal(loadPolicy("kvm-ipa-range").due, "unlock");
});

test("va-ipa-range: one page is VAE1 and IPAS2E1, two are RVAE1 and RIPAS2E1, all of it local", () => {
  assert.deepEqual(
    revoke("va-ipa-range", V2, "one page"),
    asm("tlbi vae1, 0x1000; tlbi ipas2e1, 0x40000; dsb ish; isb"),
  );
  assert.deepEqual(
    revoke("va-ipa-range", V2, "two pages"),
    asm("tlbi rvae1, 0x400000001000; tlbi ripas2e1, 0x400000040000; dsb ish; isb"),
  );
  assert.equal(missingFeature(loadPolicy("va-ipa-range"), builtInCpu(A72)), "FEAT_TLBIRANGE");
});

test("series v1: IPAS2E1IS a page, then a local VMALLE1 unless FEAT_nTLBPA", () => {
  const local = "dsb nshst; tlbi vmalle1; dsb nsh; isb";
  assert.deepEqual(
    revoke("series-v1", A72, "one page"),
    asm(`dsb ishst; tlbi ipas2e1is, 0x40000; ${local}; dsb ishst`),
  );
  assert.deepEqual(
    revoke("series-v1", V3, "two pages"),
    asm(`dsb ishst; tlbi ipas2e1is, 0x40000; tlbi ipas2e1is, 0x40001; dsb ishst; ${REPEAT}`),
  );
  assert.equal(revoke("series-v1", A72, "a 2 MiB block").filter((i) => i.startsWith("tlbi ipas2e1is")).length, 512);
  assert.deepEqual(code("series-v1", "switch", A72), asm(local));
  assert.deepEqual(code("series-v1", "switch", V3), []);
});

test("series v3 patch 1: IPAS2E1IS a page and VMALLE1IS, up to 256 MiB", () => {
  for (const cpu of [V2, V3]) {
    assert.deepEqual(
      revoke("series-v3-patch1", cpu, "two pages"),
      asm(
        `dsb ishst; tlbi ipas2e1is, 0x40000; tlbi ipas2e1is, 0x40001; dsb ishst; tlbi vmalle1is; dsb ish; ${REPEAT}; isb`,
      ),
    );
    assert.deepEqual(
      revoke("series-v3-patch1", cpu, "257 MiB"),
      asm(`dsb ishst; tlbi vmalls12e1is; dsb ish; ${REPEAT}; isb`),
    );
    assert.deepEqual(code("series-v3-patch1", "switch", cpu), asm("dsb nshst; tlbi vmalle1; dsb nsh; isb"));
  }
});

test("series v3 turns to the whole VMID above 256 MiB, not at it", () => {
  const on = new Case();
  on.ownerVmids = [0];
  on.add(0, 65_536, -1);
  assert.equal(code("series-v3-patch1", "revoke", A72, on).length, 65_536 + 5);
  on.add(65_536, 1, -1);
  assert.deepEqual(code("series-v3-patch1", "revoke", A72, on), asm("dsb ishst; tlbi vmalls12e1is; dsb ish; isb"));
});

test("series v3 patch 2: the same without VMALLE1 on a CPU with FEAT_nTLBPA", () => {
  for (const size of Object.keys(SIZES) as Size[])
    assert.deepEqual(revoke("series-v3-patch2", V2, size), revoke("series-v3-patch1", V2, size));
  assert.deepEqual(
    revoke("series-v3-patch2", V3, "one page"),
    asm(`dsb ishst; tlbi ipas2e1is, 0x40000; dsb ish; ${REPEAT}; isb`),
  );
  assert.deepEqual(code("series-v3-patch2", "switch", V3), []);
  assert.deepEqual(code("series-v3-patch2", "switch", V2), asm("dsb nshst; tlbi vmalle1; dsb nsh; isb"));
});

test("the report's experiments leave out one flush each, the batch only moves it", () => {
  assert.deepEqual(revoke("remove-no-flush", V2, "one page"), []);
  assert.deepEqual(code("remove-no-flush", "switch", V2), code("xen-today", "switch", V2));
  assert.deepEqual(code("switch-no-flush", "switch", V2), []);
  assert.deepEqual(revoke("switch-no-flush", V2, "one page"), revoke("xen-today", V2, "one page"));
  assert.deepEqual(revoke("remove-batch", V2, "one page"), revoke("xen-today", V2, "one page"));
  assert.equal(loadPolicy("remove-batch").due, "batch-end");
});

test("vmid-per-vcpu: a removal flushes each VMID, those not current through VTTBR_EL2 and back", () => {
  const on = caseOf("one page", "current");
  on.ownerVmids = [1, 2, 3];
  const flush = "dsb ishst; tlbi vmalls12e1is; dsb ish; isb";
  const elsewhere = (vmid: number): string => `msr vttbr_el2, vmid ${vmid}; isb; ${flush}; msr vttbr_el2, vmid 1; isb`;
  assert.deepEqual(code("vmid-per-vcpu", "revoke", A72, on), asm(`${flush}; ${elsewhere(2)}; ${elsewhere(3)}`));
  assert.deepEqual(code("vmid-per-vcpu", "switch", A72), []);
});
