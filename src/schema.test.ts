/** The JSON contract: what each command prints with --json is what its published schema in docs/schema says, and no more. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Ajv2020, type AnySchemaObject } from "ajv/dist/2020.js";
import { shootdown } from "./cli/command.fixture.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SCHEMAS = join(ROOT, "docs", "schema");
const CAPTURED = join(ROOT, "traces", "xen-4.20-create-small.parquet");

const readJson = (...path: string[]): AnySchemaObject =>
  JSON.parse(readFileSync(join(...path), "utf8")) as AnySchemaObject;
const names = readdirSync(SCHEMAS).map((file) => file.replace(/\.json$/, ""));
const ajv = new Ajv2020({ strict: true, allErrors: true });
for (const name of names) ajv.addSchema(readJson(SCHEMAS, `${name}.json`));

const folder = mkdtempSync(join(tmpdir(), "shootdown-schema-"));
const at = (name: string): string => join(folder, name);
process.chdir(folder);

/** Standard output of a command; its status must be one of `statuses`. */
async function output(args: readonly string[], statuses: readonly number[] = [0]): Promise<string> {
  const { status, out, err } = await shootdown(args);
  assert.ok(statuses.includes(status ?? -1), `${args.join(" ")}: ${err}`);
  return out;
}

const validated = new Set<string>();

/** Holds a value against a schema; where a required key is missing, or one is there that it does not name, it must not hold. */
function holds(name: string, value: unknown): void {
  const validate = ajv.getSchema(`${name}.json`);
  assert.ok(validate, `docs/schema/${name}.json is missing`);
  validate(value);
  assert.deepEqual(validate.errors ?? [], [], `docs/schema/${name}.json`);
  validated.add(name);
  const part = (Array.isArray(value) ? value[0] : value) as Record<string, unknown>;
  const again = (changed: unknown): unknown => (Array.isArray(value) ? [changed] : changed);
  assert.equal(validate(again({ ...part, notInTheContract: 1 })), false, `${name}: a key too many`);
  const { required } = (validate.schema as AnySchemaObject).items ?? validate.schema;
  for (const key of (required as string[] | undefined) ?? []) {
    const { [key]: _, ...without } = part;
    assert.equal(validate(again(without)), false, `${name}: without ${key}`);
  }
}

const held = async (name: string, ...args: string[]): Promise<void> =>
  holds(name, JSON.parse(await output([...args, "--json"])));

before(async () => {
  const simulate = (policy: string, trace: string) => ["simulate", "vcpu-switch", "-p", policy, "-o", at(trace)];
  await output(simulate("xen-today", "today.parquet"));
  await output(simulate("switch-vmalle1", "vmalle1.ndjson"));
  writeFileSync(at("broken.toml"), "no litmus test\n");
});
after(() => rmSync(folder, { recursive: true }));

test("policies, hosts and scenarios", async () => {
  for (const shelf of ["policies", "hosts", "cpus", "scenarios", "traces"]) await held("listing", shelf);
  await held("cpu", "cpus", "neoverse-n1");
});

test("compare, with verdicts of each kind and without", async () => {
  const kinds = ["-p", "xen-today,vmid-per-vcpu,va-ipa-range", "--host", "bare-metal,kvm-nested-7.2"];
  await held("compare", "compare", "vcpu-switch", ...kinds, "--cpu", "cortex-a72");
  await held("compare", "compare", "vcpu-switch", "destroy-domu", "-p", "xen-today,switch-vmalle1", "--no-prove");
  await held("compare", "compare", "create-domu", "-p", "remove-batch", "--host", "kvm-nested-7.2", "--no-prove");
});

test("sweeps and tornados, of compare and of price", async () => {
  const small = ["compare", "vcpu-switch", "-p", "xen-today", "--host", "bare-metal,kvm-nested-7.2"];
  await held(
    "sweep",
    ...small,
    "--set",
    "run.slice-us=10000,20000",
    "--set",
    "prices.broadcast=1",
    "--set",
    "ipa-bits=40",
  );
  await held("tornado", ...small, "--no-prove", "--tornado");
  await held("sweep", "price", at("today.parquet"), "--set", "prices.exit=1,2");
  await held("tornado", "price", at("today.parquet"), "--tornado");
});

test("simulate, with prices and without", async () => {
  const simulate = ["simulate", "vcpu-switch", "-p", "kvm-ipa", "-o", at("kvm.parquet")];
  await held("simulate", ...simulate);
  await held("simulate", ...simulate, "--host", "bare-metal", "--host", "kvm-nested-7.2");
});

test("price, of a simulation and of a capture", async () => {
  for (const trace of [at("today.parquet"), CAPTURED]) await held("price", "price", trace, "--ipa-bits", "40,48");
});

test("price, of a policy: occasions with a price, and such as have none", () =>
  held("price-policy", "price", "kvm-ipa", "--host", "bare-metal,kvm-nested-7.2"));

test("show: the summary, the events, and the comparison with a policy", async () => {
  for (const trace of [at("today.parquet"), at("vmalle1.ndjson"), CAPTURED]) await held("show", "show", trace);
  for (const trace of [at("today.parquet"), CAPTURED]) {
    const events = (await output(["show", trace, "--events", "--json", "--limit", "2000"])).trimEnd().split("\n");
    assert.ok(events.length > 500);
    for (const event of events) holds("events", JSON.parse(event));
    await held("show-policy", "show", trace, "-p", "kvm-ipa");
  }
});

test("diff, of traces that differ, that are the same, and that have other phases", async () => {
  await held("diff", "diff", at("today.parquet"), at("vmalle1.ndjson"));
  await held("diff", "diff", at("today.parquet"), at("today.parquet"), "--host", "bare-metal");
  await held("diff", "diff", at("today.parquet"), CAPTURED, "--host", "bare-metal,kvm-nested-7.2");
});

