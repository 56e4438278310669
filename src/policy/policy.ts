/** A policy file: the code a hypervisor runs on each occasion on which it must flush, and when that is due. */
import * as v from "valibot";
import {
  type CpuProfile,
  FEATURES,
  type Feature,
  GRANULE_WORDS,
  type GranuleBits,
  type GranuleWord,
} from "../arch/index.js";
import { InputError, parseToml } from "../input/index.js";
import { parseCode } from "./parse.js";
import { type Sequence, specialise } from "./program.js";

/**
 * What is executed on an occasion by a policy that has no code for it: other code, which the protocol names; nothing; or that is
 * not known, and nobody may take it for sound.
 */
type Without = "other code" | "nothing" | "not stated";

interface OccasionRow {
  /** when that is: behind "say what happens when ..." */
  readonly when: string;
  /** it is about a whole VMID: its code has no pages to loop over */
  readonly whole?: true;
  /** absent: every policy must have code for it, which may be empty */
  readonly without?: Without;
}

/** The occasions. When in the course of things the code of each runs, the protocol says. */
export const OCCASIONS = {
  revoke: { when: "a mapping is removed" },
  switch: { when: "a pCPU takes in a vCPU, and another vCPU of the same domain ran there last", whole: true },
  split: {
    when: "break-before-make: a block is split, or a valid entry replaced; the entry is invalid and its successor not yet written",
  },
  "vmid-assigned": {
    when: "a VMID is given to a domain (again), or the root of its table is cleared or invalidated",
    whole: true,
  },
  "batch-end": {
    when: "a batch of removals ends or gives way, after the revoke code if that was due now",
    without: "nothing",
  },
  "domain-dies": {
    when: "all mappings of a domain that will never run again are removed, some at a time; in place of the revoke and batch-end code",
    without: "other code",
  },
  "write-protected": {
    when: "pages that were mapped may not be written any more, and nothing else of their entries changes; in place of the revoke and batch-end code",
    without: "other code",
  },
  "permission-relaxed": {
    when: "pages that were mapped may be written again, and nothing else of their entries changes; or a fault finds that they may already; in place of the same code",
    without: "other code",
  },
  "access-flag-cleared": {
    when: "the access flag of entries is cleared, to see which pages are used, and nothing else of them changes",
    without: "not stated",
  },
  "block-merged": {
    when: "a block takes the place of a table of smaller entries, by break-before-make: the table's entry is invalid and the block not yet written; in place of the split code",
    without: "other code",
  },
  "vcpu-moved": {
    when: "a pCPU takes in a vCPU that ran on another pCPU last",
    whole: true,
    without: "nothing",
  },
  "stage1-edited": {
    when: "the hypervisor changes valid entries of a guest's own stage 1, by break-before-make: they are invalid, their successors not yet written",
    without: "not stated",
  },
  "fails-midway": {
    when: "what removes mappings ends with an error when part of it is done; in place of the revoke and batch-end code that is due yet",
    without: "other code",
  },
  "table-freed": {
    when: "a table is taken out of stage 2, with what it still maps, and goes back to the heap, where it becomes data; in place of the revoke and batch-end code",
    without: "other code",
  },
} as const satisfies Record<string, OccasionRow>;
export type Occasion = keyof typeof OCCASIONS;
const ROWS = Object.entries(OCCASIONS) as readonly (readonly [Occasion, OccasionRow])[];

/** What a policy without code of its own for an occasion executes then; undefined where each has some. */
export const withoutCode = (occasion: Occasion): Without | undefined => (OCCASIONS[occasion] as OccasionRow).without;

/** When the revoke code runs: after each removed entry, when the p2m's lock is released, or when a batch ends. */
const DUE = ["at-once", "unlock", "batch-end"] as const;
export type Due = (typeof DUE)[number];

/** Where the code of an occasion stands: in the policy's own file, or in that of a base. */
interface CodePlace {
  /** the policy whose file it is */
  readonly policy: string;
  readonly file: string;
  /** line of the section, from 1 */
  readonly section: number;
  /** line of the first line of the code */
  readonly line: number;
  readonly text: string;
}

