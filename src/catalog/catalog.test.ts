import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  cpuNames,
  hostNames,
  loadCpu,
  loadHost,
  loadPolicy,
  loadScenario,
  policyNames,
  scenarioNames,
  usualCpus,
  usualHosts,
} from "./index.js";

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
  assert.deepEqual(usualHosts(), ["bare-metal", "kvm-nested-7.2", "kvm-nested-unmap-all", "kvm-nested-skip-holes"]);
  assert.deepEqual(hostNames(), [...usualHosts(), "kvm-nested-7.3"]);
  assert.deepEqual(usualCpus(), [
    "cortex-a72",
    "neoverse-n1",
    "neoverse-v1",
    "neoverse-v2",
    "neoverse-v3",
    "arch-minimal",
    "arch-maximal",
  ]);
  assert.deepEqual(cpuNames().slice(0, usualCpus().length), usualCpus());
  assert.deepEqual(scenarioNames(), [
    "create-domu",
    "create-domu-ramdisk",
    "create-domu-2m",
    "dom0-vcpus",
    "vcpu-switch",
    "balloon-domu",
    "disk-grants",
    "log-dirty",
    "destroy-domu",
  ]);
});

test("every built-in file bears its own name, a title and a source", () => {
  for (const [names, load] of [
    [policyNames(), loadPolicy],
    [hostNames(), loadHost],
    [cpuNames(), loadCpu],
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

test("a CPU is a name or a file, also as the base of another and where a host names one from its own folder", () => {
  const cpu = file("mine-cpu.toml", 'name = "mine"\ntitle = "a CPU"\nsource = "s"\nbase = "neoverse-n1"\n');
  assert.deepEqual(loadCpu(cpu).features, loadCpu("neoverse-n1").features);
  file("next.toml", 'name = "next"\ntitle = "a CPU"\nsource = "s"\nbase = "./mine-cpu.toml"\n');
  const of = (name: string, cpuLine: string): string =>
    file(name, `name = "h"\ntitle = "t"\nsource = "s"\nbase = "bare-metal"\n${cpuLine}\n`);
  assert.equal(loadCpu(loadHost(of("h.toml", 'cpu = "./next.toml"')).cpu).name, "next");
  assert.equal(loadHost(of("h2.toml", 'cpu = "cortex-a72"')).cpu, "cortex-a72");
  assert.throws(
    () => loadHost(of("h3.toml", 'cpu = "z80"')),
    /h3\.toml:5: cpu: no CPU is named 'z80': expected cortex-a72, .*or a path/,
  );
  for (const name of hostNames()) assert.ok(loadCpu(loadHost(name).cpu).title.length > 10);
  assert.throws(() => loadCpu("z80"), /no CPU is named 'z80': expected cortex-a72, /);
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

/** What a host has of KVM's, and no other kind has. */
const kvmOf = (host: unknown): object => (host as { kvm: object }).kvm;

const variant = (name: string, base: string, more = ""): string =>
  `name = "${name}"\ntitle = "t"\nsource = "s"\nbase = "${base}"\n${more}`;

test("a host that names a base differs from it in what it says, and in nothing else", () => {
  const beside = file("h1.toml", variant("h1", "kvm-nested-7.2", 'holes = "skipped"\n'));
  const handler = '[prices.handler]\nvalue = 1\nunit = "instructions"\nsource = "mine"\n';
  const host = loadHost(file("h2.toml", variant("h2", "h1.toml", `further-assumptions = ["a"]\n${handler}`)));
  const base = loadHost("kvm-nested-7.2");
  const mine = { value: 1, low: 1, high: 1, source: "mine" };
  assert.deepEqual(host, {
    ...base,
    ...{ name: "h2", title: "t", source: "s" },
    assumptions: [...base.assumptions, "a"],
    kvm: { ...kvmOf(base), holes: "skipped" },
    prices: { ...base.prices, handler: { ...base.prices.handler, ...mine } },
  });
  assert.deepEqual(Object.keys(host.prices), Object.keys(base.prices));
  assert.deepEqual(kvmOf(loadHost(beside)), { ...kvmOf(base), holes: "skipped" });
});

test("a host whose base is unknown, wrong, of another kind or itself is refused at its line", () => {
  const refused = (name: string, text: string, message: RegExp): void =>
    assert.throws(() => loadHost(file(name, text)), message);
  refused("lost.toml", variant("lost", "moon"), /lost\.toml:4: no host is named 'moon': expected bare-metal, /);
  refused("none.toml", variant("none", "./nowhere.toml"), /nowhere\.toml: no such file/);
  refused("bare.toml", variant("bare", "bare-metal", 'holes = "skipped"\n'), /bare\.toml:5: unknown key 'holes'/);
  refused("big.toml", variant("big", "kvm-nested-7.2", 'page-size = "64K"\n'), /big\.toml:5: page-size: backing is/);
  refused("back.toml", variant("back", "kvm-nested-7.2", 'backing = "3M"\n'), /back\.toml:5: backing: expected 4K or/);
  refused("self.toml", variant("self", "self.toml"), /self\.toml:4: host .*self\.toml is its own base: /);
  file("wrong.toml", variant("wrong", "kvm-nested-7.2", 'unmap = "never"\n'));
  refused("onto.toml", variant("onto", "wrong.toml"), /wrong\.toml:5: unmap: /);
});

test("what is no text, no file or too large is refused in a sentence", () => {
  assert.throws(() => loadPolicy(file("bytes.toml", Uint8Array.of(0xff, 0xfe, 0))), /is not UTF-8 text/);
  assert.throws(() => loadPolicy(join(folder, "none.toml")), /no such file/);
  assert.throws(() => loadPolicy(`${folder}/`), /^InputError/);
  assert.throws(() => loadScenario(file("large.toml", "#".repeat(2 ** 20 + 1))), /expected a text file of at most/);
});
