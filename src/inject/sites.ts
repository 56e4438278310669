/**
 * Where a build of Xen flushes on the occasions of a policy, by its symbols, by decoding and by the procedure call standard;
 * nothing is known of a particular build. What is not as it must be is refused.
 */
import {
  accessesStack,
  BARRIERS,
  barrierFromWord,
  decodeA64,
  decodeMsr,
  decodeSysreg,
  decodeTlbi,
  endsInException,
} from "../arch/index.js";
import { isP2m, type Stretch, type XenFunction, type XenText } from "../binary/index.js";
import { refuseXen } from "./refusal.js";

/** A flush: from its first barrier to behind its last, and what is executed of it. */
interface FlushSite extends Stretch {
  readonly in: XenFunction;
  /** its words without the NOPs that hold an alternative's place */
  readonly words: readonly number[];
  /** the same with the alternative that may be put in, which has a TLBI; undefined where there is none */
  readonly repeated: readonly number[] | undefined;
}

export interface XenSites {
  /** in p2m_force_tlb_flush_sync(p2m), a leaf: X30 says who asked, X0 stays the p2m */
  readonly flush: FlushSite;
  /** in p2m_restore_state(), when a vCPU comes in where another one of its domain ran last */
  readonly vcpu: FlushSite;
  /** __p2m_set_entry(p2m, gfn, order, mfn, ...) and its first word, which may stand elsewhere */
  readonly setEntry: XenFunction;
  readonly displaced: number;
  /** p2m_get_entry(p2m, gfn, type, access, &order, valid) */
  readonly getEntry: XenFunction;
  /** where p2m_tlb_flush_sync(p2m) goes on to the flush: a call, or a jump at its end */
  readonly deferred: { readonly in: XenFunction; readonly from: number; readonly call: boolean };
  /** struct p2m_domain's need_flush, a byte: its offset */
  readonly needFlush: number;
  /** return addresses of the flushes of break-before-make: of a block that is split, of an entry that is replaced */
  readonly split: number;
  readonly replaced: number;
  /** return addresses of those of a VMID that is given out, or of a root that is cleared */
  readonly assigned: readonly number[];
}

const NOP = 0xd503201f;
const RET = 0xd65f03c0;
const DAIF = { reads: 0xd53b4220, writes: 0xd51b4220, masks: 0xd50342df } as const;
/** Words between the call of p2m_split_superpage and the flush behind it, at most. */
const BEHIND_SPLIT = 32;
/** Who flushes for a VMID or a root, of those who call the flush; p2m_teardown is 4.17's. */
const ASSIGNS = /^p2m_(init|alloc_table|clear_root_pages|teardown|invalidate_root)\b/;

/** Finds the sites; throws an InputError with what is missing or not understood. */
export function findXenSites(text: XenText): XenSites {
  const of = (name: string): XenFunction => text.functionNamed(name) ?? refuseXen(`it has no function ${name}`);
  const [force, sync, setEntry] = [of("p2m_force_tlb_flush_sync"), of("p2m_tlb_flush_sync"), of("__p2m_set_entry")];
  const flush = flushSite(text, force, "VMALLS12E1IS", [["DSB ISHST"], ["DSB ISH"]]);
  const vcpu = flushSite(text, of("p2m_restore_state"), "VMALLS12E1", [
    ["DSB NSHST", "DSB ISHST"],
    ["DSB NSH", "DSB ISH"],
  ]);
  leavesX0(text, force);
  aroundFlush(text, force, flush);
  const needFlush = needFlushOf(text, sync, force, flush.end);
  storesOnes(text, setEntry, force, needFlush);
  const deferred = deferredFlush(text, sync, force);
  const { split, replaced } = setEntryFlushes(text, setEntry, force, of("p2m_split_superpage"));
  const displaced = movable(text, setEntry);
  const assigned = text
    .branchesTo(force.address)
    .flatMap(({ from, call }) => (call && ASSIGNS.test(text.functionAt(from)?.name ?? "") ? [from + 4] : []));
  for (const at of [flush.first, setEntry.address, deferred.from])
    if (text.patchedAtBoot.some(({ first, end }) => at >= first && at < end))
      refuseXen(`it may patch 0x${at.toString(16)} at boot, where a hook is to stand`);
  return {
    flush,
    vcpu,
    setEntry,
    displaced,
    getEntry: of("p2m_get_entry"),
    deferred,
    needFlush,
    split,
    replaced,
    assigned,
  };
}

function nameOf(word: number): string {
  const barrier = barrierFromWord(word);
  return decodeTlbi(word)?.op.name ?? (barrier === undefined ? "" : BARRIERS[barrier]!.name);
}

const wordsOf = (text: XenText, { first, end }: Stretch): number[] =>
  Array.from({ length: (end - first) / 4 }, (_, i) => text.word(first + 4 * i)!);

const extent = ({ address, size }: XenFunction): Stretch => ({ first: address, end: address + size });