export interface Policy {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** the file it was read from, for errors */
  readonly file: string;
  /** features without which the policy cannot be used at all */
  readonly requires: readonly Feature[];
  /** who holds a VMID */
  readonly vmidPer: "domain" | "vcpu";
  readonly due: Due;
  /** true when removals go in batches: XENMEM_remove_from_physmap_batch in place of one call a page. The same on every CPU */
  readonly batch: boolean;
  /** HCR_EL2.FB = 1: a guest's local TLBIs are broadcast, so that no vCPU leaves entries behind that they miss */
  readonly fb: boolean;
  /** log2 of the granule that its code counts pages in and writes into operands, whatever the tables have; absent: theirs */
  readonly granule?: GranuleBits;
  /** occasions with code of its own, of those for which not every policy has some; but for batch-end, whose code is beside other */
  readonly own: readonly Occasion[];
  /** an occasion without code does nothing */
  readonly code: Readonly<Record<Occasion, Sequence>>;
  /** where that code stands; absent for an occasion that no file has */
  readonly places: Readonly<Partial<Record<Occasion, CodePlace>>>;
}

const text = v.pipe(v.string(), v.nonEmpty());
const section = v.optional(v.strictObject({ code: v.string() }));
const SECTIONS = Object.fromEntries(ROWS.map(([name]) => [name, section])) as Record<Occasion, typeof section>;
const schema = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/, "expected kebab-case: a-z, 0-9, '-' and '.'")),
  title: text,
  source: text,
  base: v.optional(v.string()),
  requires: v.optional(v.array(v.picklist(Object.keys(FEATURES) as Feature[]))),
  "vmid-per": v.optional(v.picklist(["domain", "vcpu"])),
  fb: v.optional(v.boolean()),
  granule: v.optional(v.picklist(Object.keys(GRANULE_WORDS) as GranuleWord[])),
  ...SECTIONS,
  revoke: v.optional(v.strictObject({ due: v.picklist(DUE), code: v.string() })),
});

/**
 * Reads a policy. `base` finds the policy that a file names as its base: occasions that the file leaves out are the base's.
 * Throws an InputError with file, line and reason.
 */
export function parsePolicy(text: string, file: string, base: (name: string, line?: number) => Policy): Policy {
  const toml = parseToml(text, file, schema);
  const value = toml.value;
  const from = value.base === undefined ? undefined : base(value.base, toml.lineOf(["base"]));
  const requires = [...new Set([...(from?.requires ?? []), ...(value.requires ?? [])])];
  const vmidPer = value["vmid-per"] ?? from?.vmidPer ?? "domain";
  const code = {} as Record<Occasion, Sequence>;
  const places: Partial<Record<Occasion, CodePlace>> = { ...from?.places };
  for (const [name, { when, without, whole }] of ROWS) {
    const section = value[name];
    if (section === undefined) {
      if (from === undefined && without === undefined)
        throw InputError.at(file, 0, `[${name}] is missing: say what happens when ${when}, or name a base`);
      code[name] = from?.code[name] ?? [];
    } else {
      const line = toml.textLineOf([name, "code"]) ?? 1;
      places[name] = { policy: value.name, file, section: toml.lineOf([name]) ?? line, line, text: section.code };
      code[name] = parseCode(section.code, {
        file,
        line,
        requires,
        ranges: !whole,
        vmids: vmidPer === "vcpu",
      });
    }
  }
  const granule = value.granule === undefined ? from?.granule : GRANULE_WORDS[value.granule];
  const due = value.revoke?.due ?? from?.due ?? "unlock";
  return {
    name: value.name,
    title: value.title,
    source: value.source,
    file,
    requires,
    vmidPer,
    fb: value.fb ?? from?.fb ?? true,
    ...(granule !== undefined && { granule }),
    due,
    own: ROWS.flatMap(([name, { without }]) =>
      without !== undefined && name !== "batch-end" && (value[name] !== undefined || from?.own.includes(name))
        ? [name]
        : [],
    ),
    batch: due === "batch-end" || code["batch-end"].length > 0,
    code,
    places,
  };
}

/** The policy's code as one CPU runs it; throws an InputError when the CPU lacks a feature that the policy requires. */
export function policyOn(policy: Policy, cpu: CpuProfile): Policy {
  const missing = missingFeature(policy, cpu);
  if (missing) throw new InputError(`policy ${policy.name} requires ${missing}, ${lacking(missing, cpu)}`);
  const code = Object.fromEntries(
    Object.entries(policy.code).map(([name, program]) => [name, specialise(program, cpu)]),
  ) as Record<Occasion, Sequence>;
  return { ...policy, code };
}

/** In what way a CPU lacks a feature, as a part of a sentence. */
export const lacking = (feature: Feature, { name, unknown }: CpuProfile): string =>
  unknown.has(feature) ? `and whether ${name} has it is unknown` : `which ${name} does not have`;

/** The first feature that the policy requires and the CPU is not known to have, if any. */
export function missingFeature(policy: Policy, cpu: CpuProfile): Feature | undefined {
  return policy.requires.find((feature) => !cpu.features.has(feature));
}
