/**
 * What removes mappings fails when part of it is done: the pages that were removed until then have gone to their next owner all
 * the same. (Xen 1ec2fa626f of 2015: apply_p2m_changes() left out its flush on the way out by an error.)
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { ownerVmids, type Setting, vttbr } from "./domains.js";
import { codeOf, longExtents } from "./extents.js";
import { entryOf, policyLines } from "./flush.js";
import { vmidHere } from "./permissions.js";
import { type Access, access, descriptorsOf, type Extent, hypervisorWrites, MEANING, ONE, PLACES, type Place, stage, tables } from "./removal.js"; // biome-ignore format: one row
import type { Pcpu, Scenario } from "./scenario.js";

/** `extent` is removed of more pages; then it is over, under the same lock or with the batch. The pages go back. */
export function failLines(policy: Policy, cpu: CpuProfile, currentVmid: number, extent: Extent, on: Pcpu): string[] {
  const { range } = extent;
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid, vttbr, range };
  return policyLines(flusher, on, (protocol, lines) => {
    const remove = (first: number, pages: number): void => {
      const { gfn, va, level } = entryOf(range, first, pages);
      protocol.removed(gfn, pages, va, 1, level);
    };
    if (policy.batch) protocol.beginBatch();
    descriptorsOf(extent).forEach((descriptor, n) => {
      lines.push(`STR ${on.number(0)},[${on.constant(descriptor)}]`);
      remove(n, 1);
    });
    if (range.pages > range.looked) remove(range.looked, range.pages - range.looked);
    protocol.failing();
    protocol.unlocking();
    if (policy.batch) protocol.endBatch();
  });
}

function failed(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  extent: Extent,
  place: Place,
  current: boolean,
  kind: Access,
): Scenario {
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => [
    ...failLines(policy, cpu, vmidHere(policy, current), extent, on),
    ...hypervisorWrites(extent, on),
  ]);
  const bad = access(kind, 0, owner, pcpus.indexOf(owner));
  return {
    name: `fails-midway.${place}-pcpu.${current ? "current" : "not-current"}.${extent.name}.${kind}`,
    title: `${extent.words} removed of more while ${current ? "the owner" : "another domain"} is current, when the call ends with an error; the former owner ${kind}s ${PLACES[place]}; the hypervisor writes to the page`,
    tables: tables(extent),
    pcpus,
    bad: [bad],
    meaning: `${MEANING[kind]}: what was removed before the error was not flushed`,
  };
}

/** Every scenario of an error under a policy. */
export function failsScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  const list: Scenario[] = [];
  for (const extent of [ONE, ...longExtents(policy, codeOf(policy, "fails-midway"))])
    for (const place of ["other", "same"] as const)
      for (const current of [true, false])
        for (const kind of ["read", "write"] as const)
          list.push(failed(policy, cpu, setting, extent, place, current, kind));
  return list;
}
