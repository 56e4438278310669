/** A made-up proof with the shapes of a real one, for the tests of this room. */
import type { PolicyLine, Proof, SignOff, TracedStep } from "../prove/index.js";

const CODE = "  dsb ishst\n  for page\n    tlbi ipas2e1is, ipa\n  end\n  dsb ish\n";
const LINE: PolicyLine = {
  policy: "unsafe",
  occasion: "revoke",
  line: 9,
  file: "./unsafe.toml",
  code: "tlbi ipas2e1is, ipa",
};

const STEPS: readonly TracedStep[] = [
  {
    time: 0,
    kind: "fill",
    pcpu: 1,
    who: "pCPU 1",
    what: "walks x and holds its combined entry x -> pa1 (VMID 1, ASID 0)",
  },
  { time: 1, kind: "write", pcpu: 0, who: "pCPU 0", what: "writes 0 (invalid) to stage-2 level-3 descriptor of ipa1" },
  {
    ...{ time: 2, kind: "invalidation", pcpu: 0, who: "pCPU 0" },
    from: LINE,
    what: "TLBI IPAS2E1IS, ipa1 arrives at pCPU 1: its combined entry may stay",
    rule: "IPAS2E1 is not required to apply to combined entries (D8.17)",
    to: "pCPU 1",
  },
  { time: 2, kind: "barrier", pcpu: 0, who: "pCPU 0", what: "DSB ISH: its TLBIs are complete" },
  {
    time: 3,
    kind: "read",
    pcpu: 1,
    who: "pCPU 1",
    what: "reads 1 from pa1, which the tables do not give any more",
    stale: true,
  },
];

const POLICIES = ["safe", "unsafe", "needy"].map((name) => ({
  name,
  title: `The policy ${name}`,
  source: "made up for this test",
  places: { revoke: { policy: name, file: `./${name}.toml`, section: 5, line: 7, text: CODE } },
}));
const CPUS = ["cortex-a72", "neoverse-v2"].map((name) => ({ name, title: `The CPU ${name}` }));

function result(policy: string, occasion: SignOff["occasion"], cpu: string): SignOff {
  const base = { policy, occasion, cpu, scenarios: 8, timelines: 1200, states: 34_000, milliseconds: 5 };
  if (policy === "needy" && cpu === "cortex-a72")
    return {
      ...base,
      ...{ scenarios: 0, timelines: 0, states: 0, verdict: "not-applicable" },
      reason: "requires FEAT_TLBIRANGE, which the CPU does not have",
    };
  if (policy !== "unsafe" || occasion !== "revoke") return { ...base, verdict: "sound" };
  const name = "revoke.other-pcpu.current.page.read";
  return {
    ...base,
    verdict: "unsound",
    unsound: cpu === "cortex-a72" ? [name] : [name, "revoke.other-pcpu.current.block.read"],
    scenario: {
      name,
      title: "one page removed while the owner is current",
      cast: ["pCPU 0, Xen; the owner is current", "pCPU 1, the former owner"],
      meaning: "the former owner reads what the page's next owner wrote",
      text: 'arch = "AArch64"\n# <the test>\n',
    },
    witness: STEPS,
    culprits: [{ ...LINE, time: 2, why: STEPS[2]!.what }],
  };
}

/** How it was made. */
export const sampleMade = {
  version: "1.2.3",
  command: "shootdown prove safe unsafe needy --report it.html",
  inputs: [{ file: "./unsafe.toml", sha256: `0123456789abcdef${"0".repeat(48)}` }],
};

/** Three policies, two occasions, two CPUs: one sound, one unsound for revoke, one that a CPU cannot run. */
export function sampleProof(): Proof {
  return {
    results: POLICIES.flatMap(({ name }) =>
      (["revoke", "switch"] as const).flatMap((occasion) => CPUS.map((cpu) => result(name, occasion, cpu.name))),
    ),
    policies: POLICIES,
    cpus: CPUS,
    assumptions: ["TLBs are private to a PE.", "Instruction fetches are not modelled."],
  };
}
