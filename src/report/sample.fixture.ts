/** A made-up comparison with the shape and the size of a real one, for the tests of this room. No figure in it is a result. */
import type { Check, CompareResult, CompareRow, HostDescription, PriceParts } from "../compare/index.js";

type Counts = Readonly<Record<string, number>>;

/** What Xen executes under each policy for the removal of `n` pages (a create scenario) or for `n` vCPU switches. */
interface SamplePolicy {
  readonly name: string;
  readonly title: string;
  removal(n: number): Counts;
  readonly perSwitch: string | undefined;
}

const perPage = (n: number): Counts => ({ IPAS2E1IS: n, VMALLE1IS: n, VMALLS12E1IS: 8 });
const POLICIES: readonly SamplePolicy[] = [
  {
    name: "xen-today",
    title: "Xen as it stands: the whole VMID at every unlock that follows a removal",
    removal: (n) => ({ VMALLS12E1IS: n + 8 }),
    perSwitch: "VMALLS12E1",
  },
  {
    name: "remove-no-flush",
    title: "The report's experiment 1: no flush when a mapping is removed",
    removal: () => ({ VMALLS12E1IS: 1 }),
    perSwitch: "VMALLS12E1",
  },
  {
    name: "remove-batch",
    title: "The report's batch hypercall: many removals, one flush",
    removal: (n) => ({ VMALLS12E1IS: Math.ceil(n / 512) + 8 }),
    perSwitch: "VMALLS12E1",
  },
  {
    name: "va-ipa-range",
    title: "The report's range sequence, as written there: RVAE1, then RIPAS2E1",
    removal: (n) => ({ RVAE1: n, RIPAS2E1: n, VMALLS12E1IS: 8 }),
    perSwitch: "VMALLS12E1",
  },
  {
    name: "switch-no-flush",
    title: "The report's experiment 2: no flush between vCPUs of one domain",
    removal: (n) => ({ VMALLS12E1IS: n + 8 }),
    perSwitch: undefined,
  },
  {
    name: "switch-vmalle1",
    title: "Stage 1 only between vCPUs of one domain, as Linux KVM does it",
    removal: (n) => ({ VMALLS12E1IS: n + 8 }),
    perSwitch: "VMALLE1",
  },
  {
    name: "series-v1",
    title: "Series v1: one IPA at a time and at once, VMALLE1 local",
    removal: (n) => ({ IPAS2E1IS: n, VMALLE1: n, VMALLS12E1IS: 8 }),
    perSwitch: "VMALLE1",
  },
  { name: "series-v3-patch1", title: "Series v3, patch 1", removal: perPage, perSwitch: "VMALLE1" },
  {
    name: "series-v3-patch2",
    title: "Series v3, patches 1 and 2: no VMALLE1 where the CPU has FEAT_nTLBPA",
    removal: (n) => ({ IPAS2E1IS: n, VMALLS12E1IS: 8 }),
    perSwitch: undefined,
  },
  { name: "kvm-ipa", title: "One IPA at a time, as Linux KVM does it", removal: perPage, perSwitch: "VMALLE1" },
  {
    name: "kvm-ipa-range",
    title: "A range of IPAs at a time, as Linux KVM does it with FEAT_TLBIRANGE",
    removal: perPage,
    perSwitch: "VMALLE1",
  },
  {
    name: "batch-range",
    title: "The batch hypercall with range TLBIs",
    removal: (n) => ({ RIPAS2E1IS: Math.ceil(n / 256), VMALLE1IS: Math.ceil(n / 512), VMALLS12E1IS: 8 }),
    perSwitch: "VMALLE1",
  },
  {
    name: "vmid-per-vcpu",
    title: "One VMID per vCPU: nothing at the switch, every VMID at a removal",
    removal: (n) => ({ VMALLS12E1IS: 4 * (n + 8) }),
    perSwitch: undefined,
  },
];

const SCENARIOS: readonly (readonly [name: string, title: string, work: number])[] = [
  ["create-domu", "The report's domU: kernel and device tree, 7,458 pages", 7458],
  ["create-domu-ramdisk", "The report's domU with its ramdisk, 222,815 pages", 222_815],
  ["vcpu-switch", "Four vCPUs of one busy domain on one pCPU, 10 s", 10_000],
];

