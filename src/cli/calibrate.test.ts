import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadHost } from "../catalog/index.js";
import { shootdown as command } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-calibrate-"));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

test("a duration in words becomes a host that prices it so", async () => {
  const made = await command([
    "calibrate",
    "--measured",
    "480 ms a VMALLS12E1 at 44 bits",
    "--name",
    "mine",
    "-o",
    at("mine.toml"),
  ]);
  assert.equal(made.status, 0, made.err);
  const priced = await command([
    "tlbi",
    "vmalls12e1is",
    "--host",
    at("mine.toml"),
    "--ipa-bits",
    "44",
    "--shadow-leaves",
    "0",
  ]);
  assert.match(priced.out, /^price +4(79|80) ms/m);
});

test("a trace of KVM's handlers does the same; counts and times are not mixed; a text without handlers is refused", async () => {
  writeFileSync(at("trace.txt"), " 3)  @ 1464441 us |  handle_vmalls12e1is();\n");
  const made = await command(["calibrate", at("trace.txt"), "--json"]);
  const found = JSON.parse(made.out) as { estimates: { key: string; value: number; determined: string }[] };
  const broadcast = found.estimates.find(({ key }) => key === "broadcast")!;
  assert.equal(broadcast.determined, "well");
  assert.ok(Math.abs(broadcast.value / 2.7 - 1) < 0.1, `${broadcast.value}`);
  writeFileSync(at("other.txt"), "nothing\n");
  const refused = await command(["calibrate", at("other.txt")]);
  assert.equal(refused.status, 1);
  assert.match(refused.err, /other\.txt: holds no duration of KVM's handlers/);
  assert.equal((await command(["calibrate", "--measured", "much"])).status, 2);
  assert.match((await command(["calibrate"])).err, /nothing to calibrate on/);
});

const shipped = (file: string): string => fileURLToPath(new URL(`../../probes/${file}`, import.meta.url));

for (const [host, probe, base] of [
  ["kvm-nested-7.3", shipped("linux-7.3-rc7-max-48.json.gz"), "kvm-nested-7.2"],
  [shipped("neoverse-n2-7.3.toml"), shipped("linux-7.3-rc7-n2-40.json.gz"), shipped("neoverse-n2.toml")],
] as const)
  test(`${host.split("/").at(-1)}: its prices are what calibrate makes of the shipped probe, with ${base.split("/").at(-1)} as base`, async () => {
    const made = await command(["calibrate", probe, "--host", base, "--name", "again", "-o", at("again.toml")]);
    assert.equal(made.status, 0, made.err);
    // The file names its base so that it can be read where it stands.
    const [again, named] = [loadHost(at("again.toml")), loadHost(host)];
    for (const [key, { value, low, high }] of Object.entries(named.prices)) {
      const price = again.prices[key]!;
      assert.deepEqual([price.value, price.low, price.high], [value, low, high], key);
    }
  });

test("standard input is no base of a file that is written", async () => {
  const refused = await command(["calibrate", "--measured", "480 ms a VMALLS12E1 at 44 bits", "--host", "-"]);
  assert.equal(refused.status, 1);
  assert.match(refused.err, /--host: the file that is written names it as its base/);
});
