/** `shootdown prove TRACE`: what a trace executed, as policies with verdicts; what it does not show, as unknown. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-prove-trace-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);
const SWITCH = ["--cpu", "cortex-a72", "--occasion", "switch"];

interface Printed {
  readonly traces: readonly {
    readonly policies: readonly { readonly name: string; readonly toml: string }[];
    readonly sequences: readonly {
      readonly occasion: string;
      readonly code: readonly string[];
      readonly count: number;
    }[];
    readonly unknown: readonly string[];
  }[];
  readonly results: readonly { readonly verdict: string; readonly occasion: string; readonly reason?: string }[];
}
const prove = async (...args: string[]): Promise<Printed> => {
  const { status, out, err } = await shootdown(["prove", ...args, "--json"]);
  assert.deepEqual([status, err], [0, ""]);
  return JSON.parse(out);
};

const ENTERS = [
  `{"kind":"sysreg","name":"VTTBR_EL2","domain":1,"vmid":1,"before":"0x0","after":"0x1000000100000","site":"p2m_restore_state"}`,
  `{"kind":"end","name":"vcpu-switch:d1","domain":1,"vmid":1}`,
];

/** A trace in which a vCPU goes to another pCPU, and then another vCPU of its domain comes in where it was; `recording`: what it says of itself. */
const switching = (flush: readonly string[], recording: string): string => {
  const comes = (vcpu: number): string =>
    `{"kind":"begin","name":"vcpu-switch:d1","domain":1,"vmid":1,"after":"0x${vcpu}","site":"p2m_restore_state"}`;
  const events = [
    `{"kind":"begin","name":"domain:create","after":"0x1"}`,
    `{"kind":"end","name":"domain:create"}`,
    comes(0),
    ...ENTERS,
    ...[comes(0), ...ENTERS].map((event) => event.replace(`,"domain"`, `,"pcpu":1,"domain"`)),
    comes(1),
    ...flush.map(
      (name) =>
        `{"kind":"${name.startsWith("V") ? "tlbi" : "barrier"}","name":"${name}","domain":1,"vmid":1,"site":"p2m_restore_state"}`,
    ),
    `{"kind":"end","name":"vcpu-switch:d1","domain":1,"vmid":1}`,
  ];
  return `{"shootdown":"trace","version":2,"producer":"test"}\n${events.join("\n")}\n${recording}\n{"end":true,"events":${events.length}}\n`;
};
const CAPTURE = `{"shootdown":"recording","recording":{"source":"capture","cpu":{"profile":"cortex-a72","repeatTlbi":false}}}`;
const SIMULATION = CAPTURE.replace("capture", "simulation");
const written = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};

before(async () => {
  const { status } = await shootdown([
    "simulate",
    "vcpu-switch",
    "-p",
    "switch-no-flush",
    "-o",
    at("bad.parquet"),
    "--json",
  ]);
  assert.equal(status, 0);
});

test("a sequence that is unsound is told as one, and what the trace never comes to is unknown", async () => {
  const { traces, results } = await prove(at("bad.parquet"), "--cpu", "cortex-a72");
  assert.deepEqual([traces.length, traces[0]!.policies.map(({ name }) => name)], [1, ["bad"]]);
  const verdictOf = (occasion: string): string => results.find((one) => one.occasion === occasion)!.verdict;
  assert.deepEqual([verdictOf("switch"), verdictOf("split")], ["unsound", "unknown"]);
  assert.match(
    results.find(({ occasion }) => occasion === "split")!.reason!,
    /unknown, as it says \(bad:\d+ \[split\]\)/,
  );
  assert.ok(traces[0]!.unknown.some((sentence) => sentence.startsWith("[split] is unknown")));
  const { out } = await shootdown(["prove", at("bad.parquet"), ...SWITCH]);
  assert.match(out, /Sequence \d+: switch [\d,]+ \(bad\)\n {4}nothing\n/);
  assert.match(out, /bad is UNSOUND for switch on cortex-a72/);
});

