/**
 * Removals that meet tables: what only the guest knows, its stage 1 (another VA of the page, tables of its own in the page),
 * and a table of stage 2 that goes with what it maps.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import type { Setting } from "./domains.js";
import type { Range } from "./flush.js";
import {
  type Access,
  access,
  descriptorsOf,
  firstTable,
  hypervisorWrites,
  MEANING,
  ONE,
  PLACES,
  type Place,
  removeLines,
  stage,
  tables,
} from "./removal.js";
import type { Scenario } from "./scenario.js";
import { blocks, declare, GLOBAL, maps, mayMap, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { leaf, pte, wide } from "./terms.js";

/** The guest has a second VA for the page, which the hypervisor cannot know. */
function byAlias(policy: Policy, cpu: CpuProfile, setting: Setting, place: Place, kind: Access): Scenario {
  const what = { policy, cpu, current: true, range: ONE.range, descriptors: descriptorsOf(ONE) };
  const { pcpus, owner } = stage(policy, place, true, setting, (on) =>
    removeLines(what, on, () => hypervisorWrites(ONE, on)),
  );
  const bad = access(kind, 0, owner, pcpus.indexOf(owner), "w");
  return {
    name: `revoke.${place}-pcpu.current.alias.${kind}`,
    title: `one page removed, for which the guest has two VAs; the former owner ${kind}s by the second, w, a global one, ${PLACES[place]}`,
    tables: tables(ONE, { guest: ["w"], owner: [maps("w", "ipa1", { fields: GLOBAL })] }),
    pcpus,
    bad: [bad],
    meaning: MEANING[kind],
  };
}

/** The page that goes holds one of the guest's own stage-1 tables: the next owner's data are then taken for descriptors. */
function stage1Table(policy: Policy, cpu: CpuProfile, setting: Setting, place: Place): Scenario {
  const table = wide(firstTable(0x2c0000, 1, setting.granule));
  const range: Range = { ...ONE.range, ipa: table };
  const what = { policy, cpu, current: true, range, descriptors: [pte(3, table, "owner_stage2")] };
  const { pcpus, owner } = stage(policy, place, true, setting, (on) =>
    removeLines(what, on, () => [`STLR ${on.constant(leaf(1, "ipa3"))},[${on.constant(pte(3, "x", "owner_stage1"))}]`]),
  );
  const result = owner.result();
  owner.lines.push(`LDR ${result},[${owner.constant("x")}]`);
  return {
    name: `revoke.${place}-pcpu.stage-1-table`,
    title: `the page removed holds a stage-1 table of its former owner, who reads ${PLACES[place]}`,
    tables: [
      declare("virtual", "x"),
      declare("intermediate", "ipa2", "ipa3"),
      declare("physical", "pa2", "pa3"),
      s2table(
        "owner_stage2",
        "0x240000",
        maps("ipa2", "pa2"),
        maps("ipa3", "pa3"),
        s1table("owner_stage1", "0x2C0000", maps("x", "ipa2"), mayMap("x", "ipa3")),
      ),
      s2table("other_stage2", "0x280000"),
      s1table("hyp_map", "0x200000", pagesOfTable(2, "owner_stage2"), pagesOfTable(1, "owner_stage1")),
      store("pa2", 0),
      store("pa3", 1),
    ],
    pcpus,
    bad: [{ pcpu: pcpus.indexOf(owner), register: result, value: 1 }],
    meaning: "the former owner's walk takes the next owner's data for a descriptor",
  };
}

/**
 * A whole table of stage 2 goes, with the page that it maps; its own page then holds somebody's data. The model of Xen flushes
 * for all pages that the table's entry spans; code that goes page by page would be too long to prove then.
 */
function stage2Table(policy: Policy, cpu: CpuProfile, setting: Setting, place: Place): Scenario {
  const range: Range = { ...ONE.range, table: true };
  const what = { policy, cpu, current: true, range, descriptors: [pte(2, "ipa1", "owner_stage2")] };
  const { pcpus, owner } = stage(policy, place, true, setting, (on) =>
    removeLines(what, on, () => [
      `STLR ${on.constant(leaf(2, "pa2"))},[${on.constant(pte(3, "ipa1", "owner_stage2"))}]`,
    ]),
  );
  const result = owner.result();
  owner.lines.push(`LDR ${result},[${owner.constant("x")}]`);
  return {
    name: `revoke.${place}-pcpu.stage-2-table`,
    title: `a table of the owner's stage 2 removed and freed, with the one page that it mapped; its former owner reads ${PLACES[place]}; the table's page holds other data by then`,
    tables: [
      declare("virtual", "x"),
      blocks("intermediate", "ipa1"),
      declare("intermediate", "ipa2"),
      declare("physical", "pa1", "pa2"),
      s2table(
        "owner_stage2",
        "0x240000",
        maps("ipa1", "pa1"),
        mayMap("ipa1", "pa2"),
        mayMap("ipa1", "invalid", { level: 2 }),
        s1table("owner_stage1", "0x2C0000", maps("x", "ipa1")),
      ),
      s2table("other_stage2", "0x280000"),
      s1table("hyp_map", "0x200000", pagesOfTable(2, "owner_stage2")),
      store("pa1", 0),
      store("pa2", 1),
    ],
    pcpus,
    bad: [{ pcpu: pcpus.indexOf(owner), register: result, value: 1 }],
    meaning: "the former owner's walk goes on through a freed table, whose page holds other data",
  };
}

/** The scenarios of this file. */
export const tableScenarios = (policy: Policy, cpu: CpuProfile, setting: Setting, place: Place): Scenario[] => [
  byAlias(policy, cpu, setting, place, "read"),
  byAlias(policy, cpu, setting, place, "write"),
  stage1Table(policy, cpu, setting, place),
  stage2Table(policy, cpu, setting, place),
];
