import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-minimize-"));
after(() => rmSync(folder, { recursive: true }));

const SWITCH = ["--occasion", "switch", "--cpu", "arch-minimal", "--host", "bare-metal,kvm-nested-7.2"];

test("of Xen's switch each instruction is accounted for, and what results is sound and cheaper", async () => {
  const file = join(folder, "small.toml");
  const { status, out, err } = await shootdown(["minimize", "xen-today", ...SWITCH, "--witness", "-o", file]);
  assert.equal(status, 0, err);
  assert.match(out, /dsb nshst +superfluous +no scenario fails without it/);
  assert.match(out, /tlbi vmalls12e1 +too strong +tlbi vmalle1 is enough/);
  assert.match(out, /Without line \d+, dsb nsh:\nxen-today is UNSOUND for switch/);
  assert.match(out, /as a whole is sound/);
  assert.match(out, /kvm-nested-7\.2 +40 +2\.21 s +9\.42 ms +234/);
  const proved = await shootdown(["prove", file, "--occasion", "switch", "--cpu", "arch-minimal", "--expect", "sound"]);
  assert.equal(proved.status, 0, proved.err);
  const again = await shootdown(["minimize", file, ...SWITCH]);
  assert.match(again.out, /Nothing of xen-today-minimal can go/);
});

test("two policies differ in the smallest scenario that only one survives, and a policy not from itself", async () => {
  const on = ["--occasion", "switch", "--cpu", "arch-minimal"];
  const { status, out, err } = await shootdown(["distinguish", "xen-today", "switch-no-flush", ...on]);
  assert.equal(status, 0, err);
  assert.match(out, /^switch-no-flush is UNSOUND for switch on arch-minimal/);
  assert.match(out, /scenarios tell xen-today from switch-no-flush/);
  assert.doesNotMatch(out, /\nxen-today +switch/);
  const same = await shootdown(["distinguish", "xen-today", "kvm-ipa", ...on]);
  assert.match(same.out, /No scenario of \d+ tells xen-today from kvm-ipa/);
});

test("of what is unsound, or has no code, there is nothing to keep", async () => {
  const unsound = await shootdown(["minimize", "switch-no-flush", ...SWITCH]);
  assert.match(unsound.out, /switch-no-flush has no code for what was asked about/);
  const wrong = await shootdown(["minimize", "xen-today", "--occasion", "lunch"]);
  assert.equal(wrong.status, 2);
  assert.match(wrong.err, /Expected one of revoke, switch/);
});

test("--granule is that of the tables of the scenarios: operands of another one do not reach", async () => {
  const file = join(folder, "fixed.toml");
  const code = "for range\n tlbi ripas2e1is, ipa\nend\ndsb ish\ntlbi vmalle1is\ndsb ish\nend";
  writeFileSync(
    file,
    `name = "fixed"\ntitle = "t"\nsource = "s"\nbase = "xen-4.17"\ngranule = "4K"\nrequires = ["FEAT_TLBIRANGE"]\n[split]\ncode = """\nwith owner-vmid\ndsb ishst\n${code}\n"""\n`,
  );
  const { out, err } = await shootdown([
    "minimize",
    file,
    "--occasion",
    "split",
    "--cpu",
    "arch-maximal",
    "--granule",
    "64K",
    "--json",
  ]);
  const { granule, occasions } = JSON.parse(out || err);
  assert.equal(granule, "64K");
  // Of 4 KiB it is sound (prove/granule.test.ts has the like).
  assert.match(occasions[0].leftOut[0].why, /^unsound: split\./);
});

test("distinguish without two policies or two CPUs and an occasion is wrong usage", async () => {
  for (const words of [
    [],
    ["xen-today"],
    ["--cpu", "cortex-a72", "--occasion", "switch"],
    ["--cpu", "cortex-a72,neoverse-n1"],
  ]) {
    const { status, err } = await shootdown(["distinguish", ...words]);
    assert.equal(status, 2);
    assert.match(err, /error: distinguish: expected two policies/);
  }
  const { err } = await shootdown(["distinguish", "xen-today", "kvm-ipa", "--length", "2"]);
  assert.match(err, /error: --length goes with two CPUs and no policy/);
});
