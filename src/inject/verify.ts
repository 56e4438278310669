/**
 * What was built is read again, by the decoders and not by what made it, and held against what was meant: the words that changed,
 * where branches go, and each TLBI and barrier of the policy.
 */
import { barrierFromWord, decodeTlbi, disassemble } from "../arch/index.js";
import { type Elf, type InjectedPart, XenText } from "../binary/index.js";
import { standing } from "./emit.js";
import { codeName, type Injection } from "./injection.js";
import type { InjectedProgram } from "./program.js";
import type { XenSites } from "./sites.js";

/** Throws an Error, which is a fault of this program, where the Image is not what was meant. */
export function verify(
  injection: Injection,
  program: InjectedProgram,
  sites: XenSites,
  elf: Elf,
  original: Uint8Array,
  places: ReadonlyMap<string, number>,
): void {
  const fault = (what: string): never => {
    throw new Error(`policy ${program.policy.name} injected: ${what}`);
  };
  changedWords(injection, elf.image().address, original, fault);
  const text = new XenText(elf.patched(injection.image));
  for (const { address, after, text: meant } of injection.words) {
    if (text.word(address) !== after) fault(`the word at 0x${address.toString(16)} is another one`);
    const is = disassemble(after, address) ?? `.word 0x${after.toString(16)}`;
    if (is !== meant) fault(`'${is}' stands where '${meant}' was meant`);
  }
  for (const [from, label] of hooksMeant(sites)) {
    const to = places.get(label);
    if (to !== undefined && text.branchAt(from)?.target !== to) fault(`the hook for ${label} goes elsewhere`);
  }
  entries(text, injection, new Set(places.values()), fault);
  for (const [occasion, code] of program.code) {
    const is = injection.parts
      .filter((part) => part.code === codeName(program.policy.name, occasion))
      .flatMap((part) => flushing(text, part));
    if (is.join() !== standing(code).join()) fault(`the code of [${occasion}] is not the policy's`);
  }
}

type Fault = (what: string) => never;

const hooksMeant = (sites: XenSites): [number, string][] => [
  [sites.setEntry.address, "set"],
  [sites.deferred.from, "deferred"],
  [sites.flush.first, "flush"],
  [sites.vcpu.first, "switch"],
];

/** The Images differ in the words listed and in no other byte; the list has what stood there. */
function changedWords({ image, words }: Injection, base: number, original: Uint8Array, fault: Fault): void {
  const back = Uint8Array.from(image);
  const view = new DataView(back.buffer, back.byteOffset, back.byteLength);
  for (const { address, before } of words) view.setUint32(address - base, before, true);
  if (Buffer.compare(back, original) !== 0) fault("the way back does not lead to the original");
}

/** Nothing enters the caves but the hooks and the code there; what is left of who stood there never runs. */
function entries(text: XenText, { caves }: Injection, hooked: ReadonlySet<number>, fault: Fault): void {
  const stretches = caves.map((cave) => text.functionNamed(cave.function)!);
  const inside = (address: number): boolean =>
    stretches.some((f) => address >= f.address && address < f.address + f.size);
  for (const { from, to } of text.branches)
    if (inside(to) && !inside(from) && !hooked.has(to)) fault(`0x${from.toString(16)} branches into it`);
}

/** TLBIs and barriers of a stretch, named as standing() of emit.ts does. */
function flushing(text: XenText, { first, end }: InjectedPart): string[] {
  const list: string[] = [];
  for (let at = first; at < end; at += 4) {
    const word = text.word(at)!;
    const tlbi = decodeTlbi(word);
    const barrier = barrierFromWord(word);
    if (tlbi) list.push(`tlbi ${tlbi.index}`);
    else if (barrier !== undefined) list.push(`barrier ${barrier}`);
  }
  return list;
}
