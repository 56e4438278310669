/** xen beside xen-syms: the same build, also when it was patched in place; another one is refused. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { InputError } from "../input/index.js";
import { elfFile } from "./build.testing.js";
import { Elf } from "./elf.js";
import { openXenSyms } from "./xen-image.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-xen-image-"));
after(() => rmSync(folder, { recursive: true }));

const NOP = 0xd503201f;
const RET = 0xd65f03c0;
/** "ARM\x64" at byte 56, as an arm64 boot Image has it; then enough code that one patched word is little. */
const MAGIC = 0x644d5241;
const code = Array.from({ length: 1024 }, (_, i) => (i === 14 ? MAGIC : RET));
const syms = elfFile({ code: { f: code } });
const original = new Elf(Buffer.from(syms), "xen-syms").image().bytes;

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("a Xen patched in place is decoded as it boots, with the symbols of its build", () => {
  const patched = Buffer.from(original);
  patched.writeUInt32LE(NOP, 400);
  const elf = openXenSyms(file("patched", patched), file("xen-syms", syms));
  assert.deepEqual(Buffer.from(elf.image().bytes), patched);
  assert.deepEqual(elf.texts().length, 1);
  const same = openXenSyms(file("xen", original), file("xen-syms", syms));
  assert.deepEqual(Buffer.from(same.image().bytes), Buffer.from(original));
});

test("a Xen that differs in more than a patch is of another build", () => {
  const other = Buffer.from(original);
  for (let at = 64; at < other.length; at += 8) other.writeUInt32LE(NOP, at);
  assert.throws(
    () => openXenSyms(file("other", other), file("xen-syms", syms)),
    (error) => error instanceof InputError && /xen-syms: is of another build than .*other$/.test(error.message),
  );
});
