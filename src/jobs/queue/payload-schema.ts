/** What may come over a queue: every value in it is looked at before anything is done with it. */
import * as v from "valibot";
import {
  BARRIERS,
  FEATURES,
  type Feature,
  SYMPTOM_WORDS,
  TLBI_OPS,
  WORKAROUND_WORDS,
  type Workaround,
} from "../../arch/index.js";
import { OCCASIONS, type Occasion, type Statement } from "../../policy/index.js";
import { PROVED, type ProvedOccasion, RULES } from "../../prove/index.js";

/** Most characters of a text: as many as a file that a user names may have. */
const MAX_TEXT = 1 << 20;
const text = v.pipe(v.string(), v.maxLength(MAX_TEXT));
const word = v.pipe(v.string(), v.maxLength(1000));
const index = (below: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(below - 1));
const whole = v.pipe(v.number(), v.safeInteger());
const line = index(1e7);
const keysOf = <K extends string>(of: Readonly<Record<K, unknown>>) => v.picklist(Object.keys(of) as K[]);
const feature = keysOf(FEATURES as Readonly<Record<Feature, unknown>>);
const occasion = keysOf(OCCASIONS as Readonly<Record<Occasion, unknown>>);
const proved = keysOf(PROVED as Readonly<Record<ProvedOccasion, unknown>>);
const rule = keysOf(RULES);
const bbm = v.picklist([0, 1, 2] as const);

/** Bounds of a scenario: numbers that the command line takes too. */
const limits = {
  maxStates: v.pipe(v.number(), v.gtValue(0), v.maxValue(1e12)),
  timeoutMs: v.pipe(v.number(), v.gtValue(0), v.maxValue(1e15)),
  without: v.exactOptional(v.set(rule)),
};
const limitsSchema = v.strictObject({ ...limits, cache: v.boolean() });

const proverCpu = {
  ets2: v.boolean(),
  nTlbpa: v.boolean(),
  bbm,
  symptoms: v.strictObject(
    Object.fromEntries(SYMPTOM_WORDS.map((name) => [name, v.boolean()])) as Record<
      (typeof SYMPTOM_WORDS)[number],
      v.BooleanSchema<undefined>
    >,
  ),
};

const term: v.GenericSchema = v.lazy(() =>
  v.union([word, v.strictObject({ call: word, args: v.array(term), named: v.exactOptional(v.record(word, term)) })]),
);
const item: v.GenericSchema = v.lazy(() =>
  v.variant("kind", [
    v.strictObject({
      kind: v.literal("declare"),
      space: v.picklist(["virtual", "intermediate", "physical"]),
      names: v.array(word),
      aligned: v.exactOptional(v.literal("block")),
    }),
    v.strictObject({ kind: v.literal("neighbour"), name: word, after: word }),
    v.strictObject({
      kind: v.literal("mapping"),
      from: word,
      to: v.union([word, v.strictObject({ table: word })]),
      later: v.exactOptional(v.literal(true)),
      level: v.exactOptional(index(4)),
      fields: v.exactOptional(v.record(word, word)),
    }),
    v.strictObject({
      kind: v.literal("table"),
      stage: v.picklist([1, 2]),
      name: word,
      base: v.exactOptional(word),
      body: v.array(item),
    }),
    v.strictObject({ kind: v.literal("store"), at: word, value: whole }),
  ]),
);

/** A scenario, as the text of a task has it. */
export const scenarioSchema = v.strictObject({
  name: word,
  title: word,
  tables: v.array(item),
  granule: v.exactOptional(v.picklist([12, 14, 16])),
  pcpus: v.pipe(
    v.array(
      v.strictObject({
        title: word,
        el: v.picklist([1, 2]),
        lines: v.array(word),
        hypervisor: v.array(word),
        registers: v.array(term),
        sysregs: v.record(word, term),
      }),
    ),
    v.maxLength(16),
  ),
  bad: v.array(
    v.union([
      v.strictObject({ pcpu: index(16), register: word, value: whole }),
      v.strictObject({ at: word, value: whole }),
    ]),
  ),
  meaning: word,
});

/** A scenario on a CPU, and the bounds. */
export const taskSchema = v.strictObject({
  task: v.strictObject({ name: word, scenario: text, cpu: v.strictObject(proverCpu) }),
  limits: limitsSchema,
});

/** A litmus test. */
export const litmusSchema = v.strictObject({
  file: word,
  text,
  options: v.strictObject({ ...proverCpu, ...limits, moments: v.exactOptional(v.boolean()) }),
  finals: v.exactOptional(v.boolean()),
});

