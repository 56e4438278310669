import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hostNames, loadHost, loadPolicy, loadScenario, policyNames, scenarioNames } from "./index.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-catalog-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const child = (name: string, base: string): string =>
  `name = "${name}"\ntitle = "t"\nsource = "s"\nbase = "${base}"\n[switch]\ncode = ""\n`;

test("the built-in names are those that scripts rely on, in the order of the discussion", () => {
  assert.deepEqual(
    policyNames(),
    "xen-today xen-4.17 remove-no-flush remove-batch va-ipa-range switch-no-flush switch-vmalle1 series-v1 series-v3-patch1 series-v3-patch2 kvm-ipa kvm-ipa-no-ttl kvm-ipa-range batch-range vmid-per-vcpu".split(
      " ",
    ),
  );
  assert.deepEqual(hostNames(), ["bare-metal", "kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"]);
  assert.deepEqual(scenarioNames(), ["create-domu", "create-domu-ramdisk", "vcpu-switch", "destroy-domu"]);
});

test("every built-in file bears its own name, a title and a source", () => {
  for (const [names, load] of [
    [policyNames(), loadPolicy],
    [hostNames(), loadHost],
    [scenarioNames(), loadScenario],
  ] as const)
    for (const name of names) {
      const found = load(name);
      assert.equal(found.name, name);
      assert.ok(found.title.length > 10 && found.source.length > 10, name);
    }
});

test("an unknown name is refused with the names that there are", () => {
  assert.throws(
    () => loadPolicy("xen-tomorrow"),
    /^InputError: no policy is named 'xen-tomorrow': expected xen-today, /,
  );
  assert.throws(() => loadHost("moon"), /no host is named 'moon'.*bare-metal/);
  assert.throws(() => loadScenario("../package"), /^InputError: \.\.\/package: no such file/);
});

test("a path to a file works where a built-in name does, with a built-in or a file beside it as base", () => {
  const built = file("built.toml", child("built", "kvm-ipa"));
  assert.deepEqual(loadPolicy(built).code.revoke.length, loadPolicy("kvm-ipa").code.revoke.length);
  const beside = file("beside.toml", child("beside", "./built.toml"));
  assert.equal(loadPolicy(beside).due, "at-once");
});

test("a base that does not exist and a circle of bases are refused", () => {
  assert.throws(
    () => loadPolicy(file("lost.toml", child("lost", "xen-tomorrow"))),
    /no policy is named 'xen-tomorrow'/,
  );
  file("a.toml", child("a", "b.toml"));
  assert.throws(
    () => loadPolicy(file("b.toml", child("b", "a.toml"))),
    /is its own base: .*b\.toml -> .*a\.toml -> .*b\.toml/,
  );
});

test("what is no text, no file or too large is refused in a sentence", () => {
  assert.throws(() => loadPolicy(file("bytes.toml", Uint8Array.of(0xff, 0xfe, 0))), /is not UTF-8 text/);
  assert.throws(() => loadPolicy(join(folder, "none.toml")), /no such file/);
  assert.throws(() => loadPolicy(`${folder}/`), /^InputError/);
  assert.throws(() => loadScenario(file("large.toml", "#".repeat(2 ** 20 + 1))), /expected a text file of at most/);
});
