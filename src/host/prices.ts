/**
 * Host files: what executes the hypervisor under study (bare metal, or KVM with nested virtualization), and the
 * elementary prices there. A price is what one elementary step takes; how often a step happens is the model's business.
 */
import * as v from "valibot";
import { CPU_PROFILES, cpuProfile, type GranuleBits } from "../arch/index.js";
import { InputError, parseToml, type TomlFile } from "../input/index.js";

/** us = microseconds, ns = nanoseconds, instructions = host instructions, each worth the price `instruction`. */
export type PriceUnit = "us" | "ns" | "instructions";

/** The elementary prices of bare metal: key, unit, meaning. */
export const BARE_PRICES = {
  broadcast: ["us", "a broadcast TLBI with the DSB that completes it"],
  local: ["us", "a local TLBI with the DSB that completes it"],
  further: ["us", "each further TLBI that the same DSB completes"],
} as const satisfies Record<string, readonly [PriceUnit, string]>;

/** The elementary prices of KVM nested: key, unit, meaning. The C functions are those of arch/arm64/kvm. */
export const NESTED_PRICES = {
  exit: ["us", "a full exit to the host and the return, without the instructions of the handler"],
  "fast-exit": ["us", "a trap handled in the hypervisor exit loop (kvm_hyp_handle_tlbi_el2), and the return"],
  instruction: ["ns", "one host instruction"],
  broadcast: ["us", "a broadcast TLBI with its DSB ISH"],
  local: ["us", "a local TLBI with its DSB NSH"],
  handler: ["instructions", "a trapped TLBI on the slow path, when no shadow stage-2 matches the VMID"],
  "stage-2-match": ["instructions", "the fixed part of a stage-2 invalidation, for each shadow it reaches"],
  "el1-match": ["instructions", "an EL1 TLBI executed for a shadow: VMID switch and back (s2_mmu_tlbi_s1e1)"],
  "fast-path": ["instructions", "an EL2 TLBI handled in the exit loop (__kvm_tlbi_s1e2)"],
  "chunk-step": ["instructions", "one step of stage2_apply_range over an empty chunk, without its flush"],
  "flush-call": ["instructions", "one __kvm_tlb_flush_vmid_range or _ipa: VMID switch and back"],
  repeat: ["instructions", "the VALE2IS and DSB that end a TLBI once more, on a host that repeats them"],
  descend: ["instructions", "the walk enters a table"],
  "empty-slot": ["instructions", "the walk visits an invalid descriptor inside a table"],
  leaf: ["instructions", "a valid leaf is cleared and its page put (stage2_unmap_put_pte)"],
  "free-table": ["instructions", "an emptied table is unlinked and freed, without its flush"],
  lookup: ["instructions", "one look for the level hint of an IPA in the shadow (get_guest_mapping_ttl)"],
  "lookup-level": ["instructions", "a table entered by such a look"],
  "shadow-fault": ["instructions", "a stage-2 fault on the shadow, handled by the host (user_mem_abort)"],
  "round-trip": ["instructions", "from L2 to L1 and back to L2, as a hypercall of L2 to its hypervisor costs"],
} as const satisfies Record<string, readonly [PriceUnit, string]>;

export type PriceKey = keyof typeof BARE_PRICES | keyof typeof NESTED_PRICES;

/** One elementary price: `low` = `high` = `value` where the file gives no range. */
export interface Price {
  readonly key: PriceKey;
  /** what the step is */
  readonly meaning: string;
  readonly unit: PriceUnit;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly source: string;
  /** the measurement on which it was calibrated, which then is no check of the model; absent otherwise */
  readonly calibratedOn?: string;
}

/** How a KVM host unmaps shadow tables; one shadow simulation serves any `unmap`, `holes` and `repeatTlbi`. */
export interface KvmHost {
  /** log2 of the host's page size, which is also the granule of the shadow tables */
  readonly granuleBits: GranuleBits;
  /** level of the largest leaf that the host's own mappings allow: 3 = its page size */
  readonly backingLevel: 1 | 2 | 3;
  /** "per-chunk": a flush after every chunk (Linux 7.2); "whole-shadow": one flush of the VMID after a full unmap */
  readonly unmap: "per-chunk" | "whole-shadow";
  /** "skipped": chunks of the shadow with nothing mapped are neither visited nor flushed */
  readonly holes: "walked" | "skipped";
  /** the host kernel ends every TLBI and its DSB with one more (VALE2IS and DSB): ARM64_WORKAROUND_REPEAT_TLBI */
  readonly repeatTlbi: boolean;
}

