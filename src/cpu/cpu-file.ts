/**
 * CPU files: which optional features a CPU has and which errata, each with its source. A feature that no source speaks of is
 * unknown: never taken for absent in silence.
 */
import * as v from "valibot";
import {
  type CpuProfile,
  type Erratum,
  erratumOf,
  FEATURES,
  type Feature,
  SYMPTOM_WORDS,
  type Symptom,
} from "../arch/index.js";
import { InputError, parseToml, type TomlFile } from "../input/index.js";

/** What a vendor calls an erratum: a number of Arm's, "CVE-2025-10263", "T410-OLY-1029", "falkor-1009". */
const NUMBER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;

const text = v.pipe(v.string(), v.nonEmpty());

/** What is said of a feature; without a source it is said of nothing, and the feature unknown. */
const said = v.strictObject({ has: v.boolean(), source: v.optional(text) });

/** An erratum by its number. Of one that is in no table here the file says all that there is to say. */
const erratum = v.strictObject({
  has: v.optional(v.boolean(), true),
  source: text,
  text: v.optional(text),
  symptoms: v.optional(v.pipe(v.array(v.picklist(SYMPTOM_WORDS)), v.minLength(1))),
  outside: v.optional(text),
  remedy: v.optional(text),
});

const schema = v.strictObject({
  base: v.optional(text),
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/, "expected lower-case letters, digits, '.' and '-'")),
  title: text,
  source: text,
  "bbm-level": v.optional(v.strictObject({ level: v.picklist([0, 1, 2]), source: v.optional(text) })),
  features: v.optional(
    v.strictObject({
      others: v.optional(said),
      ...(Object.fromEntries(Object.keys(FEATURES).map((name) => [name, v.optional(said)])) as Record<
        Feature,
        v.OptionalSchema<typeof said, undefined>
      >),
    }),
    {},
  ),
  errata: v.optional(v.record(v.pipe(v.string(), v.regex(NUMBER, "expected an erratum's number")), erratum), {}),
});

type Cpu = v.InferOutput<typeof schema>;

/**
 * Reads a CPU file's text; `file` is its name in errors. `base` finds the CPU that a file names as its base (and in which line):
 * what the file does not speak of is as there. Throws an InputError that names file, line and key.
 */
export function parseCpu(source: string, file: string, base: (name: string, line?: number) => CpuProfile): CpuProfile {
  const toml = parseToml(source, file, schema);
  const { name, title, source: from, features, "bbm-level": bbm } = toml.value;
  const of = toml.value.base === undefined ? undefined : base(toml.value.base, toml.lineOf(["base"]));
  const errata = errataOf(toml, of);
  return {
    ...{ name, title, source: from },
    ...featuresOf(features, of),
    bbmLevel: bbm === undefined ? (of?.bbmLevel ?? 0) : bbm.source === undefined ? 0 : bbm.level,
    errata,
    symptoms: new Set(errata.flatMap(({ symptoms }) => symptoms)),
  };
}

/** The features that the CPU has, and those of which nobody says. */
function featuresOf(
  input: Cpu["features"],
  base: CpuProfile | undefined,
): Pick<CpuProfile, "features" | "unknown" | "sources"> {
  const features = new Set<Feature>();
  const unknown = new Set<Feature>();
  const sources = new Map<Feature, string>();
  for (const name of Object.keys(FEATURES) as Feature[]) {
    const here = input[name] ?? input.others;
    const has = here === undefined ? hasIn(base, name) : here.source === undefined ? undefined : here.has;
    if (has === undefined) {
      unknown.add(name);
      continue;
    }
    if (has) features.add(name);
    sources.set(name, here === undefined ? base!.sources.get(name)! : here.source!);
  }
  return { features, unknown, sources };
}

/** Whether a base has a feature; undefined: nobody says, or there is no base. */
const hasIn = (base: CpuProfile | undefined, name: Feature): boolean | undefined =>
  base === undefined || base.unknown.has(name) ? undefined : base.features.has(name);

/** The errata of the base, but for those that the file says the CPU has not, and then its own. */
function errataOf(toml: TomlFile<Cpu>, base: CpuProfile | undefined): Erratum[] {
  const own = Object.entries(toml.value.errata);
  const others = (base?.errata ?? []).filter(({ number }) => !own.some(([name]) => name === number));
  return [...others, ...own.flatMap(([number, input]) => (input.has ? [erratumIn(toml, number, input)] : []))];
}

/** An erratum as a file has it: what its number's row says, unless the file says otherwise. */
function erratumIn(toml: TomlFile<Cpu>, number: string, input: v.InferOutput<typeof erratum>): Erratum {
  const known = erratumOf(number);
  const refuse = (message: string): never => {
    throw InputError.at(toml.file, toml.lineOf(["errata", number]), `errata.${number}: ${message}`);
  };
  const own = input.symptoms !== undefined || input.outside !== undefined;
  if (input.symptoms !== undefined && input.outside !== undefined)
    refuse("has both 'symptoms' and 'outside', expected what the model can say of it, or why it cannot");
  if (known === undefined && (!own || input.text === undefined || input.remedy === undefined))
    refuse(
      "is not a number that shootdown knows, expected its 'text', its 'remedy', and its 'symptoms' in words of the model, or 'outside' with the reason why it is outside of it",
    );
  const symptoms: readonly Symptom[] = own ? (input.symptoms ?? []) : known!.symptoms;
  const outside = own ? input.outside : known!.outside;
  return {
    number: known?.number ?? number,
    vendor: known?.vendor ?? "a file of one's own",
    cpus: known?.cpus ?? toml.value.name,
    ...(known?.cve === undefined ? {} : { cve: known.cve }),
    symptoms,
    text: input.text ?? known!.text,
    ...(outside === undefined ? {} : { outside }),
    remedy: input.remedy ?? known!.remedy,
    source: input.source,
  };
}
