/** `shootdown prove`, as a user has it: verdicts, JSON, his own policy, bounds, wrong usage, saved scenarios, the report. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, ENV, listening, MAIN, shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-prove-"));
after(() => rmSync(folder, { recursive: true }));
process.chdir(folder);

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const prove = (...args: string[]): Promise<Done> => shootdown(["prove", ...args]);

interface Result {
  readonly [key: string]: unknown;
  readonly policy: string;
  readonly occasion: string;
  readonly cpu: string;
  readonly verdict: string;
  readonly unsound?: readonly string[];
}
const json = async (...args: string[]): Promise<{ results: Result[]; assumptions: string[] }> => {
  const { status, out, err } = await prove(...args, "--json");
  assert.deepEqual([status, err], [0, ""]);
  return JSON.parse(out);
};

const ONE = ["series-v3-patch1", "--cpu", "neoverse-v2", "--occasion", "revoke"];

test("--json has the keys that scripts rely on", async () => {
  const { results, assumptions } = await json("xen-today", ...ONE);
  const keys = ["policy", "occasion", "cpu", "verdict", "scenarios", "timelines", "states", "milliseconds"];
  const [sound, unsound] = results;
  assert.equal(results.length, 2);
  assert.deepEqual(Object.keys(sound!).sort(), [...keys].sort());
  assert.deepEqual(Object.keys(unsound!).sort(), [...keys, "unsound", "scenario", "witness", "culprits"].sort());
  assert.deepEqual([sound!.policy, sound!.occasion, sound!.cpu, sound!.verdict], ["xen-today", "revoke", "neoverse-v2", "sound"]); // biome-ignore format: one row
  assert.equal(unsound!.verdict, "unsound");
  for (const key of ["scenarios", "timelines", "states", "milliseconds"])
    assert.ok((sound![key] as number) > 0 && Number.isFinite(sound![key]), key);
  const witness = unsound!.witness as {
    time: number;
    who: string;
    what: string;
    rule?: string;
    to?: string;
    file?: string;
  }[];
  const known = [
    "time",
    "kind",
    "pcpu",
    "who",
    "what",
    "rule",
    "to",
    "stale",
    "entry",
    "instruction",
    "file",
    "line",
    "code",
  ];
  for (const step of witness) {
    assert.ok(Number.isInteger(step.time) && /^pCPU \d$/.test(step.who) && step.what.length > 3);
    for (const key of Object.keys(step)) assert.ok(known.includes(key), key);
  }
  assert.ok(witness.some(({ rule }) => rule !== undefined) && witness.some(({ to }) => to === "pCPU 1"));
  assert.deepEqual(Object.keys(unsound!.scenario as object).sort(), ["cast", "meaning", "name", "title"]);
  assert.ok(assumptions.length >= 5 && assumptions.every((text) => text.length > 20));
});

test("--expect sound: status 3 where something is unsound or unknown, and a line that says what; what cannot run is no fault", async () => {
  const expecting = async (...args: string[]): Promise<[number | undefined, string]> => {
    const { status, err } = await prove(...args, "--occasion", "revoke", "--expect", "sound", "--json");
    return [status as number, err];
  };
  assert.deepEqual(await expecting("xen-today", "--cpu", "neoverse-v2"), [0, ""]);
  // va-ipa-range requires FEAT_TLBIRANGE, which Cortex-A72 (Armv8.0) lacks.
  assert.deepEqual(await expecting("va-ipa-range", "--cpu", "cortex-a72"), [0, ""]);
  assert.deepEqual(await expecting("xen-today", "remove-no-flush", "--cpu", "neoverse-v2"), [
    3,
    "shootdown: expected sound: remove-no-flush is unsound for revoke on neoverse-v2\n",
  ]);
  assert.deepEqual(await expecting("xen-today", "--cpu", "neoverse-v2", "--max-states", "3"), [
    3,
    "shootdown: expected sound: xen-today is unknown for revoke on neoverse-v2\n",
  ]);
});

test("the result says what it was made from: version, command line, and every file that was read, bases too", async () => {
  const { out } = await prove("series-v3-patch1", "--cpu", "neoverse-v2", "--occasion", "vmid-assigned", "--json");
  const { made } = JSON.parse(out) as {
    made: { version: string; command: string; inputs: { file: string; sha256: string }[] };
  };
  assert.equal(made.command, "shootdown prove series-v3-patch1 --cpu neoverse-v2 --occasion vmid-assigned --json");
  assert.deepEqual(
    made.inputs,
    ["policies/series-v3-patch1.toml", "policies/xen-today.toml"].map((file) => ({
      file,
      sha256: createHash("sha256")
        .update(readFileSync(join(ROOT, file)))
        .digest("hex"),
    })),
  );
});

test("the same result from run to run, but for the time it took", async () => {
  const again = async (): Promise<Result[]> =>
    (await json(...ONE)).results.map(({ milliseconds: _, ...rest }) => rest as Result);
  assert.deepEqual(await again(), await again());
});

test("more than six occasions are told in words, a row for each verdict; what is not stated is no answer, alone not even expected", async () => {
  const { status, out } = await prove("xen-today", "--cpu", "cortex-a72", "--expect", "sound");
  assert.equal(status, 0);
  assert.match(out, /^policy {5}on {10}verdict {5}occasions\nxen-today {2}cortex-a72 {2}sound {7}revoke, batch, /);
  assert.match(out, /\n +not stated {2}access-flag-cleared, stage1-edited\n/);
  assert.match(out, /\nNot stated: stage1-edited\. Of xen-today it holds that it does not say what it\n/);
  const alone = await prove("xen-today", "--cpu", "cortex-a72", "--occasion", "stage1-edited", "--expect", "sound");
  assert.equal(alone.status, 3);
  assert.match(alone.err, /not-stated for stage1-edited/);
});

test("verdicts come in the order asked for, policy by policy (a list with commas too), occasion by occasion, CPU by CPU", async () => {
  const cpus = ["neoverse-v3", "cortex-a72"];
  const asked = await json(
    "switch-vmalle1,switch-no-flush",
    "--occasion",
    "switch,vmid-assigned",
    "--cpu",
    cpus.join(),
  );
  assert.deepEqual(
    asked.results.map(({ policy, occasion, cpu }) => `${policy} ${occasion} ${cpu}`),
    ["switch-vmalle1", "switch-no-flush"].flatMap((p) =>
      ["switch", "vmid-assigned"].flatMap((o) => cpus.map((c) => `${p} ${o} ${c}`)),
    ),
  );
});

test("a CPU may be a file, an erratum is asked for by number, and what is unknown is said aloud", async () => {
  writeFileSync(
    join(folder, "cpu.toml"),
    'name = "board"\ntitle = "t"\nsource = "s"\nbase = "cortex-a72"\n[features]\nFEAT_nTLBPA = { has = false }\n',
  );
  const on = ["--cpu", "cpu.toml", "--occasion", "switch"];
  const { out } = await prove("xen-today", ...on, "--erratum", "1542418");
  assert.match(out, /xen-today +unknown +board/);
  assert.match(out, /Erratum 1542418 \(Arm; Cortex-A77\)[\s\S]*Not known of\s+board:\s+asked as if it had it\./);
  assert.match(out, /erratum 1542418 is outside of\s+the model:\s+it is about\s+instruction fetch/);
  const known = await prove("xen-today", "--cpu", "neoverse-v2", "--occasion", "switch", "--erratum", "cve-2025-10263");
  assert.doesNotMatch(known.out, /Not known of/);
  assert.deepEqual((await json("series-v1", ...on)).results[0]!.bothWays, ["FEAT_nTLBPA"]);
  assert.match((await prove("series-v1", ...on)).out, /series-v1 asks for FEAT_nTLBPA, which is unknown of board/);
});

test("unknown names are refused in one sentence that says what was expected", async () => {
  for (const [args, message] of [
    [["nobody"], /^shootdown: .*nobody.*\n$/],
    [["xen-today", "--cpu", "z80"], /^shootdown: no CPU is named 'z80': expected cortex-a72, .*\n$/],
    [["xen-today", "--erratum", "1"], /^shootdown: --erratum: no erratum '1' is known, expected CVE-2025-10263, .*\n$/],
    [["xen-today", "--occasion", "lunch"], /^shootdown: --occasion: unknown occasion 'lunch', expected revoke, .*\n$/],
  ] as const) {
    const { status, out, err } = await prove(...args);
    assert.deepEqual([status, out], [1, ""]);
    assert.match(err, message);
  }
});

test("two policies of one name are refused: a verdict of one could be read as the other's", async () => {
  writeFileSync(join(folder, "one.toml"), MINE("tlbi vmalle1"));
  writeFileSync(join(folder, "two.toml"), MINE("tlbi vmalls12e1is"));
  const { status, out, err } = await prove("one.toml", "two.toml", "--cpu", "cortex-a72", "--occasion", "revoke");
  assert.deepEqual([status, out], [1, ""]);
  assert.match(err, /^shootdown: two policies are named 'mine'/);
});

test("a policy too long for the prover is unknown, with the reason", async () => {
  writeFileSync(
    join(folder, "long.toml"),
    MINE(`with owner-vmid\ndsb ishst\n${"tlbi vmalls12e1is\n".repeat(1100)}dsb ish\nisb\nend`),
  );
  const { results } = await json("long.toml", "--cpu", "cortex-a72", "--occasion", "revoke");
  assert.equal(results[0]!.verdict, "unknown");
  assert.match(results[0]!.reason as string, /^revoke\.\S+: .*at most 1024 instructions/);
});

test("a policy that the CPU cannot run is not-applicable, with the reason, and a dash", async () => {
  const { results } = await json("va-ipa-range", "--cpu", "cortex-a72", "--occasion", "revoke");
  const { verdict, reason, scenarios } = results[0]!;
  assert.deepEqual(
    [verdict, reason, scenarios],
    ["not-applicable", "requires FEAT_TLBIRANGE, which the CPU does not have", 0],
  );
  const { out } = await prove("va-ipa-range", "--cpu", "cortex-a72,neoverse-n1", "--occasion", "revoke");
  assert.match(out, /^va-ipa-range +- +cortex-a72, neoverse-n1$/m);
  assert.match(out, /^2 verdicts: 2 not applicable\./m);
  assert.doesNotMatch(out, /every CPU|unknown/);
});

test("wrong usage has status 2", async () => {
  assert.equal((await prove("--max-states", "none")).status, 2);
  assert.equal((await prove("--timeout", "0")).status, 2);
  assert.equal((await prove("--frobnicate")).status, 2);
});

test("over --max-states a verdict is unknown, never sound, and says at which scenario", async () => {
  const { results } = await json("xen-today", "--cpu", "neoverse-v2", "--occasion", "split", "--max-states", "10");
  assert.equal(results[0]!.verdict, "unknown");
  assert.match(results[0]!.reason as string, /^split\.\S+: .*10/);
  const { out } = await prove("xen-today", "--cpu", "neoverse-v2", "--occasion", "split", "--max-states", "10");
  assert.match(out, /^xen-today +unknown/m);
});

const MINE = (code: string): string => `name = "mine"
title = "t"
source = "s"
base = "xen-today"
[revoke]
due = "unlock"
code = """
${code}
"""
`;

test("a policy of one's own is proved from its file", async () => {
  writeFileSync(join(folder, "mine.toml"), MINE("dsb ishst\ntlbi alle1is\ndsb ish\nisb"));
  const args = ["mine.toml", "--occasion", "revoke", "--cpu"];
  assert.equal((await json(...args, "cortex-a72")).results[0]!.verdict, "sound", "ALLE1IS: every VMID");
  const [late] = (await json(...args, "neoverse-v2")).results;
  assert.equal(late!.verdict, "unsound", "with the erratum a write may land late");
  assert.ok(late!.unsound!.every((name) => name.endsWith(".write")));
});

test("a wrong policy file is refused with its line", async () => {
  writeFileSync(join(folder, "wrong.toml"), MINE("tlbi vmalls13e1is"));
  const { status, err } = await prove("wrong.toml");
  assert.equal(status, 1);
  assert.match(err, /^shootdown: wrong\.toml:8: .*vmalls13e1is/);
});

test("scenarios that --save writes are litmus tests with the same verdicts", async () => {
  const asked = ["xen-today", "series-v3-patch1", "--cpu", "cortex-a72", "--occasion", "revoke,switch"];
  const { results } = await json(...asked, "--save", "saved");
  for (const policy of ["xen-today", "series-v3-patch1"]) {
    const own = results.filter((result) => result.policy === policy);
    const bad = own.flatMap(({ unsound = [] }) => unsound);
    const { status, out } = await shootdown(["litmus", `saved/cortex-a72/${policy}`, "--json"]);
    assert.equal(status, 0);
    const tests = (JSON.parse(out) as { results: { name: string; verdict: string }[] }).results;
    assert.equal(
      tests.length,
      own.reduce((sum, { scenarios }) => sum + (scenarios as number), 0),
    );
    for (const { name, verdict } of tests) assert.equal(verdict, bad.includes(name) ? "allowed" : "forbidden", name);
  }
});

test("--save says where it cannot write", async () => {
  writeFileSync(join(folder, "a-file"), "");
  const { status, err } = await prove(...ONE, "--save", "a-file/below");
  assert.equal(status, 1);
  assert.match(err, /^shootdown: a-file\/below\S*: cannot be made/);
});

test("output keeps to the terminal's width, and stories are told of one policy unasked, of many with --witness", async () => {
  for (const columns of [80, 140]) {
    const { out } = await shootdown(["prove", ...ONE], { columns });
    assert.ok(
      out.split("\n").every((line) => line.length <= columns),
      `${columns}`,
    );
    assert.match(out, /^series-v3-patch1 is UNSOUND for revoke on neoverse-v2: /m);
  }
  const many = (await prove("xen-today", ...ONE)).out;
  assert.doesNotMatch(many, /arrives at/);
  assert.match(many, /^How it fails: shootdown prove series-v3-patch1/m);
  assert.match((await prove("xen-today", ...ONE, "--witness")).out, /arrives at pCPU 1/);
});

test("--no-fb shows what HCR_EL2.FB is for", async () => {
  const args = ["switch-vmalle1", "--cpu", "neoverse-v2", "--occasion", "switch"];
  const { results, assumptions } = await json(...args, "--no-fb");
  assert.deepEqual(results[0]!.unsound, ["switch.left-pcpu.nobody-between"]);
  assert.ok(assumptions.some((text) => text.startsWith("HCR_EL2.FB = 0")));
});

test("--report writes a page with every story, whole or not at all", async () => {
  const { status, out } = await prove("xen-today", ...ONE, "--report", "proof.html");
  assert.equal(status, 0);
  assert.match(out, /\nThe report stands in proof\.html\n$/);
  const page = readFileSync(join(folder, "proof.html"), "utf8");
  assert.match(page, /<\/html>\n$/);
  assert.match(page, /class="step rightwards"/);
  assert.ok(page.includes(`shootdown prove xen-today ${ONE.join(" ")} --report proof.html`));
  mkdirSync(join(folder, "taken.html"));
  const refused = await prove(...ONE, "--report", "taken.html");
  assert.equal(refused.status, 1);
  assert.match(refused.err, /^shootdown: taken\.html: cannot be written/);
  assert.ok(!readdirSync(folder).some((name) => name.includes("partial")));
});

test("Ctrl-C ends it with status 130, without a word or a file", async () => {
  const child = spawn(process.execPath, [MAIN, "prove", "--report", "stopped.html"], { cwd: folder, env: ENV });
  try {
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
    const exit = once(child, "exit");
    await listening(child);
    child.kill("SIGINT");
    assert.deepEqual([(await exit)[0], said], [130, ""]);
    assert.ok(!readdirSync(folder).some((name) => name.includes("stopped")));
  } finally {
    child.kill("SIGKILL");
  }
});

test("compare has the same verdicts in its rows, and leaves them out with --no-prove", async () => {
  const args = ["compare", "vcpu-switch", "-p", "xen-today,switch-no-flush,remove-no-flush", "--host", "bare-metal"];
  const { rows, proof } = JSON.parse((await shootdown([...args, "--json"])).out);
  const short = (rows as Result[]).filter(({ ipaBits }) => ipaBits === 40);
  assert.deepEqual(
    short.map(({ policy, verdict, unsound }) => [policy, verdict, unsound]),
    [
      ["xen-today", "sound", []],
      ["switch-no-flush", "unsound", ["switch"]],
      ["remove-no-flush", "sound", []],
    ],
    "nothing is removed in vcpu-switch",
  );
  assert.deepEqual([...new Set((proof.results as Result[]).map(({ occasion }) => occasion))].sort(), [
    "switch",
    "vmid-assigned",
  ]);
  const without = JSON.parse((await shootdown([...args, "--json", "--no-prove"])).out);
  assert.deepEqual(
    [without.proof, without.rows[0].verdict, without.rows[0].unsound],
    [undefined, undefined, undefined],
  );
  assert.deepEqual(
    without.rows,
    rows.map(({ verdict: _, unsound: __, ...row }: Result) => row),
  );
});

test("compare proves a policy with batches for those too, and each CPU in use", async () => {
  const args = [
    "compare",
    "create-domu",
    "-p",
    "remove-batch,xen-today",
    "--host",
    "bare-metal",
    "--cpu",
    "cortex-a72",
  ];
  const { proof } = JSON.parse((await shootdown([...args, "--json"])).out);
  const of = (name: string) => (proof.results as Result[]).filter(({ policy }) => policy === name);
  assert.ok(of("remove-batch").some(({ occasion }) => occasion === "batch"));
  assert.ok(!of("xen-today").some(({ occasion }) => occasion === "batch"));
  assert.ok((proof.results as Result[]).every(({ cpu }) => cpu === "cortex-a72"));
});

test("--granule: the tables' in JSON and among what is assumed; not of code, and no other than three", async () => {
  const asked = ["kvm-ipa", "--cpu", "cortex-a72", "--occasion", "vcpu-moved"];
  const { granule, assumptions } = (await json(...asked, "--granule", "16K")) as unknown as {
    granule: string;
    assumptions: string[];
  };
  assert.equal(granule, "16K");
  assert.match(assumptions.at(-1)!, /have the 16 KiB granule/);
  const four = await json(...asked);
  assert.equal((four as unknown as { granule: string }).granule, "4K");
  assert.ok(!four.assumptions.some((one) => one.includes("granule")));
  const wrong = await prove(...asked, "--granule", "8K");
  assert.equal(wrong.status, 2);
  const code = await prove("--code", "x.o:f", "--occasion", "switch", "--granule", "16K");
  assert.equal(code.status, 1);
  assert.match(code.err, /--granule: expected policies/);
});
