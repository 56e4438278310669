import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, FEATURES, type Feature } from "../arch/index.js";
import { builtInCpu, cpuNames, usualCpus } from "../builtin/index.js";
import { InputError } from "../input/index.js";
import { parseCpu } from "./index.js";

const HEAD = 'name = "mine"\ntitle = "a CPU of this test"\nsource = "this test"\n';
const parse = (text: string): CpuProfile => parseCpu(HEAD + text, "mine.toml", builtInCpu);
const refused = (text: string, message: RegExp): void => {
  assert.throws(
    () => parse(text),
    (error) => error instanceof InputError && message.test(error.message),
    text,
  );
};

test("a feature that is not spoken of, or has no source, is unknown; others stands for those that are not named", () => {
  const cpu = parse(`[features]
FEAT_TTL = { has = true, source = "s" }
FEAT_XS = { has = true }
FEAT_NV2 = { has = false, source = "s" }
`);
  assert.deepEqual([...cpu.features], ["FEAT_TTL"]);
  assert.ok(cpu.unknown.has("FEAT_XS") && cpu.unknown.has("FEAT_S2FWB") && !cpu.unknown.has("FEAT_NV2"));
  const rest = parse('[features]\nothers = { has = true, source = "s" }\nFEAT_XS = { has = false, source = "s" }\n');
  assert.deepEqual([rest.features.size, rest.unknown.size], [Object.keys(FEATURES).length - 1, 0]);
  assert.equal(parse('bbm-level = { level = 2, source = "s" }\n').bbmLevel, 2);
  assert.equal(parse("bbm-level = { level = 2 }\n").bbmLevel, 0);
});

test("a file with a base says what differs: features, errata that are there no more, errata besides", () => {
  const variant = parse(`base = "neoverse-n1"
[features]
FEAT_TTL = { has = true, source = "s" }
FEAT_TTCNP = { has = true }
[errata]
4193800 = { has = false, source = "s" }
1286807 = { source = "s" }
`);
  const n1 = builtInCpu("neoverse-n1");
  assert.deepEqual(variant.features, new Set([...n1.features, "FEAT_TTL"].filter((name) => name !== "FEAT_TTCNP")));
  assert.deepEqual(variant.unknown, new Set(["FEAT_TTCNP"]));
  assert.deepEqual(
    variant.errata.map(({ number }) => number),
    [...n1.errata.map(({ number }) => number).filter((n) => n !== "4193800"), "1286807"],
  );
  assert.deepEqual(variant.symptoms, new Set(["repeat-tlbi-reads"]));
});

test("an erratum of a number that has a row here needs a source only; another says all that there is to say", () => {
  const [own] = parse(
    '[errata]\n"MY-1" = { symptoms = ["repeat-tlbi"], text = "stores come late", remedy = "again", source = "s" }\n',
  ).errata;
  assert.deepEqual([own!.symptoms, own!.outside, own!.cpus], [["repeat-tlbi"], undefined, "mine"]);
  refused('[errata]\n"MY-1" = { source = "s" }\n', /^mine\.toml:5: errata\.MY-1: is not a number that shootdown knows/);
  refused("[errata]\n1286807 = { has = true }\n", /^mine\.toml:5: errata\.1286807\.source: is missing/);
  refused(
    '[errata]\n1286807 = { symptoms = ["repeat-tlbi"], outside = "x", source = "s" }\n',
    /^mine\.toml:5: .*both 'symptoms' and 'outside'/,
  );
  refused('[errata]\n1286807 = { symptoms = ["late"], source = "s" }\n', /^mine\.toml:5: .*"repeat-tlbi"/);
});

test("what is wrong in a CPU file is told with its line", () => {
  refused(
    '[features]\nFEAT_TLBRANGE = { has = true, source = "s" }\n',
    /^mine\.toml:5: unknown key 'features\.FEAT_TLBRANGE'/,
  );
  refused("[features]\nFEAT_TTL = true\n", /^mine\.toml:5: features\.FEAT_TTL: expected/);
  refused('bbm-level = { level = 3, source = "s" }\n', /^mine\.toml:4: bbm-level\.level: expected \(0 \| 1 \| 2\)/);
  refused('base = "z80"\n', /no CPU is named 'z80': expected cortex-a72/);
});

const has = (name: string, feature: Feature): boolean => builtInCpu(name).features.has(feature);

test("range TLBIs came with Armv8.4, and no physical walk caches with V3", () => {
  const with_ = (feature: Feature): string[] => usualCpus().filter((name) => has(name, feature));
  assert.deepEqual(with_("FEAT_TLBIRANGE"), ["neoverse-v1", "neoverse-v2", "neoverse-v3", "arch-maximal"]);
  assert.deepEqual(with_("FEAT_nTLBPA"), ["neoverse-v3", "arch-maximal"]);
  assert.deepEqual(with_("FEAT_NV2"), ["neoverse-v2", "neoverse-v3", "arch-maximal"]);
});

test("of the usual CPUs only the A72 and those that are no product are free of the repeat-TLBI erratum", () => {
  const free = usualCpus().filter((name) => !builtInCpu(name).symptoms.has("repeat-tlbi"));
  assert.deepEqual(free, ["cortex-a72", "arch-minimal", "arch-maximal"]);
});

test("a CPU with nested virtualization has range TLBIs and forced write-back, as Armv8.4 requires", () => {
  for (const name of cpuNames())
    if (has(name, "FEAT_NV2")) assert.ok(has(name, "FEAT_TLBIRANGE") && has(name, "FEAT_S2FWB"), name);
});

test("the profiles bound the architecture: arch-minimal has no feature and arch-maximal all, and nothing is unknown of them", () => {
  assert.equal(builtInCpu("arch-minimal").features.size, 0);
  assert.deepEqual([...builtInCpu("arch-maximal").features], Object.keys(FEATURES));
  for (const name of ["arch-minimal", "arch-maximal"]) assert.equal(builtInCpu(name).unknown.size, 0);
});
