/**
 * What every verdict takes for given besides the rules: named, and said beside the verdicts. Those that a rule of the model
 * stands for can be switched off, to see what hangs on them; of the others it is said that they cannot.
 */
import { GRANULE_NAME } from "../arch/index.js";
import type { Setting } from "./occasion/index.js";
import type { Rule } from "./rules.js";

/** One assumption. */
interface Assumption {
  readonly words: string;
  /** the rule without which the model does without it */
  readonly rule?: Rule;
  /** true: about the scenarios of `prove`, not about a litmus test */
  readonly scenarios?: true;
}

/** By name. */
const ASSUMPTIONS = {
  scenarios: {
    words:
      "The scenarios are those of the occasion: same pCPU and another one, the owner current or not, page, two pages and block, read and write; two or three pCPUs. A scenario that is not among them is not excluded.",
    scenarios: true,
  },
  "out-of-context": {
    words:
      "While a PE executes at EL2, it does not walk for EL1&0, which is out of context then (DDI 0487, D8); where an erratum lets a speculative AT do so, the hypervisor works around it.",
    rule: "out-of-context",
  },
  "walks-end-at-traps": {
    words:
      "A walk for EL1&0 that is under way when the PE comes to EL2 ends there: it does not go on, in part with other registers, until a DSB. Linux executes one where it loads a vCPU (55b5bac15939).",
    rule: "walks-end-at-traps",
  },
  "no-buffers": {
    words:
      "No statistical profiling or trace buffer is owned by EL1, so that it would be written, and its pages translated, while the PE is at EL2.",
    rule: "no-buffers",
  },
  "switch-dsb": {
    words:
      "Between a vCPU's last instruction on a pCPU and its first on another the hypervisor executes a DSB ISH, as Linux's __switch_to() does: a TLBI that the guest had not yet completed is completed by the PE that executed it. No policy says so, and none is held against it.",
    scenarios: true,
  },
  ipis: {
    words:
      "An IPI of a policy (on every-pe, on vmid-pes) is sent behind a barrier, as gic_send_SGI() has one, and answered; on which PEs a VMID has run is known exactly, and a PE that takes it in meanwhile sees the changed tables.",
    scenarios: true,
  },
  "one-domain": {
    words:
      "TLBs are private to a PE (but for what CnP = 1 lets several share); all PEs are in one Inner Shareable domain; memory is Normal, cacheable and coherent, but for the XS attribute where MAIR_ELx is set.",
  },
  "software-updates": {
    words:
      "Descriptors change by single 64-bit writes of software: in the scenarios hardware updates neither access flag nor dirty state (TCR_EL1.HA = 0, VTCR_EL2.HA = 0).",
    scenarios: true,
  },
  "no-fetches": { words: "Instruction fetches, and instruction and data cache maintenance, are not modelled." },
  "repeat-tlbi": {
    words:
      "For CVE-2025-10263, a write through an entry that a broadcast TLBI removed is observed before the next broadcast TLBI which the same PE issues behind a completing DSB, and not necessarily before.",
  },
} as const satisfies Record<string, Assumption>;

type Name = keyof typeof ASSUMPTIONS;
const ALL: readonly (readonly [Name, Assumption])[] = Object.entries(ASSUMPTIONS) as [Name, Assumption][];

/** Names of the assumptions that can be switched off. */
export const SWITCHED: readonly string[] = ALL.flatMap(([name, { rule }]) => (rule === undefined ? [] : [name]));

/** The rules to leave out where these assumptions, of {@link SWITCHED}, are not made. */
export const rulesWithout = (names: readonly string[]): ReadonlySet<Rule> =>
  new Set(ALL.flatMap(([name, { rule }]) => (rule !== undefined && names.includes(name) ? [rule] : [])));

/** An assumption as it is told; `off`: it is not made. */
interface Told {
  readonly name: string;
  readonly off: boolean;
  readonly text: string;
}

const told = (without: readonly string[], of: readonly (readonly [Name, Assumption])[]): Told[] =>
  of.map(([name, { words, rule }]) => {
    const off = without.includes(name);
    const how = off
      ? ""
      : rule !== undefined
        ? ` (--without ${name} shows what hangs on that.)`
        : " (It cannot be switched off.)";
    return { name, off, text: `${off ? "Not assumed: " : ""}${words}${how}` };
  });

/** What every verdict on a policy assumes, in words. */
export function assumptions({ fb, granule = 12 }: Setting, without: readonly string[] = []): string[] {
  return [
    ...told(without, ALL).map(({ text }) => text),
    fb
      ? "HCR_EL2.FB = 1 and BSU = Inner Shareable, as Xen sets them: a guest's local TLBIs are broadcast, and its barriers reach as far (--no-fb shows what that is for); but for policies that say fb = false."
      : "HCR_EL2.FB = 0: a guest's local TLBIs stay local. Xen sets FB = 1.",
    ...(granule === 12
      ? []
      : [
          `All tables, of both stages and the hypervisor's own, have the ${GRANULE_NAME[granule]} granule: a page is one of that size, a block one of level 2; no block of level 1 (FEAT_LPA2, FEAT_LPA) is looked at.`,
        ]),
  ];
}

/** What every verdict on a litmus test assumes. */
export const litmusAssumptions = (without: readonly string[]): Told[] =>
  told(
    without,
    ALL.filter(([, { scenarios }]) => !scenarios),
  );
