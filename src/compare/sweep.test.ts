import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInHost, builtInPolicy, builtInScenario, builtInText } from "../builtin/index.js";
import { type Host, parseHost } from "../host/index.js";
import { parseScenario } from "../hypervisor/index.js";
import { parsePolicy } from "../policy/index.js";
import { type CompareRow, type Comparison, compare } from "./index.js";
import { parseSetting } from "./setting.js";
import { Sweep } from "./sweep.js";
import { Tornados } from "./tornado.js";

const values = (text: string): readonly number[] => parseSetting(text).values;

test("values are a list, or a range by a step or a factor, its end included where it is met", () => {
  assert.deepEqual(parseSetting("run.slice-us=1,0x10,1_000,2.5e3"), {
    key: "run.slice-us",
    values: [1, 16, 1000, 2500],
  });
  assert.deepEqual(values("k=1..64*4"), [1, 4, 16, 64]);
  assert.deepEqual(values("k=1..60*4"), [1, 4, 16]);
  assert.deepEqual(values("k=2..8+3"), [2, 5, 8]);
  assert.deepEqual(values("k=40..44"), [40, 41, 42, 43, 44]);
  assert.deepEqual(values("k=0.1..0.3+0.1"), [0.1, 0.2, 0.3], "no hair above");
  assert.deepEqual(values("k=5..5*2"), [5]);
  assert.deepEqual(values("k=1,1..2"), [1, 2], "each once");
});

