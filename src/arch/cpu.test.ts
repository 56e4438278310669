import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CpuProfile,
  ERRATA,
  type Erratum,
  erratumOf,
  FEATURES,
  hasErratum,
  isFeature,
  isWorkaround,
  needs,
  SYMPTOM_WORDS,
  SYMPTOMS,
  TLBI_OPS,
  WORKAROUND_WORDS,
  withErratum,
  withWorkaround,
} from "./index.js";

const PLAIN: CpuProfile = {
  ...{ name: "plain", title: "a CPU of this test", source: "this test" },
  ...{ features: new Set(), unknown: new Set(), sources: new Map(), bbmLevel: 0, errata: [], symptoms: new Set() },
};

test("a feature that a TLBI needs is a known one, and names are exact", () => {
  for (const op of TLBI_OPS) for (const feature of op.needs) assert.ok(isFeature(feature));
  for (const name of ["feat_ttl", "TTL", "toString", ""]) assert.ok(!isFeature(name), name);
});

test("a workaround is needed for any symptom that it is for; with it taken away nothing is left of them", () => {
  for (const word of WORKAROUND_WORDS) {
    assert.ok(isWorkaround(word) && !isFeature(word));
    assert.ok(!needs(PLAIN, word));
    for (const symptom of SYMPTOM_WORDS.filter((one) => SYMPTOMS[one].workaround === word)) {
      const ill = { ...PLAIN, symptoms: new Set([symptom]) };
      assert.ok(needs(ill, word), symptom);
      assert.equal(withWorkaround(ill, word, true), ill);
      assert.deepEqual(withWorkaround(ill, word, false), PLAIN);
    }
    assert.deepEqual([...withWorkaround(PLAIN, word, true).symptoms], [word]);
  }
  for (const name of ["CVE-2025-10263", "toString", ""]) assert.ok(!isWorkaround(name), name);
});

test("an erratum is added once, with its symptoms; a core's own number and the vulnerability's are one", () => {
  const reads = erratumOf("1286807")!;
  const cve = erratumOf("cve-2025-10263")!;
  const own = erratumOf("4193787")!;
  const ill = withErratum(PLAIN, reads);
  assert.deepEqual([[...ill.symptoms], ill.errata], [["repeat-tlbi-reads"], [reads]]);
  assert.equal(withErratum(ill, reads), ill);
  assert.deepEqual([...withErratum(ill, own).symptoms].sort(), ["repeat-tlbi", "repeat-tlbi-reads"]);
  assert.ok(hasErratum({ errata: [own] }, cve) && hasErratum({ errata: [cve] }, own) && !hasErratum(ill, cve));
  assert.ok(!hasErratum({ errata: [erratumOf("1542418")!] }, erratumOf("1542419")!));
});

test("every erratum has one row, a source, and either symptoms of the model or why it has none", () => {
  const numbers = ERRATA.map(({ number }) => number.toLowerCase());
  assert.deepEqual([...new Set(numbers)], numbers);
  const wrong = ({ symptoms, outside, source, text, remedy, cpus }: Erratum): boolean =>
    symptoms.length > 0 === (outside !== undefined) || [source, text, remedy, cpus].some((words) => words.length < 4);
  assert.deepEqual(ERRATA.filter(wrong), []);
  assert.equal(erratumOf("1"), undefined);
  assert.ok(Object.keys(FEATURES).length > 5);
});