test("check, of a trace with findings of each class, and import of a log", async () => {
  const examples = ["stale-access", "double-use", "late"].map((kind) =>
    join(ROOT, "examples", "check", `${kind}.bad.ndjson`),
  );
  const traces = [at("today.parquet"), ...examples];
  holds("check", JSON.parse(await output(["check", ...traces, "--host", "bare-metal,kvm-nested-7.2", "--json"], [3])));
  writeFileSync(at("some.log"), '(barrier (id 0) (tid 0) isb (src "a.c:1"))\n');
  await held("import", "import", at("some.log"), "-o", at("imported.ndjson"));
});

test("prove, with verdicts of each kind", async () => {
  const on = ["--occasion", "switch", "--cpu", "cortex-a72"];
  await held("prove", "prove", "xen-today", "switch-no-flush", "va-ipa-range", ...on);
  await held("prove", "prove", "xen-today", ...on, "--max-states", "1");
  await held("prove", "prove", at("vmalle1.ndjson"), ...on);
});

test("minimize, of what is sound and of what is not, and synthesize, on one CPU and on two", async () => {
  await held(
    "minimize",
    "minimize",
    "xen-today",
    "--occasion",
    "switch",
    "--cpu",
    "arch-minimal",
    "--host",
    "bare-metal",
  );
  await held("minimize", "minimize", "series-v1", "--occasion", "split", "--cpu", "cortex-a72");
  const search = ["synthesize", "--occasion", "switch", "--length", "2", "--host", "bare-metal"];
  await held("synthesize", ...search, "--cpu", "arch-minimal,cortex-a72");
  await held("synthesize", ...search, "--cpu", "arch-minimal", "--max-states", "40");
  await held(
    "distinguish",
    "distinguish",
    "xen-today",
    "switch-no-flush",
    "--occasion",
    "switch",
    "--cpu",
    "cortex-a72",
  );
  const apart = ["--cpu", "cortex-a72,neoverse-n1", "--occasion", "vcpu-moved", "--length", "1"];
  await held("distinguish-cpus", "distinguish", ...apart);
});

test("litmus, with verdicts and witnesses, limits, and a file that cannot be used", async () => {
  await held("litmus", "litmus", "erratum", "--cpu", "neoverse-v2", "--witness");
  await held("litmus", "litmus", "mp-dmb", "--states");
  await held("litmus-to", "litmus", "mp-dmb", "revoke-local", "--to", "herd");
  await held("litmus", "litmus", "revoke-vmalls12e1is", "--max-states", "1");
  const some = await output(["litmus", at("broken.toml"), "revoke-local", "--json"], [1]);
  holds("litmus", JSON.parse(some));
});

test("tlbi: one instruction with each kind of operand, its findings, its price, a range, and the list", async () => {
  await held("tlbi-list", "tlbi");
  for (const instruction of ["vmalle1is", "vale2is, xzr", "aside1is, x3", "ipas2le1, x0"])
    await held("tlbi", "tlbi", instruction);
  await held("tlbi", "tlbi", "ripas2e1is, x0", "--xt", "0x5f8000040000");
  await held("tlbi", "tlbi", "ipas2e1is, x0", "--xt", "0x40000000", "--range", "0x40000000+1", "--el", "1");
  await held("tlbi-range", "tlbi", "--range", "0x40000000+513", "--lpa2", "--el", "1");
  await held("tlbi-range", "tlbi", "rvale1os", "--range", "va:0xffff800010000000+1024", "--ttl", "2", "--asid", "5");
  await held("tlbi", "tlbi", "vmalls12e1is", "--host", "kvm-nested-7.2", "--shadow-leaves", "2");
  await held("tlbi", "tlbi", "vmalle1", "--host", "bare-metal");
});

test("explain: all words, one of two meanings, and a policy with a CPU and without", async () => {
  await held("explain", "explain");
  await held("explain", "explain", "revoke");
  await held("explain-policy", "explain", "kvm-ipa-range");
  await held("explain-policy", "explain", "va-ipa-range", "--cpu", "neoverse-v3");
});

test("show: what it said of runs on the real KVM, as it is kept", () => {
  const kept = join(ROOT, "probes", "injected");
  for (const file of readdirSync(kept))
    holds("show", JSON.parse(gunzipSync(readFileSync(join(kept, file))).toString()));
});

test("capture: what one has printed", async () => {
  const { capture, setUp } = readJson(ROOT, "src", "testdata", "capture.json") as { capture: unknown; setUp: unknown };
  holds("capture", capture);
  holds("capture-setup", setUp);
});

test("inject: what it has printed, of policies with and without a cave, and of one that was taken out", () => {
  const printed = readJson(ROOT, "src", "testdata", "inject.json") as {
    injections: readonly unknown[];
    undone: unknown;
  };
  for (const injection of printed.injections) holds("inject", injection);
  holds("inject-undo", printed.undone);
});

test("probes, as they are shipped, and calibrate and diff of them", async () => {
  const shipped = join(ROOT, "probes", "linux-7.2.13-max-48.json.gz");
  holds("probe", JSON.parse(gunzipSync(readFileSync(shipped)).toString()));
  await held("calibrate", "calibrate", shipped);
  await held("diff-probe", "diff", shipped, shipped, "--all");
});

test("each schema was held against an answer, and the contract's page names it", async () => {
  const page = readFileSync(join(ROOT, "docs", "json.md"), "utf8");
  for (const name of names) {
    assert.ok(page.includes(`](schema/${name}.json)`), `docs/json.md does not link to schema/${name}.json`);
    if (name !== "parts") assert.ok(validated.has(name), `nothing was held against docs/schema/${name}.json`);
  }
});
