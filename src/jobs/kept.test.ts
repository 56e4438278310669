/** Answers that are kept: what is used again, and what is not. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { loadHost, loadPolicy } from "../catalog/index.js";
import type { CompareResult, Comparison } from "../compare/index.js";
import { scenarioOf } from "../compare/small.fixture.js";
import { withKvm } from "../host/index.js";
import { hypervisorOf } from "../hypervisor/index.js";
import { compareInThreads } from "./compare.js";
import { PROCESS, talkingTo } from "./io.js";
import { SHELVES, type Shelf } from "./kept.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-kept-"));
after(() => rmSync(folder, { recursive: true }));

const V2 = builtInCpu("neoverse-v2");
const COMPARISON: Comparison = {
  scenarios: [scenarioOf(false)],
  policies: ["xen-today", "remove-no-flush"].map(loadPolicy),
  hosts: ["bare-metal", "kvm-nested-7.2"].map(loadHost),
  ipaBits: [40, 48],
  cpuOf: () => V2,
};
const RULES = "a";
const counts = (name: string, rules = RULES): Shelf => ({ folder: join(folder, name), rules });
/** Compared in this thread: nothing is asked of threads here. */
const compared = (of: Partial<Comparison>, shelf: Shelf | undefined): Promise<CompareResult> =>
  talkingTo({ ...PROCESS, threads: 0 }, [], () =>
    compareInThreads({ ...COMPARISON, ...of }, false, new AbortController().signal, {
      verdicts: undefined,
      counts: shelf,
    }),
  );
const filesOf = ({ folder: of }: Shelf): string[] =>
  existsSync(of)
    ? readdirSync(of, { recursive: true })
        .map((name) => join(of, String(name)))
        .filter((name) => name.endsWith(".json"))
    : [];

/** Keeps another number of events in place of what is kept, as if it had been found. */
function forge(file: string, events: number): void {
  const body = JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8").split("\n")[1]!), events });
  writeFileSync(file, `${createHash("sha256").update(body).digest("hex")}\n${body}`);
}

test("a comparison out of what is kept is the one that was simulated, and nothing is simulated for it", async () => {
  const shelf = counts("again");
  const first = await compared({}, shelf);
  assert.deepEqual(first, await compared({}, undefined));
  assert.equal(filesOf(shelf).length, 2, "one for each policy");
  assert.deepEqual(await compared({}, shelf), first);
  for (const file of filesOf(shelf)) forge(file, 7);
  const [scenario] = (await compared({}, shelf)).scenarios;
  assert.equal(scenario!.events, 7);
});

test("of a job only what is missing is simulated: a policy more, whatever the names and the elementary prices are", async () => {
  const shelf = counts("missing");
  await compared({ policies: [loadPolicy("xen-today")] }, shelf);
  const kept = filesOf(shelf);
  assert.deepEqual(await compared({}, shelf), await compared({}, undefined));
  assert.equal(filesOf(shelf).length, 2);
  for (const file of kept) forge(file, 9_999_999);
  const hosts = COMPARISON.hosts.map((host) => {
    const dearer = Object.entries(host.prices).map(([key, price]) => [key, { ...price, value: 2 * price.value }]);
    return { ...host, name: `${host.name} dearer`, prices: Object.fromEntries(dearer) };
  });
  const changed = { hosts, scenarios: [{ ...COMPARISON.scenarios[0]!, name: "other", title: "other" }] };
  const dear = await compared(changed, shelf);
  assert.equal(dear.scenarios[0]!.events, 9_999_999, "the kept one");
  assert.equal(filesOf(shelf).length, 2);
  assert.deepEqual(dear.rows, (await compared(changed, undefined)).rows);
});

test("another number of the scenario, IPA size, setting of a host, CPU or code of the rooms is simulated anew", async () => {
  const shelf = counts("anew");
  await compared({}, shelf);
  const [scenario, nested] = [COMPARISON.scenarios[0]!, COMPARISON.hosts[1]!];
  const numbers = hypervisorOf(scenario).numbersOf(scenario);
  assert.ok(numbers.includes("machine.pcpus"), numbers.join());
  let files = filesOf(shelf).length;
  for (const of of [
    { scenarios: [hypervisorOf(scenario).withNumbers(scenario, { "machine.pcpus": 3 })] },
    { ipaBits: [40] },
    { hosts: [withKvm(nested, { backingLevel: 3 })] },
    { cpuOf: () => builtInCpu("cortex-a72") },
    { cpuOf: () => ({ ...V2, features: new Set([...V2.features].slice(1)) }) },
  ]) {
    await compared(of, shelf);
    files += COMPARISON.policies.length;
    assert.equal(filesOf(shelf).length, files, JSON.stringify(of));
  }
  await compared({}, { ...shelf, rules: "b" });
  assert.equal(filesOf(shelf).length, files + 2);
});

test("what is damaged is simulated anew, and where nothing can be kept everything is", async () => {
  const shelf = counts("damaged");
  const first = await compared({}, shelf);
  const [file] = filesOf(shelf);
  const text = readFileSync(file!, "utf8");
  for (const damaged of [text.replace('"events":', '"events":1'), text.slice(0, -3), "", "{}"]) {
    writeFileSync(file!, damaged);
    assert.deepEqual(await compared({}, shelf), first);
    assert.equal(readFileSync(file!, "utf8"), text);
  }
  assert.deepEqual(await compared({}, { folder: join(file!, "no"), rules: RULES }), first);
});

test("an answer hangs on all of the code that finds it", () => {
  const dist = join(dirname(fileURLToPath(import.meta.url)), "..");
  for (const [name, begin] of [
    ["verdicts", "prove/index.js"],
    ["counts", "compare/job.js"],
  ] as const) {
    const { rooms } = SHELVES[name];
    const seen = new Set<string>();
    const open = [join(dist, begin)];
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      for (const [, to] of readFileSync(file, "utf8").matchAll(/(?:from|^import) "(\.[^"]+)"/gm))
        open.push(join(dirname(file), to!));
    }
    const reached = new Set([...seen].map((file) => file.slice(dist.length + 1).split("/")[0]!));
    assert.deepEqual(
      [...reached].filter((room) => !(rooms as readonly string[]).includes(room)),
      [],
      name,
    );
  }
});
