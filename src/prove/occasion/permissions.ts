/**
 * Permissions of pages that stay mapped. Where a page may not be written any more, as a log of what is written begins (dirty
 * logging), bad is a write through the old permission after the page was read for its copy. Where it may be written again,
 * nothing that is stale harms: who meets the old permission faults, and executes the policy's code. But an entry that gives a
 * Permission fault may be held, and as long as a TLB likes (DDI 0487, D8.16); bad is that the write faults behind that code
 * again, however much later it comes: so it would for ever.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { OTHER_VMID, ownerVmids, pcpu, type Setting, vttbr } from "./domains.js";
import { codeOf, longExtents } from "./extents.js";
import { entryOf, policyLines, type Range } from "./flush.js";
import {
  access,
  descriptorsOf,
  type Extent,
  ONE,
  PAGE_WORDS,
  type Page,
  PLACES,
  type Place,
  pagesOf,
  stage,
  TWO,
  tables,
} from "./removal.js";
import type { Equal, Pcpu, Scenario } from "./scenario.js";
import { declare, type Inside, type Item, maps, mayMap, neighbour, pagesOfTable, s1table, s2table, store } from "./tables.js"; // biome-ignore format: one row
import { type Fields, leaf, type Term } from "./terms.js";

/** What an entry that stays is changed in, and to what. */
export type Change = "write-protected" | "permission-relaxed" | "access-flag-cleared";

/** S2AP: reads only. */
const READ_ONLY: Fields = { S2AP: "0b01" };

interface Changing {
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  readonly change: Change;
  /** in VTTBR_EL2 */
  readonly currentVmid: number;
  readonly extent: Extent;
  readonly fields: Fields;
  /** false where the descriptors are found as they shall be, and the code runs all the same */
  readonly writes?: boolean;
}

/** Who changes entries does not know where the guest has the pages. */
const rangeOf = ({ range }: Extent): Range => ({ ...range, va: undefined });

/** Each page's entry under one lock as p2m_set_mem_access() does it, invalid in between; for the access flag as KVM does, at once. */
export function changeLines(
  { policy, cpu, change, currentVmid, extent, fields, writes = true }: Changing,
  on: Pcpu,
): string[] {
  const range = rangeOf(extent);
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid, vttbr, range };
  const at = (n: number): string => on.constant(descriptorsOf(extent)[n]!);
  const to = (n: number): Term => leaf(2, `pa${n + 1}`, fields);
  return policyLines(flusher, on, (protocol, lines) => {
    for (let n = 0; n < range.looked; n++) {
      const { gfn, pages, va } = entryOf(range, n, 1);
      if (writes && change !== "access-flag-cleared") lines.push(`STR ${on.number(0)},[${at(n)}]`);
      if (writes && change === "access-flag-cleared") lines.push(`STR ${on.constant(to(n))},[${at(n)}]`);
      protocol.changed(change, gfn, pages, va);
      if (writes && change !== "access-flag-cleared") lines.push(`STR ${on.constant(to(n))},[${at(n)}]`);
    }
    const rest = range.pages - range.looked;
    const { gfn, va } = entryOf(range, range.looked, 1);
    if (rest > 0) protocol.changed(change, gfn, rest, va, 1);
    protocol.unlocking();
  });
}

/** The VMID in VTTBR_EL2 on the pCPU that changes entries. */
export const vmidHere = (policy: Policy, current: boolean): number => (current ? ownerVmids(policy)[0]! : OTHER_VMID);

/** What entries may come to hold. */
export const mayHold = ({ range }: Extent, fields: Fields): Inside[] =>
  Array.from({ length: range.looked }, (_, n) => mayMap(`ipa${n + 1}`, `pa${n + 1}`, { fields }));

interface Variant {
  readonly extent: Extent;
  readonly place: Place;
  readonly current: boolean;
  readonly page: Page;
}

/** The pages are write-protected, the code runs, the page is copied; the guest writes. */
function copied(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  { extent, place, current, page }: Variant,
): Scenario {
  let copy = "";
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => {
    const protect = changeLines(
      { policy, cpu, change: "write-protected", currentVmid: vmidHere(policy, current), extent, fields: READ_ONLY },
      on,
    );
    copy = on.result();
    return [...protect, `LDR ${copy},[${on.constant(page === 0 ? "h" : "g")}]      // the copy`];
  });
  const several = extent.range.looked > 1;
  return {
    name: `write-protected.${place}-pcpu.${current ? "current" : "not-current"}.${extent.name}${several ? `.${page + 1}` : ""}`,
    title: `${extent.words} write-protected while ${current ? "the owner" : "another domain"} is current, and then copied; the owner writes ${several ? `${PAGE_WORDS[page]} ` : ""}${PLACES[place]}`,
    tables: tables(extent, { stage2: mayHold(extent, READ_ONLY) }),
    pcpus,
    bad: [{ pcpu: 0, register: copy, value: 0 }, access("write", page, owner, pcpus.indexOf(owner))],
    meaning:
      "a write lands in the page through the old permission, after the page was read for its copy: the copy lacks it",
  };
}

/** Every scenario of write protection under a policy. */
export function writeProtectedScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  const long = longExtents(policy, codeOf(policy, "write-protected"));
  return (["other", "same"] as const).flatMap((place) =>
    [true, false].flatMap((current) =>
      // Of several pages one story is enough for each place.
      [ONE, ...(current === (place === "other") ? [TWO, ...long] : [])].map((extent) =>
        copied(policy, cpu, setting, { extent, place, current, page: pagesOf(extent).at(-1)! }),
      ),
    ),
  );
}

