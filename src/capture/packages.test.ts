import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { findDistribution } from "./packages.js";

const cache = mkdtempSync(join(tmpdir(), "shootdown-cache-"));
const { SHOOTDOWN_CACHE } = process.env;
before(() => {
  process.env.SHOOTDOWN_CACHE = cache;
});
after(() => {
  if (SHOOTDOWN_CACHE === undefined) delete process.env.SHOOTDOWN_CACHE;
  else process.env.SHOOTDOWN_CACHE = SHOOTDOWN_CACHE;
  rmSync(cache, { recursive: true });
});

function put(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(cache, path)), { recursive: true });
    writeFileSync(join(cache, path), "");
  }
}
const manifest = (folder: string, xen: string, version = 1): void => {
  mkdirSync(join(cache, folder), { recursive: true });
  const packages = [`xen-hypervisor-${xen}-arm64 ${xen}.1-1`];
  writeFileSync(join(cache, folder, "manifest.json"), JSON.stringify({ version, machine: "amd64", packages }));
};

test("a release is there with its own Xen and the kernel and QEMU of trixie, and only when both are", () => {
  assert.equal(findDistribution("trixie"), undefined);
  put("debian/bookworm/arm64/boot/xen-4.17-arm64", "debian/bookworm/arm64/boot/xen-4.17-arm64.efi");
  put("debian/bookworm/arm64/usr/lib/debug/boot/xen-syms-4.17-arm64");
  put("debian/bookworm/arm64/usr/lib/debug/boot/xen-syms-4.17-arm64.map");
  manifest("debian/bookworm", "4.17");
  assert.equal(findDistribution("bookworm"), undefined, "no kernel, no QEMU");

  put("debian/arm64/boot/xen-4.20-arm64", "debian/arm64/boot/vmlinuz-6.12-arm64");
  put("debian/arm64/usr/lib/debug/boot/xen-syms-4.20-arm64");
  assert.equal(findDistribution(), undefined, "what bears no manifest is not whole");
  manifest("debian", "4.20");
  const trixie = findDistribution()!;
  assert.equal(trixie.release, "trixie");
  assert.equal(trixie.toolstack, trixie.root);
  const bookworm = findDistribution("bookworm")!;
  assert.equal(bookworm.xen, join(cache, "debian/bookworm/arm64/boot/xen-4.17-arm64"));
  assert.equal(bookworm.xenSyms, join(cache, "debian/bookworm/arm64/usr/lib/debug/boot/xen-syms-4.17-arm64"));
  assert.equal(bookworm.toolstack, join(cache, "debian/bookworm/arm64"));
  assert.deepEqual([bookworm.root, bookworm.kernel, bookworm.qemu], [trixie.root, trixie.kernel, trixie.qemu]);
  assert.deepEqual(bookworm.packages, ["xen-hypervisor-4.17-arm64 4.17.1-1"]);
  assert.equal(findDistribution("sid"), undefined);
});

test("a manifest of another form, or of no form, is none", () => {
  manifest("debian/bookworm", "4.17", 0);
  assert.equal(findDistribution("bookworm"), undefined);
  writeFileSync(join(cache, "debian/bookworm/manifest.json"), "null");
  assert.equal(findDistribution("bookworm"), undefined);
});
