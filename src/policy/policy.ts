/** A policy file: the code a hypervisor runs on each occasion on which it must flush, and when that is due. */
import * as v from "valibot";
import { type CpuProfile, FEATURES, type Feature } from "../arch/index.js";
import { InputError, parseToml } from "../input/index.js";
import { parseCode } from "./parse.js";
import { type Sequence, specialise } from "./program.js";

interface OccasionRow {
  /** when that is: behind "say what happens when ..." */
  readonly when: string;
  /** a policy may leave it out */
  readonly optional?: true;
  /** it is about a whole VMID: its code has no pages to loop over */
  readonly whole?: true;
  /** a policy without code of its own for it executes other code then: the protocol says which */
  readonly falls?: true;
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
    optional: true,
  },
  "domain-dies": {
    when: "all mappings of a domain that will never run again are removed, some at a time; in place of the revoke and batch-end code",
    optional: true,
    falls: true,
  },
  "write-protected": {
    when: "pages that were mapped may not be written any more, and nothing else of their entries changes; in place of the revoke and batch-end code",
    optional: true,
    falls: true,
  },
  "permission-relaxed": {
    when: "pages that were mapped may be written again, and nothing else of their entries changes; in place of the same code",
    optional: true,
    falls: true,
  },
} as const satisfies Record<string, OccasionRow>;
export type Occasion = keyof typeof OCCASIONS;
const ROWS = Object.entries(OCCASIONS) as readonly (readonly [Occasion, OccasionRow])[];

/** True for an occasion on which a policy without code of its own for it executes other code. */
export const fallsBack = (occasion: Occasion): boolean => (OCCASIONS[occasion] as OccasionRow).falls === true;

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
  /** occasions with code of its own, of those for which a policy without executes other code */
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
  for (const [name, { when, optional, whole }] of ROWS) {
    const section = value[name];
    if (section === undefined) {
      if (from === undefined && !optional)
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
  const due = value.revoke?.due ?? from?.due ?? "unlock";
  return {
    name: value.name,
    title: value.title,
    source: value.source,
    file,
    requires,
    vmidPer,
    due,
    own: ROWS.flatMap(([name]) =>
      fallsBack(name) && (value[name] !== undefined || from?.own.includes(name)) ? [name] : [],
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