test("--save writes what commands take: the file's verdict is the trace's", async () => {
  const folder = at("saved");
  await prove(at("bad.parquet"), ...SWITCH, "--save", folder);
  assert.deepEqual(readdirSync(folder), ["bad.toml"]);
  const { results } = await prove(join(folder, "bad.toml"), ...SWITCH);
  assert.deepEqual(
    results.map(({ verdict }) => verdict),
    ["unsound"],
  );
  assert.match(readFileSync(join(folder, "bad.toml"), "utf8"), /# the trace never comes to it\n.*code = "unknown"/);
  // A simulation stops where nobody knows what is executed, and says which line it is.
  const { status, err } = await shootdown([
    "simulate",
    "log-dirty",
    "-p",
    join(folder, "bad.toml"),
    "-o",
    at("x.ndjson"),
  ]);
  assert.equal(status, 1);
  assert.match(err, /bad\.toml:\d+: the policy says that it is unknown what is executed here/);
});

test("where a capture may have missed the barrier that decides, unsound is unknown; of a simulation it is not", async () => {
  // Without the DSB behind it the TLBI need not have happened when the vCPU runs; one may stand where a capture does not look.
  const flush = ["DSB NSHST", "VMALLS12E1"];
  const captured = await prove(written("captured.ndjson", switching(flush, CAPTURE)), ...SWITCH);
  assert.deepEqual(
    captured.results.map(({ verdict }) => verdict),
    ["unknown"],
  );
  assert.match(captured.results[0]!.reason!, /with barriers where the capture may have missed some it is not/);
  const simulated = await prove(written("simulated.ndjson", switching(flush, SIMULATION)), ...SWITCH);
  assert.deepEqual(
    simulated.results.map(({ verdict }) => verdict),
    ["unsound"],
  );
  // No barrier makes up for a TLBI that is not there.
  const none = await prove(written("none.ndjson", switching(["DSB NSHST"], CAPTURE)), ...SWITCH);
  assert.deepEqual(
    none.results.map(({ verdict }) => verdict),
    ["unsound"],
  );
});

test("two sequences of an occasion are two policies, the second a variant of the first", async () => {
  const two = switching(["DSB NSHST", "VMALLE1", "DSB NSH", "ISB"], "").split("\n");
  const again = [2, 3, 4, 5].flatMap((vcpu) => {
    const flush = vcpu < 5 ? two.slice(10, 14) : two.slice(10, 14).map((line) => line.replace("VMALLE1", "VMALLS12E1"));
    return [two[9]!.replace(`"0x1"`, `"0x${vcpu}"`), ...flush, two[14]!];
  });
  const events = [...two.slice(0, 15), ...again];
  const text = [...events, SIMULATION, `{"end":true,"events":${events.length - 1}}`, ""].join("\n");
  const { traces, results } = await prove(written("two.ndjson", text), ...SWITCH, "--save", at("variants"));
  assert.deepEqual(
    traces[0]!.sequences.filter(({ occasion }) => occasion === "switch").map(({ count, code }) => [count, code[1]]),
    [
      [4, "tlbi vmalle1"],
      [1, "tlbi vmalls12e1"],
    ],
  );
  assert.deepEqual(readdirSync(at("variants")), ["two.switch-2.toml", "two.toml"]);
  assert.deepEqual(
    results.map(({ verdict }) => verdict),
    ["sound", "sound"],
  );
  assert.equal((await prove(join(at("variants"), "two.switch-2.toml"), ...SWITCH)).results[0]!.verdict, "sound");
});

test("traces and policies apart, and two traces of one name, are refused", async () => {
  const { status, err } = await shootdown(["prove", at("bad.parquet"), "xen-today"]);
  assert.deepEqual([status, /traces and policies are proved apart/.test(err)], [1, true]);
  const twice = await shootdown(["prove", at("bad.parquet"), at("bad.parquet")]);
  assert.deepEqual([twice.status, /two traces would give the policy bad/.test(twice.err)], [1, true]);
});
