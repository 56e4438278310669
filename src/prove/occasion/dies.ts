/**
 * A domain dies: its vCPUs have left their pCPUs for ever, its mappings go, its pages and tables have next owners, and its VMID
 * goes to a new domain, with the policy's code for that. Who could use what is stale is not the dead domain: bad are a last
 * write of it that lands late, and the new domain under its VMID that finds what was its, or walks through its tables.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { OTHER_VMID, ownerVmids, pcpu, type Setting, switchTo, vttbr } from "./domains.js";
import { entryOf, policyLines, type Range } from "./flush.js";
import { TAKES_IPIS } from "./ipi.js";
import { ONE } from "./removal.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { declare, type Item, maps, mayMap, neighbour, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { leaf, pte } from "./terms.js";
import { assign, enter } from "./vmid.js";

/** What becomes of what the domain had: its page is written, or the page of its table. */
type Reused = "page" | "table";

/** The page that the domain has, in its stage 2: x is there, or x is nowhere, and another page is in the same table. */
const PAGE: Readonly<Record<Reused, "ipa1" | "ipa2">> = { page: "ipa1", table: "ipa2" };

/** The domain has pa1; x is at pa2 for the new domain; what a table's page holds later leads to pa3. */
const tables = (of: Reused): readonly Item[] => [
  declare("virtual", "x", "h", "l", "k"),
  declare("intermediate", "ipa1", "ipa2"),
  neighbour("ipa2", "ipa1"),
  declare("physical", "pa1", "pa2", "pa3", "pl", "pk"),
  s2table(
    "owner_stage2",
    "0x240000",
    maps(PAGE[of], "pa1"),
    mayMap(PAGE[of], "invalid"),
    ...(of === "table" ? [maps("ipa1", "invalid"), mayMap("ipa1", "pa3")] : []),
    s1table("owner_stage1", "0x2C0000", maps("x", "ipa1")),
  ),
  s2table("heir_stage2", "0x340000", maps("ipa1", "pa2"), s1table("heir_stage1", "0x380000", maps("x", "ipa1"))),
  s2table("other_stage2", "0x280000"),
  s1table("hyp_map", "0x200000", maps("h", "pa1"), maps("l", "pl"), maps("k", "pk"), pagesOfTable(2, "owner_stage2")),
  store("pa1", 0),
  store("pa2", 0),
  store("pa3", 1),
  store("pl", 0),
  store("pk", 0),
];

/** The domain's one mapping goes, by relinquish_p2m_mapping(). */
export function dieLines(policy: Policy, cpu: CpuProfile, on: Pcpu, of: Reused = "page"): string[] {
  // No VA is known where a domain is torn down.
  const range: Range = { ...ONE.range, ipa: PAGE[of], va: undefined };
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid: OTHER_VMID, vttbr, range };
  return policyLines(flusher, on, (protocol, lines) => {
    const { gfn, pages, va, step, level } = entryOf(range, 0, 1);
    protocol.beginDying();
    lines.push(`STR ${on.number(0)},[${on.constant(pte(3, PAGE[of], "owner_stage2"))}]`);
    protocol.removed(gfn, pages, va, step, level);
    protocol.unlocking();
  });
}

const reuse = (of: Reused, on: Pcpu): string =>
  of === "page"
    ? `STLR ${on.number(1)},[${on.constant("h")}]      // the page's next owner`
    : `STLR ${on.constant(leaf(2, "pa3"))},[${on.constant(pte(3, "ipa1", "owner_stage2"))}]      // data in the table's page`;

const WORDS: Readonly<Record<Reused, string>> = {
  page: "finds what was the dead domain's under its VMID, and reads what the page's next owner wrote",
  table: "walks through a table of the dead domain's, whose page holds other data",
};

