/** A policy's code put into a Xen's Image, and taken out again. */
import { createHash } from "node:crypto";
import * as v from "valibot";
import type { CpuProfile } from "../arch/index.js";
import { openXenSyms, readImage } from "../binary/index.js";
import { readText, writeWhole } from "../files/index.js";
import { type Injection, inject } from "../inject/index.js";
import { InputError } from "../input/index.js";
import type { Policy } from "../policy/index.js";

/** Puts a policy's code into the Xen of two files. Throws an InputError for what cannot be used, or is not understood. */
export function injectFiles(policy: Policy, cpu: CpuProfile, xen: string, xenSyms: string): Injection {
  return inject(policy, cpu, openXenSyms(xen, xenSyms), Uint8Array.from(readImage(xen, "Xen")));
}

/** What was done, so that it can be undone: `base` is the link address of the Image's first byte. */
interface InjectionRecord extends Omit<Injection, "image" | "parts"> {
  readonly base: number;
  /** SHA-256 of the Images, unpacked */
  readonly sha256: { readonly before: string; readonly after: string };
}

/** The same into a file. */
export function injectInto(
  policy: Policy,
  cpu: CpuProfile,
  { xen, xenSyms, output }: { readonly xen: string; readonly xenSyms: string; readonly output: string },
): InjectionRecord {
  const elf = openXenSyms(xen, xenSyms);
  const before = Uint8Array.from(readImage(xen, "Xen"));
  const { image, parts: _, ...done } = inject(policy, cpu, elf, before);
  writeWhole(output, image);
  return { ...done, base: elf.image().address, sha256: { before: sha256(before), after: sha256(image) } };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const word = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffff_ffff));
const address = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 52));
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"));
const recordSchema = v.object({
  policy: v.string(),
  base: address,
  sha256: v.object({ before: hash, after: hash }),
  words: v.array(v.object({ address, before: word, after: word })),
});

/**
 * Takes out what a record (the JSON of `inject`) says was put in, and writes what was there before, which is held against the hash
 * of the original. Returns policy and words. Throws an InputError for another Image or record.
 */
export function undoInjection(recordFile: string, xen: string, output: string): { policy: string; words: number } {
  const record = readRecord(recordFile);
  const image = Uint8Array.from(readImage(xen, "Xen"));
  if (sha256(image) !== record.sha256.after)
    throw InputError.at(xen, 0, `is not the Image that ${recordFile} is about: another SHA-256`);
  const view = new DataView(image.buffer);
  for (const { address, before, after } of record.words) {
    const offset = address - record.base;
    if (offset < 0 || offset + 4 > image.length || view.getUint32(offset, true) !== after)
      throw InputError.at(recordFile, 0, `says a word that does not stand at 0x${address.toString(16)}`);
    view.setUint32(offset, before, true);
  }
  if (sha256(image) !== record.sha256.before)
    throw InputError.at(recordFile, 0, "does not lead back to the original: another SHA-256");
  writeWhole(output, image);
  return { policy: record.policy, words: record.words.length };
}

function readRecord(file: string): v.InferOutput<typeof recordSchema> {
  const text = readText(file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw InputError.at(file, 0, "is no JSON of 'shootdown inject --json'");
  }
  const result = v.safeParse(recordSchema, value);
  if (!result.success)
    throw InputError.at(file, 0, `is no JSON of 'shootdown inject --json': ${result.issues[0].message}`);
  return result.output;
}