/** DSB, TLBI, NOPs where an alternative may come, DSB, ISB: the one such flush of a function, and nothing branches into it. */
function flushSite(
  text: XenText,
  f: XenFunction,
  op: string,
  [before, behind]: readonly [readonly string[], readonly string[]],
): FlushSite {
  const words = wordsOf(text, extent(f));
  const found = words.flatMap((word, i) => (decodeTlbi(word)?.op.name === op ? [f.address + 4 * i] : []));
  if (found.length !== 1) refuseXen(`${f.name} has ${found.length} ${op}, expected one: its flush is not Xen's own`);
  const tlbi = found[0]!;
  let at = tlbi + 4;
  while (text.word(at) === NOP) at += 4;
  const [first, end] = [tlbi - 4, at + 8];
  const is = [first, at, at + 4].map((address) => nameOf(text.word(address) ?? NOP));
  if (!before.includes(is[0]!) || !behind.includes(is[1]!) || is[2] !== "ISB")
    refuseXen(`the barriers around ${op} in ${f.name} are not Xen's own`);
  for (let inside = first + 4; inside < end; inside += 4)
    if (text.branchesTo(inside).length > 0) refuseXen(`something branches into the flush of ${f.name}`);
  const own = wordsOf(text, { first, end });
  const alternative = text.alternatives.find(({ address }) => address >= first && address < end);
  const patched = [...own];
  alternative?.words.forEach((word, i) => {
    patched[(alternative.address - first) / 4 + i] = word;
  });
  const executed = (list: readonly number[]): number[] => list.filter((word) => word !== NOP);
  return { in: f, first, end, words: executed(own), repeated: alternative && executed(patched) };
}

/** A leaf without a stack frame that leaves X0 alone, and of which every word is understood. */
function leavesX0(text: XenText, f: XenFunction): void {
  if (!text.isLeaf(f)) refuseXen(`${f.name} calls functions`);
  let compared = false;
  for (let at = f.address; at < f.address + f.size; at += 4) {
    const word = text.word(at)!;
    const a64 = decodeA64(word, at);
    const system = word >>> 24 === 0xd5;
    if (accessesStack(word)) refuseXen(`${f.name} uses the stack`);
    if (a64 === undefined && !system && !endsInException(word)) refuseXen(`a word of ${f.name} is not understood`);
    const sets = a64?.kind === "compute" || a64?.kind === "load" || a64?.kind === "store" ? a64.sets : [];
    const loads = a64?.kind === "load" ? a64.registers : a64?.kind === "select" ? [a64.rd] : [];
    const reads = system && decodeSysreg(word)?.reads && (word & 31) === 0;
    if (sets.some(({ rd }) => rd === 0) || loads.includes(0) || reads) refuseXen(`${f.name} changes X0`);
    if (a64?.kind === "branch" && a64.condition?.test === "flags" && !compared)
      refuseXen(`${f.name} branches on flags that nothing sets before`);
    if (system) compared = false;
    if (a64?.kind === "compute" && a64.compares !== undefined) compared = true;
  }
}

/** The owner's VTTBR_EL2 before the flush and the one before behind it, each with its ISB; IRQs off between, and a return. */
function aroundFlush(text: XenText, f: XenFunction, flush: FlushSite): void {
  const before = { first: f.address, end: flush.first };
  const behind = { first: flush.end, end: f.address + f.size };
  const writeIn = ({ first, end }: Stretch): number | undefined => {
    for (let at = first; at < end; at += 4) if (decodeMsr(text.word(at)!)?.register === "VTTBR_EL2") return at;
    return undefined;
  };
  const writes = (stretch: Stretch): boolean => {
    const at = writeIn(stretch);
    return at !== undefined && nameOf(text.word(at + 4)!) === "ISB";
  };
  const has = (stretch: Stretch, is: (word: number) => boolean): boolean => wordsOf(text, stretch).some(is);
  const reads = (word: number): boolean => {
    const read = decodeSysreg(word);
    return read?.reads === true && read.register === "VTTBR_EL2";
  };
  const sets = (to: number) => (word: number) => (word & ~31) >>> 0 === to;
  if (!has(before, reads) || !has(behind, reads) || !writes(before) || !writes(behind))
    refuseXen(`${f.name} does not put the owner's VTTBR_EL2 around its flush`);
  if (!ofTheP2m(text, f, writeIn(before)!)) refuseXen(`${f.name} does not take the owner's VTTBR_EL2 from its p2m`);
  if (!has(before, sets(DAIF.reads)) || !has(before, (word) => word === DAIF.masks) || !has(behind, sets(DAIF.writes)))
    refuseXen(`${f.name} does not keep interrupts off while another VTTBR_EL2 is in force`);
  if (!has(behind, (word) => word === RET)) refuseXen(`${f.name} does not return behind its flush`);
}

/** The register of an MSR was loaded from the p2m last. */
function ofTheP2m(text: XenText, f: XenFunction, msr: number): boolean {
  const { rt } = decodeMsr(text.word(msr)!)!;
  for (let at = msr - 4; at >= f.address; at -= 4) {
    const a64 = decodeA64(text.word(at)!, at);
    if (a64?.kind === "load" && a64.registers.includes(rt)) return (text.word(at)! & 0xffc003e0) >>> 0 === 0xf9400000;
    if (a64?.kind === "compute" && a64.sets.some(({ rd }) => rd === rt)) return false;
  }
  return false;
}

