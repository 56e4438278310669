/** A VMID is given to a new domain after its former holder is gone: nothing of the former one may be found under it. */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { OTHER_VMID, pcpu, type Setting, ttbr, vttbr } from "./domains.js";
import { flushLines } from "./flush.js";
import type { Pcpu, Source } from "./source.js";

const VMID = 1;
/** The new domain's stage 2, under the former domain's VMID. */
const NEW = "ttbr(vmid=0x0001, base=heir_stage2)";

const TABLES = `
    option default_tables = false;
    virtual x l k;
    intermediate ipa1;
    physical pa1 pa2 pl pk;
    s2table owner_stage2 0x240000 {
        ipa1 |-> pa1;
        s1table owner_stage1 0x2C0000 {
            x |-> ipa1;
        }
    }
    s2table heir_stage2 0x340000 {
        ipa1 |-> pa2;
        s1table heir_stage1 0x380000 {
            x |-> ipa1;
        }
    }
    s2table other_stage2 0x280000 {
    }
    s1table hyp_map 0x200000 {
        l |-> pl;
        k |-> pk;
    }
    *pa1 = 1;
    *pa2 = 3;
    *pl = 0;
    *pk = 0;
`;

/** The new domain's VMID is flushed as p2m_alloc_vmid() does; `current` when its stage 2 is in VTTBR_EL2 already. */
function assign(policy: Policy, cpu: CpuProfile, on: Pcpu, current: boolean): string[] {
  const base = (vmid: number): string => (vmid === VMID ? NEW : vttbr(vmid));
  return [
    `MSR VTTBR_EL2,${on.constant(base(current ? VMID : OTHER_VMID))}`,
    "ISB",
    ...flushLines(
      {
        policy,
        cpu,
        occasion: "vmid-assigned",
        ownerVmids: [VMID],
        currentVmid: current ? VMID : OTHER_VMID,
        vttbr: base,
      },
      on,
    ),
  ];
}

/** The new domain's first vCPU comes to the pCPU. */
const enter = (on: Pcpu): string[] => [
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
): Source {
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
    bad: access === "read" ? `0:${result} = 1` : "*pa1 = 2",
    meaning: MEANING,
  };
}

function otherPcpu(policy: Policy, cpu: CpuProfile, setting: Setting, current: boolean): Source {
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
  on.hypervisor.push(`STLR ${on.number(1)},[${on.constant("l")}]`, `LDAR ${ready},[${on.constant("k")}]`, ...enter(on));
  on.lines.push("HVC #0                // the last of the former domain", `LDR ${result},[${on.constant("x")}]`);
  return {
    name: `vmid-assigned.other-pcpu.${current ? "current" : "not-current"}.read`,
    title: `a VMID goes to a new domain, flushed on pCPU 0 while ${current ? "that" : "another"} one's stage 2 is current; it reads on pCPU 1, where the former domain ran`,
    tables: TABLES,
    pcpus: [xen, on],
    bad: `0:${gone} = 1 & 1:${ready} = 1 & 1:${result} = 1`,
    meaning: MEANING,
  };
}

/** Every scenario of the reuse of a VMID under a policy. */
export function vmidScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Source[] {
  return [true, false].flatMap((current) => [
    samePcpu(policy, cpu, setting, current, "read"),
    samePcpu(policy, cpu, setting, current, "write"),
    otherPcpu(policy, cpu, setting, current),
  ]);
}
