import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CPU_PROFILES,
  cpuProfile,
  ERRATUM_WORDS,
  FEATURES,
  type Feature,
  isErratum,
  isFeature,
  TLBI_OPS,
  withErratum,
} from "./index.js";

const has = (name: string, feature: Feature): boolean => cpuProfile(name)!.features.has(feature);

test("range TLBIs came with Armv8.4, and no physical walk caches with V3", () => {
  const with_ = (feature: Feature) => CPU_PROFILES.filter((p) => p.features.has(feature)).map((p) => p.name);
  assert.deepEqual(with_("FEAT_TLBIRANGE"), ["neoverse-v1", "neoverse-v2", "neoverse-v3", "arch-maximal"]);
  assert.deepEqual(with_("FEAT_nTLBPA"), ["neoverse-v3", "arch-maximal"]);
  assert.deepEqual(with_("FEAT_NV2"), ["neoverse-v2", "neoverse-v3", "arch-maximal"]);
});

test("only the A72 and the two profiles that are no product are free of the repeat-TLBI erratum", () => {
  const free = CPU_PROFILES.filter((p) => !p.errata.has("repeat-tlbi")).map((p) => p.name);
  assert.deepEqual(free, ["cortex-a72", "arch-minimal", "arch-maximal"]);
});

test("a CPU with nested virtualization has range TLBIs and forced write-back, as Armv8.4 requires", () => {
  for (const { name } of CPU_PROFILES)
    if (has(name, "FEAT_NV2")) assert.ok(has(name, "FEAT_TLBIRANGE") && has(name, "FEAT_S2FWB"), name);
});

test("the profiles bound the architecture: arch-minimal has no feature and arch-maximal all", () => {
  assert.equal(cpuProfile("arch-minimal")!.features.size, 0);
  assert.deepEqual([...cpuProfile("arch-maximal")!.features], Object.keys(FEATURES));
  assert.equal(cpuProfile("cortex-a73"), undefined);
});

test("a feature that a TLBI needs is a known one, and names are exact", () => {
  for (const op of TLBI_OPS) for (const feature of op.needs) assert.ok(isFeature(feature));
  for (const name of ["feat_ttl", "TTL", "toString", ""]) assert.ok(!isFeature(name), name);
});

test("an erratum is a CPU's or not, whatever the profile says, and its word is no feature's", () => {
  const v2 = cpuProfile("neoverse-v2")!;
  for (const word of ERRATUM_WORDS) {
    assert.ok(isErratum(word) && !isFeature(word));
    for (const has of [true, false]) assert.equal(withErratum(v2, word, has).errata.has(word), has);
  }
  assert.deepEqual(withErratum(v2, "repeat-tlbi", true), v2);
  assert.deepEqual([...v2.errata], ["repeat-tlbi"]);
  for (const name of ["CVE-2025-10263", "toString", ""]) assert.ok(!isErratum(name), name);
});
