/** A phase in words: its name, and what is counted in it beside its TLBIs. */
import { OUTSIDE } from "../trace/index.js";

/** What a phase is called in a sentence. */
export const phaseTitle = (name: string): string => (name === OUTSIDE ? "outside any phase" : `phase ${name}`);

type Named<T> = Readonly<Record<string, T>>;

/** The counts of a phase, each as a number, or as whatever stands for one (a change from one number to another). */
interface OtherCounts<T> {
  readonly hypercalls: Named<T>;
  readonly vcpuSwitches: T;
  readonly stage2Writes: T;
  readonly stage1Writes: T;
  readonly barriers: Named<T>;
  readonly sysregs: Named<T>;
  readonly accesses: Named<T>;
  readonly faults: Named<T>;
  readonly ownerChanges: T;
}

/** Each count with its label, also those that are 0. */
export function labelledCounts<T>(phase: OtherCounts<T>): [label: string, count: T][] {
  const named = (of: Named<T>, label: (name: string) => string): [string, T][] =>
    Object.entries(of).map(([name, count]) => [label(name), count]);
  return [
    ...named(phase.hypercalls, (name) => `hypercall ${name}`),
    ["vCPU switch", phase.vcpuSwitches],
    ["stage-2 descriptor write", phase.stage2Writes],
    ["stage-1 descriptor write", phase.stage1Writes],
    ...named(phase.barriers, (name) => name),
    ...named(phase.sysregs, (name) => `write of ${name}`),
    ...named(phase.accesses, (name) => `access: ${name}`),
    ...named(phase.faults, (name) => `fault: ${name}`),
    ["page changes owner", phase.ownerChanges],
  ];
}