/** The tables of a story about relaxation: the pages may be read only at first. */
function relaxedTables({ range }: Extent): Item[] {
  const second = <T>(...items: readonly T[]): readonly T[] => (range.looked > 1 ? items : []);
  return [
    declare("virtual", "x"),
    ...second(declare("virtual", "y")),
    declare("virtual", "l"),
    declare("intermediate", "ipa1"),
    declare("physical", "pa1", "pl"),
    ...second(declare("intermediate", "ipa2"), declare("physical", "pa2")),
    ...second(neighbour("ipa2", "ipa1"), neighbour("y", "x")),
    s2table(
      "owner_stage2",
      "0x240000",
      maps("ipa1", "pa1", { fields: READ_ONLY }),
      mayMap("ipa1", "invalid"),
      mayMap("ipa1", "pa1"),
      ...second(maps("ipa2", "pa2", { fields: READ_ONLY }), mayMap("ipa2", "invalid"), mayMap("ipa2", "pa2")),
      s1table("owner_stage1", "0x2C0000", maps("x", "ipa1"), ...second(maps("y", "ipa2"))),
    ),
    s2table("other_stage2", "0x280000"),
    s1table("hyp_map", "0x200000", maps("l", "pl"), pagesOfTable(2, "owner_stage2")),
    store("pl", 0),
  ];
}

/** However much later: all that is under way is over then, and only what is held may be stale. */
const LATER = ["DSB SY                 // however much later", "ISB"];

const MEANING =
  "the write faults again through the old permission, however much later it comes: its pCPU may hold that for ever";

/** The guest's write, and the register that stays 0 where it is refused. */
function retried(on: Pcpu, page: Page): string {
  const done = on.result();
  on.lines.push(
    `STR ${on.number(2)},[${on.constant(page === 0 ? "x" : "y")}]`,
    `MOV ${done},#1                // the write was let through`,
  );
  return done;
}

/** A write faults, the handler relaxes the permission and executes the code, and the write is tried again. */
function samePcpu(policy: Policy, cpu: CpuProfile, setting: Setting, extent: Extent): Scenario {
  const on = pcpu("pCPU 0, the guest and its fault's handler", 1, ownerVmids(policy)[0]!, "owner_stage1", setting);
  const what = {
    policy,
    cpu,
    change: "permission-relaxed",
    currentVmid: vmidHere(policy, true),
    extent,
    fields: {},
  } as const;
  on.lines.push("HVC #0                // stands for the fault of its write");
  on.hypervisor.push(...changeLines(what, on), ...LATER, "ERET");
  const done = retried(on, pagesOf(extent).at(-1)!);
  return {
    name: `permission-relaxed.same-pcpu.${extent.name}`,
    title: `${extent.words} that may not be written: a write faults, the handler lets it be written and executes the code; the write is tried again`,
    tables: relaxedTables(extent),
    pcpus: [on],
    bad: [{ pcpu: 0, register: done, value: 0 }],
    meaning: MEANING,
  };
}

/** The permission was relaxed by another pCPU; a write faults by what is held here, and the handler finds nothing to change. */
function otherPcpu(policy: Policy, cpu: CpuProfile, setting: Setting, extent: Extent, current: boolean): Scenario {
  const owners = ownerVmids(policy);
  const words = current ? "another vCPU of the guest is current" : "another domain is current";
  const vmid = vmidHere(policy, current);
  const xen = pcpu(`pCPU 0, Xen, relaxes; ${words}`, 2, vmid, "owner_stage1", setting);
  const what = { policy, cpu, change: "permission-relaxed", extent, fields: {} } as const;
  xen.lines.push(
    ...changeLines({ ...what, currentVmid: vmid }, xen),
    `STLR ${xen.number(1)},[${xen.constant("l")}]      // the p2m's lock is free`,
  );
  const on = pcpu("pCPU 1, the guest and its fault's handler", 1, owners.at(-1)!, "owner_stage1", setting);
  const seen = on.result();
  on.lines.push("HVC #0                // stands for the fault of its write");
  on.hypervisor.push(
    `LDAR ${seen},[${on.constant("l")}]      // the lock: the entry is found as it shall be`,
    `CBZ ${seen},fault`,
    ...changeLines({ ...what, currentVmid: owners.at(-1)!, writes: false }, on),
    ...LATER,
    "ERET",
  );
  const done = retried(on, pagesOf(extent).at(-1)!);
  const bad: Equal[] = [
    { pcpu: 1, register: seen, value: 1 },
    { pcpu: 1, register: done, value: 0 },
  ];
  return {
    name: `permission-relaxed.other-pcpu.${current ? "current" : "not-current"}.${extent.name}`,
    title: `${extent.words} let be written by pCPU 0 while ${words}; a write on pCPU 1 still faults, its handler finds nothing to change and executes the code; the write is tried again`,
    tables: relaxedTables(extent),
    pcpus: [xen, on],
    bad,
    meaning: MEANING,
  };
}

/** Every scenario of relaxed permissions under a policy. */
export function permissionRelaxedScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  const extents = [ONE, TWO, ...longExtents(policy, codeOf(policy, "permission-relaxed"))];
  return [
    ...extents.map((extent) => samePcpu(policy, cpu, setting, extent)),
    ...[true, false].map((current) => otherPcpu(policy, cpu, setting, ONE, current)),
  ];
}
