/**
 * A mapping is removed from the owner's stage 2, and the page goes to its next owner. Bad is what the next owner never
 * allowed: the former owner reads what the next one wrote, or its own write ends in the next one's page.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { HEIR_VMID, pcpu, type Setting } from "./domains.js";
import { asksForVa, longExtents } from "./extents.js";
import {
  type Access,
  access,
  blockRange,
  blockWords,
  descriptorsOf,
  type Extent,
  hypervisorWrites,
  MEANING,
  ONE,
  PAGE_WORDS,
  type Page,
  PLACES,
  type Place,
  pagesOf,
  removeLines,
  stage,
  TWO,
  tables,
} from "./removal.js";
import { tableScenarios } from "./revoke-tables.js";
import type { Scenario } from "./scenario.js";
import { declare, maps, mayMap, s1table, s2table } from "./tables.js";
import { leaf, pte } from "./terms.js";

/** The extents that a policy's code can tell apart. */
function extents(policy: Policy, { granule }: Setting): Extent[] {
  const block = { name: "block", words: blockWords(granule), range: blockRange(granule) };
  const list = [ONE, TWO, block, ...longExtents(policy, ["revoke", "batch-end"], granule)];
  if (!asksForVa(policy.code.revoke) && !asksForVa(policy.code["batch-end"])) return list;
  const unknown = { ...ONE, name: "page.va-unknown", words: "one page, at a VA that Xen does not know," };
  return [...list, { ...unknown, range: { ...ONE.range, va: undefined } }];
}

interface Variant {
  readonly extent: Extent;
  readonly place: Place;
  readonly current: boolean;
  readonly kind: Access;
  readonly page: Page;
}

function byHypervisor(policy: Policy, cpu: CpuProfile, setting: Setting, v: Variant): Scenario {
  const { extent, place, current, kind, page } = v;
  const what = { policy, cpu, current, range: extent.range, descriptors: descriptorsOf(extent) };
  const { pcpus, owner } = stage(policy, place, current, setting, (on) =>
    removeLines(what, on, () => hypervisorWrites(extent, on)),
  );
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
  const what = { policy, cpu, current: false, range: ONE.range, descriptors: descriptorsOf(ONE) };
  const { pcpus, owner } = stage(policy, place, false, setting, (on) =>
    removeLines(what, on, () => [
      `STLR ${on.constant(leaf(2, "pa1"))},[${on.constant(pte(3, "ipa9", "heir_stage2"))}]`,
    ]),
  );
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
  for (const extent of extents(policy, setting))
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
