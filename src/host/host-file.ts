/**
 * Host files: what executes the hypervisor under study, and the elementary prices there. A price is what one elementary step
 * takes; how often a step happens is the price model's business.
 */
import * as v from "valibot";
import { parseToml } from "../input/index.js";
import { BROADCAST_KEYS, broadcastPrice, reachOf } from "./broadcast.js";
import type { Host, Price, PriceTable, PriceUnit } from "./host.js";
import type { PriceModel } from "./model.js";
import { modelOf, PRICE_MODELS } from "./models.js";

const text = v.pipe(v.string(), v.nonEmpty());
/** 1,000 s for one step, or as many host instructions: far above any machine, and no sum of it leaves the range of numbers. */
const MAX_AMOUNT = 1e9;
const amount = v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_AMOUNT));

function priceSchema(unit: PriceUnit) {
  return v.pipe(
    v.strictObject({
      value: amount,
      low: v.optional(amount),
      high: v.optional(amount),
      unit: v.literal(unit),
      source: text,
      "calibrated-on": v.optional(text),
    }),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const { value, low, high } = dataset.value;
      if ((low === undefined) !== (high === undefined)) addIssue({ message: "a range needs both 'low' and 'high'" });
      else if (low !== undefined && high !== undefined && !(low <= value && value <= high))
        addIssue({ message: `expected low <= value <= high, got ${low}, ${value}, ${high}` });
    }),
  );
}

type PriceInput = v.InferOutput<ReturnType<typeof priceSchema>>;
type PriceInputs = Readonly<Record<string, PriceInput | undefined>>;

/** `required`: no price may be left out, but for those that the table calls optional. */
function pricesSchema(table: PriceTable, required: boolean): v.GenericSchema<unknown, PriceInputs> {
  const shape = Object.entries(table).map(([key, [unit, , optional]]) => {
    const schema = priceSchema(unit);
    return [key, required && !optional ? schema : v.optional(schema)] as const;
  });
  return v.strictObject(Object.fromEntries(shape)) as v.GenericSchema<unknown, PriceInputs>;
}

const described = {
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/, "expected lower-case letters, digits, '.' and '-'")),
  title: text,
  source: text,
  cpu: text,
  machine: v.optional(text),
  assumptions: v.array(text),
  ...BROADCAST_KEYS,
};

/** The schema of a file that says everything. */
const wholeSchema = ({ kind, keys, prices }: PriceModel) =>
  v.strictObject({ ...described, kind: v.literal(kind), ...keys, prices: pricesSchema(prices, true) });

const hostSchema = v.variant("kind", PRICE_MODELS.map(wholeSchema));

/** What a file with a base says: its own name, title and source, and of the rest what differs. */
const variant = {
  base: v.string(),
  name: described.name,
  title: text,
  source: text,
  cpu: v.optional(described.cpu),
  machine: v.optional(text),
  assumptions: v.optional(described.assumptions),
  "further-assumptions": v.optional(v.array(text)),
  ...BROADCAST_KEYS,
};
const variantSchema = ({ keys, prices }: PriceModel) =>
  v.strictObject({
    ...variant,
    ...v.partial(v.object(keys)).entries,
    prices: v.optional(pricesSchema(prices, false)),
  });
/** Tells a file with a base from one that says everything. */
const basedSchema = v.looseObject({ base: v.optional(v.string()) });

function priceOf(key: string, meaning: string, input: PriceInput): Price {
  const { value, low = value, high = value, unit, source } = input;
  const calibratedOn = input["calibrated-on"];
  return { key, meaning, unit, value, low, high, source, ...(calibratedOn === undefined ? {} : { calibratedOn }) };
}

/** What a CPU that a host's file names in a line is called where others look for it. */
type FindCpu = (name: string, line?: number) => string;
const same: FindCpu = (name) => name;

/** The prices of a table, in its order: those that a file states, and those of its base. */
function pricesOf(table: PriceTable, inputs: PriceInputs, base?: Host): Host["prices"] {
  return Object.fromEntries(
    Object.entries(table).map(([key, [unit, meaning]]) => {
      const stated = inputs[key];
      if (stated === undefined && base !== undefined) return [key, base.prices[key]!];
      return [
        key,
        priceOf(
          key,
          meaning,
          stated ?? { value: 0, unit, source: "unknown: the host file does not say, and nothing is counted for it" },
        ),
      ];
    }),
  );
}

/**
 * Reads a host file's text; `file` is its name in errors. `base` finds the host that a file names as its base (and in which
 * line): what the file leaves out is the base's. `cpu` finds the CPU that it names, and says what it is called where others look
 * for it. Throws an InputError that names file, line and key.
 */
export function parseHost(
  source: string,
  file: string,
  base: (name: string, line?: number) => Host,
  cpu: FindCpu = same,
): Host {
  const based = parseToml(source, file, basedSchema);
  if (based.value.base !== undefined)
    return variantOf(source, file, base(based.value.base, based.lineOf(["base"])), cpu);
  const toml = parseToml(source, file, hostSchema);
  const { name, title, source: from, machine, assumptions, kind, prices } = toml.value;
  const model = modelOf({ kind });
  return {
    name,
    title,
    source: from,
    cpu: cpu(toml.value.cpu, toml.lineOf(["cpu"])),
    ...(machine === undefined ? {} : { machine }),
    assumptions,
    kind,
    ...reachOf(toml.value),
    unknown: [],
    prices: pricesOf(model.prices, prices),
    ...model.settings(toml),
  };
}

/** A host that differs from its base in what its file says. A price that it states is all its own, the source too. */
function variantOf(source: string, file: string, base: Host, find: FindCpu): Host {
  const model = modelOf(base);
  const toml = parseToml(source, file, variantSchema(model));
  const { name, title, source: from, cpu, machine = base.machine, prices = {} } = toml.value;
  const reach = reachOf(toml.value, base);
  const inherited = broadcastPrice(base.prices.broadcast!, { from: base, to: reach, name });
  const own = prices.broadcast !== undefined;
  const assumptions = [...(toml.value.assumptions ?? base.assumptions), ...(toml.value["further-assumptions"] ?? [])];
  return {
    name,
    title,
    source: from,
    cpu: cpu === undefined ? base.cpu : find(cpu, toml.lineOf(["cpu"])),
    ...(machine === undefined ? {} : { machine }),
    assumptions,
    kind: base.kind,
    ...reach,
    unknown: own ? [] : [...base.unknown, ...inherited.unknown],
    prices: pricesOf(model.prices, prices, { ...base, prices: { ...base.prices, broadcast: inherited.price } }),
    ...model.settings(toml, base),
  };
}
