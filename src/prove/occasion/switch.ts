/**
 * Another vCPU of the same domain comes to a pCPU. Both have stage-1 tables of their own under the same ASID, as the threads
 * of a guest kernel have; bad is an access of one through the tables of the other. And the guest's own TLB maintenance must
 * go on working wherever its vCPUs have been.
 */
import type { CpuProfile } from "../../arch/index.js";
import type { Policy } from "../../policy/index.js";
import { byVa, ownerVmids, pcpu, type Setting, switchTo, ttbr, vttbr } from "./domains.js";
import { policyLines } from "./flush.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { declare, GLOBAL, type Item, maps, mayMap, pagesOfTable, s1table, s2table, store } from "./tables.js";
import { pte, wide } from "./terms.js";

/** What a vCPU that comes in is behind: another one of the domain that ran there, another pCPU where it ran last itself. */
interface Coming {
  readonly switched?: boolean;
  readonly moved?: boolean;
}

/** The switch as Xen does it: p2m_restore_state() with the policy's code, then the next vCPU's own registers. */
function switchLines(
  policy: Policy,
  cpu: CpuProfile,
  on: Pcpu,
  to: "a" | "b",
  { switched = true, moved = false }: Coming = {},
): string[] {
  const owners = ownerVmids(policy);
  const vmid = to === "a" ? owners[0]! : owners.at(-1)!;
  const flusher = { policy, cpu, ownerVmids: owners, currentVmid: vmid, vttbr };
  return [
    ...switchTo(on, vmid),
    ...policyLines(flusher, on, (protocol) => {
      if (switched) protocol.switched(vmid);
      if (moved) protocol.moved(vmid);
    }),
    `MSR TTBR0_EL1,${on.constant(ttbr(`${to}_stage1`))}`,
  ];
}

/** What a story has besides the two vCPUs' tables. */
interface More {
  /** global entries for x */
  readonly global?: boolean;
  /** words through which pCPUs tell each other how far they are: a VA of the hypervisor's, and the page */
  readonly words?: readonly { readonly va: string; readonly pa: string }[];
  /** A's stage-1 table maps its own pages */
  readonly own?: boolean;
}

/** Two vCPUs' tables: x is at ipa1 for A; for B at ipa2, or nowhere. */
function tables(second: "ipa2" | "invalid", { global = false, words = [], own = false }: More = {}): Item[] {
  const attributes = global ? ({ fields: GLOBAL } as const) : {};
  return [
    declare("virtual", "x", "y", ...words.map(({ va }) => va)),
    ...(words.length > 0 ? [declare("physical", ...words.map(({ pa }) => pa))] : []),
    declare("intermediate", "ipa1", "ipa2"),
    declare("physical", "pa1", "pa2"),
    s2table(
      "owner_stage2",
      "0x240000",
      maps("ipa1", "pa1"),
      maps("ipa2", "pa2"),
      s1table(
        "a_stage1",
        "0x2C0000",
        maps("x", "ipa1", attributes),
        mayMap("x", "invalid"),
        maps("y", "ipa1"),
        ...(own ? [pagesOfTable(1, "a_stage1")] : []),
      ),
      s1table("b_stage1", "0x300000", maps("x", second, second === "invalid" ? {} : attributes)),
    ),
    s1table("hyp_map", "0x200000", ...words.map(({ va, pa }) => maps(va, pa)), pagesOfTable(2, "owner_stage2")),
    ...words.map(({ pa }) => store(pa, 0)),
    store("pa1", 1),
    store("pa2", 3),
  ];
}

type Access = "read" | "write";

