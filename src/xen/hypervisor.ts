/** Xen as a row of HYPERVISORS: see Hypervisor in hypervisor/hypervisor.ts. */
import { type CpuProfile, needs } from "../arch/index.js";
import type { Policy } from "../policy/index.js";
import type { Summary, TraceRecording } from "../trace/index.js";
import { frameOf } from "./machine.js";
import { predictRun, type RecordedRow, RunFacts, recordedRows } from "./recorded.js";
import { numbersOf, parseScenario, type Scenario, withOthers } from "./scenario.js";
import { possibleOccasions, simulate, simulation } from "./simulate.js";
import { nearestVersion, versionOfBanner } from "./versions.js";

export const XEN = {
  name: "xen",
  title: "Xen",
  parseScenario,
  numbersOf,
  withNumbers: withOthers,
  frameOf,
  possibleOccasions,
  /**
   * A domain of one vCPU has one VMID in any case; relinquish_p2m_mapping(), XENMEM_access_op and a toolstack that maps blocks
   * change more than a page at a time.
   */
  showsOf({ dom0, domu, toolstack, destroy, lives }: Scenario) {
    const ranges =
      destroy || lives > 1 || toolstack["mapping-order"] > 0 || domu.some((d) => d["log-dirty"] !== undefined);
    return { vmids: dom0.vcpus > 1 || domu.some(({ vcpus }) => vcpus > 1), ranges };
  },
  /** Pages copied, given up, granted and protected, and pages touched. */
  workOf({ domu, run, machine, lives }: Scenario) {
    const segments = domu.map(
      (d) =>
        d.segment.reduce((sum, s) => sum + 15 * s.pages, 0) +
        5 * (512 * d["balloon-mib"] + 3 * d["disk-pages"]) +
        2 * (d["log-dirty"]?.rounds ?? 0) * 256 * d["memory-mib"],
    );
    const slots = run["time-us"] / run["slice-us"];
    const touched = Math.max(...domu.map((d) => d["working-set"] + d["shared-set"]));
    return lives * (segments.reduce((a, b) => a + b, 0) + slots * machine.pcpus * touched);
  },
  simulation,
  simulate,
  versionOfBanner,
  nearestVersion,
  recordFacts: () => new RunFacts(),
  recordedRows(
    recorded: Summary,
    recording: TraceRecording | undefined,
    facts: RunFacts,
    policy: Policy,
    cpu: CpuProfile,
  ): RecordedRow[] | undefined {
    const run = recording?.run;
    if (run === undefined) return undefined;
    facts.know(run);
    const version = nearestVersion(recording?.xen?.banner ?? "");
    const repeats = needs(cpu, "repeat-tlbi");
    const predicted = predictRun({ ...run, version: version.name }, facts, policy, repeats, cpu);
    return recordedRows(recorded, predicted, run.continued, version, repeats);
  },
};
