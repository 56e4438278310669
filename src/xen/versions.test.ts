import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestVersion, versionOfBanner, XEN_VERSIONS, xenVersion } from "./versions.js";

test("a banner or a package's version names its row, and no other", () => {
  const named = (banner: string): string | undefined => versionOfBanner(banner)?.name;
  assert.equal(named("4.20.4+63-g7abfd2bce2-0+deb13u1"), "4.20.4+63");
  assert.equal(named("4.20.4+39-gabcdef-1"), "4.20.4+39");
  assert.equal(named("4.20.4"), "4.20.4");
  assert.equal(named("4.17.5+72-g01140da4e8-1"), "4.17");
  assert.equal(named("4.20.4+64-g0"), undefined, "a build that nobody counted");
  assert.equal(named("4.17.6"), undefined);
  assert.equal(named("4.21.0"), undefined);
  assert.equal(named("Xen"), undefined);
});

test("so does Xen's first line on the console", () => {
  const line = (version: string, build: string): string =>
    `${version} (${build}) (aarch64-linux-gnu-gcc (Debian 4.17.5+72-1) 12.2.0) debug=n`;
  const named = (version: string, build: string): string | undefined => versionOfBanner(line(version, build))?.name;
  assert.equal(named("4.17.5", "Debian 4.17.5+72-g01140da4e8-1"), "4.17");
  assert.equal(named("4.20.5-pre", "Debian 4.20.4+39-gf1e1321c87-1"), "4.20.4+39");
  assert.equal(named("4.20.4", "me@here"), "4.20.4", "the compiler's package is not Xen's");
  assert.equal(named("4.20.4-pre", "me@here"), undefined);
  assert.equal(named("4.20.4-rc1", "me@here"), undefined);
  assert.equal(named("4.22-unstable", "me@here"), undefined);
});

test("a build that nobody counted is taken for the newest of its series, or of all", () => {
  assert.equal(nearestVersion("4.17.3 (me@here)").name, "4.17");
  assert.equal(nearestVersion("4.20.5-pre (me@here)").name, "4.20.4+63");
  assert.equal(nearestVersion("4.20.4 (me@here)").name, "4.20.4");
  assert.equal(nearestVersion("4.2.0").name, "4.20.4+63");
  assert.equal(nearestVersion("").name, "4.20.4+63");
});

test("names are unique, and each row has a source", () => {
  assert.equal(new Set(XEN_VERSIONS.map(({ name }) => name)).size, XEN_VERSIONS.length);
  for (const { name, source } of XEN_VERSIONS) assert.ok(source.length > 20, name);
  assert.throws(() => xenVersion("4.99"), /no version of Xen is named '4\.99'/);
});
