/**
 * What stories about a removal are made of: how much is removed, the tables, the policy's code around it, and the former owner's
 * access on the same pCPU or on another.
 */
import { type CpuProfile, GRANULES, type GranuleBits, levelShift } from "../../arch/index.js";
import { type Entry, type Policy, removal as removeEntries } from "../../policy/index.js";
import { OTHER_VMID, ownerVmids, pcpu, type Setting, switchTo, vttbr } from "./domains.js";
import { entryOf, policyLines, type Range } from "./flush.js";
import type { Equal, Pcpu } from "./scenario.js";
import {
  blocks,
  type Declaration,
  declare,
  type Inside,
  type Item,
  maps,
  mayMap,
  neighbour,
  pagesOfTable,
  s1table,
  s2table,
  store,
  type Table,
} from "./tables.js";
import { hex, pte, type Term } from "./terms.js";

/** What the former owner does, and where: on another pCPU all the time, or on the same one after the hypercall. */
export type Access = "read" | "write";
export type Place = "other" | "same";

/** How much is removed; the story looks at the first page, or the first two. */
export interface Extent {
  readonly name: string;
  readonly words: string;
  readonly range: Range;
}

export const extent = (name: string, words: string, pages: number, step: number): Extent => ({
  name,
  words,
  range: { ipa: "ipa1", va: "x", pages, step, looked: step > 1 || pages === 1 ? 1 : 2 },
});
export const ONE = extent("page", "one page", 1, 1);
export const TWO = extent("two-pages", "two pages", 2, 1);

/** Pages of a block of level 2, and of a table of level 3. */
const blockPages = (granule: GranuleBits = 12): number => GRANULES[granule].entries;
export const blockWords = (granule: GranuleBits = 12): string => `a block of ${2 ** (levelShift(2, granule) - 20)} MiB`;
/** A block of level 2, whose first page the story looks at; and a table of level 3, with what it maps. */
export const blockRange = (granule?: GranuleBits): Range => {
  const pages = blockPages(granule);
  return extent("block", blockWords(granule), pages, pages).range;
};
export const tableRange = (granule?: GranuleBits): Range => ({ ...ONE.range, pages: blockPages(granule), table: true });

/** Where the table of level 3 stands that maps the first name of a root. */
export const firstTable = (root: number, stage: 1 | 2, granule: GranuleBits = 12): string =>
  hex(root + (3 - GRANULES[granule][stage === 1 ? "first1" : "first2"]) * 2 ** granule).replace(/[a-f]/g, (digit) =>
    digit.toUpperCase(),
  );

/** What a story has besides the owner's pages, their tables, and the hypervisor's own map of the pages. */
interface More {
  /** names of VAs beside x, and beside h */
  readonly guest?: readonly string[];
  readonly hypervisor?: readonly string[];
  readonly declared?: readonly Declaration[];
  /** mappings behind that of x, and behind that of h */
  readonly owner?: readonly Inside[];
  readonly map?: readonly Inside[];
  /** what the owner's stage 2 may come to hold besides */
  readonly stage2?: readonly Inside[];
  /** the next owner's tables, which the hypervisor maps */
  readonly heir?: Table;
  readonly stores?: readonly Item[];
}

/** The tables: the owner's, with x and y at the first pages; another domain's; the hypervisor's own map of the pages. */
export function tables(e: Extent, more: More = {}): Item[] {
  const block = e.range.step > 1;
  const level = block ? { level: 2 } : {};
  const first = block ? blocks : declare;
  /** the second names of a story about two pages */
  const second = <T>(...items: readonly T[]): readonly T[] => (e.range.looked > 1 ? items : []);
  const { guest = [], hypervisor = [], declared = [], owner = [], map = [], stage2 = [], heir, stores = [] } = more;
  return [
    first("virtual", "x", ...guest),
    ...second(declare("virtual", "y")),
    declare("virtual", "h", ...hypervisor),
    ...declared,
    first("intermediate", "ipa1"),
    first("physical", "pa1"),
    ...second(declare("virtual", "g"), declare("intermediate", "ipa2"), declare("physical", "pa2")),
    ...second(neighbour("ipa2", "ipa1"), neighbour("y", "x")),
    s2table(
      "owner_stage2",
      "0x240000",
      maps("ipa1", "pa1", level),
      mayMap("ipa1", "invalid", level),
      ...second(maps("ipa2", "pa2"), mayMap("ipa2", "invalid")),
      ...stage2,
      s1table("owner_stage1", "0x2C0000", maps("x", "ipa1", level), ...owner, ...second(maps("y", "ipa2"))),
    ),
    s2table("other_stage2", "0x280000"),
    ...(heir ? [heir] : []),
    s1table(
      "hyp_map",
      "0x200000",
      maps("h", "pa1"),
      ...map,
      ...second(maps("g", "pa2")),
      pagesOfTable(2, "owner_stage2"),
      ...(heir ? [pagesOfTable(2, heir.name)] : []),
    ),
    ...stores,
    store("pa1", 0),
    ...second(store("pa2", 0)),
  ];
}

