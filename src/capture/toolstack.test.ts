import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { dynamicElf } from "../binary/build.testing.js";
import { Cpio } from "./cpio.js";
import { cpioFiles } from "./records.testing.js";
import { addToolstack } from "./toolstack.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-toolstack-"));
after(() => rmSync(folder, { recursive: true }));
let trees = 0;

/** An unpacked tree: files by path, an array is an ELF file that needs those libraries, ["", tag] one that can be told apart. */
function tree(files: Readonly<Record<string, readonly string[] | string>>): string {
  const root = join(folder, String(trees++));
  mkdirSync(root);
  for (const [path, contents] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    if (typeof contents !== "string") writeFileSync(file, dynamicElf(contents));
    else if (contents.startsWith("-> ")) symlinkSync(contents.slice(3), file);
    else writeFileSync(file, contents);
  }
  return root;
}

const LIBRARIES = "usr/lib/aarch64-linux-gnu";
const DEBIAN = {
  "usr/lib/xen-4.20/bin/xl": ["libxenctrl.so.4.20", "libc.so.6"],
  "usr/lib/xen-4.20/bin/xenstored": ["libc.so.6"],
  "usr/lib/xen-4.20/bin/xenconsoled": ["libc.so.6"],
  "usr/lib/xen-4.20/bin/xen-init-dom0": ["libc.so.6"],
  "usr/sbin/xl": "#!/bin/sh\nexec the one of the Xen that runs\n",
  [`${LIBRARIES}/libxenctrl.so.4.20`]: ["libz.so.1"],
  [`${LIBRARIES}/libz.so.1`]: `-> /${LIBRARIES}/libz.so.1.3`,
  [`${LIBRARIES}/libz.so.1.3`]: ["libc.so.6"],
  [`${LIBRARIES}/libgcc_s.so.1`]: ["libc.so.6"],
  [`${LIBRARIES}/libc.so.6`]: ["ld-linux-aarch64.so.1"],
  [`${LIBRARIES}/ld-linux-aarch64.so.1`]: ["", "of Debian"],
};
const OWN = {
  "usr/local/sbin/xl": ["libxenctrl.so.4.22", "libc.so.6"],
  "usr/local/sbin/xenstored": ["libc.so.6"],
  "usr/local/sbin/xenconsoled": ["libc.so.6"],
  "usr/local/lib/xen/bin/xen-init-dom0": ["libc.so.6"],
  "usr/local/etc/xl": "not a program",
  "usr/local/lib/libxenctrl.so.4.22": `-> libxenctrl.so.4.22.0`,
  "usr/local/lib/libxenctrl.so.4.22.0": ["libz.so.1"],
};

function added(...roots: string[]): Map<string, Buffer> {
  const cpio = new Cpio();
  addToolstack(cpio, roots);
  return cpioFiles(cpio.finish());
}

test("programs come with all that they need, links followed within the tree, a script in a program's place passed over", () => {
  const files = added(tree(DEBIAN));
  assert.deepEqual([...files.keys()].filter((name) => files.get(name)!.length > 0).sort(), [
    "usr/lib/ld-linux-aarch64.so.1",
    "usr/lib/libc.so.6",
    "usr/lib/libgcc_s.so.1",
    "usr/lib/libxenctrl.so.4.20",
    "usr/lib/libz.so.1",
    "usr/lib/xen/bin/xen-init-dom0",
    "usr/lib/xen/bin/xenconsoled",
    "usr/lib/xen/bin/xenstored",
    "usr/lib/xen/bin/xl",
  ]);
  assert.deepEqual(files.get("usr/lib/xen/bin/xl"), Buffer.from(dynamicElf(DEBIAN["usr/lib/xen-4.20/bin/xl"])));
});

test("one's own toolstack is taken with its own libraries first, and Debian's for what it lacks", () => {
  const files = added(tree(OWN), tree(DEBIAN));
  assert.ok(files.has("usr/lib/libxenctrl.so.4.22") && !files.has("usr/lib/libxenctrl.so.4.20"));
  assert.ok(files.has("usr/lib/libz.so.1"), "what its library needs");
  assert.deepEqual(files.get("usr/lib/xen/bin/xl"), Buffer.from(dynamicElf(OWN["usr/local/sbin/xl"])));
});

test("the C library and its loader are of one tree", () => {
  const own = { ...OWN, "lib/ld-linux-aarch64.so.1": ["", "of one's own"] };
  const loader = (root: string): Buffer => added(root, tree(DEBIAN)).get("usr/lib/ld-linux-aarch64.so.1")!;
  assert.deepEqual(loader(tree(own)), Buffer.from(dynamicElf(["", "of Debian"])), "Debian's C library");
  assert.deepEqual(
    loader(tree({ ...own, "lib/libc.so.6": ["ld-linux-aarch64.so.1"] })),
    Buffer.from(dynamicElf(["", "of one's own"])),
  );
});

test("what is missing is named: a program, a library and who needs it, the folder", () => {
  const without = (path: string): Record<string, readonly string[] | string> =>
    Object.fromEntries(Object.entries<readonly string[] | string>(OWN).filter(([name]) => name !== path));
  assert.throws(() => added(tree(without("usr/local/sbin/xl")), tree(DEBIAN)), /no program xl in a folder bin or sbin/);
  assert.throws(
    () => added(tree(without("usr/local/lib/libxenctrl.so.4.22")), tree(DEBIAN)),
    /no library libxenctrl\.so\.4\.22, which xl needs/,
  );
  assert.throws(() => added(join(folder, "none"), tree(DEBIAN)), /none: no such file or folder/);
  const foreign = tree({ ...OWN });
  const bytes = dynamicElf([]);
  bytes[18] = 62; // x86-64
  writeFileSync(join(foreign, "usr/local/sbin/xl"), bytes);
  assert.throws(() => added(foreign, tree(DEBIAN)), /sbin\/xl: expected a little-endian 64-bit ELF file for AArch64/);
});
