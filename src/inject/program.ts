/**
 * What of a policy is put into a Xen: the code of each occasion that Xen does not execute already, as it runs between Xen's own
 * switch to the owner's VTTBR_EL2 and back. What this Xen has not, or cannot know, is refused.
 */
import { BARRIERS, type CpuProfile, encodeTlbi, needs, TLBI_OPS, XZR } from "../arch/index.js";
import { type Occasion, type Policy, policyOn, type Sequence, type Statement } from "../policy/index.js";
import { refusePolicy } from "./refusal.js";
import { executedWords, type XenSites } from "./sites.js";

/** Occasions that have a place in Xen's code. */
export type InjectedOccasion = Extract<Occasion, "revoke" | "switch" | "split" | "vmid-assigned">;
const PLACED: readonly InjectedOccasion[] = ["revoke", "split", "switch", "vmid-assigned"];

export interface InjectedProgram {
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  /** revoke code runs behind each entry; else when the p2m's lock is released */
  readonly atOnce: boolean;
  /** specialised for the CPU; an occasion that is not here stays as it is in Xen */
  readonly code: ReadonlyMap<InjectedOccasion, Sequence>;
}

/** What is to be put in. Throws an InputError with what cannot be. */
export function injectedProgram(policy: Policy, cpu: CpuProfile, sites: XenSites): InjectedProgram {
  const refuse = (why: string): never => refusePolicy(policy.name, why);
  const on = policyOn(policy, cpu);
  if (on.vmidPer !== "domain") refuse(`it has a VMID for each ${on.vmidPer}, and Xen one for each domain`);
  if (on.batch) refuse("it removes pages in batches, and Xen has no such hypercall");
  if (!on.fb) refuse("it wants HCR_EL2.FB = 0, and Xen sets that itself");
  if (on.granule !== undefined && on.granule !== 12) refuse("it counts pages of another granule than Xen's, 4 KiB");
  const repeats = needs(cpu, "repeat-tlbi");
  const code = new Map<InjectedOccasion, Sequence>();
  const atOnce = on.due === "at-once";
  for (const occasion of PLACED) {
    const body = bodyOf(occasion, on.code[occasion], refuse);
    const native = executedWords(occasion === "switch" ? sites.vcpu : sites.flush, repeats);
    const same = straightWords(body)?.join() === native.join();
    if (!same || (occasion === "revoke" && atOnce)) code.set(occasion, body);
  }
  const [other] = on.own;
  if (other !== undefined)
    refuse(`it has code of its own for [${other}], and where that occasion is Xen's code does not say`);
  return { policy: on, cpu, atOnce, code };
}

type Refuse = (why: string) => never;

/** What stands within `with owner-vmid`, around which Xen's own is. At a switch there is none: the owner is coming in. */
function bodyOf(occasion: InjectedOccasion, code: Sequence, refuse: Refuse): Sequence {
  // A domain has one VMID: over all of it is once.
  const whole = code.flatMap((s) => (s.kind === "for" && s.over === "vmid" ? s.body : [s]));
  const own = occasion === "switch" || whole.length === 0;
  const [only] = whole;
  if (!own && (whole.length !== 1 || only?.kind !== "with-owner"))
    refuse(`its [${occasion}] is not one 'with owner-vmid' around all, and Xen's code is`);
  const body = own ? whole : (only as Extract<Statement, { kind: "with-owner" }>).body;
  return plain(body, occasion, false, refuse);
}

/** The same without what is decided: Xen knows no VA. Refuses what cannot be compiled. */
function plain(code: Sequence, occasion: InjectedOccasion, inLoop: boolean, refuse: Refuse): Sequence {
  return code.flatMap((s): Statement[] => {
    switch (s.kind) {
      case "barrier":
        return [s];
      case "tlbi":
        if (s.operand === "loop" && !TLBI_OPS[s.op]!.operand.startsWith("ipa"))
          refuse(`its [${occasion}] invalidates by VA, and Xen knows none`);
        if (s.operand === "asid") refuse(`its [${occasion}] invalidates by ASID, and Xen knows none`);
        return [s];
      case "if": {
        const { test, not } = s.condition;
        if (test === "va-known") return [...plain(not ? s.body : s.otherwise, occasion, inLoop, refuse)];
        if (test !== "pages") refuse(`its [${occasion}] asks 'if ${test}', which Xen does not know there`);
        const [body, otherwise] = [s.body, s.otherwise].map((part) => plain(part, occasion, inLoop, refuse));
        return [{ ...s, body: body!, otherwise: otherwise! }];
      }
      case "for":
        if (s.over.startsWith("va")) refuse(`its [${occasion}] goes over VAs, and Xen knows none`);
        if (s.over === "vmid" || inLoop) refuse(`its [${occasion}] has a loop within another`);
        return [{ ...s, body: plain(s.body, occasion, true, refuse) }];
      case "msr-vttbr":
      case "with-owner":
        return refuse(`its [${occasion}] writes VTTBR_EL2 within, and Xen's own stands around`);
      case "on":
        return refuse(`its [${occasion}] sends IPIs, and Xen has no function for that to call there`);
      default:
        return refuse(`its [${occasion}] says that what is executed is unknown`);
    }
  });
}

/** The words of code without conditions and loops; undefined for other code. */
export function straightWords(code: Sequence): number[] | undefined {
  const words: number[] = [];
  for (const s of code)
    if (s.kind === "barrier") words.push(BARRIERS[s.barrier]!.word);
    else if (s.kind === "tlbi" && s.operand !== "loop") words.push(encodeTlbi(TLBI_OPS[s.op]!, XZR));
    else return undefined;
  return words;
}

/** True where some statement of the code is one. */
export function some(code: Sequence, is: (s: Statement) => boolean): boolean {
  return code.some(
    (s) =>
      is(s) ||
      (s.kind === "if" && (some(s.body, is) || some(s.otherwise, is))) ||
      (s.kind === "for" && some(s.body, is)),
  );
}

/** It must be known which pages it is about: it goes over them, or counts them. */
export const asksPages = (code: Sequence): boolean => some(code, (s) => s.kind === "for" || s.kind === "if");

/** It must be known that an entry is a page or a block, and of what level: one invalidation is for all of it. */
export const asksLeaf = (code: Sequence): boolean =>
  some(code, (s) => (s.kind === "for" && s.over === "entry") || (s.kind === "tlbi" && s.ttl));