/** What is removed, and by whom. */
interface Removal {
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  /** true when the owner's VMID is in VTTBR_EL2 */
  readonly current: boolean;
  readonly range: Range;
  /** descriptors of the pages that the story looks at, or of the one block or table */
  readonly descriptors: readonly Term[];
  /** each of these in a call of its own, which make a batch where the policy has batches; else one call removes all */
  readonly apart?: boolean;
  /** a batch frees as each call ends */
  readonly early?: boolean;
  /** the access flags were clear */
  readonly old?: boolean;
}

/** An entry that goes; without a descriptor it stands for all that the story does not look at. */
interface Going extends Entry {
  readonly descriptor: Term | undefined;
  readonly page: number;
}

/** Removals with the policy's code; `free`: what comes when these pages go back, counted from page 0. */
export function removeLines(
  removal: Removal,
  on: Pcpu,
  free: (pages: readonly number[]) => readonly string[],
): string[] {
  const { policy, cpu, current, range, descriptors, apart = false, early = false, old = false } = removal;
  const owners = ownerVmids(policy);
  const flusher = { policy, cpu, ownerVmids: owners, currentVmid: current ? owners[0]! : OTHER_VMID, vttbr, range };
  const each = range.table ? range.pages : range.step;
  const going = descriptors.map(
    (descriptor, page): Going => ({ ...entryOf(range, page, each), old, descriptor, page }),
  );
  const [looked, { pages }] = [each * going.length, range];
  if (looked < pages)
    going.push({ ...entryOf(range, looked, pages - looked), old, descriptor: undefined, page: looked });
  return policyLines(flusher, on, (protocol, lines) =>
    removeEntries(
      protocol,
      apart ? going.map((one) => [one]) : [going],
      {
        write({ descriptor }) {
          if (descriptor !== undefined) lines.push(`STR ${on.number(0)},[${on.constant(descriptor)}]`);
        },
        free: (entries) => lines.push(...free(entries.map(({ page }) => page))),
      },
      { batch: apart && policy.batch, early },
    ),
  );
}

/** The descriptors that removing an extent clears, as far as the story looks. */
export const descriptorsOf = ({ range }: Extent): Term[] =>
  range.step > 1
    ? [pte(2, "ipa1", "owner_stage2")]
    : Array.from({ length: range.looked }, (_, i) => pte(3, `ipa${i + 1}`, "owner_stage2"));

/** Which of the pages that the story looks at the former owner accesses; one at a time is as good as all of them. */
export type Page = 0 | 1;
export const pagesOf = ({ range }: Extent): Page[] => (range.looked > 1 ? [0, 1] : [0]);
export const PAGE_WORDS: Record<Page, string> = { 0: "the first page", 1: "the second page" };

/** The former owner's access, and which outcome is bad: the next owner writes 1, the former one 2. */
export function access(kind: Access, page: Page, on: Pcpu, thread: number, va = page === 0 ? "x" : "y"): Equal {
  const at = on.constant(va);
  if (kind === "write") {
    on.lines.push(`STR ${on.number(2)},[${at}]`);
    return { at: `pa${page + 1}`, value: 2 };
  }
  const result = on.result();
  on.lines.push(`LDR ${result},[${at}]`);
  return { pcpu: thread, register: result, value: 1 };
}

export const MEANING: Record<Access, string> = {
  read: "the former owner reads what the page's next owner wrote",
  write: "the former owner's write lands in the page after its next owner's",
};
export const PLACES: Record<Place, string> = {
  other: "on another pCPU",
  same: "on the same pCPU, after the hypercall",
};

/**
 * pCPU 0 runs Xen's code, which `hypercall` gives; the former owner is on pCPU 1, or on pCPU 0 before and after. Returns the
 * pCPUs and the one with the former owner.
 */
export function stage(
  policy: Policy,
  place: Place,
  current: boolean,
  setting: Setting,
  hypercall: (on: Pcpu) => string[],
): { pcpus: Pcpu[]; owner: Pcpu } {
  const owners = ownerVmids(policy);
  const words = current ? "the owner is current" : "another domain is current";
  if (place === "other") {
    const xen = pcpu(`pCPU 0, Xen; ${words}`, 2, current ? owners[0]! : OTHER_VMID, "owner_stage1", setting);
    xen.lines.push(...hypercall(xen));
    const owner = pcpu("pCPU 1, the former owner", 1, owners.at(-1)!, "owner_stage1", setting);
    return { pcpus: [xen, owner], owner };
  }
  const both = pcpu(`pCPU 0, the former owner and Xen; ${words}`, 1, owners[0]!, "owner_stage1", setting);
  both.lines.push("HVC #0");
  both.hypervisor.push(
    ...(current ? [] : switchTo(both, OTHER_VMID)),
    ...hypercall(both),
    ...(current ? [] : switchTo(both, owners[0]!)),
    "ERET",
  );
  return { pcpus: [both], owner: both };
}

/** The next owner writes through the hypervisor's own mapping, behind the unlock of the p2m: a Store-Release. */
export const hypervisorWrites = (e: Extent, on: Pcpu): string[] =>
  ["h", "g"].slice(0, e.range.looked).map((name) => `STLR ${on.number(1)},[${on.constant(name)}]`);