/** A host file, read and checked. `kvm` is there exactly when `kind` is "kvm-nested". */
export interface Host {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly kind: "bare" | "kvm-nested";
  /** name of the CPU profile that the hypervisor under study sees */
  readonly cpu: string;
  /** the machine whose prices these are; undefined where the file does not say */
  readonly machine?: string;
  readonly assumptions: readonly string[];
  readonly prices: Readonly<Partial<Record<PriceKey, Price>>>;
  readonly kvm?: KvmHost;
}

/** True where KVM executes the hypervisor under study as a guest, in nested virtualization; false on bare metal. */
export const isNested = (host: Host): host is Host & { readonly kvm: KvmHost } => host.kvm !== undefined;

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
type PriceTable = Readonly<Record<string, readonly [PriceUnit, string]>>;

/** Prices that a host file may leave out, as those from before they were known do; they are 0 then, and say so. */
const OPTIONAL: ReadonlySet<string> = new Set<PriceKey>(["repeat"]);

function pricesSchema<T extends PriceTable>(table: T) {
  const shape = Object.fromEntries(
    Object.entries(table).map(([key, [unit]]) => {
      const schema = priceSchema(unit);
      return [key, OPTIONAL.has(key) ? v.optional(schema) : schema];
    }),
  );
  return v.strictObject(shape as Record<keyof T & string, ReturnType<typeof priceSchema>>);
}

const described = {
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/, "expected lower-case letters, digits, '.' and '-'")),
  title: text,
  source: text,
  cpu: v.pipe(
    v.string(),
    v.check(
      (name) => cpuProfile(name) !== undefined,
      `unknown CPU profile, expected one of ${CPU_PROFILES.map((p) => p.name).join(", ")}`,
    ),
  ),
  machine: v.optional(text),
  assumptions: v.array(text),
};

const GRANULE = { "4K": 12, "16K": 14, "64K": 16 } as const;
/** Leaf sizes of each granule, and their levels (without FEAT_LPA2). */
const LEAF_LEVEL: Record<GranuleBits, Readonly<Record<string, 1 | 2 | 3>>> = {
  12: { "4K": 3, "2M": 2, "1G": 1 },
  14: { "16K": 3, "32M": 2 },
  16: { "64K": 3, "512M": 2 },
};

const nested = {
  "page-size": v.picklist(["4K", "16K", "64K"]),
  backing: v.string(),
  unmap: v.picklist(["per-chunk", "whole-shadow"]),
  holes: v.picklist(["walked", "skipped"]),
  "repeat-tlbi": v.boolean(),
};

const hostSchema = v.variant("kind", [
  v.strictObject({ ...described, kind: v.literal("bare"), prices: pricesSchema(BARE_PRICES) }),
  v.strictObject({ ...described, kind: v.literal("kvm-nested"), ...nested, prices: pricesSchema(NESTED_PRICES) }),
]);

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
};
const variantSchema = {
  bare: v.strictObject({ ...variant, prices: v.optional(v.partial(pricesSchema(BARE_PRICES))) }),
  "kvm-nested": v.strictObject({
    ...variant,
    ...v.partial(v.object(nested)).entries,
    prices: v.optional(v.partial(pricesSchema(NESTED_PRICES))),
  }),
};
/** Tells a file with a base from one that says everything. */
const basedSchema = v.looseObject({ base: v.optional(v.string()) });

function priceOf(key: PriceKey, meaning: string, input: PriceInput): Price {
  const { value, low = value, high = value, unit, source } = input;
  const calibratedOn = input["calibrated-on"];
  return { key, meaning, unit, value, low, high, source, ...(calibratedOn === undefined ? {} : { calibratedOn }) };
}

