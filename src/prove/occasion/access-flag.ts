/**
 * Access flags are cleared, to see which pages are used (ageing). That an access by an old entry goes unseen is tolerated, as it
 * is by Linux: an entry with AF = 0 is not held (DDI 0487, D8.16), one with AF = 1 stays until somebody removes it, and the page
 * seems unused meanwhile. What must hold: such a page may be taken away as any other may; that its access flag is clear does not
 * mean that nobody holds its entry. A policy says by `if old` what it does otherwise where it removes such pages. (Linux
 * 07509e10dcc7 found ptep_clear_flush() leaving out the flush for old entries, whose own had no DSB behind it.)
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import type { Setting } from "./domains.js";
import { changeLines, mayHold, vmidHere } from "./permissions.js";
import { type Access, access, descriptorsOf, hypervisorWrites, MEANING, ONE, PLACES, type Place, removeLines, stage, tables } from "./removal.js"; // biome-ignore format: one row
import type { Scenario } from "./scenario.js";
import type { Fields } from "./terms.js";

const OLD: Fields = { AF: "0b0" };

/** A page ages, and is removed without having been seen used. */
function reclaimed(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  place: Place,
  current: boolean,
  kind: Access,
): Scenario {
  const currentVmid = vmidHere(policy, current);
  const { pcpus, owner } = stage(policy, place, current, setting, (on) => [
    ...changeLines({ policy, cpu, change: "access-flag-cleared", currentVmid, extent: ONE, fields: OLD }, on),
    ...removeLines({ policy, cpu, current, range: ONE.range, descriptors: descriptorsOf(ONE), old: true }, on, () =>
      hypervisorWrites(ONE, on),
    ),
  ]);
  const bad = access(kind, 0, owner, pcpus.indexOf(owner));
  return {
    name: `access-flag-cleared.${place}-pcpu.${current ? "current" : "not-current"}.${kind}`,
    title: `the access flag of a page cleared, and the page removed as one that is not used, while ${current ? "the owner" : "another domain"} is current; the former owner ${kind}s ${PLACES[place]}; the hypervisor writes to the page`,
    tables: tables(ONE, { stage2: mayHold(ONE, OLD) }),
    pcpus,
    bad: [bad],
    meaning: `${MEANING[kind]}; that its access flag was clear does not mean that nobody held its entry`,
  };
}

/** Every scenario of ageing under a policy. */
export const accessFlagScenarios = (policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] =>
  (["other", "same"] as const).flatMap((place) =>
    [true, false].flatMap((current) =>
      (["read", "write"] as const).map((kind) => reclaimed(policy, cpu, setting, place, current, kind)),
    ),
  );
