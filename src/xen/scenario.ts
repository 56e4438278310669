/** A scenario file: the machine, the domains, and the work that they do. */
import * as v from "valibot";
import { checkValue, InputError, numberKeys, parseToml, type TomlFile, withNumbers } from "../input/index.js";
import { MAX_BATCH } from "./physmap.js";
import { DEFAULT_VERSION, XEN_VERSIONS } from "./versions.js";

const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const pages = whole(0, 2 ** 22);
const mib = whole(2, 65_536);
const text = v.pipe(v.string(), v.nonEmpty());

const segment = v.strictObject({
  name: text,
  /** first gfn of the domU, as xc_dom_alloc_segment logs it ("pfn 0x40000 + 0x1d20 pages") */
  gfn: whole(0, 2 ** 36 - 1),
  pages: whole(1, 2 ** 22),
});

const domu = v.strictObject({
  "memory-mib": mib,
  vcpus: v.optional(whole(1, 128), 1),
  segment: v.optional(v.pipe(v.array(segment), v.maxLength(64)), []),
  /** pages of its own that a vCPU touches each time it runs */
  "working-set": v.optional(pages, 0),
  /** pages that all its vCPUs touch */
  "shared-set": v.optional(pages, 0),
  /** Linux, that maps its shared info page and its grant table and uses its rings when it runs first (xen_guest_init) */
  linux: v.optional(v.boolean(), false),
  /** pCPUs that each vCPU may run on (hard affinity); needed by scheduler = "affinity" */
  affinity: v.optional(v.array(v.pipe(v.array(whole(0, 254)), v.minLength(1)))),
});

const toolstack = v.strictObject({
  /** pages beside the segments that are mapped, cleared and unmapped one by one: console, xenstore, ... */
  "special-pages": v.optional(whole(0, 1024), 0),
  /** pages that alloc_magic_pages (libxenguest) populates for console, xenstore, memory access and vuart, and clears one by one: 4 */
  "magic-pages": v.optional(whole(0, 16), 0),
  /** grant-table frames that dom0 maps by XENMEM_acquire_resource to enter the rings (xc_dom_set_gnttab_entry), and unmaps: 1 */
  "grant-frames": v.optional(whole(0, 64), 0),
  /** gfns that dom0 hands to one XENMEM_remove_from_physmap_batch, where the policy has it */
  "removal-batch": v.optional(whole(1, MAX_BATCH), MAX_BATCH),
  /** extents after which populate_physmap finds something else to do and returns a continuation; default: never */
  "populate-preempt-after": v.optional(whole(1, 2 ** 30)),
  /** items of a batch after which Xen finds something else to do and returns a continuation */
  "preempt-after": v.optional(whole(1, 2 ** 30), 4096),
});

/** Slots of time of one run: 10,000 s by the default slice. */
const MAX_SLOTS = 1_000_000;

const xen = v.strictObject({
  /** a row of XEN_VERSIONS: what the page allocator flushes */
  version: v.optional(v.picklist(XEN_VERSIONS.map(({ name }) => name)), DEFAULT_VERSION),
});

const run = v.strictObject({
  scheduler: v.optional(v.picklist(["credit2", "null", "affinity"]), "credit2"),
  /** how long the domUs run, and the longest time that a vCPU runs while another waits: microseconds */
  "time-us": v.optional(whole(0, 1e9), 0),
  "slice-us": v.optional(whole(1, 1e9), 10_000),
});

/** Phases of a scenario's trace after the boot ("phase:NAME" marks). */
const PHASES = ["create", "run", "destroy", "scrub"] as const;