/** A runs and touches x or not, Xen switches to B, B accesses x. */
function oneThenOther(
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  second: "ipa2" | "invalid",
  global: boolean,
  access: Access,
): Scenario {
  const on = pcpu("pCPU 0, vCPU A and then B", 1, ownerVmids(policy)[0]!, "a_stage1", setting);
  on.hypervisor.push(...switchLines(policy, cpu, on, "b"), "ERET");
  const x = on.constant("x");
  const result = on.result();
  on.lines.push("HVC #0                // A leaves the pCPU, B comes");
  on.lines.push(access === "read" ? `LDR ${result},[${x}]` : `STR ${on.number(2)},[${x}]`);
  return {
    name: `switch.${second === "ipa2" ? "other-page" : "not-mapped"}${global ? ".global" : ""}.${access}`,
    title: `vCPU B comes after A to a pCPU, same ASID, other tables; x is ${second === "ipa2" ? "at another page" : "not mapped"} for B${global ? ", global entries" : ""}; B ${access}s x`,
    tables: tables(second, { global }),
    pcpus: [on],
    bad: [access === "read" ? { pcpu: 0, register: result, value: 1 } : { at: "pa1", value: 2 }],
    meaning: "vCPU B uses a translation out of vCPU A's tables",
  };
}

/** A, B and A again: A's own tables, which B could not have changed. */
function thereAndBack(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario {
  const on = pcpu("pCPU 0, vCPU A, B, and A again", 1, ownerVmids(policy)[0]!, "a_stage1", setting);
  const turn = on.result();
  const result = on.result();
  const x = on.constant("x");
  on.hypervisor.push(
    `CBNZ ${turn},again`,
    ...switchLines(policy, cpu, on, "b"),
    `MOV ${turn},#1`,
    "ERET",
    "again:",
    ...switchLines(policy, cpu, on, "a"),
    "ERET",
  );
  on.lines.push(
    "HVC #0                // A leaves, B comes",
    "HVC #0                // B leaves, A comes",
    `LDR ${result},[${x}]`,
  );
  return {
    name: "switch.there-and-back",
    title: "vCPU A, then B, then A again on one pCPU, same ASID, other tables; A reads x",
    tables: tables("ipa2"),
    pcpus: [on],
    bad: [{ pcpu: 0, register: result, value: 3 }],
    meaning: "vCPU A uses a translation out of vCPU B's tables",
  };
}

/**
 * vCPU A runs on pCPU 0, moves to pCPU 1, where it unmaps x with a TLBI of its own for its local TLB, and comes back to
 * pCPU 0, where nobody or vCPU B ran in between.
 */
export function leftPcpu(
  occasion: "switch" | "vcpu-moved",
  policy: Policy,
  cpu: CpuProfile,
  setting: Setting,
  between: boolean,
): Scenario {
  const vmid = ownerVmids(policy)[0]!;
  const here = pcpu(`pCPU 0, vCPU A${between ? ", B" : ""} and A again`, 1, vmid, "a_stage1", setting);
  const there = pcpu("pCPU 1, vCPU A in between", 2, vmid, "a_stage1", setting);
  const [left, back] = ["l", "k"] as const;
  const turn = between ? here.result() : "";
  const seen = here.result();
  const result = here.result();
  const depart = [`STLR ${here.number(1)},[${here.constant(left)}]      // A may run elsewhere`];
  // The branch is the scheduler's, which lets A run here only when it has seen that: with the ISB behind it nothing runs ahead.
  const arrive = [`LDAR ${seen},[${here.constant(back)}]      // A is back`, `CBZ ${seen},fault`];
  here.hypervisor.push(
    ...(between
      ? [
          `CBNZ ${turn},again`,
          ...depart,
          ...switchLines(policy, cpu, here, "b"),
          `MOV ${turn},#1`,
          "ERET",
          "again:",
          ...arrive,
          ...switchLines(policy, cpu, here, "a", { moved: true }),
          "ERET",
        ]
      : [...depart, ...arrive, ...switchLines(policy, cpu, here, "a", { switched: false, moved: true }), "ERET"]),
  );
  here.lines.push("HVC #0", ...(between ? ["HVC #0"] : []), `LDR ${result},[${here.constant("x")}]`);
  const came = there.result();
  there.hypervisor.push(`STLR ${there.number(1)},[${there.constant(back)}]      // A leaves again`);
  there.lines.push(
    `LDAR ${came},[${there.constant(left)}]`,
    `CBZ ${came},done`,
    ...policyLines({ policy, cpu, ownerVmids: ownerVmids(policy), currentVmid: vmid, vttbr }, there, (protocol) =>
      protocol.moved(vmid),
    ),
    "ERET",
    "guest:",
    `STR ${there.number(0)},[${there.constant(pte(3, "x", "a_stage1"))}]      // the guest unmaps x`,
    "DSB ISH",
    `TLBI VAE1,${there.constant(byVa("x"))}      // for its own local TLB`,
    "DSB ISH",
    "ISB",
    "HVC #0",
    "done:",
    "NOP",
  );
  there.sysregs.ELR_EL2 = "guest:";
  there.sysregs.SPSR_EL2 = wide("0b00101");
  return {
    name: `${occasion}.left-pcpu.${between ? "other-vcpu" : "nobody"}-between`,
    title: `vCPU A unmaps x on pCPU 1 with a local TLBI and comes back to pCPU 0, where ${between ? "vCPU B" : "nobody"} ran in between`,
    tables: tables("ipa2", {
      words: [
        { va: left, pa: "pl" },
        { va: back, pa: "pk" },
      ],
      own: true,
    }),
    pcpus: [here, there],
    bad: [
      { pcpu: 1, register: came, value: 1 },
      { pcpu: 0, register: seen, value: 1 },
      { pcpu: 0, register: result, value: 1 },
    ],
    meaning: "vCPU A uses a translation that it has invalidated itself, and completed, on the pCPU where it was",
  };
}

/**
 * vCPU A on pCPU 0 unmaps x with a broadcast TLBI and reuses the page; vCPU B on pCPU 1 runs on the same tables, and reads. Where
 * reads may be late the guest repeats its TLBI, as no hypervisor does for it.
 */
function guestShootdown(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario {
  const owners = ownerVmids(policy);
  const a = pcpu("pCPU 0, vCPU A", 1, owners[0]!, "a_stage1", setting);
  const b = pcpu("pCPU 1, vCPU B on the same tables", 1, owners.at(-1)!, "a_stage1", setting);
  a.lines.push(
    `STR ${a.number(0)},[${a.constant(pte(3, "x", "a_stage1"))}]      // the guest unmaps x`,
    "DSB ISH",
    `TLBI VAE1IS,${a.constant(byVa("x"))}`,
    "DSB ISH",
    ...(cpu.symptoms.has("repeat-tlbi-reads") ? ["TLBI VALE1IS,XZR      // the guest's own remedy", "DSB ISH"] : []),
    `STR ${a.number(2)},[${a.constant("y")}]      // and reuses its page`,
  );
  const result = b.result();
  b.lines.push(`LDR ${result},[${b.constant("x")}]`);
  return {
    name: "switch.guest-shootdown",
    title:
      "vCPU A unmaps x with a TLBI VAE1IS and reuses the page, while vCPU B runs on the same tables on another pCPU",
    tables: tables("ipa2", { own: true }),
    pcpus: [a, b],
    bad: [{ pcpu: 1, register: result, value: 2 }],
    meaning: "vCPU B uses a translation that the guest has shot down on all its vCPUs",
  };
}

/** Every scenario of the switch under a policy. */
export function switchScenarios(policy: Policy, cpu: CpuProfile, setting: Setting): Scenario[] {
  const list: Scenario[] = [];
  for (const second of ["ipa2", "invalid"] as const)
    for (const global of [false, true])
      for (const access of ["read", "write"] as const)
        list.push(oneThenOther(policy, cpu, setting, second, global, access));
  return [
    ...list,
    thereAndBack(policy, cpu, setting),
    leftPcpu("switch", policy, cpu, setting, false),
    leftPcpu("switch", policy, cpu, setting, true),
    guestShootdown(policy, cpu, setting),
  ];
}
