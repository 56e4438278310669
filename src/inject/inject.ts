/** A policy put into a Xen: the Image with its code, what was changed and where, and the way back. */
import type { AssembledWord, CpuProfile } from "../arch/index.js";
import { type Elf, type InjectedPart, type Stretch, type XenFunction, XenText } from "../binary/index.js";
import type { Policy } from "../policy/index.js";
import { compile } from "./compile.js";
import type { Note } from "./emit.js";
import { codeName, type InjectedHook, type Injection, type PolicyLine } from "./injection.js";
import { LEAST_DATA } from "./list.js";
import { needsOf } from "./needs.js";
import { type InjectedOccasion, type InjectedProgram, injectedProgram } from "./program.js";
import { refuseXen } from "./refusal.js";
import { findCaves, findSpareData } from "./room.js";
import { findXenSites, type XenSites } from "./sites.js";
import { verify } from "./verify.js";

/**
 * Puts a policy's code into a Xen. `elf`: its symbols, with what boots; `image`: the Image that boots, unpacked. Throws an
 * InputError for a policy or a build with which that cannot be done; what was built is decoded again and held against what was
 * meant.
 */
export function inject(policy: Policy, cpu: CpuProfile, elf: Elf, image: Uint8Array): Injection {
  const text = new XenText(elf);
  const sites = findXenSites(text);
  const program = injectedProgram(policy, cpu, sites);
  const { caves, data } = roomFor(program, text, elf);
  const { cave, hooks, places } = compile(program, sites, caves, data);
  const words = [...cave, ...hooks].sort((a, b) => a.address - b.address);
  const patched = Uint8Array.from(image);
  const base = elf.image().address;
  const view = new DataView(patched.buffer, patched.byteOffset, patched.byteLength);
  for (const { address, word } of words) {
    if (address - base + 4 > patched.length) refuseXen("its Image ends before its code does");
    view.setUint32(address - base, word, true);
  }
  const parts = partsOf(words, sites, policy.name);
  const lines = linesOf(policy);
  const injection: Injection = {
    policy: policy.name,
    cpu: cpu.name,
    occasions: [...program.code.keys()],
    hooks: hooksOf(hooks, text),
    caves: caves.flatMap(({ name, address, size }) => {
      const { length } = cave.filter((word) => word.address >= address && word.address < address + size);
      return length === 0 ? [] : [{ function: name, words: length, room: size / 4 }];
    }),
    ...(data ? { data: { address: data.first, bytes: data.end - data.first } } : {}),
    words: words.map(({ address, word, text: assembly, note }) => ({
      address,
      at: placeOf(text, address),
      before: text.word(address)!,
      after: word,
      text: assembly,
      ...(note.occasion === undefined ? {} : { line: lines(note) }),
    })),
    parts,
    image: patched,
  };
  verify(injection, program, sites, elf, image, places);
  return injection;
}

/** Caves, and data where the program needs some. */
function roomFor(program: InjectedProgram, text: XenText, elf: Elf): { caves: readonly XenFunction[]; data?: Stretch } {
  const { lists, splitPages, wraps, revokePages, flushes } = needsOf(program);
  const caves = wraps || flushes || program.code.has("switch") ? findCaves(text, elf) : [];
  return wraps && (lists || splitPages || revokePages)
    ? { caves, data: findSpareData(text, elf, LEAST_DATA) }
    : { caves };
}

function placeOf(text: XenText, address: number): string {
  const f = text.functionAt(address);
  return f ? `${f.name}+0x${(address - f.address).toString(16)}` : `0x${address.toString(16)}`;
}

/** Stretches of words that belong together: for a capture to name. */
function partsOf(words: readonly AssembledWord<Note>[], sites: XenSites, policy: string): InjectedPart[] {
  const within: Record<Note["within"], XenFunction> = {
    flush: sites.flush.in,
    setEntry: sites.setEntry,
    deferred: sites.deferred.in,
    vcpu: sites.vcpu.in,
  };
  const parts: { first: number; end: number; code: string | undefined; within: XenFunction }[] = [];
  for (const { address, note } of words) {
    const last = parts.at(-1);
    const part = {
      first: address,
      end: address + 4,
      code: note.occasion === undefined ? undefined : codeName(policy, note.occasion),
      within: within[note.within],
    };
    if (last?.end === address && last.code === part.code && last.within === part.within) last.end = part.end;
    else parts.push(part);
  }
  return parts;
}

function hooksOf(hooks: readonly AssembledWord<Note>[], text: XenText): InjectedHook[] {
  const list: { at: string; occasions: string[]; inPlace: boolean; end: number }[] = [];
  for (const { address, note, text: assembly } of hooks) {
    const inPlace = !assembly.startsWith("b ");
    const last = list.at(-1);
    if (inPlace && last?.inPlace && last.end === address) last.end += 4;
    else {
      const occasions = inPlace && note.occasion !== undefined ? [note.occasion] : [];
      list.push({ at: placeOf(text, address), occasions, inPlace, end: address + 4 });
    }
  }
  return list.map(({ at, occasions, inPlace }) => ({ at, occasions, inPlace }));
}

/** What stands on the policy's lines. */
function linesOf({ places }: Policy): (note: Note) => PolicyLine {
  return ({ occasion, line }) => {
    const place = places[occasion as InjectedOccasion];
    const code = place && line !== undefined ? place.text.split("\n")[line - place.line]?.trim() : undefined;
    return {
      occasion: occasion!,
      ...(line === undefined ? {} : { number: line }),
      ...(code === undefined || code === "" ? {} : { code: code.replace(/\s*(\/\/|#).*$/, "") }),
    };
  };
}
