/**
 * Which policies a trace's flushes are, instruction by instruction: each lifted flush held against what a policy's code comes
 * to in the same case. A capture does not see every barrier (see Blind): where one that it may have missed decides, the answer
 * is "unknown".
 */

import type { CpuProfile } from "../arch/index.js";
import { InputError } from "../input/index.js";
import {
  type Case,
  lineOfIpi,
  missingFeature,
  OCCASIONS,
  type Occasion,
  type Policy,
  runTogether,
  unroll,
} from "../policy/index.js";
import { casesOf, liftedOf, same } from "./cases.js";
import type { Flush, Lifted } from "./flush.js";
import { nameOf, textOf } from "./flush-text.js";
import type { Flushes, OtherFlush } from "./flushes.js";

/** What was found of a policy: it is what was executed; it is not; or a barrier that was not to be seen decides. */
type Execution = "executes" | "differs" | "unknown";

/**
 * True when a barrier may have been executed unseen between an instruction of that name ("VMALLS12E1IS", "VTTBR_EL2") in a
 * function and the next TLBI or MSR. Before the first and after the last one of a flush the same may be, unless everything is
 * seen.
 */
export type Blind = "nowhere" | ((functionName: string, instruction: string) => boolean);

/** Everything is seen: a simulated trace. */
export const SEES_ALL: Blind = "nowhere";
/** A capture that does not say what it saw. */
export const SEES_SITES: Blind = () => true;

/** A sequence beside what a policy executes there. */
export interface Beside {
  readonly policy: string;
  readonly execution: Execution;
  /** index of the first instruction that differs; equal to both lengths when none does */
  readonly first: number;
  readonly expected: readonly string[];
  /** what the sequences alone do not say */
  readonly because?: string;
}

/** One distinct flush of the trace. */
export interface ExecutedFlush {
  readonly occasion: Occasion;
  readonly count: number;
  readonly callers: readonly { readonly caller: string; readonly count: number }[];
  /** true when the flushed VMID was in force; null when the trace does not show whose mappings they were */
  readonly ownerCurrent: boolean | null;
  /** entries removed, and the pages they mapped */
  readonly entries: number;
  readonly pages: number;
  /** only the place in their table is known of the removed pages, and of the operands only that was compared */
  readonly bySlot: boolean;
  readonly instructions: readonly string[];
  /** names of policies */
  readonly executes: readonly string[];
  readonly unknown: readonly string[];
  /** how it compares with the policies that were asked for */
  readonly beside: readonly Beside[];
}

/** An occasion in the whole trace. */
interface ExecutedOccasion {
  readonly occasion: Occasion;
  readonly flushes: number;
  /** policies that are what was executed in each of them; those of which it is not known */
  readonly executes: readonly string[];
  readonly unknown: readonly string[];
}

export interface Executed {
  /** occasions that the trace has */
  readonly occasions: readonly ExecutedOccasion[];
  /** policies that are what was executed on all of these; those of which that may be */
  readonly executes: readonly string[];
  readonly unknown: readonly string[];
  /** the most frequent of an occasion first */
  readonly flushes: readonly ExecutedFlush[];
  /** TLBIs of the EL1&0 regime on no occasion of a policy */
  readonly others: readonly OtherFlush[];
  /**
   * What could not be compared, so that nothing is known of the whole: flushes that were too many, removals of which the trace
   * does not say the level, and those that no flush had followed when it ended.
   */
  readonly beyond: number;
  readonly unplaced: number;
  readonly unfinished: number;
}

/** Most instructions of a sequence that are given as text. */
const MOST_TEXT = 64;
/** Most pages of 4 KiB (1 GiB) for which a policy's sequence is made: page by page it has an instruction for each. */
const MOST_PAGES = 2 ** 18;
const TOO_MANY = `more than ${MOST_PAGES.toLocaleString("en")} pages were removed before this flush: not compared`;

const NOT_SAID = "it says that what it executes there is unknown";

/**
 * Holds the flushes against policies on a CPU; those that need a feature it lacks are left out. `asked`: names of the policies
 * whose sequences stand beside those of the trace wherever they differ.
 */
export function executedPolicies(
  flushes: Flushes,
  policies: readonly Policy[],
  cpu: CpuProfile,
  blind: Blind,
  asked: readonly string[],
): Executed {
  const possible = policies.filter((policy) => missingFeature(policy, cpu) === undefined);
  const order = Object.keys(OCCASIONS);
  const list = flushes.list
    .map((flush) => executedFlush(flush, possible, cpu, blind, asked))
    .sort((a, b) => order.indexOf(a.occasion) - order.indexOf(b.occasion) || b.count - a.count);
  const occasions = (Object.keys(OCCASIONS) as Occasion[]).flatMap((occasion) => {
    const of = list.filter((flush) => flush.occasion === occasion);
    if (of.length === 0) return [];
    return [{ occasion, flushes: of.reduce((sum, { count }) => sum + count, 0), ...inAll(of, possible) }];
  });
  const { others, beyond, unplaced, unfinished } = flushes;
  const whole = occasions.length === 0 ? { executes: [], unknown: [] } : inAll(occasions, possible);
  const sure = beyond + unplaced + unfinished === 0;
  return {
    occasions,
    executes: sure ? whole.executes : [],
    unknown: sure ? whole.unknown : [...whole.executes, ...whole.unknown],
    flushes: list,
    others: [...others].sort((a, b) => b.count - a.count),
    beyond,
    unplaced,
    unfinished,
  };
}