/** LDRB Wt, [Xn, #offset], or STRB: its fields. */
function byteAccess(
  word: number,
): { readonly load: boolean; readonly rt: number; readonly rn: number; readonly offset: number } | undefined {
  const opcode = (word & 0xffc00000) >>> 0;
  if (opcode !== 0x39400000 && opcode !== 0x39000000) return undefined;
  return { load: opcode === 0x39400000, rt: word & 31, rn: (word >>> 5) & 31, offset: (word >>> 10) & 0xfff };
}

/** need_flush: the byte that p2m_tlb_flush_sync looks at, and that the flush clears behind it. */
function needFlushOf(text: XenText, sync: XenFunction, force: XenFunction, flushed: number): number {
  const load = byteAccess(text.word(sync.address)!);
  if (!load?.load || load.rn !== 0) refuseXen(`${sync.name} does not begin with a look at its p2m's need_flush`);
  const test = wordsOf(text, extent(sync)).some((word, i) => {
    const a64 = decodeA64(word, sync.address + 4 * i);
    return a64?.kind === "branch" && a64.condition !== undefined;
  });
  if (!test) refuseXen(`${sync.name} does not look whether need_flush is set`);
  const clears = wordsOf(text, { first: flushed, end: force.address + force.size }).some((word) => {
    const store = byteAccess(word);
    return store && !store.load && store.rt === 31 && store.rn === 0 && store.offset === load.offset;
  });
  if (!clears) refuseXen(`${force.name} does not clear the byte that ${sync.name} looks at`);
  return load.offset;
}

/**
 * need_flush is 3 where all that is pending is listed: whoever else sets it must store a plain 1, which says that it is not. One who
 * reads it, adds a bit and writes it back would keep the 3; only __p2m_set_entry does, for which it is cleared first.
 */
function storesOnes(text: XenText, setEntry: XenFunction, force: XenFunction, needFlush: number): void {
  const touches = (f: XenFunction, load: boolean): boolean =>
    wordsOf(text, extent(f)).some((word) => {
      const access = byteAccess(word);
      return access?.offset === needFlush && access.load === load && (load || access.rt !== 31);
    });
  if (!touches(setEntry, false)) refuseXen(`${setEntry.name} does not set need_flush`);
  for (const f of text.functions)
    if (isP2m(f) && f !== setEntry && f !== force && touches(f, true) && touches(f, false))
      refuseXen(`${f.name} changes need_flush by what stands in it`);
}

function deferredFlush(text: XenText, sync: XenFunction, force: XenFunction): XenSites["deferred"] {
  const ways = text.branchesTo(force.address).filter(({ from }) => text.functionAt(from) === sync);
  if (ways.length !== 1) refuseXen(`${sync.name} has ${ways.length} ways to ${force.name}, expected one`);
  const { from, call } = ways[0]!;
  return { in: sync, from, call };
}

/** The two flushes of __p2m_set_entry: just behind its split, and of an entry that is replaced. */
function setEntryFlushes(text: XenText, setEntry: XenFunction, force: XenFunction, superpage: XenFunction) {
  const calls = (f: XenFunction): number[] =>
    text.branchesTo(f.address).flatMap(({ from, call }) => (text.functionAt(from) === setEntry && call ? [from] : []));
  const [flushes, splits] = [calls(force), calls(superpage)];
  if (flushes.length !== 2 || splits.length !== 1)
    refuseXen(`${setEntry.name} has ${flushes.length} flushes and ${splits.length} splits, expected 2 and 1`);
  const behind = flushes.filter((at) => at > splits[0]! && at - splits[0]! <= 4 * BEHIND_SPLIT);
  if (behind.length !== 1) refuseXen(`${setEntry.name} has no flush just behind the split`);
  const other = flushes.find((at) => at !== behind[0])!;
  return { split: behind[0]! + 4, replaced: other + 4 };
}

/** The first word of a function, which does the same wherever it stands. */
function movable(text: XenText, f: XenFunction): number {
  const word = text.word(f.address)!;
  const relative = (word & 0x1f000000) >>> 0 === 0x10000000 || (word & 0x3b000000) >>> 0 === 0x18000000;
  const understood = decodeA64(word, f.address) !== undefined || nameOf(word) !== "" || word >>> 8 === 0xd50323;
  if (text.branchAt(f.address) || relative || !understood)
    refuseXen(`the first instruction of ${f.name} cannot be moved`);
  if (text.branchesTo(f.address + 4).length > 0) refuseXen(`something branches to the second instruction of ${f.name}`);
  return word;
}

/** A flush that is executed as it stands, by its words: on a CPU on which Xen repeats its TLBIs, with the alternative. */
export const executedWords = (site: FlushSite, repeats: boolean): readonly number[] =>
  (repeats ? site.repeated : undefined) ?? site.words;
