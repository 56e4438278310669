/** What a capture's trace says about its run. */
import type { CpuProfile } from "../arch/index.js";
import { type CaptureOptions, type CaptureResult, PHASES, type Phase } from "../capture/index.js";
import type { RecordFacts } from "../hypervisor/index.js";
import type { TraceRecording } from "../trace/index.js";

/** The record of a finished capture. `own`: the user named the Xen; `cpu`: the profile that stands for the CPU. */
export function recordingOf(
  what: CaptureOptions,
  result: CaptureResult,
  facts: RecordFacts,
  {
    own,
    from,
    packages,
    cpu,
    injected,
  }: {
    own: boolean;
    from: Phase;
    packages: readonly string[];
    cpu: CpuProfile;
    injected?: NonNullable<TraceRecording["injected"]>;
  },
): TraceRecording {
  const { domu, dom0Vcpus, pcpus } = what;
  const { ipaBits, lastRan } = facts.facts();
  return {
    source: "capture",
    cpu: { profile: cpu.name, repeatTlbi: result.repeatsTlbis },
    model: what.cpu,
    scenario: what.scenario.name,
    xen: { banner: result.banner, buildId: result.ran.buildId, own },
    ...(injected ? { injected } : {}),
    qemu: result.qemuVersion,
    packages: packages.filter((name) => /^(xen|libxen|linux-image)/.test(name)),
    sha256: { ...result.ran.sha256 },
    leftOut: PHASES.slice(0, PHASES.indexOf(from)),
    run: {
      ipaBits,
      lastRan: [...lastRan],
      segments: [...result.segments],
      ...domu,
      dom0Vcpus,
      pcpus,
      continued: result.continued,
    },
    blind: [...result.blind],
  };
}