/** Policies that every one of these is, and those that every one may be. */
function inAll(
  of: readonly { readonly executes: readonly string[]; readonly unknown: readonly string[] }[],
  policies: readonly Policy[],
): { executes: string[]; unknown: string[] } {
  const names = policies.map(({ name }) => name);
  const executes = names.filter((name) => of.every((one) => one.executes.includes(name)));
  const may = names.filter((name) => of.every((one) => one.executes.includes(name) || one.unknown.includes(name)));
  return { executes, unknown: may.filter((name) => !executes.includes(name)) };
}

function executedFlush(
  flush: Flush,
  policies: readonly Policy[],
  cpu: CpuProfile,
  blind: Blind,
  asked: readonly string[],
): ExecutedFlush {
  const beside = policies.map((policy) => besidePolicy(flush, policy, cpu, blind));
  const names = (execution: Execution): string[] =>
    beside.filter((b) => b.execution === execution).map(({ policy }) => policy);
  let [executes, unknown] = [names("executes"), names("unknown")];
  // A barrier that was not seen may make it another policy's sequence: then it is not known to be this one's.
  if (unknown.length > 0) [executes, unknown] = [[], [...executes, ...unknown]];
  const of = (b: Beside): Beside => (unknown.includes(b.policy) ? { ...b, execution: "unknown" } : b);
  return {
    occasion: flush.occasion,
    count: flush.count,
    callers: [...flush.callers].map(([caller, count]) => ({ caller, count })).sort((a, b) => b.count - a.count),
    ownerCurrent: flush.ownerVmids.length === 0 ? null : flush.ownerVmids.includes(flush.currentVmid),
    entries: flush.removed.length,
    pages: flush.removed.reduce((sum, { pages }) => sum + pages, 0),
    bySlot: flush.bySlot,
    instructions: shortened(flush.instructions.map((x) => textOf(x, flush))),
    executes,
    unknown,
    beside: beside.filter((b) => asked.includes(b.policy) && !executes.includes(b.policy)).map(of),
  };
}

const shortened = (list: readonly string[]): string[] =>
  list.length <= MOST_TEXT ? [...list] : [...list.slice(0, MOST_TEXT), `... ${list.length - MOST_TEXT} more`];

/** What a trace does not show of a policy's flush, so that it is not known to be the one of the trace. */
function unseen({ occasion, removed }: Flush, policy: Policy): string | undefined {
  if (Object.values(policy.code).some((program) => lineOfIpi(program) !== undefined))
    return "it sends IPIs, whose code on other pCPUs a trace does not show as a part of this flush";
  if (occasion === "switch" && policy.own.includes("vcpu-moved"))
    return "it has code for a vCPU that ran on another pCPU last, and that is not told apart here";
  if (occasion !== "revoke") return undefined;
  if (policy.own.includes("fails-midway")) return "it has code for errors, and an error is not told apart here";
  const tables = removed.filter((entry) => entry.step !== entry.pages).length;
  if (policy.own.includes("table-freed") && tables > 0 && tables < removed.length)
    return "it has code for tables that are freed, and pages were removed before this flush, too";
  return undefined;
}

/** Holds one flush against what a policy executes there. */
function besidePolicy(flush: Flush, policy: Policy, cpu: CpuProfile, blind: Blind): Beside {
  const hidden = unseen(flush, policy);
  if (hidden !== undefined)
    return { policy: policy.name, execution: "unknown", first: 0, expected: [], because: hidden };
  const because = notThen(flush, policy);
  const pages = flush.removed.reduce((sum, entry) => sum + entry.pages, 0);
  if (because === undefined && pages > MOST_PAGES)
    return { policy: policy.name, execution: "unknown", first: 0, expected: [], because: TOO_MANY };
  let found: { expected: Lifted[]; isKnown: boolean; execution: Execution; first: number }[];
  try {
    found = casesOf(flush).map((on) => {
      const all = expectedOf(flush, policy, cpu, on);
      const expected = all.filter((x) => x !== undefined);
      return { expected, isKnown: expected.length === all.length, ...compareSequences(flush, expected, blind) };
    });
  } catch (error) {
    // A policy that must be told VAs, and a flush that names none.
    if (!(error instanceof InputError)) throw error;
    return { policy: policy.name, execution: "differs", first: 0, expected: [], because: error.message };
  }
  if (found.some(({ isKnown }) => !isKnown))
    return { policy: policy.name, execution: "unknown", first: 0, expected: [], because: NOT_SAID };
  const best =
    found.find(({ execution }) => execution === "executes") ??
    found.find((f) => f.execution === "unknown") ??
    found[0]!;
  const text = shortened(best.expected.map((x) => textOf(x, flush)));
  const { execution, first } = best;
  if (because !== undefined) return { policy: policy.name, execution: "differs", first: 0, expected: text, because };
  return { policy: policy.name, execution, first, expected: text };
}

