/**
 * A block takes the place of a table with its pages, by break-before-make. What must be gone before the block is made is every
 * page's entry, and what the walk caches hold of the table. An entry of a page that stays matches the same addresses as the
 * block's: a TLB conflict abort, or either of them used (DDI 0487, D8.16). Here the block maps other pages than the table did,
 * so that the use of one that stays shows; which entries stay does not hang on that. (Linux 3a0b870e3448 of 2020: KVM removed
 * the first page's entry only.)
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { ownerVmids, type Setting, vttbr } from "./domains.js";
import { policyLines, type Range, tableOf } from "./flush.js";
import { vmidHere } from "./permissions.js";
import {
  type Access,
  access,
  blockWords,
  PAGE_WORDS,
  type Page,
  PLACES,
  type Place,
  stage,
  tableRange,
} from "./removal.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { blocks, declare, type Item, maps, mayMap, neighbour, pagesOfTable, s1table, s2table, store } from "./tables.js"; // biome-ignore format: one row
import { leaf, pte } from "./terms.js";

const TABLES: readonly Item[] = [
  declare("virtual", "x", "y", "h", "g"),
  neighbour("y", "x"),
  blocks("intermediate", "ipa1"),
  declare("intermediate", "ipa2"),
  neighbour("ipa2", "ipa1"),
  declare("physical", "pa1", "pa2", "pa3"),
  blocks("physical", "pb"),
  s2table(
    "owner_stage2",
    "0x240000",
    maps("ipa1", "pa1"),
    mayMap("ipa1", "pa3"),
    maps("ipa2", "pa2"),
    mayMap("ipa1", "invalid", { level: 2 }),
    mayMap("ipa1", "pb", { level: 2 }),
    s1table("owner_stage1", "0x2C0000", maps("x", "ipa1"), maps("y", "ipa2")),
  ),
  s2table("other_stage2", "0x280000"),
  s1table("hyp_map", "0x200000", maps("h", "pa1"), maps("g", "pa2"), pagesOfTable(2, "owner_stage2")),
  store("pa1", 0),
  store("pa2", 0),
  store("pa3", 1),
];

/** Break, the policy's code, make: the block is `block`. */
export function mergeLines(policy: Policy, cpu: CpuProfile, currentVmid: number, on: Pcpu, block = "pb"): string[] {
  const range: Range = { ...tableRange(on.granule), looked: 2 };
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid, vttbr, range };
  const entry = on.constant(pte(2, "ipa1", "owner_stage2"));
  return [
    `STR ${on.number(0)},[${entry}]      // break`,
    ...policyLines(flusher, on, (protocol) => {
      const { gfn, pages, va, step } = tableOf(range);
      protocol.merged(gfn, pages, va, step);
    }),
    `STR ${on.constant(leaf(2, block, {}, 2))},[${entry}]      // make`,
  ];
}

const titleOf = (current: boolean, { granule }: Setting): string =>
  `a table merged into ${blockWords(granule)} while ${current ? "the owner" : "another domain"} is current`;

/** The pages that the table mapped are used otherwise. */
function pages(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  place: Place,
  current: boolean,
  kind: Access,
  page: Page,
): Scenario {
  // biome-ignore format: one row
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => [
    ...mergeLines(policy, cpu, vmidHere(policy, current), on),
    `STLR ${on.number(1)},[${on.constant(page === 0 ? "h" : "g")}]      // the page before is used otherwise`,
  ]);
  const bad = access(kind, page, owner, pcpus.indexOf(owner));
  return {
    name: `block-merged.${place}-pcpu.${current ? "current" : "not-current"}.${page + 1}.${kind}`,
    title: `${titleOf(current, setting)}; the owner ${kind}s ${PAGE_WORDS[page]} ${PLACES[place]}`,
    tables: TABLES,
    pcpus,
    bad: [bad],
    meaning:
      "an entry of one of the table's pages stays beside the block's: two match (a TLB conflict), and here the page's is used",
  };
}

/** The table's page is freed, and holds data. */
function table(policy: Policy, cpu: CpuProfile, setting: Setting, place: Place): Scenario {
  const { pcpus, owner } = stage(policy, place, true, setting, (on) => [
    ...mergeLines(policy, cpu, vmidHere(policy, true), on),
    `STLR ${on.constant(leaf(2, "pa3"))},[${on.constant(pte(3, "ipa1", "owner_stage2"))}]      // data`,
  ]);
  const bad = access("read", 0, owner, pcpus.indexOf(owner));
  return {
    name: `block-merged.${place}-pcpu.table`,
    title: `${titleOf(true, setting)}, and the table freed; the owner reads ${PLACES[place]}; the table's page holds other data by then`,
    tables: TABLES,
    pcpus,
    bad: [bad],
    meaning: "a walk goes on through the table that the block took the place of, whose page holds other data",
  };
}

/** Every scenario of a merge under a policy. */
export const mergeScenarios = (policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] =>
  (["other", "same"] as const).flatMap((place) => [
    ...[true, false].flatMap((current) => [
      pages(policy, cpu, setting, place, current, "read", 0),
      pages(policy, cpu, setting, place, current, "write", 1),
    ]),
    table(policy, cpu, setting, place),
  ]);