test("what is no setting is refused with the form that is expected", () => {
  for (const text of ["", "k", "k=", "=1", "k=x", "k=1..", "k=-1", "k=1,,2"])
    assert.throws(() => parseSetting(text), /^InputError: --set '.*expected KEY=V1,V2/, text);
  assert.throws(() => parseSetting("k=3..1"), /'3..1' goes down/);
  for (const text of ["k=1..9*1", "k=0..9*2", "k=1..9+0"])
    assert.throws(() => parseSetting(text), /goes nowhere/, text);
  assert.throws(() => parseSetting("k=1..1e9"), /more than 1000 values/);
});

const HOST = builtInHost("kvm-nested-7.2");
const BARE = builtInHost("bare-metal");
const CPU = builtInCpu("neoverse-v2");
const comparison = (of: Partial<Comparison> = {}): Comparison => ({
  ...{
    scenarios: [builtInScenario("vcpu-switch")],
    policies: [builtInPolicy("kvm-ipa")],
    hosts: [HOST],
    ipaBits: [40],
  },
  ...{ cpuOf: () => CPU },
  ...of,
});

/** A sweep's rows, compared; and the same by a comparison of what `of` is changed to. */
function swept(of: Comparison, ...settings: string[]) {
  const sweep = new Sweep(of, settings.map(parseSetting));
  return sweep.rows(compare({ ...of, ...sweep.swept }).rows);
}
const found = ({ microseconds, microsecondsRange, tlbi }: CompareRow): unknown => [
  microseconds,
  microsecondsRange,
  tlbi,
];
const only = (of: Partial<Comparison>): unknown => found(compare(comparison(of)).rows[0]!);

test("a number of a scenario that is set is that of a file that says it", () => {
  const text = builtInText("scenarios", "vcpu-switch");
  assert.match(text, /^slice-us = \S+/m);
  const other = parseScenario(text.replace(/^slice-us = \S+/m, "slice-us = 20_000"), "other.toml");
  const rows = swept(comparison(), "run.slice-us=10000,20000");
  assert.deepEqual(
    rows.map(({ set, scenario }) => [set, scenario]),
    [
      [{ "run.slice-us": 10_000 }, "vcpu-switch"],
      [{ "run.slice-us": 20_000 }, "vcpu-switch"],
    ],
  );
  assert.deepEqual(rows.map(found), [only({}), only({ scenarios: [other] })]);
  assert.notDeepEqual(found(rows[0]!), found(rows[1]!));
});

test("an elementary price that is set is that of a file that gives it without a range", () => {
  const text = builtInText("hosts", "kvm-nested-7.2").replace(
    /(\[prices\.exit\]\n)value = .*\nlow = .*\nhigh = .*\n/,
    "$1value = 7\n",
  );
  const other = parseHost(text, "other.toml", builtInHost);
  assert.deepEqual([other.prices.exit!.low, other.prices.exit!.high], [7, 7]);
  const rows = swept(comparison({ hosts: [HOST, BARE] }), "prices.exit=7");
  assert.deepEqual(
    rows.map(({ host, set }) => [host, set]),
    [
      ["kvm-nested-7.2", { "prices.exit": 7 }],
      ["bare-metal", {}],
    ],
  );
  assert.deepEqual(found(rows[0]!), only({ hosts: [other] }));
});

/** As examples/policy.toml, which a batch of removals asks for one page at a time up to so many. */
const threshold = (pages: number) =>
  parsePolicy(
    `name = "mine"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n[revoke]\ndue = "batch-end"\ncode = """\nwith owner-vmid\ndsb ishst\nif pages <= ${pages}\nfor page\ntlbi ipas2e1is, ipa\nend\ndsb ish\ntlbi vmalle1is\nelse\ntlbi vmalls12e1is\nend\ndsb ish\nisb\nend\n"""\n`,
    "mine.toml",
    builtInPolicy,
  );

test("a threshold of a policy that is set is that of a file that says it; every combination has a row", () => {
  const create = parseScenario(
    builtInText("scenarios", "create-domu").replace("pages = 0x1d20", "pages = 0x40"),
    "c.toml",
  );
  const of = { scenarios: [create], hosts: [BARE] };
  const rows = swept(comparison({ ...of, policies: [threshold(512)] }), "revoke.pages=8,4096", "prices.local=0.1,1");
  assert.deepEqual(
    rows.map(({ set }) => [set["revoke.pages"], set["prices.local"]]),
    [
      [8, 0.1],
      [8, 1],
      [4096, 0.1],
      [4096, 1],
    ],
  );
  const [few, many] = [8, 4096].map((pages) => compare(comparison({ ...of, policies: [threshold(pages)] })).rows[0]!);
  assert.deepEqual(
    rows.map(({ tlbi }) => tlbi),
    [few!.tlbi, few!.tlbi, many!.tlbi, many!.tlbi],
  );
  assert.notDeepEqual(few!.tlbi, many!.tlbi);
});

test("IPA sizes may be swept, and a host without them stands once", () => {
  const rows = swept(comparison({ hosts: [HOST, BARE] }), "ipa-bits=40..44+4");
  assert.deepEqual(
    rows.map(({ host, set }) => [host, set["ipa-bits"]]),
    [
      ["kvm-nested-7.2", 40],
      ["kvm-nested-7.2", 44],
      ["bare-metal", undefined],
    ],
  );
});

test("a key that nothing has, a value that cannot be, and too many combinations are refused", () => {
  const sweep =
    (...settings: string[]) =>
    () =>
      new Sweep(comparison(), settings.map(parseSetting));
  assert.throws(sweep("run.slice=1"), /^InputError: --set run\.slice: no scenario, .* did you mean run\.slice-us\?$/);
  assert.throws(sweep("prices.exti=1"), /did you mean prices\.exit/);
  assert.throws(sweep("zzzzz=1"), /expected one of ipa-bits, machine\.pcpus, /);
  assert.throws(
    sweep("machine.pcpus=0"),
    /^InputError: scenarios\/vcpu-switch\.toml with machine\.pcpus=0: machine\.pcpus: expected >=1/,
  );
  assert.throws(sweep("ipa-bits=31"), /--set ipa-bits: 31, expected whole numbers from 32 to 52/);
  assert.throws(sweep("lives=1", "lives=2"), /--set lives: is given twice/);
  assert.throws(sweep("run.slice-us=1..1000", "lives=1..1000"), /makes 1000000 scenarios, expected at most 2000/);
  assert.throws(sweep("prices.exit=1..1000", "prices.local=1..1000"), /makes 1000000 prices, expected at most 50000/);
});

test("a bar of a tornado is the price with one elementary price at its ends, and the longest is first", () => {
  const of = comparison({ hosts: [HOST, BARE] });
  const tornados = new Tornados(of.hosts);
  const rows = tornados.rows(compare({ ...of, hosts: tornados.hosts }).rows, ({ policy }) => policy);
  assert.deepEqual(
    rows.map(({ host }) => host),
    ["kvm-nested-7.2", "bare-metal"],
  );
  const at = (key: string, end: "low" | "high"): number => {
    const price = HOST.prices[key]!;
    const fixed: Host = { ...HOST, prices: { ...HOST.prices, [key]: { ...price, value: price[end] } } };
    return compare(comparison({ hosts: [fixed] })).rows[0]!.microseconds;
  };
  const { bars } = rows[0]!;
  assert.ok(bars.length >= 3);
  for (const { key, microseconds } of bars) assert.deepEqual(microseconds, [at(key, "low"), at(key, "high")], key);
  const lengths = bars.map(({ microseconds: [low, high] }) => high - low);
  assert.deepEqual(
    lengths,
    [...lengths].sort((a, b) => b - a),
  );
  assert.deepEqual(rows[1]!.bars.map(({ key }) => key).sort(), ["broadcast", "local"], "bare metal");
});
