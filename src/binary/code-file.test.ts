import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { elfFile, ISB, NOP, RET, VMALLS12E1IS } from "./build.testing.js";
import { fullAddress, openCode } from "./code-file.js";
import { linuxImage } from "./kallsyms.testing.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-code-"));
after(() => rmSync(folder, { recursive: true }));
const EXAMPLES = fileURLToPath(new URL("../../examples/code/", import.meta.url));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const refused = (name: string, bytes: Uint8Array | string, why: RegExp): void =>
  assert.throws(() => openCode(file(name, bytes)), { name: "InputError", message: why });

test("an Image's own symbols are read, before Linux 6.4 and since, plain and packed by gzip", () => {
  for (const old of [false, true]) {
    const image = linuxImage({ __kvm_tlb_flush_vmid: [VMALLS12E1IS, RET], other: [NOP, ISB, RET] }, old);
    for (const bytes of [image, gzipSync(image)]) {
      const code = openCode(file("Image", bytes));
      const [f] = code.named("__kvm_tlb_flush_vmid");
      assert.deepEqual([code.what, f?.size], ["a Linux arm64 Image", 8]);
      assert.equal(fullAddress(f!.address), "0xffff800080000040");
      assert.equal(code.word(f!.address), VMALLS12E1IS);
      assert.equal(code.functionAt(f!.address + 12)?.name, "other");
    }
  }
});

test("an object file is laid out: its sections apart, its alternatives found through their relocations", () => {
  const code = openCode(join(EXAMPLES, "flush.o"));
  const [f] = code.named("flush_guest");
  const [at, alternative] = [...code.alternatives][0]!;
  assert.deepEqual([at - f!.address, alternative.capability, alternative.count], [8, 11, 2]);
  assert.deepEqual(
    [0, 4].map((i) => code.word(alternative.replacement + i)),
    [0xd5033b9f, 0xd50c83bf],
  );
});

test("text of objdump gives the words of its object file, in GNU's form as in LLVM's, sections apart", () => {
  const text = readFileSync(join(EXAMPLES, "flush.txt"), "utf8");
  const gnu = text.replaceAll(
    /: ((?:[0-9a-f]{2} ){4})/g,
    (_, bytes: string) => `:\t${bytes.trim().split(" ").reverse().join("")} `,
  );
  const [object, ...texts] = [
    openCode(join(EXAMPLES, "flush.o")),
    ...[text, gnu].map((t, i) => openCode(file(`${i}.txt`, t))),
  ];
  for (const code of texts)
    for (const { name, address, size } of object!.functions) {
      const [same] = code.named(name);
      assert.equal(same?.size, size, name);
      for (let i = 0; i < size; i += 4) assert.equal(code.word(same!.address + i), object!.word(address + i), name);
    }
  assert.equal(texts[0]!.textAt(4), "ldr x3, [x0]");
});

test("what is no code that can be read is refused by one sentence that names the file", () => {
  const elf = elfFile({ code: { f: [VMALLS12E1IS, RET] } });
  refused("stripped", elfFile({ code: { f: [RET] }, symbols: false }), /stripped: has no function symbols/);
  refused(
    "x86",
    Buffer.concat([elf.subarray(0, 18), Buffer.from([62, 0]), elf.subarray(20)]),
    /x86: expected a little-endian 64-bit ELF file for AArch64/,
  );
  refused("short", elf.subarray(0, 150), /short: the ELF file ends too early/);
  refused("empty", "", /empty: is empty, expected/);
  refused("notes", "nothing of the kind", /notes: is neither an ELF file nor an arm64 Image nor text of objdump/);
  refused("bare", linuxImage({ f: [RET] }).subarray(0, 80), /bare: is an arm64 Image without symbols/);
  refused("torn.gz", gzipSync(elf).subarray(0, 40), /torn\.gz: is damaged/);
  refused("words.txt", "0000000000000000 <f>:\n   0:\tret\n", /words\.txt:2: has no instruction word/);
  refused(
    "x86.txt",
    "a.o: file format elf64-x86-64\n0000 <f>:\n   0:\tc3  ret\n",
    /is of elf64-x86-64, expected AArch64/,
  );
});
