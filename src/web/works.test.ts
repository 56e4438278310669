/** What the page's workers do is what the command line does. */
import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInText, policyNames, scenarioNames } from "../builtin/index.js";
import { shootdown } from "../cli/command.fixture.js";
import { DEFAULT_MAX_STATES } from "../prove/index.js";
import { signOffJson } from "../report/index.js";
import { type Choices, optionsOf } from "./choices.js";
import { WORKS } from "./work/index.js";

const LIMITS = { maxStates: DEFAULT_MAX_STATES, timeoutMs: 60_000 };
const CAPTURE = fileURLToPath(new URL("../../traces/xen-4.20-create-small.parquet", import.meta.url));
const VERSION = "0";

const textOf = (name: string) => ({ text: builtInText("policies", name), file: `policies/${name}.toml` });
/** Without what is this machine's, as programs get it. */
const timeless = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, part) => (key === "milliseconds" ? undefined : part)));

async function commandJson(...words: string[]): Promise<Record<string, unknown>> {
  const { status, out, err } = await shootdown([...words, "--json"]);
  assert.equal(status, 0, err);
  return JSON.parse(out) as Record<string, unknown>;
}

test("verdicts and stories of every built-in policy are those of the command line", async () => {
  const [cpu, occasion] = ["neoverse-v2", "switch"] as const;
  const names = policyNames();
  const { results } = await commandJson("prove", ...names, "--cpu", cpu, "--occasion", occasion);
  const asked = { occasion, cpus: [cpu], limits: LIMITS, choices: {} };
  const found = (await Promise.all(names.map((name) => WORKS.prove({ ...textOf(name), ...asked })))).flat();
  assert.deepEqual(timeless(found.map(signOffJson)), timeless(results));
  assert.ok(found.some(({ verdict }) => verdict === "unsound") && found.some(({ verdict }) => verdict === "sound"));
});

test("what is asked in another way is answered as the command line answers it, and from memory the same again", async () => {
  const [cpu, occasion, policy] = ["cortex-a72", "switch", "series-v3-patch2"] as const;
  const choices: Choices = { granule: "64K", fb: false, without: ["out-of-context"], errata: ["1286807"] };
  const words = ["--granule", "64K", "--no-fb", "--without", "out-of-context", "--erratum", "1286807"];
  const { results } = await commandJson("prove", policy, "--cpu", cpu, "--occasion", occasion, ...words);
  assert.equal(optionsOf(choices), ` ${words.join(" ")}`);
  const asked = { ...textOf(policy), occasion, cpus: [cpu], limits: LIMITS };
  const prove = async (how: Choices) => timeless((await WORKS.prove({ ...asked, choices: how })).map(signOffJson));
  const usual = await prove({});
  for (let i = 0; i < 2; i++) assert.deepEqual(await prove(choices), timeless(results));
  assert.notDeepEqual(usual, timeless(results));
  assert.deepEqual(await prove({}), usual);
});

test("what each occasion costs by itself is what the command line says", async () => {
  const words = ["--pages", "3", "--touched", "100", "--ipa-bits", "40,48", "--cpu", "neoverse-v2"];
  const { notes, ...own } = await commandJson("price", "kvm-ipa", ...words);
  assert.ok(Array.isArray(notes));
  const asked = { cpu: "neoverse-v2", pages: 3, touched: 100, ipaBits: [40, 48] };
  assert.deepEqual(timeless(WORKS.occasionPrices({ ...textOf("kvm-ipa"), ...asked })), own);
});

test("prices are those of the command line", async () => {
  const [scenario, cpu] = ["vcpu-switch", "neoverse-v2"];
  assert.ok(scenarioNames().includes(scenario));
  const names = ["xen-today", "kvm-ipa"];
  const words = names.flatMap((name) => ["--policy", name]);
  const { rows } = await commandJson("compare", scenario, ...words, "--cpu", cpu, "--no-prove");
  const found = WORKS.comparePolicies({ policies: names.map(textOf), scenario, cpu, ipaBits: [40, 44, 48] });
  assert.deepEqual(timeless(found.rows), timeless(rows));
});

test("a trace holds what the command line shows of it, and costs what it says", async () => {
  const name = "xen-4.20-create-small.parquet";
  const { summary, prices, info } = await WORKS.openTrace({ file: await openAsBlob(CAPTURE), name });
  const shown = await commandJson("show", CAPTURE);
  assert.deepEqual(timeless(summary.phases), timeless(shown.phases ?? (shown.summary as typeof summary).phases));
  assert.equal(info.integrity, "checked");
  const priced = await commandJson("price", CAPTURE);
  assert.deepEqual(timeless(prices), timeless(priced.rows));
  const [first] = await WORKS.traceEvents({ file: await openAsBlob(CAPTURE), name, from: 1000, count: 3 });
  assert.equal(first?.row, 1000);
});

test("a story says what each pCPU may hold: the stale entry is there when it is used, and was filled before it was stale", async () => {
  const own = { occasion: "revoke" as const, cpu: "neoverse-v2", limits: LIMITS, choices: {} };
  const asked = { ...textOf("remove-no-flush"), ...own };
  const [proved] = await WORKS.prove({ ...asked, cpus: [asked.cpu] });
  const { result, moments } = WORKS.story({ ...asked, scenario: proved!.scenario!.name });
  assert.deepEqual(timeless(result.witness), timeless(proved!.witness));
  const use = result.witness!.find(({ stale }) => stale)!;
  const text = use.entry!.replace(/^its /, "");
  const held = (time: number) => moments[time]!.pes[use.pcpu]!.entries.find((entry) => entry.text === text);
  assert.equal(held(use.time)?.stale, true);
  assert.equal(held(0)?.stale, false);
  assert.deepEqual(
    moments.map(({ time }) => time),
    moments.map((_, i) => i),
  );
});

test("a report names the command that makes it again, and every text that it was made of", () => {
  const asked = { ...textOf("kvm-ipa"), version: VERSION, options: " --json" };
  const { command, inputs } = WORKS.made(asked);
  assert.equal(command, "shootdown prove kvm-ipa --json");
  assert.deepEqual(
    inputs.map(({ file }) => file),
    ["policies/kvm-ipa.toml", "policies/xen-today.toml"],
  );
  assert.equal(WORKS.made({ ...asked, file: "mine.toml" }).command, "shootdown prove ./mine.toml --json");
});

test("a word is explained out of the manual's tables and the glossary", () => {
  const page = "**shadow** (shadow stage 2): what KVM keeps. *KVM*\n";
  assert.match(
    WORKS.meaning({ word: "ipas2e1is", page }).join(" "),
    /TLBI IPAS2E1IS: reaches .*combined entries: may stay/,
  );
  assert.match(WORKS.meaning({ word: "shadow", page })[0]!, /what KVM keeps/);
  assert.deepEqual(WORKS.meaning({ word: "nothing-of-this-name", page }), []);
});
