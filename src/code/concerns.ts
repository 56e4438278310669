/** What can be told of code without following it: whether it concerns translation at all, and where its loops are. */
import { barrierFromWord, decodeA64, decodeSysreg, decodeTlbi } from "../arch/index.js";
import type { CodeFile, ElfSymbol } from "../binary/index.js";
import { type Loop, loopsOf, successors } from "./loops.js";

/** How many calls deep a function may flush to be followed. */
const FLUSHES_WITHIN = 2;

/** Functions that never come back, as far as names tell. */
const NEVER_BACK =
  /^(__kvm_nvhe_)?(__stack_chk_fail|panic|nmi_panic|hyp_panic|__hyp_do_panic|do_unexpected_trap|bug_fn|die)$/;
/** Functions that say something and do nothing. */
const TALKS = /printk|^_?_?warn|_warn_|^trace_|_mcount|ftrace|^__sanitizer|^lockdep|^dump_/;

/** True for a function that ends what has called it. */
export const neverBack = (name: string): boolean => NEVER_BACK.test(name);

const flushesWord = (word: number): boolean => {
  const move = decodeSysreg(word);
  return decodeTlbi(word) !== undefined || (move !== undefined && !move.reads && move.register === "VTTBR_EL2");
};

export class Concerns {
  private readonly loops = new Map<number, ReadonlyMap<number, Loop>>();
  private readonly flushing = new Map<string, boolean>();

  constructor(private readonly code: CodeFile) {}

  /** The loop of a function whose head is here. */
  loopAt(f: ElfSymbol, pc: number): Loop | undefined {
    let loops = this.loops.get(f.address);
    if (loops === undefined) {
      loops = loopsOf(this.code, f);
      this.loops.set(f.address, loops);
    }
    return loops.get(pc);
  }

  /** True where a function flushes, or writes a register of translation, itself or in what it calls. */
  flushes(f: ElfSymbol, within = FLUSHES_WITHIN): boolean {
    if (neverBack(f.name) || TALKS.test(f.name)) return false;
    const key = `${f.address} ${within}`;
    const known = this.flushing.get(key);
    if (known !== undefined) return known;
    this.flushing.set(key, false);
    let found = false;
    for (let at = f.address; at < f.address + f.size && !found; at += 4) {
      const word = this.code.word(at);
      if (word === undefined) break;
      const alternative = this.code.alternatives.get(at);
      found =
        flushesWord(word) ||
        (alternative !== undefined &&
          alternative.callback === undefined &&
          flushesWord(this.code.word(alternative.replacement) ?? 0));
      if (found || within === 0) continue;
      const does = decodeA64(word, at);
      if (does?.kind !== "branch" || does.target === undefined || does.condition) continue;
      const callee = this.code.functionAt(does.target);
      if (callee && callee.address === does.target && callee.address !== f.address)
        found = this.flushes(callee, within - 1);
    }
    this.flushing.set(key, found);
    return found;
  }

  private readonly quietAt = new Map<number, boolean>();
  /** True where nothing from a place to the function's end concerns translation. */
  quiet(f: ElfSymbol, from: number): boolean {
    const known = this.quietAt.get(from);
    if (known !== undefined) return known;
    const seen = new Set([from]);
    const ring = [from];
    let quiet = true;
    for (let at = ring.pop(); at !== undefined && quiet; at = ring.pop()) {
      const word = this.code.word(at) ?? 0;
      if (barrierFromWord(word) !== undefined || flushesWord(word) || this.code.alternatives.has(at)) quiet = false;
      const does = decodeA64(word, at);
      const callee =
        does?.kind === "branch" && does.target !== undefined ? this.code.functionAt(does.target) : undefined;
      if (callee && callee.address !== f.address && this.flushes(callee)) quiet = false;
      for (const next of successors(this.code, f, at))
        if (!seen.has(next)) {
          seen.add(next);
          ring.push(next);
        }
    }
    this.quietAt.set(from, quiet);
    return quiet;
  }
}
