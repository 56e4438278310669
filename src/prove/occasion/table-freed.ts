/**
 * A table is taken out of stage 2 and freed: its page holds somebody's data then. Entries for pages are one thing, what the walk
 * caches hold of the table another: a walk may go on in the freed page, and take the data for descriptors. The table goes with
 * what it maps, or it is empty when it goes, its pages having been removed and flushed before.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { ownerVmids, type Setting, vttbr } from "./domains.js";
import { entryOf, policyLines } from "./flush.js";
import { vmidHere } from "./permissions.js";
import { access, ONE, PLACES, type Place, stage, tableRange } from "./removal.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { blocks, declare, type Item, maps, mayMap, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { leaf, pte } from "./terms.js";

const TABLES: readonly Item[] = [
  declare("virtual", "x"),
  blocks("intermediate", "ipa1"),
  declare("physical", "pa1", "pa2"),
  s2table(
    "owner_stage2",
    "0x240000",
    maps("ipa1", "pa1"),
    mayMap("ipa1", "invalid"),
    mayMap("ipa1", "pa2"),
    mayMap("ipa1", "invalid", { level: 2 }),
    s1table("owner_stage1", "0x2C0000", maps("x", "ipa1")),
  ),
  s2table("other_stage2", "0x280000"),
  s1table("hyp_map", "0x200000", pagesOfTable(2, "owner_stage2")),
  store("pa1", 0),
  store("pa2", 1),
];

/** What a table is when it goes. */
type Full = "full" | "empty";

/** The table goes; `full`: with its page, else the page goes before it, in a call of its own. */
export function freeLines(policy: Policy, cpu: CpuProfile, currentVmid: number, full: Full, on: Pcpu): string[] {
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid, vttbr };
  const range = tableRange(on.granule);
  const clear = (level: 2 | 3): string => `STR ${on.number(0)},[${on.constant(pte(level, "ipa1", "owner_stage2"))}]`;
  const page = (): string[] =>
    policyLines({ ...flusher, range: ONE.range }, on, (protocol, lines) => {
      const { gfn, pages, va, step, level } = entryOf(ONE.range, 0, 1);
      lines.push(clear(3));
      protocol.removed(gfn, pages, va, step, level);
      protocol.unlocking();
    });
  return [
    ...(full === "empty" ? page() : []),
    ...policyLines({ ...flusher, range }, on, (protocol, lines) => {
      const { gfn, pages, va, step, level } = entryOf(range, 0, range.pages);
      lines.push(`${clear(2)}      // the table`);
      protocol.removed(gfn, pages, va, step, level);
      protocol.freeing();
    }),
  ];
}

function freed(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  place: Place,
  current: boolean,
  full: Full,
): Scenario {
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => [
    ...freeLines(policy, cpu, vmidHere(policy, current), full, on),
    `STLR ${on.constant(leaf(2, "pa2"))},[${on.constant(pte(3, "ipa1", "owner_stage2"))}]      // data`,
  ]);
  const bad = access("read", 0, owner, pcpus.indexOf(owner));
  return {
    name: `table-freed.${place}-pcpu.${current ? "current" : "not-current"}.${full}`,
    title: `a table of stage 2 freed, ${full === "full" ? "with the page that it maps" : "empty, its page having been removed before"}, while ${current ? "the owner" : "another domain"} is current; the owner reads ${PLACES[place]}; the table's page holds other data by then`,
    tables: TABLES,
    pcpus,
    bad: [bad],
    meaning: "a walk goes on through a freed table, whose page holds other data",
  };
}

/** Every scenario of a freed table under a policy. */
export const tableFreedScenarios = (policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] =>
  (["other", "same"] as const).flatMap((place) =>
    [true, false].flatMap((current) =>
      (["full", "empty"] as const).map((full) => freed(policy, cpu, setting, place, current, full)),
    ),
  );
