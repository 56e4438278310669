/** The model against the shipped counts: what KVM of Debian's kernels did for each TLBI, on emulated machines. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { tlbiOp } from "../arch/index.js";
import { builtInHost } from "../host/builtin.fixture.js";
import { type Host, parseHost } from "../host/index.js";
import { type Cell, STATES } from "./cells.js";
import { differences, predict, type Setting } from "./predict.js";
import { predictingHost } from "./predicting-host.js";
import { type ProbeCell, type ProbeResult, parseProbe } from "./result.js";

const PROBES = fileURLToPath(new URL("../../probes", import.meta.url));
const shipped = readdirSync(PROBES).filter((file) => file.endsWith(".json.gz"));
const read = (file: string): ProbeResult => parseProbe(gunzipSync(readFileSync(join(PROBES, file))).toString(), file);
/** The host that predicts a probe, and what is said of it: a built-in one, or a file beside the counts, whose base may be another. */
function hostOf({ cpu, kernel }: ProbeResult): { readonly host: Host; readonly note?: string } {
  const { host, ...said } = predictingHost(cpu, kernel);
  return { host: hostNamed(host), ...said };
}
const hostNamed = (name: string): Host =>
  name.endsWith(".toml")
    ? parseHost(readFileSync(join(PROBES, basename(name)), "utf8"), basename(name), hostNamed)
    : builtInHost(name);

const cellOf = ({ op, operand, xt, state }: ProbeCell): Cell => ({
  ...{ op: tlbiOp(op), operand: { name: operand, value: BigInt(xt) } },
  state: STATES.find(({ name }) => name === state)!,
});

for (const file of shipped) {
  test(`${file}: the model has the TLBIs and leaves of every cell, and with its kernel's host its instructions within 15 %`, () => {
    const probe = read(file);
    const setting: Setting = probe;
    const { host, note } = hostOf(probe);
    assert.equal(note, undefined, "a host file is of that kernel");
    const off = probe.cells.flatMap((cell) => {
      if (!cell.counted) return [];
      const found = differences(cell.counted, predict(cellOf(cell), host, setting));
      return found.map((what) => `${cell.state} ${cell.op} ${cell.operand}: ${what}`);
    });
    assert.deepEqual(off, []);
    assert.ok(probe.cells.filter(({ counted }) => counted !== null).length > 50);
  });
}

/** facts counted independently of this program, with other sources of L1 and L2: host instructions at 48 bits on QEMU's max. */
const MEASURED: readonly (readonly [
  op: string,
  operand: string,
  state: string,
  instructions: number,
  leaves: number,
])[] = [
  ["IPAS2E1IS", "page 0", "empty", 5382, 0],
  ["IPAS2E1IS", "page 0", "leaves-2", 6723, 1],
  ["IPAS2E1IS", "page 0", "leaves-601", 5928, 1],
  ["IPAS2E1IS", "page 0, TTL 3", "empty", 4551, 0],
  ["IPAS2E1IS", "page 0, TTL 3", "leaves-2", 6055, 1],
  ["IPAS2E1IS", "page 0, TTL 3", "leaves-601", 5260, 1],
  ["IPAS2E1IS", "page 0, TTL 2", "empty", 4602, 0],
  ["IPAS2E1IS", "page 0, TTL 2", "leaves-2", 43_405, 1],
  ["IPAS2E1IS", "near", "empty", 5382, 0],
  ["IPAS2E1IS", "near", "leaves-601", 216_602, 601],
  ["RIPAS2E1IS", "2 pages", "empty", 4603, 0],
  ["RIPAS2E1IS", "2 pages", "leaves-2", 6180, 1],
  ["RIPAS2E1IS", "2 pages", "leaves-601", 5479, 2],
  ["RIPAS2E1IS", "512 pages", "leaves-2", 43_389, 1],
  ["RIPAS2E1IS", "512 pages", "leaves-601", 91_423, 512],
  ["RIPAS2E1IS", "2^20 pages", "empty", 6090, 0],
  ["RIPAS2E1IS", "2^20 pages", "leaves-2", 122_380, 2],
  ["RIPAS2E1IS", "2^20 pages", "leaves-601", 216_985, 601],
  ["VMALLS12E1IS", "", "empty", 134.9e6, 0],
  ["VMALLS12E1IS", "", "leaves-2", 135.0e6, 2],
  ["VMALLS12E1IS", "", "leaves-601", 135.1e6, 601],
  ["ALLE1IS", "", "leaves-601", 135.1e6, 601],
];

test("the shipped counts at 48 bits on max are those counted once with other sources, within half a percent", () => {
  const probe = shipped.map(read).find(({ cpu, paBits, erratum }) => cpu === "max" && paBits === 48 && !erratum)!;
  for (const [op, operand, state, instructions, leaves] of MEASURED) {
    const cell = probe.cells.find((one) => one.op === op && one.operand === operand && one.state === state);
    assert.ok(cell?.counted, `${op} ${operand} ${state}`);
    const off = Math.abs(cell.counted.instructions / instructions - 1);
    assert.ok(off <= 0.005, `${op} ${operand} ${state}: ${cell.counted.instructions}, once ${instructions}`);
    assert.equal(cell.counted.leavesDropped ?? 0, leaves, `${op} ${operand} ${state}`);
  }
});

test("a kernel has the host file of its version; one that no file is of, of the newest before it, and that is said", () => {
  const of = (kernel: string) => {
    const { host, note } = predictingHost("max", kernel);
    return [host, note !== undefined];
  };
  assert.deepEqual(of("7.2.13+deb14-arm64"), ["kvm-nested-7.2", false]);
  assert.deepEqual(of("7.3-arm64"), ["kvm-nested-7.3", false]);
  assert.deepEqual(of("7.3.0-rc7+"), ["kvm-nested-7.3", false]);
  assert.deepEqual(of("7.10.1"), ["kvm-nested-7.3", true]);
  assert.deepEqual(of("6.18.2"), ["kvm-nested-7.2", true]);
  assert.deepEqual(of("/home/me/Image"), ["kvm-nested-7.2", true]);
  assert.match(predictingHost("neoverse-n2", "7.3-arm64").host, /probes\/neoverse-n2-7\.3\.toml$/);
});
