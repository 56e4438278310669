/** The Xen that boots and the xen-syms that names its functions: two files of one build. */
import { gunzipSync } from "node:zlib";
import { readBytes } from "../files/index.js";
import { InputError } from "../input/index.js";
import { Elf, isElf } from "./elf.js";

/** Most bytes of an image: more than any Xen with its debug information has, or a Linux with its modules. */
const MOST = 1 << 30;

/** Reads a whole file; throws an InputError that names it. */
export const readInput = (path: string): Uint8Array => readBytes(path, MOST);

/** "ARM\x64" at byte 56 of a Linux boot executable Image (Documentation/arch/arm64/booting.rst). */
const IMAGE_MAGIC = 0x644d5241;

/** The bytes of a boot executable Image, unpacked if it is gzip's; throws an InputError that says what was expected. */
export function readImage(path: string, what: string): Uint8Array {
  let bytes = readInput(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: MOST });
    } catch {
      throw InputError.at(path, 0, "is damaged: gzip cannot unpack it");
    }
  if (isElf(bytes)) throw InputError.at(path, 0, `is an ELF file, expected ${what} as it boots (an arm64 Image)`);
  const magic = bytes.length < 64 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(56, true);
  if (magic !== IMAGE_MAGIC) throw InputError.at(path, 0, `is no arm64 boot Image, expected ${what}`);
  return bytes;
}

/** Stands in Xen's Image, and in no other: the format of the first line that it prints (xen/common/version.c, console.c). */
const XEN_BANNER = "Xen version %d.%d";

/** The bytes of a Linux Image; throws an InputError also for a Xen. */
export function readKernel(path: string, what: string): Uint8Array {
  const bytes = readImage(path, what);
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(XEN_BANNER))
    throw InputError.at(path, 0, `is a Xen, expected ${what}, a Linux`);
  return bytes;
}

/** Of so many bytes one may differ in a Xen that was patched in place; another build differs in most. */
const PATCHED = 256;

/**
 * Opens xen-syms and makes sure that it is of the same build as the Xen that boots. Where that was patched in place, the
 * result has its bytes: what boots is what is decoded.
 */
export function openXenSyms(xen: string, xenSyms: string): Elf {
  const image = readImage(xen, "Xen");
  const elf = new Elf(readInput(xenSyms), xenSyms);
  const { bytes } = elf.image();
  // xen is what objcopy makes of xen-syms: the same bytes from the first address on.
  const same = Math.min(image.length, bytes.length);
  let differ = 0;
  for (let i = 0; i < same; i++) if (image[i] !== bytes[i]) differ++;
  if (differ > same / PATCHED || image.length < bytes.length / 2)
    throw InputError.at(xenSyms, 0, `is of another build than ${xen}`);
  return differ === 0 ? elf : elf.patched(image);
}