/** Why a policy does not flush there at all as the trace does, whatever its code. */
function notThen(flush: Flush, policy: Policy): string | undefined {
  const { length } = flush.removed;
  const atOnce = policy.due === "at-once" && !policy.own.includes(flush.occasion);
  switch (flush.occasion) {
    case "switch":
      if (policy.vmidPer === "vcpu" && flush.sameVmid)
        return "it gives each vCPU a VMID; the vCPU before ran under this one's";
      if (policy.vmidPer === "domain" && !flush.sameVmid)
        return "it has one VMID for all vCPUs of a domain; the vCPU before ran under another";
      return undefined;
    case "domain-dies":
      return atOnce && length > 1
        ? `it flushes after each removed entry; ${length} were removed before this flush`
        : undefined;
    case "write-protected":
    case "permission-relaxed":
      if (atOnce === flush.amid) return undefined;
      return `it flushes ${atOnce ? "between the invalid entry and its successor" : "whenever the p2m's lock is released"}`;
    case "revoke":
      if (policy.due === "at-once" && length > 1)
        return `it flushes after each removed entry; ${length} were removed before this flush`;
      if (flush.within === "batch" && policy.due === "unlock" && length > 1)
        return `it flushes whenever the p2m's lock is released, after each page of a batch; ${length} were removed before this flush`;
      if (flush.goesOn && policy.due === "batch-end")
        return "it flushes where a batch ends or gives way; this one removed more after the flush";
      if (flush.within === "single" && policy.batch)
        return "it removes pages in batches (XENMEM_remove_from_physmap_batch); this was a call for one page";
      if (flush.within === "batch" && !policy.batch) return "it removes pages one call each; this was a batch";
      return undefined;
    case "batch-end":
      return policy.batch ? undefined : "it has no batches: nothing was removed since the flush before";
    default:
      return undefined;
  }
}

/** What a policy executes in a flush's case: a removal's flush may be of several occasions, one right behind the other. */
function expectedOf(flush: Flush, policy: Policy, cpu: CpuProfile, on: Case): (Lifted | undefined)[] {
  const { occasion, within, removed } = flush;
  const change = changeOf(occasion);
  const ofTable = removed.some((entry) => entry.step !== entry.pages);
  const own = (name: Occasion): boolean => ofTable && policy.own.includes(name);
  const occasions: readonly Occasion[] =
    occasion === "split" && own("block-merged")
      ? ["block-merged"]
      : occasion === "revoke" && own("table-freed")
        ? ["table-freed"]
        : change === undefined
          ? [occasion]
          : runTogether(policy, change, within === "batch");
  return occasions.flatMap((name) => unroll(policy.code[name], on, cpu, policy.file).map(liftedOf));
}

/** What happens to entries on an occasion, where other code than its own may run then. */
function changeOf(occasion: Occasion): Parameters<typeof runTogether>[1] | undefined {
  switch (occasion) {
    case "revoke":
      return "removed";
    case "domain-dies":
    case "write-protected":
    case "permission-relaxed":
      return occasion;
    default:
      return undefined;
  }
}

/**
 * Compares two sequences. Where the policy has a barrier more at a place that the trace does not see, the rest decides whether
 * the trace may still be it.
 */
function compareSequences(
  flush: Flush,
  expected: readonly Lifted[],
  blind: Blind,
): { execution: Execution; first: number } {
  const is = flush.instructions;
  const gaps = blindGaps(flush, blind);
  let [i, first] = [0, -1];
  for (let j = 0; ; ) {
    const [a, b] = [is[i], expected[j]];
    if (a === undefined && b === undefined)
      return { execution: first < 0 ? "executes" : "unknown", first: first < 0 ? i : first };
    if (a !== undefined && b !== undefined && same(a, b, flush)) {
      i++;
      j++;
    } else {
      if (first < 0) first = i;
      if (b?.kind !== "barrier" || !gaps[i] || is.length === 0) return { execution: "differs", first };
      j++;
    }
  }
}

/**
 * Before which of a flush's instructions (or after the last) a barrier may have gone unseen. On the straight way behind a site
 * each barrier is seen, and those right before it: what is unseen stands before the first of these, or after the last.
 */
function blindGaps(flush: Flush, blind: Blind): boolean[] {
  const is = flush.instructions;
  const gaps = Array.from({ length: is.length + 1 }, () => false);
  if (blind === "nowhere") return gaps;
  const names = [...flush.callers.keys()].map((caller) => caller.split(" < ")[0]!);
  const sites = is.flatMap((x, i) => (x.kind === "barrier" ? [] : [i]));
  gaps[0] = true;
  gaps[is.length] = true;
  sites.forEach((site, n) => {
    const next = sites[n + 1];
    if (next === undefined || !names.some((name) => blind(name, nameOf(is[site]!)))) return;
    for (let i = site + 1; i <= next; i++) gaps[i] = true;
  });
  return gaps;
}
