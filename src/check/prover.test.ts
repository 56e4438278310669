/**
 * The checker's word against the prover's: small random traces, each made into a litmus test of the same instructions. Whatever
 * the prover finds to be possible the checker must warn of; it may warn of more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CpuProfile } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { explore, parseLitmus, proverCpu } from "../prove/index.js";
import { Checker } from "./checker.js";
import { INVALID, leaf, TraceOf, table } from "./trace.testing.js";

/** An instruction of the flush: as the litmus test spells it, and as an event. */
interface Step {
  readonly text: string;
  readonly put: (trace: TraceOf, pcpu: number) => void;
}

const IPA = 0x1;
const OTHER_IPA = 0x1_0001;
const OWNER = 1;
const OTHER = 8;
const OWNER_ROOT = 0x240;
const OTHER_ROOT = 0x280;
const PAGE = 0x900;
const BLOCK = 0x200 * 4;

const barrier = (name: string): Step => ({ text: name, put: (trace, pcpu) => trace.barriers(pcpu, name) });
const plain = (name: string): Step => ({ text: `TLBI ${name}`, put: (trace, pcpu) => trace.tlbi(pcpu, name) });
const byIpa = (name: string, page: number, register: string): Step => ({
  text: `TLBI ${name},${register}`,
  put: (trace, pcpu) => trace.tlbi(pcpu, name, { kind: "ipa", page, ttl: 0 }),
});

const BARRIERS = [
  "DSB ISHST",
  "DSB ISH",
  "DSB NSH",
  "DSB NSHST",
  "DSB SY",
  "DSB ISHLD",
  "DSB ST",
  "DMB ISH",
  "ISB",
].map(barrier);
const TLBIS: readonly Step[] = [
  ...["VMALLS12E1IS", "VMALLS12E1", "VMALLE1IS", "VMALLE1", "ALLE1IS", "ALLE1"].map(plain),
  byIpa("IPAS2E1IS", IPA, "X10"),
  byIpa("IPAS2LE1IS", IPA, "X10"),
  byIpa("IPAS2E1", IPA, "X10"),
  byIpa("IPAS2E1IS", OTHER_IPA, "X11"),
  {
    text: "TLBI VAE1IS,X12",
    put: (trace, pcpu) => trace.tlbi(pcpu, "VAE1IS", { kind: "va", page: 0x3, asid: 5, ttl: 0 }),
  },
];
const SWITCH: readonly Step[] = [
  { text: "MSR VTTBR_EL2,X13", put: (trace, pcpu) => trace.vttbr(pcpu, OWNER, OWNER_ROOT) },
  { text: "MSR VTTBR_EL2,X14", put: (trace, pcpu) => trace.vttbr(pcpu, OTHER, OTHER_ROOT) },
];

/** Sequences as code has them: random, or one that is sound with a step left out, doubled or changed. */
const some = fc.constantFrom(...BARRIERS, ...TLBIS, ...SWITCH);
const named = (text: string): Step => [...BARRIERS, ...TLBIS, ...SWITCH].find((step) => step.text === text)!;
const SOUND = [
  ["DSB ISHST", "TLBI VMALLS12E1IS", "DSB ISH", "ISB"],
  ["DSB ISHST", "TLBI IPAS2E1IS,X10", "DSB ISH", "TLBI VMALLE1IS", "DSB ISH", "ISB"],
  ["MSR VTTBR_EL2,X13", "ISB", "DSB ISHST", "TLBI VMALLS12E1IS", "DSB ISH", "MSR VTTBR_EL2,X14", "ISB"],
  ["DSB SY", "TLBI ALLE1IS", "DSB SY", "TLBI ALLE1IS", "DSB SY"],
].map((lines) => lines.map(named));
const nearlySound = fc
  .record({
    of: fc.constantFrom(...SOUND),
    at: fc.nat(8),
    how: fc.constantFrom("keep", "drop", "swap", "change"),
    by: some,
  })
  .map(({ of, at, how, by }) => {
    const list = [...of];
    const i = at % list.length;
    if (how === "drop") list.splice(i, 1);
    else if (how === "change") list[i] = by;
    else if (how === "swap" && i + 1 < list.length) [list[i], list[i + 1]] = [list[i + 1]!, list[i]!];
    return list;
  });
const steps = fc.oneof(
  { weight: 3, arbitrary: nearlySound },
  { weight: 1, arbitrary: fc.array(some, { minLength: 1, maxLength: 6 }) },
);

interface Case {
  readonly steps: readonly Step[];
  /** the owner's VMID is in force on the hypervisor's pCPU, at first */
  readonly current: boolean;
  readonly what: "page" | "block" | "table";
  /** the former owner writes, not reads: what the erratum is about */
  readonly writes: boolean;
}

/** What is removed, in both languages: the level of its descriptor, and how its names are declared. */
const WHAT = {
  page: { level: 3, names: "virtual x; intermediate ipa1; physical pa1 pa2;" },
  block: {
    level: 2,
    names: "aligned 2097152 virtual x; aligned 2097152 intermediate ipa1; aligned 2097152 physical pa1; physical pa2;",
  },
  table: { level: 2, names: "virtual x; aligned 2097152 intermediate ipa1; physical pa1 pa2;" },
} as const;

/**
 * The owner's guest runs on another pCPU all the time. The page's next owner writes to it, and the former one reads that, or
 * writes over it; of a table: its page is written again, and the owner reads through what stands there now.
 */