const prices = (nested: boolean): HostDescription["prices"] => [
  {
    key: "broadcast",
    unit: "us",
    value: 0.76,
    low: 0.5,
    high: 4,
    source: "made up for this test",
    meaning: "a broadcast TLBI",
    calibratedOn: "handle_vmalls12e1is",
  },
  ...(nested ? [{ key: "exit", unit: "us", value: 4.1, low: 3, high: 6, source: "made up for this test" }] : []),
];
const host = (name: string, title: string, nested: boolean): HostDescription => ({
  name,
  title,
  cpu: "neoverse-v2",
  nested,
  source: "Linux 7.2, arch/arm64/kvm/nested.c; made up for this test",
  prices: prices(nested),
  assumptions: nested
    ? ["Xen's vCPUs are pinned: no host preemption.", "One shadow stage-2 matches the VMID."]
    : ["No DVM contention from other cores."],
});
const HOSTS: readonly HostDescription[] = [
  host("bare-metal", "Xen on the machine itself", false),
  host("kvm-nested-7.2", "Xen as L1 of Linux 7.2's KVM", true),
  host("kvm-nested-unmap-all", "The same with the series of September 2026: no TLBI per step", true),
  host("kvm-nested-skip-holes", "What if KVM skipped holes", true),
];

/** Microseconds and 1 GiB steps of one TLBI that Xen executes. */
function priceOf(tlbi: string, hostName: string, ipaBits: number): { parts: PriceParts; steps: number } {
  const wholeVmid = tlbi.startsWith("VMALLS12");
  if (hostName === "bare-metal") return { parts: { trap: 0, walk: 0, flush: 0.76, refault: 0 }, steps: 0 };
  const chunks = wholeVmid ? 2 ** (ipaBits - 30) : 1;
  const flushes = wholeVmid && hostName !== "kvm-nested-7.2" ? 1 : chunks;
  const walked = hostName === "kvm-nested-skip-holes" ? 1 : chunks;
  return {
    parts: { trap: 15, walk: 0.12 * walked, flush: 5.466 * flushes, refault: wholeVmid ? 12 : 0 },
    steps: flushes,
  };
}

function sampleRow(
  scenario: (typeof SCENARIOS)[number],
  policy: SamplePolicy,
  hostName: string,
  ipaBits: number,
): CompareRow {
  const [name, , work] = scenario;
  const create = name.startsWith("create");
  const tlbi = create ? policy.removal(work) : policy.perSwitch === undefined ? {} : { [policy.perSwitch]: work };
  const parts: PriceParts = { trap: 0, walk: 0, flush: 0, refault: 0 };
  const hardware: Record<string, number> = {};
  let wholeVmid = 0;
  for (const [kind, n] of Object.entries(tlbi)) {
    const one = priceOf(kind, hostName, ipaBits);
    for (const part of ["trap", "walk", "flush", "refault"] as const) parts[part] += n * one.parts[part];
    if (kind.startsWith("VMALLS12")) wholeVmid += n;
    for (const executed of one.steps ? ["RIPAS2E1IS", "VMALLE1IS"] : [kind])
      hardware[executed] = (hardware[executed] ?? 0) + n * Math.max(one.steps, 1);
  }
  const nested = hostName !== "bare-metal";
  const microseconds = parts.trap + parts.walk + parts.flush + parts.refault;
  const removals = policy.name.includes("batch") ? "XENMEM_remove_from_physmap_batch" : "XENMEM_remove_from_physmap";
  return {
    scenario: name,
    policy: policy.name,
    host: hostName,
    ipaBits,
    microseconds,
    parts,
    tlbi,
    hardwareTlbi: hardware,
    microsecondsRange: [microseconds * 0.98, microseconds * (nested ? 6.5 : 2)],
    hypercalls: create
      ? {
          [removals]: policy.name.includes("batch") ? Math.ceil(work / 512) : work + 8,
          XENMEM_add_to_physmap_batch: work,
        }
      : {},
    noShadow: { ran: {}, notRun: {} },
    exitKinds: nested ? { handle_vmalls12e1is: wholeVmid } : {},
    leavesDropped: nested ? wholeVmid * 2 : 0,
    refaults: nested ? wholeVmid : 0,
    rest: nested ? 4.2e6 : null,
  };
}

