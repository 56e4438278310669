import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { dynamicElf } from "../binary/build.testing.js";
import { Cpio } from "./cpio.js";
import { addModules, driversBeside } from "./own-modules.js";
import { cpioFiles } from "./records.testing.js";
import { captureScenario, dom0Init } from "./scenario.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-initramfs-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array | string = dynamicElf([])): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("modules of one's own are inserted in the order in which they were given, before Debian's, and must be taken", () => {
  const cpio = new Cpio();
  const own = addModules(cpio, [file("z.ko"), file("a_b-c.ko.xz", "packed"), file("m.ko")]);
  assert.deepEqual(own, ["z.ko", "a_b-c.ko.xz", "m.ko"]);
  assert.deepEqual([...cpioFiles(cpio.finish()).keys()], ["modules", ...own.map((name) => `modules/${name}`)]);
  const script = dom0Init(
    captureScenario("create-domu")!,
    { memoryMib: 128, vcpus: 1 },
    { own, debian: ["xenfs.ko.xz"] },
    false,
  );
  const inserted = [
    ...script.matchAll(/^insmod \/modules\/(\S+) \|\| fail "dom0's kernel does not take the module \1"$/gm),
  ];
  assert.deepEqual(
    inserted.map((match) => match[1]),
    own,
  );
  assert.ok(script.indexOf("for module in xenfs.ko.xz;") > script.indexOf("/modules/m.ko"));
});

test("what is no kernel module is refused by name, also the second of one name", () => {
  const refused = (...files: string[]): void => void addModules(new Cpio(), files);
  assert.throws(() => refused(join(folder, "none.ko")), /none\.ko: no such file or folder/);
  assert.throws(() => refused(file("x.ko.zst")), /x\.ko\.zst: is no kernel module by its name, expected NAME\.ko, /);
  assert.throws(() => refused(file("x y.ko")), /is no kernel module by its name/, "a name that the shell would cut");
  assert.throws(() => refused(file("text.ko", "text")), /text\.ko: not an ELF file/);
  mkdirSync(join(folder, "other"));
  assert.throws(() => refused(file("p-q.ko"), file("other/p_q.ko.xz")), /p_q\.ko\.xz: is the second .* of this name/);
});

test("one of Debian's drivers stays out where a module of one's own has its name", () => {
  const names = ["xen-evtchn", "xen-privcmd", "xenfs"];
  assert.deepEqual(driversBeside(names, ["xen_privcmd.ko", "other.ko"]), ["xen-evtchn", "xenfs"]);
});
