/** Predictions held against what other people measured. */
import { countTlbi, type Host, isNested, price, ratioRange } from "../host/index.js";
import type { Check, CompareRow } from "./result.js";

const REPORT = "xen-devel, 30 October 2025, 'Limitations for Running Xen on KVM Arm64' (Graviton4, KVM NV2)";
const SERIES =
  "xen-devel, November and December 2025, the thread and series that followed the report (Graviton4, KVM NV2)";

/** The host whose prices were measured. */
const MEASURED_HOST = "kvm-nested-7.2";

/** Leaves that one TLBI finds in the shadow: a working set of two; or many pages mapped and still to be unmapped. */
const FEW = 2;
const MANY = 601;

type Measured = Pick<Check, "name" | "measuredLow" | "measuredHigh" | "unit" | "source" | "rule" | "calibration">;

const overlaps = (m: Measured, low: number, high: number): boolean => low <= m.measuredHigh && high >= m.measuredLow;
const within = (m: Measured, value: number): boolean => value >= m.measuredLow && value <= m.measuredHigh;

function check(m: Measured, predicted: number, range: readonly [number, number] | undefined, agrees: boolean): Check {
  return { ...m, predicted, ...(range ? { predictedRange: range } : {}), agrees };
}

/** The checks that the rows and hosts at hand allow. */
export function checksOf(rows: readonly CompareRow[], hosts: readonly Host[]): Check[] {
  const host = hosts.find((h) => h.name === MEASURED_HOST && isNested(h));
  return [...(host ? instructionChecks(host) : []), ...(host ? rowChecks(rows) : [])];
}

/** Single instructions, on a shadow that holds a few leaves, or many where it matters that a page is one of many. */
function instructionChecks(host: Host): Check[] {
  const count = (op: string, ipaBits: number, leaves = FEW) =>
    countTlbi({ op, operand: 0n, host, ipaBits, shadow: leaves });
  const whole48 = count("vmalls12e1is", 48);
  const el1 = price(count("vmalle1is", 48), host);
  const whole = price(whole48, host);
  const sizes = ratioRange(whole48, count("vmalls12e1is", 40), host);
  const kinds = ratioRange(count("vmalls12e1is", 48, MANY), count("ipas2e1is", 48, MANY), host);

  const one: Measured = {
    name: "one VMALLS12E1IS of Xen in KVM, 48 bits",
    measuredLow: 1_464_441,
    measuredHigh: 9_495_486,
    unit: "us",
    source: REPORT,
    rule: "the broadcast price was calibrated on it",
    calibration: true,
  };
  const el1Measured: Measured = {
    name: "one EL1 TLBI of Xen in KVM",
    measuredLow: 10,
    measuredHigh: 27,
    unit: "us",
    source: REPORT,
    rule: "the price of an exit was calibrated on it",
    calibration: true,
  };
  const bits: Measured = {
    name: "VMALLS12E1IS at 48 bits against 40 bits",
    measuredLow: 256 * 0.98,
    measuredHigh: 256 * 1.02,
    unit: "times",
    source: REPORT,
    rule: "256 times, within 2 %",
    calibration: false,
  };
  const ratio: Measured = {
    name: "VMALLS12E1IS against IPAS2E1IS, 48 bits",
    measuredLow: 70_000,
    measuredHigh: 70_000,
    unit: "times",
    source: SERIES,
    rule: "about 70,000: the predicted range must hold it",
    calibration: false,
  };
  return [
    check(one, whole.microseconds, whole.microsecondsRange, within(one, whole.microseconds)),
    check(el1Measured, el1.microseconds, el1.microsecondsRange, within(el1Measured, el1.microseconds)),
    check(bits, sizes.value, sizes.range, within(bits, sizes.value)),
    check(ratio, kinds.value, kinds.range, overlaps(ratio, ...kinds.range)),
  ];
}

/** Whole pieces of work, where the comparison holds them. */
function rowChecks(rows: readonly CompareRow[]): Check[] {
  const today = (scenario: string): CompareRow | undefined =>
    rows.find(
      (r) => r.scenario === scenario && r.policy === "xen-today" && r.host === MEASURED_HOST && r.ipaBits === 48,
    );
  const checks: Check[] = [];
  const disk = today("create-domu");
  if (disk) {
    const minutes: Measured = {
      name: "creation of the domU, Xen of today, 48 bits",
      measuredLow: 180,
      measuredHigh: 200,
      unit: "min",
      source: `${REPORT}: "up to 200 minutes"; 7,458 times the shortest VMALLS12E1IS is 182`,
      rule: "the price must lie between the two",
      calibration: false,
    };
    const [low, high] = disk.microsecondsRange;
    const value = disk.microseconds / 60e6;
    checks.push(check(minutes, value, [low / 60e6, high / 60e6], within(minutes, value)));
  }
  for (const [scenario, pages] of [
    ["create-domu", 7458],
    ["create-domu-ramdisk", 222_815],
  ] as const) {
    const row = today(scenario);
    if (!row) continue;
    const calls = row.hypercalls.XENMEM_remove_from_physmap ?? 0;
    const measured: Measured = {
      name: `calls of XENMEM_remove_from_physmap, ${scenario}`,
      measuredLow: pages,
      measuredHigh: pages + 8,
      unit: "calls",
      source: `${REPORT}: ${pages.toLocaleString("en-US")} and about 8 more`,
      rule: "the count must lie between the two",
      calibration: false,
    };
    checks.push(check(measured, calls, undefined, within(measured, calls)));
    const flushes: Measured = {
      name: `VMALLS12E1IS for each such call, ${scenario}`,
      measuredLow: 1,
      measuredHigh: 1,
      unit: "a call",
      source: `${REPORT}; counted too on Xen 4.20 under QEMU`,
      rule: "one, when the one at the new domain's p2m is taken off",
      calibration: false,
    };
    const each = ((row.tlbi.VMALLS12E1IS ?? 0) - 1) / calls;
    checks.push(check(flushes, each, undefined, within(flushes, each)));
  }
  return checks;
}
