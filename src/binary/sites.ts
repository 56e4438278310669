/**
 * Where Xen does what a capture records, found by decoding its text: TLBIs, writes of VTTBR_EL2 and VTCR_EL2, stores of
 * stage-2 descriptors, and the entries and returns of functions. Registers come from the instruction words, functions from
 * the symbols; nothing is known of a particular build.
 *
 * QEMU logs a block when it begins, so each site has an address at which a logged block means that it was executed: behind
 * an instruction that ends its block (a TLBI, an MSR), or the address itself, where the code's pages are translated one
 * instruction a block.
 */
import {
  barrierFromWord,
  decodeAtS12,
  decodeMsr,
  decodeReadPar,
  decodeStores,
  decodeTlbi,
  type Store,
  type TlbiOp,
} from "../arch/index.js";
import { CALLS, type Call, callPathFunctions, ownersUnknown } from "./calls.js";
import { directmapVariables } from "./directmap.js";
import { type Barriers, barriersOf } from "./site-barriers.js";
import { findStores, type StorePlaces, storesUnknown } from "./stores.js";
import type { XenFunction, XenText } from "./text.js";

interface SiteBase {
  /** of the instruction */
  readonly address: number;
  /** a block that begins here was logged: the site was executed (`before`: is about to be) */
  readonly logged: number;
  readonly in: XenFunction | undefined;
}

export interface TlbiSite extends SiteBase {
  readonly kind: "tlbi";
  readonly op: TlbiOp;
  /** index in TLBI_OPS */
  readonly index: number;
  /** register of the operand; 31: none */
  readonly rt: number;
  readonly barriers: Barriers;
}

export interface SysregSite extends SiteBase {
  readonly kind: "sysreg";
  readonly register: "VTTBR_EL2" | "VTCR_EL2";
  readonly rt: number;
  readonly barriers: Barriers;
}

export interface StoreSite extends SiteBase {
  readonly kind: "store";
  /** two of an STP */
  readonly stores: readonly Store[];
  /** true where it is one of the p2m's only when a p2m function has called: X30 tells */
  readonly shared: boolean;
  readonly barriers: Barriers;
}

/** The entry of a function, or the place that one of its calls comes back to. */
interface FunctionSite extends SiteBase {
  readonly kind: "entry" | "return";
  readonly of: XenFunction;
}

/** Xen has translated a VA of the guest that runs (AT S12E1R, S12E1W), and read what it comes to. */
export interface TranslationSite extends SiteBase {
  readonly kind: "translation";
  /** registers of the VA and of PAR_EL1's value */
  readonly va: number;
  readonly par: number;
}

/** A barrier of code that was put in, which may branch anywhere: each is a site of its own. */
interface BarrierSite extends SiteBase {
  readonly kind: "barrier";
  /** index in BARRIERS */
  readonly barrier: number;
}

export type Site = TlbiSite | SysregSite | StoreSite | FunctionSite | TranslationSite | BarrierSite;

export interface Sites {
  readonly list: readonly Site[];
  /** pages of code, by address, that must be translated one instruction a block */
  readonly pages: readonly number[];
  /** where descriptors are written, as far as that was found */
  readonly stores: StorePlaces;
  /** what cannot be derived from this build, in sentences */
  readonly unknown: readonly string[];
}

const PAGE = 4096;
/** The page of code of an address, as QEMU watches breakpoints: 4 KiB, whatever the target's granule. */
export const pageOf = (address: number): number => Math.floor(address / PAGE) * PAGE;
const NOP = 0xd503201f;

/** Finds the sites of a build. */
export function findSites(text: XenText): Sites {
  const list: Site[] = [];
  const pages = new Set<number>();
  const unknown: string[] = [];
  const marked = new Set<number>();
  text.forEachWord((word, address) => {
    if (decodeTlbi(word) || writesStage2Register(word)) marked.add(address);
  });
  const stores = findStores(text, marked);
  const storeAt = new Map(stores.found.map((place) => [place.address, place]));
  const put = injectedBarriers(text);
  for (const { address } of put) pages.add(pageOf(address));
  const barriers = barriersOf(
    text,
    new Set([...marked, ...storeAt.keys(), ...put.map(({ address }) => address)]),
    storeAt,
  );
  list.push(...put);
  for (const address of marked) {
    const where = text.functionAt(address);
    // Replacements of alternatives stand outside every function; what runs is what is patched in elsewhere.
    if (!where) continue;
    const word = text.word(address)!;
    const injected = text.injectedAt(address) !== undefined;
    const logged = injected ? address : afterBlock(text, address, pages);
    const base = { address, logged, in: where, barriers: injected ? NO_BARRIERS : barriers.get(address)! };
    const tlbi = decodeTlbi(word);
    if (tlbi) list.push({ kind: "tlbi", op: tlbi.op, index: tlbi.index, rt: tlbi.rt, ...base });
    else list.push({ kind: "sysreg", ...writesStage2Register(word)!, ...base });
  }
  for (const { address, in: where, shared } of stores.found) {
    pages.add(pageOf(address));
    const base = { address, logged: address, in: where, barriers: barriers.get(address)! };
    list.push({ kind: "store", stores: decodeStores(text.word(address)!), shared, ...base });
  }
  unknown.push(...storesUnknown(stores));
  if (!list.some((site) => site.kind === "sysreg" && site.register === "VTTBR_EL2"))
    unknown.push("VMIDs: nothing writes VTTBR_EL2");
  const directmap = directmapVariables((name) => text.variableNamed(name));
  if (typeof directmap === "string") unknown.push(directmap);
  const translations = findTranslations(text);
  if (translations.length === 0)
    unknown.push("guests' accesses: no translation by AT S12E1R is followed by a read of PAR_EL1");
  for (const site of translations) pages.add(pageOf(site.logged));
  list.push(...translations);
  addFunctions(text, list, pages, unknown);
  unknown.push(...ownersUnknown(text));
  return { list, pages: [...pages].sort((a, b) => a - b), stores, unknown };
}

