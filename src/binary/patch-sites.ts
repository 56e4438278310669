/**
 * Code that is patched at boot: alternatives of a CPU's features and errata (struct alt_instr: Linux's and Xen's asm/alternative.h,
 * which is Linux's), and branches that static keys switch (struct jump_entry, include/linux/jump_label.h).
 */
import type { CodeReader, TableAt } from "./code-contents.js";

/** What may stand in place of words. */
export interface Alternative {
  /** the number that the build gives to the capability, an erratum or a feature */
  readonly capability: number;
  /** what the build's own tables say of it (struct arm64_cpu_capabilities, .desc); undefined where they do not */
  readonly title: string | undefined;
  /** words that it concerns */
  readonly count: number;
  /** the function that writes them instead, where there are none to be copied */
  readonly callback: string | undefined;
  /** where the replacement stands; branches in it are meant from there */
  readonly replacement: number;
}

/** A branch that a static key switches. */
export interface JumpLabel {
  readonly target: number;
  readonly key: string;
}

/** Bytes of a struct alt_instr: two offsets of 32 bits from themselves, a 16-bit capability, two 8-bit lengths. */
const ALT_INSTR = 12;
/** Linux: the replacement is a callback (ARM64_CB_BIT). */
const CALLBACK = 0x8000;
/** Arrays of struct arm64_cpu_capabilities and of Xen's struct arm_cpu_capabilities: each begins with its title and its number. */
const CAPABILITY_TABLES = ["arm64_features", "arm64_errata", "arm_errata"];

/** Titles of capabilities by number, as the file's tables have them. */
function capabilityTitles(code: CodeReader): Map<number, string> {
  const titles = new Map<number, string>();
  for (const name of CAPABILITY_TABLES) {
    const table = code.object(name);
    if (table === undefined) continue;
    for (let at = table.address; at + 12 <= table.address + table.size; at += 8) {
      const [low, high, number] = [code.u32(at), code.u32(at + 4), code.u32(at + 8)];
      if (low === undefined || high === undefined || number === undefined) break;
      const capability = number & 0xffff;
      const title = capability < 1024 ? code.stringAt(low + (high & 0xf_ffff) * 2 ** 32) : undefined;
      if (title !== undefined && !titles.has(capability)) titles.set(capability, title);
    }
  }
  return titles;
}

/** All alternatives, by address. */
export function readAlternatives(code: CodeReader, tableAt: TableAt): Map<number, Alternative> {
  const table = tableAt("__alt_instructions", "__alt_instructions_end", ".altinstructions");
  const map = new Map<number, Alternative>();
  if (table === undefined) return map;
  const titles = capabilityTitles(code);
  for (let at = table.address; at + ALT_INSTR <= table.address + table.size; at += ALT_INSTR) {
    const [original, replacement, rest] = [code.u32(at), code.u32(at + 4), code.u32(at + 8)];
    if (original === undefined || replacement === undefined || rest === undefined) break;
    const number = rest & 0xffff;
    const capability = number & ~CALLBACK;
    const target = at + 4 + (replacement | 0);
    const callback = (number & CALLBACK) !== 0 ? (code.functionAt(target)?.name ?? "a callback") : undefined;
    const count = ((rest >>> 16) & 0xff) / 4;
    map.set(at + (original | 0), { capability, title: titles.get(capability), count, callback, replacement: target });
  }
  return map;
}

/** Bytes of a struct jump_entry: offsets of the code and of its target, and of the key (64 bits, with two flags). */
const JUMP_ENTRY = 16;

/** All branches of static keys, by address. */
export function readJumpLabels(code: CodeReader, tableAt: TableAt): Map<number, JumpLabel> {
  const table = tableAt("__start___jump_table", "__stop___jump_table", "__jump_table");
  const map = new Map<number, JumpLabel>();
  if (table === undefined) return map;
  for (let at = table.address; at + JUMP_ENTRY <= table.address + table.size; at += JUMP_ENTRY) {
    const [from, target, low] = [code.u32(at), code.u32(at + 4), code.u32(at + 8)];
    if (from === undefined || target === undefined || low === undefined) break;
    const key = at + 8 + (low & ~3);
    map.set(at + (from | 0), { target: at + 4 + (target | 0), key: code.dataName(key) ?? `0x${key.toString(16)}` });
  }
  return map;
}