const condition = v.variant("test", [
  v.strictObject({ test: v.literal("feature"), feature, not: v.boolean() }),
  v.strictObject({
    test: v.literal("erratum"),
    workaround: v.picklist(WORKAROUND_WORDS as readonly Workaround[]),
    not: v.boolean(),
  }),
  v.strictObject({ test: v.picklist(["owner-current", "va-known", "old"]), not: v.boolean() }),
  v.strictObject({ test: v.literal("pages"), above: index(2 ** 53), not: v.boolean() }),
]);
const statement: v.GenericSchema<Statement> = v.lazy(() =>
  v.variant("kind", [
    v.strictObject({ kind: v.literal("barrier"), barrier: index(BARRIERS.length), line }),
    v.strictObject({
      kind: v.literal("tlbi"),
      op: index(TLBI_OPS.length),
      single: v.pipe(v.number(), v.integer(), v.minValue(-1), v.maxValue(TLBI_OPS.length - 1)),
      operand: v.picklist(["none", "zero", "loop", "asid"]),
      ttl: v.boolean(),
      line,
    }),
    v.strictObject({ kind: v.literal("msr-vttbr"), value: v.picklist(["owner", "current"]), line }),
    v.strictObject({ kind: v.literal("with-owner"), body: sequence, line }),
    v.strictObject({ kind: v.literal("on"), pes: v.picklist(["every-pe", "vmid-pes"]), body: sequence, line }),
    v.strictObject({ kind: v.literal("unknown"), line }),
    v.strictObject({
      kind: v.literal("for"),
      over: v.picklist(["page", "entry", "range", "va-page", "va-range", "vmid"]),
      body: sequence,
      line,
    }),
    v.strictObject({ kind: v.literal("if"), condition, body: sequence, otherwise: sequence }),
  ]),
) as v.GenericSchema<Statement>;
const sequence = v.array(statement);

const policy = v.strictObject({
  name: v.pipe(word, v.regex(/^[a-z0-9][a-z0-9.-]*$/)),
  title: text,
  source: text,
  file: word,
  requires: v.array(feature),
  vmidPer: v.picklist(["domain", "vcpu"]),
  due: v.picklist(["at-once", "unlock", "batch-end"]),
  batch: v.boolean(),
  fb: v.boolean(),
  granule: v.exactOptional(v.picklist([12, 14, 16])),
  own: v.array(occasion),
  code: v.strictObject(
    Object.fromEntries(Object.keys(OCCASIONS).map((name) => [name, sequence])) as Record<Occasion, typeof sequence>,
  ),
  places: v.record(occasion, v.exactOptional(v.strictObject({ policy: word, file: word, section: line, line, text }))),
});

const profile = v.strictObject({
  name: word,
  title: text,
  source: text,
  features: v.set(feature),
  unknown: v.set(feature),
  sources: v.map(feature, text),
  bbmLevel: bbm,
  errata: v.array(
    v.strictObject({
      ...{ number: word, vendor: word, cpus: text, cve: v.exactOptional(word), text, remedy: text, source: text },
      symptoms: v.array(v.picklist(SYMPTOM_WORDS)),
      outside: v.exactOptional(text),
    }),
  ),
  symptoms: v.set(v.picklist(SYMPTOM_WORDS)),
});
const cpus = v.pipe(v.array(profile), v.minLength(1), v.maxLength(100));
const setting = v.strictObject({ fb: v.boolean(), granule: v.exactOptional(v.picklist([12, 14, 16])) });

/** One occasion of a policy. */
export const minimizeSchema = v.strictObject({
  policy,
  occasion,
  asked: v.strictObject({ occasions: v.array(proved), cpus, setting }),
  limits: limitsSchema,
});

/** What all pieces of a search share; instructions by their lines and loops, for they are looked up. */
export const searchSchema = v.strictObject({
  base: policy,
  occasion: proved,
  cpus,
  setting,
  length: index(17),
  instructions: v.pipe(v.array(v.strictObject({ code: word, over: v.exactOptional(word) })), v.maxLength(1000)),
  limits: limitsSchema,
});

/** A piece of a search, by its number. */
export const pieceSchema = v.strictObject({ search: v.pipe(word, v.hexadecimal()), piece: index(1e9) });

const wordSchema = v.pipe(v.array(index(1000)), v.maxLength(100));
/** What a search has learnt. */
export const learntSchema = v.union([
  v.strictObject({ owner: v.boolean(), sound: wordSchema }),
  v.strictObject({
    owner: v.boolean(),
    refuted: v.strictObject({
      word: wordSchema,
      by: v.strictObject({ occasion: proved, cpu: word, scenario: word }),
    }),
  }),
]);

const count = v.pipe(v.number(), v.minValue(0));
const verdict = v.picklist(["allowed", "forbidden", "unknown", "unsupported"]);
/** Answers, as far as a wrong one could be taken for another verdict; what else is in them is for people. */
export const ANSWERS = {
  task: v.strictTuple([v.looseObject({ verdict, states: count, timelines: count, milliseconds: count })]),
  litmus: v.union([
    v.strictObject({ refused: text }),
    v.looseObject({ name: text, file: text, verdict, states: count }),
  ]),
  minimize: v.looseObject({
    occasion,
    proofs: v.array(proved),
    cpus: v.array(word),
    instructions: v.array(
      v.looseObject({
        line,
        code: word,
        need: v.picklist(["needed", "superfluous", "stronger", "not-run", "unknown"]),
      }),
    ),
    result: policy,
    steps: v.array(word),
  }),
  piece: v.strictObject({
    tally: v.strictObject({
      ...{ sound: count, unknown: count, judged: count, scenarios: count },
      refuted: v.record(word, count),
      undecided: v.array(v.strictObject({ word: wordSchema, reason: text })),
    }),
    learnt: v.array(learntSchema),
  }),
} as const;