const schema = v.strictObject({
  hypervisor: v.optional(v.literal("xen")),
  name: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9.-]*$/, "expected kebab-case: a-z, 0-9, '-' and '.'")),
  title: text,
  source: text,
  machine: v.strictObject({
    pcpus: whole(1, 255),
    "ram-mib": mib,
    /** IPA bits of the p2m: what PARange says to Xen. TLBIs do not depend on it */
    "ipa-bits": v.optional(v.picklist([32, 36, 40, 42, 44, 48]), 48),
  }),
  xen: v.optional(xen, {}),
  dom0: v.strictObject({
    "memory-mib": mib,
    vcpus: v.optional(whole(1, 128), 1),
    /** pages that dom0's kernel and toolstack touch between two hypercalls, each in a 2 MiB block of its own if it can be */
    "working-set": v.optional(pages, 0),
    /**
     * from which gfn on dom0 maps foreign pages, clear of its own memory. Linux takes them from the extended regions that Xen tells dom0: without an
     * SMMU these are RAM that dom0 was not given (find_unallocated_memory), often in a GiB where dom0 has RAM. Default: above
     * all RAM
     */
    "foreign-gfn": v.optional(whole(0, 2 ** 36 - 1)),
  }),
  toolstack: v.optional(toolstack, {}),
  domu: v.pipe(v.array(domu), v.minLength(1), v.maxLength(64)),
  run: v.optional(run, {}),
  /** how often the domUs are created, run and (but for the last time, unless destroy) destroyed */
  lives: v.optional(whole(1, 1000), 1),
  /** destroy the domUs at the end of their last life too */
  destroy: v.optional(v.boolean(), false),
  /** the phases whose prices are compared; default: all after the boot */
  phases: v.optional(v.pipe(v.array(v.picklist(PHASES)), v.minLength(1))),
});

/** A scenario, read. Sizes are in MiB or 4 KiB pages, times in microseconds, as the keys say. */
export type Scenario = v.InferOutput<typeof schema> & { readonly file: string };
export type DomuSpec = Scenario["domu"][number];

/** Reads a scenario file; throws an InputError with file, line, key and what was expected. */
export function parseScenario(toml: string, file: string): Scenario {
  return checked(parseToml(toml, file, schema));
}

/** Dotted keys of a scenario's numbers, those that it leaves out too. */
export const numbersOf = (scenario: Scenario): string[] => numberKeys(schema, scenario);

/** The scenario with other numbers under such keys, checked as a file is; it is called so in errors. */
export function withOthers({ file, ...own }: Scenario, numbers: Readonly<Record<string, number>>): Scenario {
  const settings = Object.entries(numbers).map(([key, n]) => `${key}=${n}`);
  return checked(checkValue(withNumbers(own, numbers), `${file} with ${settings.join(", ")}`, schema));
}

/** What no schema says. */
function checked(parsed: TomlFile<v.InferOutput<typeof schema>>): Scenario {
  const { file } = parsed;
  refuseOverlaps(parsed);
  refuseRepeats(parsed);
  const { "time-us": time, "slice-us": slice } = parsed.value.run;
  if (time / slice > MAX_SLOTS)
    throw InputError.at(file, parsed.lineOf(["run", "time-us"]), `run.time-us: ${time} us in slices of ${slice} us, expected at most ${MAX_SLOTS} slices`); // biome-ignore format: one row
  return { ...parsed.value, file };
}

/** A page of an image is loaded once. */
function refuseOverlaps({ value, file, lineOf }: TomlFile<v.InferOutput<typeof schema>>): void {
  value.domu.forEach(({ segment: segments }, d) => {
    const sorted = segments.map((one, i) => ({ ...one, i })).sort((a, b) => a.gfn - b.gfn);
    sorted.forEach(({ name, gfn, i }, k) => {
      const before = sorted[k - 1];
      if (before === undefined || before.gfn + before.pages <= gfn) return;
      const later = Math.max(i, before.i);
      throw InputError.at(file, lineOf(["domu", d, "segment", later]), `segments '${before.name}' and '${name}' overlap at gfn 0x${gfn.toString(16)}, expected pages of their own`); // biome-ignore format: one row
    });
  });
}

/** A vCPU stands once in the queue of a pCPU, and each list is of one vCPU. */
function refuseRepeats({ value, file, lineOf }: TomlFile<v.InferOutput<typeof schema>>): void {
  value.domu.forEach(({ affinity = [], vcpus }, d) => {
    const refuse = (message: string): never => {
      throw InputError.at(file, lineOf(["domu", d, "affinity"]), `domu.${d}.affinity: ${message}`);
    };
    if (affinity.length > vcpus) refuse(`${affinity.length} lists of pCPUs, expected one for each of ${vcpus} vCPUs`);
    affinity.forEach((list, vcpu) => {
      const twice = list.find((pcpu, i) => list.indexOf(pcpu) < i);
      if (twice !== undefined) refuse(`vCPU ${vcpu} has pCPU ${twice} twice`);
    });
  });
}
