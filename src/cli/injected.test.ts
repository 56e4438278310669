/**
 * Records of a real Xen into which policies were put (capture --inject; on QEMU itself, from the phase "run" on, and on the real
 * KVM, from "create" on): the policy of the text is what was executed, its operands name what went, and check and prove say of the
 * record what prove says of the text.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { OperandsHeld } from "../compare/index.js";
import { readTrace } from "../trace/file.js";
import { shootdown } from "./command.fixture.js";

const FOLDER = fileURLToPath(new URL("../../src/testdata/injected", import.meta.url));
const RECORDS = [
  { file: "kvm-ipa-neoverse-n1.parquet", policy: "kvm-ipa", cpu: "neoverse-n1", sound: true },
  { file: "series-v1-max.parquet", policy: "series-v1", cpu: "arch-maximal", sound: false },
] as const;

async function json(...args: string[]): Promise<never> {
  const { out, err } = await shootdown([...args, "--json"]);
  assert.equal(err, "");
  return JSON.parse(out) as never;
}

for (const { file, policy, cpu, sound } of RECORDS) {
  const trace = join(FOLDER, file);

  test(`${file}: each flush is ${policy}'s, and each operand names what went before it`, async () => {
    const { executed } = (await json("show", trace, "-p", policy)) as {
      executed: { executes: string[]; flushes: object[] };
    };
    assert.ok(executed.executes.includes(policy), executed.executes.join());
    assert.ok(!executed.executes.includes("xen-today"));
    const operands = new OperandsHeld();
    const { info } = await readTrace(trace, [operands]);
    operands.finish();
    assert.equal(info.recording?.injected?.policy, policy);
    assert.ok(operands.operands > 500, `${operands.operands}`);
    assert.deepEqual([operands.wrong, operands.first], [0, ""]);
  });

  test(`${file}: check finds nothing unsafe, and late only what the text is unsound for`, async () => {
    const { traces } = (await json("check", trace)) as { traces: { findings: { class: string; site: string }[] }[] };
    const findings = traces[0]!.findings;
    assert.deepEqual(
      findings.filter((finding) => finding.class === "unsafe"),
      [],
    );
    const late = findings.filter((finding) => finding.class === "late");
    assert.equal(late.length === 0, sound, JSON.stringify(late));
    for (const { site } of late) assert.match(site, /relinquish_p2m_mapping/);
  });

  test(`${file}: what was executed at a removal is proved as ${policy}'s text is`, async () => {
    const verdicts = async (what: string): Promise<string[]> => {
      const args = ["prove", what, "--occasion", "revoke", "--cpu", cpu];
      const { results } = (await json(...args)) as { results: { verdict: string }[] };
      return results.map(({ verdict }) => verdict);
    };
    const [text, executed] = [await verdicts(policy), await verdicts(trace)];
    assert.deepEqual(text, [sound ? "sound" : "unsound"]);
    // Of cases that the record does not have, what would be executed is unknown; where it has them, it is the text's verdict.
    assert.ok(
      executed.every((verdict) => verdict === "unknown" || verdict === text[0]),
      executed.join(),
    );
  });
}

const NESTED = fileURLToPath(new URL("../../probes/injected", import.meta.url));

interface Shown {
  readonly comparison: readonly { readonly phase: string; readonly what: string; readonly unexplained: number }[];
  readonly executed: { readonly executes: readonly string[]; readonly unknown: readonly string[] };
}

for (const file of readdirSync(NESTED)) {
  const trace = join(NESTED, file);

  test(`${file}, on the real KVM: each TLBI is the model's, each flush the policy's, each operand what went`, async () => {
    const operands = new OperandsHeld();
    const { info } = await readTrace(trace, [operands]);
    operands.finish();
    const policy = info.recording!.injected!.policy;
    assert.ok(file.startsWith(policy), policy);
    assert.deepEqual([operands.wrong, operands.first], [0, ""]);
    assert.equal(operands.operands, info.recording!.injected!.operands);
    const { comparison, executed } = (await json("show", trace, "-p", policy)) as Shown;
    for (const { phase, what, unexplained } of comparison) assert.equal(unexplained, 0, `${phase}, ${what}`);
    assert.ok(executed.executes.includes(policy), executed.executes.join());
    assert.deepEqual([executed.executes.includes("xen-today"), executed.unknown], [false, []]);
  });
}