const litmus = ({ steps: list, current, what, writes }: Case): string => `
arch = "AArch64"
name = "random"
symbolic = []
page_table_setup = """
    option default_tables = false;
    ${WHAT[what].names}
    virtual h;
    intermediate ipa2;
    s2table owner_stage2 0x240000 {
        ipa1 |-> pa1${what === "block" ? " at level 2" : ""};
        ipa1 ?-> invalid${what === "page" ? "" : " at level 2"};
        ${what === "table" ? "ipa1 ?-> pa2;" : ""}
        s1table owner_stage1 0x2C0000 {
            x |-> ipa1;
        }
    }
    s2table other_stage2 0x280000 {
    }
    s1table hyp_map 0x200000 {
        h |-> pa1;
        s2table owner_stage2;
    }
    *pa1 = 0;
    *pa2 = 1;
"""
[thread.0]
code = """
    STR X1,[X2]
${list.map(({ text }) => `    ${text}`).join("\n")}
    STLR X5,[X6]
"""
[thread.0.reset]
R1 = "extz(0x0, 64)"
R2 = "pte${WHAT[what].level}(ipa1, owner_stage2)"
R5 = "${what === "table" ? "s2mkdesc3(oa=pa2)" : "extz(0x1, 64)"}"
R6 = "${what === "table" ? "pte3(ipa1, owner_stage2)" : "h"}"
R10 = "extz(ipa1 >> 12, 64)"
R11 = "extz(ipa2 >> 12, 64)"
R12 = "extz(((x >> 12) | 0x0005000000000000), 64)"
R13 = "ttbr(vmid=0x0001, base=owner_stage2)"
R14 = "ttbr(vmid=0x0008, base=other_stage2)"
TTBR0_EL2 = "ttbr(asid=0x0000, base=hyp_map)"
VTTBR_EL2 = "${current ? "ttbr(vmid=0x0001, base=owner_stage2)" : "ttbr(vmid=0x0008, base=other_stage2)"}"
TTBR0_EL1 = "ttbr(asid=0x0005, base=owner_stage1)"
HCR_EL2 = "extz(0x601, 64)"
"PSTATE.EL" = "0b10"
"PSTATE.SP" = "0b1"
[thread.1]
code = """
    ${writes && what !== "table" ? "STR" : "LDR"} X2,[X1]
"""
[thread.1.reset]
R1 = "x"
R2 = "extz(0x2, 64)"
VTTBR_EL2 = "ttbr(vmid=0x0001, base=owner_stage2)"
TTBR0_EL1 = "ttbr(asid=0x0005, base=owner_stage1)"
HCR_EL2 = "extz(0x601, 64)"
VBAR_EL1 = "extz(0x3000, 64)"
"PSTATE.EL" = "0b01"
"PSTATE.SP" = "0b1"
[section.thread1_el1_handler]
address = "0x3200"
code = """
    NOP
"""
[final]
assertion = "${writes && what !== "table" ? "*pa1 = 2" : "1:X2 = 1"}"
`;

/** The same as a trace: the page is handed to another domain where the litmus test writes to it. */
function unsafe({ steps: list, current, what }: Case, cpu: CpuProfile): boolean {
  const checker = new Checker(cpu);
  const trace = new TraceOf(checker);
  trace.write(0, OWNER_ROOT, 0, 0, table(0x241)).write(0, 0x241, 1, 0, table(0x242));
  if (what === "block") trace.write(0, 0x242, 2, 0, leaf(BLOCK, 2));
  else trace.write(0, 0x242, 2, 0, table(0x243)).write(0, 0x243, 3, IPA, leaf(PAGE, 3));
  trace.vttbr(1, OWNER, OWNER_ROOT).barriers(1, "ISB");
  if (current) trace.vttbr(0, OWNER, OWNER_ROOT);
  else trace.vttbr(0, OTHER, OTHER_ROOT);
  trace.barriers(0, "ISB");
  if (what === "page") trace.write(0, 0x243, 3, IPA, INVALID);
  else trace.write(0, 0x242, 2, 0, INVALID);
  for (const step of list) step.put(trace, 0);
  if (what === "table") trace.write(0, 0x243, 3, IPA, leaf(PAGE + 1, 3)).end();
  else trace.owner(what === "block" ? BLOCK : PAGE, 2, 1, WHAT[what].level).end();
  return checker.finish().findings.some(({ class: of }) => of === "unsafe");
}

const cases: fc.Arbitrary<Case> = fc.record({
  steps,
  current: fc.boolean(),
  what: fc.constantFrom("page", "block", "table"),
  writes: fc.boolean(),
});
const RUNS = Number(process.env.CHECK_RUNS ?? 80);

/** How often each word came, of both. */
const tally = { both: 0, neither: 0, tooMuch: 0 };

for (const name of ["arch-minimal", "neoverse-v2"])
  test(`on ${name} the checker warns of every random flush that the prover finds a way around`, () => {
    const cpu = builtInCpu(name);
    fc.assert(
      fc.property(cases, (one) => {
        const { program } = parseLitmus(litmus(one), "random.toml");
        const { verdict, reason } = explore(program, { ...proverCpu(cpu), maxStates: 200_000, timeoutMs: 0 });
        assert.ok(verdict === "allowed" || verdict === "forbidden", `${verdict}: ${reason}`);
        const warns = unsafe(one, cpu);
        if (verdict === "allowed") assert.ok(warns, "the checker is silent");
        if (name === "neoverse-v2") return;
        tally[verdict === "allowed" ? "both" : warns ? "tooMuch" : "neither"]++;
      }),
      { numRuns: RUNS, seed: 7 },
    );
  });

test("the random flushes are of both sorts, and few are warned of for nothing", () => {
  const { both, neither, tooMuch } = tally;
  assert.ok(both > RUNS / 2 && neither > RUNS / 5, JSON.stringify(tally));
  // Without the erratum, which concerns writes alone, of those that are safe.
  assert.ok(tooMuch < (neither + tooMuch) / 10, JSON.stringify(tally));
});
