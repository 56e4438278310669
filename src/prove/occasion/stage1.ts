/**
 * The hypervisor changes valid entries of a guest's own stage 1, which it keeps for the guest (tinykvm, Hyperlight) or shares
 * with it. Nothing changes in stage 2, so that no occasion of stage 2 flushes for it; stale are the guest's stage-1 and combined
 * entries, under its VMID and ASID. Bad is what is bad of any break-before-make: the guest goes on in the page that its new
 * entry does not give, or walks on through a table that was taken out.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { ownerVmids, type Setting, vttbr } from "./domains.js";
import { longExtents } from "./extents.js";
import { entryOf, policyLines, tableOf } from "./flush.js";
import { vmidHere } from "./permissions.js";
import {
  type Access,
  access,
  type Extent,
  ONE,
  PAGE_WORDS,
  PLACES,
  type Place,
  pagesOf,
  stage,
  tableRange,
} from "./removal.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { declare, type Item, maps, mayMap, neighbour, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { leaf, pte } from "./terms.js";

/** The guest's pages, which go to ipa3 in stage 1. */
function tables({ range }: Extent): Item[] {
  const second = <T>(...items: readonly T[]): readonly T[] => (range.looked > 1 ? items : []);
  return [
    declare("virtual", "x", "h"),
    ...second(declare("virtual", "y", "g"), neighbour("y", "x")),
    declare("intermediate", "ipa1", "ipa3"),
    declare("physical", "pa1", "pa3"),
    ...second(declare("intermediate", "ipa2"), neighbour("ipa2", "ipa1"), declare("physical", "pa2")),
    s2table(
      "owner_stage2",
      "0x240000",
      maps("ipa1", "pa1"),
      maps("ipa3", "pa3"),
      ...second(maps("ipa2", "pa2")),
      s1table(
        "owner_stage1",
        "0x2C0000",
        maps("x", "ipa1"),
        mayMap("x", "invalid"),
        mayMap("x", "ipa3"),
        mayMap("x", "invalid", { level: 2 }),
        ...second(maps("y", "ipa2"), mayMap("y", "invalid"), mayMap("y", "ipa3")),
      ),
    ),
    s2table("other_stage2", "0x280000"),
    s1table("hyp_map", "0x200000", maps("h", "pa1"), ...second(maps("g", "pa2")), pagesOfTable(1, "owner_stage1")),
    store("pa1", 0),
    ...second(store("pa2", 0)),
    store("pa3", 3),
  ];
}

/** Break, the policy's code, make: each page of the extent. */
function editLines(policy: Policy, cpu: CpuProfile, currentVmid: number, { range }: Extent, on: Pcpu): string[] {
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid, vttbr, range };
  const entries = ["x", "y"].slice(0, range.looked).map((va) => on.constant(pte(3, va, "owner_stage1")));
  return [
    ...policyLines(flusher, on, (protocol, lines) => {
      entries.forEach((entry, n) => {
        const { gfn, pages, va } = entryOf(range, n, 1);
        lines.push(`STR ${on.number(0)},[${entry}]      // break`);
        protocol.changed("stage1-edited", gfn, pages, va);
      });
      const { gfn, va } = entryOf(range, range.looked, 1);
      if (range.pages > range.looked) protocol.changed("stage1-edited", gfn, range.pages - range.looked, va, 1);
      protocol.unlocking();
    }),
    ...entries.map((entry) => `STR ${on.constant(leaf(1, "ipa3"))},[${entry}]      // make`),
  ];
}

function edited(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  extent: Extent,
  place: Place,
  current: boolean,
  kind: Access,
): Scenario {
  // biome-ignore format: one row
  const page = pagesOf(extent).at(-1)!;
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => [
    ...editLines(policy, cpu, vmidHere(policy, current), extent, on),
    `STLR ${on.number(1)},[${on.constant(page === 0 ? "h" : "g")}]      // the page before is used otherwise`,
  ]);
  const bad = access(kind, page, owner, pcpus.indexOf(owner));
  return {
    name: `stage1-edited.${place}-pcpu.${current ? "current" : "not-current"}.${extent.name}.${kind}`,
    title: `${extent.words} of a guest mapped elsewhere by the hypervisor, in the guest's stage 1, while ${current ? "the guest" : "another domain"} is current; the guest ${kind}s ${PAGE_WORDS[page]} ${PLACES[place]}`,
    tables: tables(extent),
    pcpus,
    bad: [bad],
    meaning: "the guest goes on in the page that its stage 1 gave before the hypervisor changed it",
  };
}

/** A table of the guest's stage 1 is taken out, and its page holds data. */
function table(policy: Policy, cpu: CpuProfile, setting: Setting, place: Place): Scenario {
  const range = tableRange(setting.granule);
  const { pcpus, owner } = stage(policy, place, true, setting, (on) => [
    ...policyLines(
      { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid: vmidHere(policy, true), vttbr, range },
      on,
      (protocol, lines) => {
        const { gfn, pages, va, step } = tableOf(range);
        lines.push(`STR ${on.number(0)},[${on.constant(pte(2, "x", "owner_stage1"))}]      // the table`);
        protocol.changed("stage1-edited", gfn, pages, va, step);
        protocol.unlocking();
      },
    ),
    `STLR ${on.constant(leaf(1, "ipa3"))},[${on.constant(pte(3, "x", "owner_stage1"))}]      // data`,
  ]);
  const result = owner.result();
  owner.lines.push(`LDR ${result},[${owner.constant("x")}]`);
  return {
    name: `stage1-edited.${place}-pcpu.table`,
    title: `a table of a guest's stage 1 taken out by the hypervisor; the guest reads ${PLACES[place]}; the table's page holds other data by then`,
    tables: tables(ONE),
    pcpus,
    bad: [{ pcpu: pcpus.indexOf(owner), register: result, value: 3 }],
    meaning: "a walk goes on through the table that the hypervisor took out of the guest's stage 1",
  };
}

/** Every scenario of a guest's stage 1 that the hypervisor edits, under a policy. */
export const stage1Scenarios = (policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] =>
  (["other", "same"] as const).flatMap((place) => [
    ...[ONE, ...longExtents(policy, ["stage1-edited"], setting.granule)].flatMap((extent) =>
      [true, false].flatMap((current) =>
        (["read", "write"] as const).map((kind) => edited(policy, cpu, setting, extent, place, current, kind)),
      ),
    ),
    table(policy, cpu, setting, place),
  ]);