const CHECKS: readonly Check[] = [
  {
    name: "one VMALLS12E1IS at 48 bits",
    unit: "us",
    predicted: 1_464_441,
    measuredLow: 1_464_441,
    measuredHigh: 9_495_486,
    source: "xen-devel, 1 Nov 2025",
    rule: "prediction within the measured range",
    calibration: true,
    agrees: true,
  },
  {
    name: "48 against 40 bits",
    unit: "times",
    predicted: 255.8,
    measuredLow: 256,
    measuredHigh: 256,
    source: "xen-devel, 30 Oct 2025",
    rule: "within 2 %",
    calibration: false,
    agrees: true,
  },
  {
    name: "VMALLS12E1 against IPAS2E1",
    unit: "times",
    predicted: 71_200,
    predictedRange: [40_100, 180_000] as const,
    measuredLow: 70_000,
    measuredHigh: 70_000,
    source: "series v3, cover letter",
    rule: "the range holds it",
    calibration: false,
    agrees: true,
  },
  {
    name: "the report's domU at 48 bits",
    unit: "min",
    predicted: 182.2,
    measuredLow: 180,
    measuredHigh: 200,
    source: "xen-devel, 30 Oct 2025",
    rule: "prediction within the measured range",
    calibration: false,
    agrees: true,
  },
  {
    name: "an example of a check that fails",
    unit: "calls",
    predicted: 7466,
    measuredLow: 9000,
    measuredHigh: 9000,
    source: "made up for this test",
    rule: "equal",
    calibration: false,
    agrees: false,
  },
];

/** 13 policies, 3 scenarios, 4 hosts, 40, 44 and 48 bits; bare metal at every size with equal values, as the contract has it. */
export function sampleResult(): CompareResult {
  return {
    rows: SCENARIOS.flatMap((scenario) =>
      POLICIES.flatMap((policy) =>
        HOSTS.flatMap(({ name }) => [40, 44, 48].map((ipaBits) => sampleRow(scenario, policy, name, ipaBits))),
      ),
    ),
    checks: CHECKS,
    scenarios: SCENARIOS.map(([name, title, work]) => ({
      name,
      title,
      source: "xen-devel, 30 Oct 2025",
      events: 9 * work,
      withoutTlbi: name.startsWith("create")
        ? [{ policy: "remove-no-flush", occasion: "revoke" as const }]
        : ["switch-no-flush", "series-v3-patch2", "vmid-per-vcpu"].map((policy) => ({
            policy,
            occasion: "switch" as const,
          })),
    })),
    policies: POLICIES.map(({ name, title }) => ({ name, title, source: "xen-devel; made up for this test" })),
    hosts: HOSTS,
    cpu: "neoverse-v2",
    notes: ["series-v3-patch1 and kvm-ipa execute the same instructions on this CPU."],
  };
}

/** The same, cut to what fits on a screen: for golden files. */
export const smallResult = (): CompareResult => cut(sampleResult(), ["xen-today", "remove-batch", "kvm-ipa"]);

/** The creation of a domU alone, under some of the policies. */
function cut(full: CompareResult, names: readonly string[]): CompareResult {
  return {
    ...full,
    scenarios: full.scenarios.slice(0, 1),
    policies: full.policies.filter(({ name }) => names.includes(name)),
    rows: full.rows.filter((row) => row.scenario === "create-domu" && names.includes(row.policy)),
  };
}

/** The same with verdicts: remove-no-flush and va-ipa-range are unsound for revoke, switch-no-flush and vmid-per-vcpu for switch. */
export function provedResult(full: CompareResult = sampleResult()): CompareResult {
  const unsoundFor = (policy: string, scenario: string): readonly ("revoke" | "switch")[] => {
    const create = scenario.startsWith("create");
    if (create && ["remove-no-flush", "va-ipa-range"].includes(policy)) return ["revoke"];
    return !create && ["switch-no-flush", "vmid-per-vcpu"].includes(policy) ? ["switch"] : [];
  };
  const rows = full.rows.map((row) => {
    const unsound = unsoundFor(row.policy, row.scenario);
    return { ...row, verdict: unsound.length > 0 ? ("unsound" as const) : ("sound" as const), unsound };
  });
  const verdict = { policy: "xen-today", occasion: "revoke", cpu: "neoverse-v2", verdict: "sound" } as const;
  return { ...full, rows, proof: { results: [verdict], assumptions: ["TLBs are private to a PE."] } };
}

/** A screenful with verdicts. */
export const smallProved = (): CompareResult => cut(provedResult(), ["xen-today", "remove-no-flush", "kvm-ipa"]);
