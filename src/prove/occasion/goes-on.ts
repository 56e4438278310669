/**
 * What was current before an occasion runs on after it: a guest calls the hypervisor about another domain, as a toolstack does,
 * and goes on under its own stage 2. Bad is that it finds itself under the other domain's, because the policy's code left that in
 * VTTBR_EL2.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { dieLines } from "./dies.js";
import { OTHER_VMID, ownerVmids, pcpu, type Setting, vttbr } from "./domains.js";
import { failLines } from "./fails.js";
import { entryOf, policyLines } from "./flush.js";
import { mergeLines } from "./merge.js";
import { type Change, changeLines } from "./permissions.js";
import { blockRange, descriptorsOf, ONE, removeLines, TWO } from "./removal.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { freeLines } from "./table-freed.js";
import { blocks, declare, type Item, maps, mayMap, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { pte } from "./terms.js";

/** The occasions about another domain than the one that is current. Another vCPU's switch sets VTTBR_EL2 itself. */
type About =
  | "revoke" | "batch" | "split" | "vmid-assigned" | "domain-dies" | "fails-midway" | "table-freed" | "block-merged"
  | "stage1-edited" | Change; // biome-ignore format: a list

/** The owner's pages, and the caller's: z is at ipa3, which is another page in each stage 2; the caller's tables are in both. */
function tables(about: About): Item[] {
  const level = about === "split" ? { level: 2 } : {};
  const first = about === "split" || about === "block-merged" ? blocks : declare;
  return [
    first("virtual", "x"),
    declare("virtual", "z"),
    first("intermediate", "ipa1"),
    declare("intermediate", "ipa2", "ipa3"),
    first("physical", "pa1"),
    declare("physical", "pa2", "pa3", "pa4"),
    s2table(
      "owner_stage2",
      "0x240000",
      maps("ipa1", "pa1", level),
      mayMap("ipa1", "invalid", level),
      maps("ipa2", "pa2"),
      mayMap("ipa2", "invalid"),
      maps("ipa3", "pa3"),
      pagesOfTable(1, "other_stage1"),
    ),
    s2table("other_stage2", "0x280000", maps("ipa3", "pa4"), s1table("other_stage1", "0x2C0000", maps("z", "ipa3"))),
    s1table("hyp_map", "0x200000", pagesOfTable(2, "owner_stage2")),
    store("pa3", 1),
    store("pa4", 3),
  ];
}

/** What the hypervisor does for the owner while the caller's stage 2 is in VTTBR_EL2. */
function call(about: About, policy: Policy, cpu: CpuProfile, on: Pcpu): string[] {
  const flusher = { policy, cpu, ownerVmids: ownerVmids(policy), currentVmid: OTHER_VMID, vttbr };
  switch (about) {
    case "revoke":
    case "batch": {
      const extent = about === "revoke" ? ONE : TWO;
      const descriptors = descriptorsOf(extent);
      const removal = { policy, cpu, current: false, range: extent.range, descriptors, apart: about === "batch" };
      return removeLines(removal, on, () => []);
    }
    case "split": {
      const range = blockRange(on.granule);
      return [
        `STR ${on.number(0)},[${on.constant(pte(2, "ipa1", "owner_stage2"))}]      // break`,
        ...policyLines({ ...flusher, range }, on, (protocol) => {
          const { gfn, pages, va, step, level } = entryOf(range, 0, range.pages);
          protocol.broken(gfn, pages, va, step, level);
        }),
      ];
    }
    case "vmid-assigned":
      return policyLines(flusher, on, (protocol) => protocol.assigned());
    case "domain-dies":
      return dieLines(policy, cpu, on);
    case "fails-midway":
      return failLines(policy, cpu, OTHER_VMID, ONE, on);
    case "table-freed":
      return freeLines(policy, cpu, OTHER_VMID, "full", on);
    case "block-merged":
      return mergeLines(policy, cpu, OTHER_VMID, on, "pa1");
    case "stage1-edited":
      return policyLines({ ...flusher, range: ONE.range }, on, (protocol) => {
        const { gfn, pages, va } = entryOf(ONE.range, 0, 1);
        protocol.changed("stage1-edited", gfn, pages, va);
        protocol.unlocking();
      });
    default:
      return changeLines({ policy, cpu, change: about, currentVmid: OTHER_VMID, extent: ONE, fields: {} }, on);
  }
}

/** The caller's access after an occasion about another domain. */
export function goesOn(about: About, policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  return (["read", "write"] as const).map((kind): Scenario => {
    const on = pcpu("pCPU 0, a domain that calls about another one", 1, OTHER_VMID, "other_stage1", setting);
    on.hypervisor.push(...call(about, policy, cpu, on), "ERET");
    on.lines.push("HVC #0");
    const result = on.result();
    on.lines.push(
      kind === "read" ? `LDR ${result},[${on.constant("z")}]` : `STR ${on.number(2)},[${on.constant("z")}]`,
    );
    return {
      name: `${about}.caller-goes-on.${kind}`,
      title: `a domain calls the hypervisor about another one (${about}), goes on, and ${kind}s at its own z`,
      tables: tables(about),
      pcpus: [on],
      bad: [kind === "read" ? { pcpu: 0, register: result, value: 1 } : { at: "pa3", value: 2 }],
      meaning: "the domain that was current goes on under the other one's stage 2",
    };
  });
}
