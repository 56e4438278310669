/** A block is split by break-before-make, and one of its pages is another page's from then on. */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { OTHER_VMID, ownerVmids, type Setting, vttbr } from "./domains.js";
import { entryOf, policyLines } from "./flush.js";
import {
  type Access,
  access,
  blockRange,
  blockWords,
  firstTable,
  MEANING,
  PLACES,
  type Place,
  stage,
} from "./removal.js";
import type { Scenario } from "./scenario.js";
import { blocks, declare, type Item, maps, mayMap, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { pte, tableAt } from "./terms.js";

/** `table`: the new table, at its place; its first page maps pa2 in place of pa1. */
const tables = (table: string): readonly Item[] => [
  blocks("virtual", "x"),
  declare("virtual", "h"),
  blocks("intermediate", "ipa1"),
  blocks("physical", "pa1"),
  declare("physical", "pa2"),
  s2table("new_stage2", "0x340000", maps("ipa1", "pa2")),
  s2table(
    "owner_stage2",
    "0x240000",
    maps("ipa1", "pa1", { level: 2 }),
    mayMap("ipa1", { table }, { level: 2 }),
    mayMap("ipa1", "invalid", { level: 2 }),
    s1table("owner_stage1", "0x2C0000", maps("x", "ipa1")),
  ),
  s2table("other_stage2", "0x280000"),
  s1table("hyp_map", "0x200000", maps("h", "pa1"), pagesOfTable(2, "owner_stage2")),
  store("pa1", 0),
  store("pa2", 4),
];

function split(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  place: Place,
  current: boolean,
  kind: Access,
): Scenario {
  const owners = ownerVmids(policy);
  const range = blockRange(setting.granule);
  const table = firstTable(0x340000, 2, setting.granule);
  const flusher = { policy, cpu, ownerVmids: owners, currentVmid: current ? owners[0]! : OTHER_VMID, vttbr, range };
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => {
    const entry = on.constant(pte(2, "ipa1", "owner_stage2"));
    return [
      `STR ${on.number(0)},[${entry}]      // break`,
      ...policyLines(flusher, on, (protocol) => {
        const { gfn, pages, va, step, level } = entryOf(range, 0, range.pages);
        protocol.broken(gfn, pages, va, step, level);
      }),
      `STR ${on.constant(tableAt(table))},[${entry}]      // make`,
      `STLR ${on.number(1)},[${on.constant("h")}]      // the old page is used otherwise`,
    ];
  });
  const bad = access(kind, 0, owner, pcpus.indexOf(owner));
  return {
    name: `split.${place}-pcpu.${current ? "current" : "not-current"}.${kind}`,
    title: `${blockWords(setting.granule)} is split while ${current ? "the owner" : "another domain"} is current, its first page replaced; the owner ${kind}s ${PLACES[place]}`,
    tables: tables(table),
    pcpus,
    bad: [bad],
    meaning: MEANING[kind].replace("the former owner", "the owner of the block"),
  };
}

/** Every scenario of a split under a policy. */
export function splitScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  return (["other", "same"] as const).flatMap((place) =>
    [true, false].flatMap((current) =>
      (["read", "write"] as const).map((kind) => split(policy, cpu, setting, place, current, kind)),
    ),
  );
}
