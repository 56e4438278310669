/** How proofs are asked for: the options of `shootdown prove` beside policy and CPU. What is left out is as the command has it. */
import * as v from "valibot";
import { type CpuProfile, type Erratum, erratumOf, GRANULE_WORDS } from "../arch/index.js";
import { type Limits, rulesWithout, type Setting, SWITCHED, supposing } from "../prove/index.js";

const few = v.pipe(v.array(v.pipe(v.string(), v.maxLength(100))), v.maxLength(100));

/** As a link has them. */
export const choicesSchema = v.object({
  granule: v.optional(v.picklist(["16K", "64K"])),
  /** as if the hypervisor left HCR_EL2.FB = 0 */
  fb: v.optional(v.literal(false)),
  /** assumptions that are not made */
  without: v.optional(few),
  /** numbers of errata that every CPU is taken to have */
  errata: v.optional(few),
});
export type Choices = v.InferOutput<typeof choicesSchema>;

/** The choices as options of the command, each behind a space. */
export const optionsOf = ({ granule, fb, without = [], errata = [] }: Choices): string =>
  [
    ...(granule === undefined ? [] : [`--granule ${granule}`]),
    ...(fb === undefined ? [] : ["--no-fb"]),
    ...without.map((name) => `--without ${name}`),
    ...errata.map((number) => `--erratum ${number}`),
  ]
    .map((option) => ` ${option}`)
    .join("");

/** Choices that this version has, and of the others a sentence each. */
export function knownChoices({ without, errata, ...choices }: Choices): {
  readonly choices: Choices;
  readonly notes: readonly string[];
} {
  const known = (names: readonly string[] | undefined, has: (name: string) => boolean) =>
    names === undefined || !names.some(has) ? undefined : names.filter(has);
  const [assumed, supposed] = [
    known(without, (name) => SWITCHED.includes(name)),
    known(errata, (name) => erratumOf(name) !== undefined),
  ];
  const missing = (what: string, names: readonly string[] = [], there: readonly string[] = []): string[] =>
    names
      .filter((name) => !there.includes(name))
      .map((name) => `The link names the ${what} ${name}, which this version does not have.`);
  return {
    choices: { ...choices, ...(assumed && { without: assumed }), ...(supposed && { errata: supposed }) },
    notes: [...missing("assumption", without, assumed), ...missing("erratum", errata, supposed)],
  };
}

/** The same as the prover takes them. */
export const settingOf = ({ granule, fb }: Choices): Setting => ({
  fb: fb ?? true,
  granule: GRANULE_WORDS[granule ?? "4K"],
});
export const errataOf = ({ errata = [] }: Choices): Erratum[] => errata.flatMap((number) => erratumOf(number) ?? []);
export const limitsOf = (limits: Limits, { without = [] }: Choices): Limits =>
  without.length === 0 ? limits : { ...limits, without: rulesWithout(without) };
export const supposedCpu = (cpu: CpuProfile, choices: Choices): CpuProfile => supposing(cpu, errataOf(choices));
