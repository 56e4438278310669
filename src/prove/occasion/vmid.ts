/** A VMID is given to a new domain after its former holder is gone: nothing of the former one may be found under it. */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { OTHER_VMID, pcpu, type Setting, ttbr, vttbr } from "./domains.js";
import { policyLines } from "./flush.js";
import { TAKES_IPIS } from "./ipi.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { declare, type Item, maps, s1table, s2table, store } from "./tables.js";
import { type Term, vttbrOf } from "./terms.js";

const VMID = 1;
/** The new domain's stage 2, under the former domain's VMID. */
const NEW = vttbrOf(VMID, "heir_stage2");

const TABLES: readonly Item[] = [
  declare("virtual", "x", "l", "k"),
  declare("intermediate", "ipa1"),
  declare("physical", "pa1", "pa2", "pl", "pk"),
  s2table("owner_stage2", "0x240000", maps("ipa1", "pa1"), s1table("owner_stage1", "0x2C0000", maps("x", "ipa1"))),
  s2table("heir_stage2", "0x340000", maps("ipa1", "pa2"), s1table("heir_stage1", "0x380000", maps("x", "ipa1"))),
  s2table("other_stage2", "0x280000"),
  s1table("hyp_map", "0x200000", maps("l", "pl"), maps("k", "pk")),
  store("pa1", 1),
  store("pa2", 3),
  store("pl", 0),
  store("pk", 0),
];

/** The new domain's VMID is flushed as p2m_alloc_vmid() does; `current` when its stage 2 is in VTTBR_EL2 already. */
export function assign(policy: Policy, cpu: CpuProfile, on: Pcpu, current: boolean): string[] {
  const base = (vmid: number): Term => (vmid === VMID ? NEW : vttbr(vmid));
  const flusher = { policy, cpu, ownerVmids: [VMID], currentVmid: current ? VMID : OTHER_VMID, vttbr: base };
  return [
    `MSR VTTBR_EL2,${on.constant(base(flusher.currentVmid))}`,
    "ISB",
    ...policyLines(flusher, on, (protocol) => protocol.assigned()),
  ];
}

/** The new domain's first vCPU comes to the pCPU. */
export const enter = (on: Pcpu): string[] => [
  `MSR VTTBR_EL2,${on.constant(NEW)}`,
  "ISB",
  `MSR TTBR0_EL1,${on.constant(ttbr("heir_stage1"))}`,
  "ERET",
];

const MEANING = "the new domain uses a translation of the VMID's former holder";

function samePcpu(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  current: boolean,
  access: "read" | "write",
): Scenario {
  const on = pcpu("pCPU 0, the former domain, Xen, the new domain", 1, VMID, "owner_stage1", setting);
  on.hypervisor.push(...assign(policy, cpu, on, current), ...enter(on));
  const result = on.result();
  on.lines.push("HVC #0                // the last of the former domain");
  on.lines.push(
    access === "read" ? `LDR ${result},[${on.constant("x")}]` : `STR ${on.number(2)},[${on.constant("x")}]`,
  );
  return {
    name: `vmid-assigned.same-pcpu.${current ? "current" : "not-current"}.${access}`,
    title: `a VMID goes to a new domain, flushed while ${current ? "that" : "another"} one's stage 2 is current; it ${access}s on the pCPU where the former domain ran`,
    tables: TABLES,
    pcpus: [on],
    bad: [access === "read" ? { pcpu: 0, register: result, value: 1 } : { at: "pa1", value: 2 }],
    meaning: MEANING,
  };
}

function otherPcpu(policy: Policy, cpu: CpuProfile, setting: Setting, current: boolean): Scenario {
  const xen = pcpu("pCPU 0, Xen", 2, OTHER_VMID, "owner_stage1", setting);
  const gone = xen.result();
  xen.lines.push(
    `LDAR ${gone},[${xen.constant("l")}]      // the former domain's last vCPU is off its pCPU`,
    `CBZ ${gone},done`,
    ...assign(policy, cpu, xen, current),
    `STLR ${xen.number(1)},[${xen.constant("k")}]      // the new domain may run`,
    "done:",
    "NOP",
  );
  const on = pcpu("pCPU 1, the former domain and then the new one", 1, VMID, "owner_stage1", setting);
  const ready = on.result();
  const result = on.result();
  on.hypervisor.push(
    `STLR ${on.number(1)},[${on.constant("l")}]`,
    TAKES_IPIS,
    `LDAR ${ready},[${on.constant("k")}]`,
    ...enter(on),
  );
  on.lines.push("HVC #0                // the last of the former domain", `LDR ${result},[${on.constant("x")}]`);
  return {
    name: `vmid-assigned.other-pcpu.${current ? "current" : "not-current"}.read`,
    title: `a VMID goes to a new domain, flushed on pCPU 0 while ${current ? "that" : "another"} one's stage 2 is current; it reads on pCPU 1, where the former domain ran`,
    tables: TABLES,
    pcpus: [xen, on],
    bad: [
      { pcpu: 0, register: gone, value: 1 },
      { pcpu: 1, register: ready, value: 1 },
      { pcpu: 1, register: result, value: 1 },
    ],
    meaning: MEANING,
  };
}

/** Every scenario of the reuse of a VMID under a policy. */
export function vmidScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  return [true, false].flatMap((current) => [
    samePcpu(policy, cpu, setting, current, "read"),
    samePcpu(policy, cpu, setting, current, "write"),
    otherPcpu(policy, cpu, setting, current),
  ]);
}
