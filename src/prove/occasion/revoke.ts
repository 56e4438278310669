/**
 * A mapping is removed from the owner's stage 2, and the page goes to its next owner. Bad is what the next owner never
 * allowed: the former owner reads what the next one wrote, or its own write ends in the next one's page.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy, Program } from "../../policy/index.js";
import { HEIR_VMID, OTHER_VMID, ownerVmids, pcpu, type Setting, switchTo, vttbr } from "./domains.js";
import { flushLines, type Range } from "./flush.js";
import { tableScenarios } from "./revoke-tables.js";
import type { Equal, Pcpu, Scenario } from "./scenario.js";
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
import { leaf, pte, type Term } from "./terms.js";

/** What the former owner does, and where: on another pCPU all the time, or on the same one after the hypercall. */
export type Access = "read" | "write";
export type Place = "other" | "same";

/** How much is removed; the story looks at the first page, or the first two. */
export interface Extent {
  readonly name: string;
  readonly words: string;
  readonly range: Range;
}

const extent = (name: string, words: string, pages: number, step: number): Extent => ({
  name,
  words,
  range: { ipa: "ipa1", va: "x", first: 0, pages, step, looked: step > 1 || pages === 1 ? 1 : 2 },
});
export const ONE = extent("page", "one page", 1, 1);
export const TWO = extent("two-pages", "two pages", 2, 1);
const BLOCK = extent("block", "a block of 2 MiB", 512, 512);

/** Page counts above which the policy's code does something else. */
function thresholds(program: Program): number[] {
  return program.flatMap((s) => {
    if (s.kind === "if")
      return [
        ...(s.condition.test === "pages" ? [s.condition.above] : []),
        ...thresholds(s.body),
        ...thresholds(s.otherwise),
      ];
    return s.kind === "for" || s.kind === "with-owner" ? thresholds(s.body) : [];
  });
}

/** True when the code asks whether the hypervisor knows the guest's VA. */
const asksForVa = (program: Program): boolean =>
  program.some((s) => {
    if (s.kind === "if") return s.condition.test === "va-known" || asksForVa(s.body) || asksForVa(s.otherwise);
    return (s.kind === "for" || s.kind === "with-owner") && asksForVa(s.body);
  });

/** Extents of single pages above each page count that a policy's code tells apart. */
function longExtents(policy: Policy): Extent[] {
  const all = [...thresholds(policy.code.revoke), ...thresholds(policy.code["batch-end"])];
  return [...new Set(all)]
    .filter((n) => n > 2)
    .map((n) => extent(`above-${n}`, `${(n + 1).toLocaleString("en")} pages`, n + 1, 1));
}

/** The extents that a policy's code can tell apart. */
function extents(policy: Policy): Extent[] {
  const list = [ONE, TWO, BLOCK, ...longExtents(policy)];
  if (!asksForVa(policy.code.revoke) && !asksForVa(policy.code["batch-end"])) return list;
  const unknown = { ...ONE, name: "page.va-unknown", words: "one page, at a VA that Xen does not know," };
  return [...list, { ...unknown, range: { ...ONE.range, va: undefined } }];
}