const NO_BARRIERS: Barriers = { before: [], after: [] };

/** Barriers of what was put in. */
function injectedBarriers(text: XenText): BarrierSite[] {
  return text.injected.flatMap(({ first, end, within }) =>
    Array.from({ length: (end - first) / 4 }, (_, i) => first + 4 * i).flatMap((address): BarrierSite[] => {
      const barrier = barrierFromWord(text.word(address)!);
      return barrier === undefined ? [] : [{ kind: "barrier", barrier, address, logged: address, in: within }];
    }),
  );
}

/** Each read of PAR_EL1 behind an AT S12E1R or S12E1W, with only barriers, NOPs and a jump between. */
function findTranslations(text: XenText): TranslationSite[] {
  const found = new Map<number, TranslationSite>();
  text.forEachWord((word, address) => {
    const va = decodeAtS12(word);
    if (va === undefined) return;
    let at = address + 4;
    for (let steps = 0; steps < REACH; steps++) {
      const next = text.word(at);
      if (next === undefined) return;
      const par = decodeReadPar(next);
      if (par !== undefined) {
        // Behind the read the VA must still be in its register.
        if (par !== va)
          found.set(at, { kind: "translation", va, par, address: at, logged: at + 4, in: text.functionAt(at) });
        return;
      }
      const branch = text.branchAt(at);
      if (branch?.target !== undefined && !branch.call && !branch.conditional) at = branch.target;
      else if (next === NOP || barrierFromWord(next) !== undefined) at += 4;
      else return;
    }
  });
  return [...found.values()];
}

function writesStage2Register(word: number): { register: "VTTBR_EL2" | "VTCR_EL2"; rt: number } | undefined {
  const msr = decodeMsr(word);
  return msr?.register === "VTTBR_EL2" || msr?.register === "VTCR_EL2"
    ? { register: msr.register, rt: msr.rt }
    : undefined;
}

/** The next instruction, where nothing else can branch to it; else the site itself, in a page of single instructions. */
function afterBlock(text: XenText, address: number, pages: Set<number>): number {
  if (text.branchesTo(address + 4).length === 0) return address + 4;
  pages.add(pageOf(address));
  return address;
}

/** Most words between an AT and the read of its result. */
const REACH = 16;

/** Entries of the functions that mark calls and of those on the way to a TLBI; returns of those whose end matters. */
function addFunctions(text: XenText, list: Site[], pages: Set<number>, unknown: string[]): void {
  const flushing = list.flatMap((site) => (site.kind === "tlbi" && site.in ? [site] : []));
  const entries = new Map(callPathFunctions(text, flushing).map(({ of, near }) => [of, near]));
  for (const [name, call] of Object.entries<Call>(CALLS)) {
    const f = text.functionNamed(name);
    if (!f) {
      unknown.push(`${call.tells}: this Xen has no function ${name}`);
      continue;
    }
    entries.set(f, true);
    if (!call.returns) continue;
    for (const { from, call: isCall } of text.branchesTo(f.address))
      if (isCall) list.push({ kind: "return", of: f, address: from + 4, logged: from + 4, in: text.functionAt(from) });
  }
  // Blocks are chained, and not logged, only within a page.
  const chained = (f: XenFunction): boolean =>
    text.branchesTo(f.address).some(({ from }) => pageOf(from) === pageOf(f.address));
  for (const [f, near] of entries) if (near && chained(f)) pages.add(pageOf(f.address));
  // A function some of whose entries would go unlogged is not followed at all: a stale entry could pass for the one meant.
  for (const f of entries.keys())
    if (!chained(f) || pages.has(pageOf(f.address)))
      list.push({ kind: "entry", of: f, address: f.address, logged: f.address, in: f });
}
