/** A scenario file: the machine, the domains, and the work that they do. */
import { z } from "zod";
import { parseToml } from "../input/index.js";
import { MAX_BATCH } from "./physmap.js";

const pages = z
  .int()
  .min(0)
  .max(2 ** 22);
const mib = z.int().min(2).max(65_536);
const count = (max: number) => z.int().min(1).max(max);

const segment = z.strictObject({
  name: z.string().min(1),
  /** first gfn of the domU, as xc_dom_alloc_segment logs it ("pfn 0x40000 + 0x1d20 pages") */
  gfn: z
    .int()
    .min(0)
    .max(2 ** 36 - 1),
  pages: pages.min(1),
});

const domu = z.strictObject({
  "memory-mib": mib,
  vcpus: count(128).default(1),
  segment: z.array(segment).max(64).default([]),
  /** pages of its own that a vCPU touches each time it runs */
  "working-set": pages.default(0),
  /** pages that all its vCPUs touch */
  "shared-set": pages.default(0),
  /** pCPUs that each vCPU may run on (hard affinity); needed by scheduler = "affinity" */
  affinity: z.array(z.array(z.int().min(0).max(254)).min(1)).optional(),
});

const schema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, "expected kebab-case: a-z, 0-9, '-' and '.'"),
  title: z.string().min(1),
  source: z.string().min(1),
  machine: z.strictObject({
    pcpus: count(255),
    "ram-mib": mib,
    /** IPA bits of the p2m: what PARange says to Xen. TLBIs do not depend on it */
    "ipa-bits": z.literal([32, 36, 40, 42, 44, 48]).default(48),
  }),
  dom0: z.strictObject({
    "memory-mib": mib,
    vcpus: count(128).default(1),
    /** pages that dom0's kernel and toolstack touch between two hypercalls */
    "working-set": pages.default(0),
  }),
  toolstack: z
    .strictObject({
      /** pages beside the segments that are mapped, cleared and unmapped one by one: console, xenstore, ... */
      "special-pages": z.int().min(0).max(1024).default(0),
      /** gfns that dom0 hands to one XENMEM_remove_from_physmap_batch, where the policy has it */
      "removal-batch": count(MAX_BATCH).default(MAX_BATCH),
      /** items of a batch after which Xen finds something else to do and returns a continuation */
      "preempt-after": count(2 ** 30).default(4096),
    })
    .prefault({}),
  domu: z.array(domu).min(1).max(64),
  run: z
    .strictObject({
      scheduler: z.enum(["credit2", "null", "affinity"]).default("credit2"),
      /** how long the domUs run, and the longest time that a vCPU runs while another waits: microseconds */
      "time-us": z.int().min(0).max(1e9).default(0),
      "slice-us": count(1e9).default(10_000),
    })
    .prefault({}),
  /** how often the domUs are created, run and (but for the last time, unless destroy) destroyed */
  lives: count(1000).default(1),
  /** destroy the domUs at the end of their last life too */
  destroy: z.boolean().default(false),
});

/** A scenario, read. Sizes are in MiB or 4 KiB pages, times in microseconds, as the keys say. */
export type Scenario = z.output<typeof schema> & { readonly file: string };
export type DomuSpec = Scenario["domu"][number];

/** Reads a scenario file; throws an InputError with file, line, key and what was expected. */
export function parseScenario(text: string, file: string): Scenario {
  const { value } = parseToml(text, file, schema as z.ZodType<z.output<typeof schema>>);
  return { ...value, file };
}