/** What a story has besides the owner's pages, their tables, and the hypervisor's own map of the pages. */
interface More {
  /** names of VAs beside x, and beside h */
  readonly guest?: readonly string[];
  readonly hypervisor?: readonly string[];
  readonly declared?: readonly Declaration[];
  /** mappings behind that of x, and behind that of h */
  readonly owner?: readonly Inside[];
  readonly map?: readonly Inside[];
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
  const { guest = [], hypervisor = [], declared = [], owner = [], map = [], heir, stores = [] } = more;
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

/** What is removed: descriptor and range of each removal that has a p2m lock, or a hypercall, of its own. */
interface Removal {
  readonly descriptors: readonly Term[];
  readonly range: Range;
}

/** Removals with the policy's code where it is due: after each entry (at-once), or after all of them. */
export function removeLines(
  policy: Policy,
  cpu: CpuProfile,
  current: boolean,
  { descriptors, range }: Removal,
  on: Pcpu,
): string[] {
  const owners = ownerVmids(policy);
  const flush = { policy, cpu, ownerVmids: owners, currentVmid: current ? owners[0]! : OTHER_VMID, vttbr };
  const remove = (descriptor: Term): string => `STR ${on.number(0)},[${on.constant(descriptor)}]`;
  const lines: string[] = [];
  if (policy.due === "at-once" && descriptors.length > 1)
    descriptors.forEach((descriptor, i) => {
      const one = { ...range, first: range.first + i, pages: 1 };
      lines.push(remove(descriptor), ...flushLines({ ...flush, occasion: "revoke", range: one }, on));
    });
  else lines.push(...descriptors.map(remove), ...flushLines({ ...flush, occasion: "revoke", range }, on));
  return [...lines, ...flushLines({ ...flush, occasion: "batch-end", range }, on)];
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

interface Variant {
  readonly extent: Extent;
  readonly place: Place;
  readonly current: boolean;
  readonly kind: Access;
  readonly page: Page;
}

function byHypervisor(policy: Policy, cpu: CpuProfile, setting: Setting, v: Variant): Scenario {
  const { extent, place, current, kind, page } = v;
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => [
    ...removeLines(policy, cpu, current, { descriptors: descriptorsOf(extent), range: extent.range }, on),
    ...hypervisorWrites(extent, on),
  ]);
  const bad = access(kind, page, owner, pcpus.indexOf(owner));
  const several = extent.range.looked > 1;
  return {
    name: `revoke.${place}-pcpu.${current ? "current" : "not-current"}.${extent.name}${several ? `.${page + 1}` : ""}.${kind}`,
    title: `${extent.words} removed while ${current ? "the owner" : "another domain"} is current; the former owner ${kind}s ${several ? `${PAGE_WORDS[page]} ` : ""}${PLACES[place]}; the hypervisor writes to the page`,
    tables: tables(extent),
    pcpus,
    bad: [bad],
    meaning: MEANING[kind],
  };
}

const HEIR = s2table(
  "heir_stage2",
  "0x340000",
  maps("ipa9", "invalid"),
  mayMap("ipa9", "pa1"),
  s1table("heir_stage1", "0x380000", maps("z", "ipa9")),
);

/** The page is mapped for another domain next, which writes to it from a third pCPU. */
function byDomain(policy: Policy, cpu: CpuProfile, setting: Setting, place: Place, kind: Access): Scenario {
  const { pcpus, owner } = stage(policy, place, false, setting, (on) => [
    ...removeLines(policy, cpu, false, { descriptors: descriptorsOf(ONE), range: ONE.range }, on),
    `STLR ${on.constant(leaf(2, "pa1"))},[${on.constant(pte(3, "ipa9", "heir_stage2"))}]`,
  ]);
  const bad = access(kind, 0, owner, pcpus.indexOf(owner));
  const heir = pcpu(`pCPU ${pcpus.length}, the next owner`, 1, HEIR_VMID, "heir_stage1", setting);
  const own = heir.result();
  heir.lines.push(`STR ${heir.number(1)},[${heir.constant("z")}]`, `LDR ${own},[${heir.constant("z")}]`);
  return {
    name: `revoke.${place}-pcpu.not-current.page.next-domain.${kind}`,
    title: `one page removed; the former owner ${kind}s ${PLACES[place]}; the page is mapped for another domain, which writes to it`,
    tables: tables(ONE, { hypervisor: ["z"], declared: [declare("intermediate", "ipa9")], heir: HEIR }),
    pcpus: [...pcpus, heir],
    // The next owner may not have come to its write: it reads it back, and only what lands after that is bad.
    bad: kind === "read" ? [bad] : [bad, { pcpu: pcpus.length, register: own, value: 1 }],
    meaning: MEANING[kind],
  };
}

/** Every scenario of a removal under a policy. */
export function revokeScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  const list: Scenario[] = [];
  for (const extent of extents(policy))
    for (const place of ["other", "same"] as const)
      for (const current of [true, false])
        for (const kind of ["read", "write"] as const)
          for (const page of pagesOf(extent))
            list.push(byHypervisor(policy, cpu, setting, { extent, place, current, kind, page }));
  for (const place of ["other", "same"] as const) {
    for (const kind of ["read", "write"] as const) list.push(byDomain(policy, cpu, setting, place, kind));
    list.push(...tableScenarios(policy, cpu, setting, place));
  }
  return list;
}
