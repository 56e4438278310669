/**
 * Records of a real Xen into which policies were put (capture --inject, from the phase "run" on): the policy of the text is what was
 * executed, its operands name what went, and check and prove say of the record what prove says of the text. And what the real KVM was
 * counted with.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { TLBI_OPS, withWorkaround } from "../arch/index.js";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { OperandsHeld } from "../compare/index.js";
import { Case, unroll } from "../policy/index.js";
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

const COUNTED = fileURLToPath(new URL("../../probes/injected", import.meta.url));
const PROBES = join(COUNTED, "..");

/** What `show --json` said of a record on the real KVM. */
interface Shown {
  readonly recording: { readonly injected?: { readonly policy: string; readonly operands: number } };
  readonly script: readonly {
    readonly kind: string;
    readonly name: string;
    readonly caller: string;
    readonly count: number;
  }[];
}

/** Removals in `xl create`: the domU's pages, the device tree's, four magic ones, the grant table's frame. */
const removals = (pages: number): number => pages + 6;

for (const file of readdirSync(COUNTED)) {
  const [, ofReport, policy] = /^(report-)?(.+)\.json\.gz$/.exec(file)!;

  test(`${file}: what the real KVM was counted with is ${policy}'s own flush of each page`, () => {
    const { recording, script } = JSON.parse(gunzipSync(readFileSync(join(COUNTED, file))).toString()) as Shown;
    assert.equal(recording.injected?.policy ?? "xen-today", policy);
    const flushes = script.filter(({ caller }) => caller.includes("guest_physmap_remove_page"));
    const name = policy === "xen-today" ? "" : `policy ${policy}, revoke < `;
    const [cpu, code] = [builtInCpu("neoverse-n2"), builtInPolicy(policy!).code.revoke];
    const page = new Case();
    page.add(0, 1, -1);
    const run = unroll(code, page, withWorkaround(cpu, "repeat-tlbi", false));
    const tlbis = run.flatMap((x) => (x.kind === "tlbi" ? [TLBI_OPS[x.op]!.name] : []));
    assert.deepEqual(flushes.map((row) => row.name).sort(), tlbis.sort());
    for (const { kind, count, caller } of flushes) {
      assert.deepEqual([kind, count], ["tlbi", removals(ofReport ? 7457 : 64)]);
      assert.ok(caller.startsWith(name), caller);
    }
  });
}

test("what is kept of the unchanged Xen's runs is what 'show --json' says of their traces", async () => {
  const kept = JSON.parse(gunzipSync(readFileSync(join(COUNTED, "xen-today.json.gz"))).toString()) as object;
  assert.deepEqual(await json("show", join(PROBES, "stack-64-pages-40.parquet")), kept);
});
