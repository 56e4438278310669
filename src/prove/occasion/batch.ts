/**
 * Several removals. Where each has a flush of its own, its page goes to the next owner right behind that, before the next
 * removal. In a batch, all pages go when the batch has flushed; or the first one is freed at once, and the page allocator hands
 * it out in between, behind its own flush (flush_all_guests_tlb(), ALLE1IS).
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { OTHER_VMID, pcpu, type Setting } from "./domains.js";
import { allocatorLines } from "./flush.js";
import {
  type Access,
  access,
  descriptorsOf,
  hypervisorWrites,
  MEANING,
  PAGE_WORDS,
  type Page,
  PLACES,
  type Place,
  removeLines,
  stage,
  TWO,
  tables,
} from "./removal.js";
import type { Scenario } from "./scenario.js";
import { declare, maps, store } from "./tables.js";

/** Two removals, each a call of its own. */
const two = (policy: Policy, cpu: CpuProfile, current: boolean) =>
  ({ policy, cpu, current, range: TWO.range, descriptors: descriptorsOf(TWO), apart: true }) as const;

function batch(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  place: Place,
  current: boolean,
  kind: Access,
  page: Page,
): Scenario {
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => {
    const writes = hypervisorWrites(TWO, on);
    return removeLines(two(policy, cpu, current), on, (pages) => pages.map((n) => writes[n]!));
  });
  const bad = access(kind, page, owner, pcpus.indexOf(owner));
  return {
    name: `batch.${place}-pcpu.${current ? "current" : "not-current"}.${page + 1}.${kind}`,
    title: `two removals, one after the other, while ${current ? "the owner" : "another domain"} is current; the former owner ${kind}s ${PAGE_WORDS[page]} ${PLACES[place]}; the pages go to the hypervisor ${policy.batch ? "when the batch has flushed" : "right after each removal"}`,
    tables: tables(TWO),
    pcpus,
    bad: [bad],
    meaning: MEANING[kind],
  };
}

const REMARK = "          // the page was a domain's: flush_all_guests_tlb()";

/** The first page is freed at once, and allocated for the hypervisor on another pCPU before the batch has flushed. */
function reallocated(policy: Policy, cpu: CpuProfile, setting: Setting, kind: Access): Scenario {
  const { pcpus, owner } = stage(policy, "other", true, setting, (on) => {
    const freed = `STLR ${on.number(1)},[${on.constant("l")}]      // the page is free`;
    return removeLines({ ...two(policy, cpu, true), early: true }, on, ([n]) => (n === 0 ? [freed] : []));
  });
  const bad = access(kind, 0, owner, pcpus.indexOf(owner));
  const heap = pcpu(`pCPU ${pcpus.length}, Xen, allocates the page`, 2, OTHER_VMID, "owner_stage1", setting);
  const free = heap.result();
  heap.lines.push(
    `LDAR ${free},[${heap.constant("l")}]`,
    `CBZ ${free},done`,
    ...allocatorLines(cpu).map((line) => (line === "TLBI ALLE1IS" ? `${line}${REMARK}` : line)),
    `STR ${heap.number(1)},[${heap.constant("h")}]`,
    "done:",
    "NOP",
  );
  return {
    name: `batch.reallocated-between.${kind}`,
    title: `two removals; the first page is freed at once and handed out on another pCPU, behind the allocator's ALLE1IS, before the second removal has flushed; the former owner ${kind}s ${PLACES.other}`,
    tables: tables(TWO, {
      hypervisor: ["l"],
      declared: [declare("physical", "pl")],
      map: [maps("l", "pl")],
      stores: [store("pl", 0)],
    }),
    pcpus: [...pcpus, heap],
    bad: kind === "read" ? [bad] : [bad, { pcpu: pcpus.length, register: free, value: 1 }],
    meaning: MEANING[kind],
  };
}

/** Every scenario of several removals under a policy. */
export function batchScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  const list: Scenario[] = [];
  for (const place of ["other", "same"] as const)
    for (const current of [true, false])
      for (const kind of ["read", "write"] as const)
        for (const page of [0, 1] as const) list.push(batch(policy, cpu, setting, place, current, kind, page));
  if (policy.batch) for (const kind of ["read", "write"] as const) list.push(reallocated(policy, cpu, setting, kind));
  return list;
}