function pricesOf(table: PriceTable, inputs: Readonly<Record<string, PriceInput | undefined>>): Host["prices"] {
  const prices: Partial<Record<PriceKey, Price>> = {};
  for (const [key, [unit, meaning]] of Object.entries(table)) {
    const input = inputs[key] ?? { value: 0, unit, source: "not in the host file, so nothing" };
    prices[key as PriceKey] = priceOf(key as PriceKey, meaning, input);
  }
  return prices;
}

/**
 * Reads a host file's text; `file` is its name in errors. `base` finds the host that a file names as its base (and in which
 * line): what the file leaves out is the base's. Throws an InputError that names file, line and key.
 */
export function parseHost(source: string, file: string, base: (name: string, line?: number) => Host): Host {
  const based = parseToml(source, file, basedSchema);
  if (based.value.base !== undefined) return variantOf(source, file, base(based.value.base, based.lineOf(["base"])));
  const toml = parseToml(source, file, hostSchema);
  const input = toml.value;
  const { name, title, cpu, machine, assumptions } = input;
  const about = { name, title, source: input.source, cpu, ...(machine === undefined ? {} : { machine }), assumptions };
  if (input.kind === "bare") return { ...about, kind: "bare", prices: pricesOf(BARE_PRICES, input.prices) };
  const granuleBits = GRANULE[input["page-size"]];
  return {
    ...about,
    kind: "kvm-nested",
    prices: pricesOf(NESTED_PRICES, input.prices),
    kvm: {
      granuleBits,
      backingLevel: backingLevel(toml, input.backing, granuleBits),
      unmap: input.unmap,
      holes: input.holes,
      repeatTlbi: input["repeat-tlbi"],
    },
  };
}

/** The level of the largest leaf of a backing; an InputError at the key where there is no such leaf. */
function backingLevel(toml: TomlFile<unknown>, backing: string, granuleBits: GranuleBits): 1 | 2 | 3 {
  const level = LEAF_LEVEL[granuleBits][backing];
  if (level !== undefined) return level;
  const sizes = Object.keys(LEAF_LEVEL[granuleBits]).join(" or ");
  const pages = Object.entries(GRANULE).find(([, bits]) => bits === granuleBits)![0];
  throw InputError.at(toml.file, toml.lineOf(["backing"]), `backing: expected ${sizes} with ${pages} pages`);
}

/** A host that differs from its base in what its file says. A price that it states is all its own, the source too. */
function variantOf(source: string, file: string, base: Host): Host {
  const toml = parseToml<Variant>(source, file, variantSchema[base.kind]);
  const { name, title, cpu = base.cpu, machine = base.machine, prices = {} } = toml.value;
  const table: PriceTable = base.kind === "bare" ? BARE_PRICES : NESTED_PRICES;
  const stated = pricesOf(table, prices);
  const assumptions = [...(toml.value.assumptions ?? base.assumptions), ...(toml.value["further-assumptions"] ?? [])];
  return {
    name,
    title,
    source: toml.value.source,
    cpu,
    ...(machine === undefined ? {} : { machine }),
    assumptions,
    kind: base.kind,
    prices: Object.fromEntries(
      (Object.keys(table) as PriceKey[]).map((key) => [key, key in prices ? stated[key] : base.prices[key]]),
    ),
    ...(base.kvm === undefined ? {} : { kvm: kvmVariantOf(toml, base.kvm) }),
  };
}

type Variant = v.InferOutput<(typeof variantSchema)["bare"]> | v.InferOutput<(typeof variantSchema)["kvm-nested"]>;

function kvmVariantOf(toml: TomlFile<Variant>, base: KvmHost): KvmHost {
  const input = toml.value as v.InferOutput<(typeof variantSchema)["kvm-nested"]>;
  const size = input["page-size"];
  if (size !== undefined && input.backing === undefined)
    throw InputError.at(
      toml.file,
      toml.lineOf(["page-size"]),
      "page-size: backing is missing, expected both or neither",
    );
  const granuleBits = size === undefined ? base.granuleBits : GRANULE[size];
  return {
    granuleBits,
    backingLevel: input.backing === undefined ? base.backingLevel : backingLevel(toml, input.backing, granuleBits),
    unmap: input.unmap ?? base.unmap,
    holes: input.holes ?? base.holes,
    repeatTlbi: input["repeat-tlbi"] ?? base.repeatTlbi,
  };
}
