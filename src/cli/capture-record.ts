/** What a capture's trace says about its run, and the commands that do_memory_op has in a Xen of the user's own. */
import { InvalidArgumentError } from "commander";
import type { CpuProfile } from "../arch/index.js";
import {
  type CaptureOptions,
  type CaptureResult,
  LAST_MEMORY_OP,
  memoryOpName,
  PHASES,
  type Phase,
} from "../capture/index.js";
import type { RecordFacts } from "../hypervisor/index.js";
import type { TraceRecording } from "../trace/index.js";

/** The record of a finished capture. `own`: the user named the Xen; `cpu`: the profile that stands for the CPU. */
export function recordingOf(
  what: CaptureOptions,
  result: CaptureResult,
  facts: RecordFacts,
  { own, from, packages, cpu }: { own: boolean; from: Phase; packages: readonly string[]; cpu: CpuProfile },
): TraceRecording {
  const { domu, dom0Vcpus, pcpus } = what;
  const { ipaBits, lastRan } = facts.facts();
  return {
    source: "capture",
    cpu: { profile: cpu.name, repeatTlbi: result.repeatsTlbis },
    model: what.cpu,
    scenario: what.scenario.name,
    xen: { banner: result.banner, buildId: result.ran.buildId, own },
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

/** Adds `29=XENMEM_remove_from_physmap_batch` to the names of memory_op numbers; refuses what Xen itself has. */
export function memoryOp(text: string, before: ReadonlyMap<number, string> = new Map()): ReadonlyMap<number, string> {
  const match = /^(\d{1,3})=(XENMEM_[a-z0-9_]{1,64})$/.exec(text);
  if (!match || Number(match[1]) > LAST_MEMORY_OP)
    throw new InvalidArgumentError(
      `Expected NUMBER=XENMEM_name with a number up to ${LAST_MEMORY_OP}, such as 29=XENMEM_remove_from_physmap_batch.`,
    );
  const [number, name] = [Number(match[1]), match[2]!];
  const known = memoryOpName(number);
  if (known !== undefined) throw new InvalidArgumentError(`${number} is ${known} in Xen.`);
  for (let other = 0; other <= LAST_MEMORY_OP; other++)
    if (memoryOpName(other) === name || (other !== number && before.get(other) === name))
      throw new InvalidArgumentError(`${name} is number ${other}.`);
  if (before.has(number) && before.get(number) !== name)
    throw new InvalidArgumentError(`${number} is named ${before.get(number)} already.`);
  return new Map([...before, [number, name]]);
}