/** All on one pCPU. */
function samePcpu(policy: Policy, cpu: CpuProfile, setting: Setting, of: Reused): Scenario {
  const on = pcpu("pCPU 0, the domain, Xen, the new domain", 1, ownerVmids(policy)[0]!, "owner_stage1", setting);
  on.hypervisor.push(
    ...switchTo(on, OTHER_VMID),
    ...dieLines(policy, cpu, on, of),
    reuse(of, on),
    ...assign(policy, cpu, on, false),
    ...enter(on),
  );
  const result = on.result();
  on.lines.push("HVC #0                // the last of the domain", `LDR ${result},[${on.constant("x")}]`);
  return {
    name: `domain-dies.same-pcpu.${of}`,
    title: `a domain dies, its ${of} is used otherwise, its VMID given to a new domain, which reads on the pCPU where it ran`,
    tables: tables(of),
    pcpus: [on],
    bad: [{ pcpu: 0, register: result, value: 1 }],
    meaning: `the new domain ${WORDS[of]}`,
  };
}

/** The toolstack's pCPU, which waits until the domain's last vCPU has left. */
function toolstack(setting: Setting, rest: (on: Pcpu) => readonly string[]): { xen: Pcpu; gone: string } {
  const xen = pcpu("pCPU 0, Xen, for the toolstack", 2, OTHER_VMID, "owner_stage1", setting);
  const gone = xen.result();
  xen.lines.push(
    `LDAR ${gone},[${xen.constant("l")}]      // the domain's last vCPU is off its pCPU`,
    `CBZ ${gone},done`,
    ...rest(xen),
    "done:",
    "NOP",
  );
  return { xen, gone };
}

/** The domain's last vCPU leaves its pCPU. The DSB is the context switch's. */
const leave = (on: Pcpu): string[] => ["DSB SY", `STLR ${on.number(1)},[${on.constant("l")}]`];

function otherPcpu(policy: Policy, cpu: CpuProfile, setting: Setting, of: Reused): Scenario {
  const { xen, gone } = toolstack(setting, (on) => [
    ...dieLines(policy, cpu, on, of),
    reuse(of, on),
    ...assign(policy, cpu, on, false),
    `STLR ${on.number(1)},[${on.constant("k")}]      // the new domain may run`,
  ]);
  const owner = ownerVmids(policy)[0]!;
  const on = pcpu("pCPU 1, the domain and then the new one", 1, owner, "owner_stage1", setting);
  const ready = on.result();
  const result = on.result();
  on.hypervisor.push(...leave(on), TAKES_IPIS, `LDAR ${ready},[${on.constant("k")}]`, ...enter(on));
  on.lines.push("HVC #0                // the last of the domain", `LDR ${result},[${on.constant("x")}]`);
  return {
    name: `domain-dies.other-pcpu.${of}`,
    title: `a domain dies, its ${of} is used otherwise, its VMID given to a new domain, which reads on pCPU 1, where it ran`,
    tables: tables(of),
    pcpus: [xen, on],
    bad: [
      { pcpu: 0, register: gone, value: 1 },
      { pcpu: 1, register: ready, value: 1 },
      { pcpu: 1, register: result, value: 1 },
    ],
    meaning: `the new domain ${WORDS[of]}`,
  };
}

/** The last write of the domain. */
function lastWrite(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario {
  const { xen, gone } = toolstack(setting, (on) => [...dieLines(policy, cpu, on), reuse("page", on)]);
  const owner = ownerVmids(policy)[0]!;
  const on = pcpu("pCPU 1, the domain's last vCPU", 1, owner, "owner_stage1", setting);
  on.lines.push(`STR ${on.number(2)},[${on.constant("x")}]`, "HVC #0                // the last of the domain");
  on.hypervisor.push(...leave(on), TAKES_IPIS);
  return {
    name: "domain-dies.last-write",
    title: "a domain's last vCPU writes and leaves its pCPU; the domain dies, and its page goes to the next owner",
    tables: tables("page"),
    pcpus: [xen, on],
    bad: [
      { pcpu: 0, register: gone, value: 1 },
      { at: "pa1", value: 2 },
    ],
    meaning: "a last write of the dead domain lands in the page after its next owner's",
  };
}

/** Every scenario of a domain's end under a policy. */
export const diesScenarios = (policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] => [
  lastWrite(policy, cpu, setting),
  ...(["page", "table"] as const).flatMap((of) => [
    samePcpu(policy, cpu, setting, of),
    otherPcpu(policy, cpu, setting, of),
  ]),
];
