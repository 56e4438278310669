/**
 * A recorded run in the model: what dom0's toolstack, its daemons and the domU's kernel do, from the sizes that were logged,
 * with the vCPU switches as they were recorded. What the model then flushes is a prediction to hold against the record.
 */
import type { CpuProfile } from "../arch/index.js";
import type { Policy } from "../policy/index.js";
import { policyOn } from "../policy/index.js";
import { Recorder, type TraceSink } from "../trace/index.js";
import { Xen } from "./domain.js";
import { Grants } from "./grants.js";
import { RINGS, startIdle, startLinux } from "./guest.js";
import { Machine } from "./machine.js";
import { Physmap } from "./physmap.js";
import type { Scenario } from "./scenario.js";
import { bootDom0 } from "./simulate.js";
import { MAGIC_GFN, RecordedBatches, Toolstack } from "./toolstack.js";
import { xenVersion } from "./versions.js";

/** A vCPU came in on a pCPU. */
export interface Switch {
  readonly pcpu: number;
  readonly domain: number;
  readonly vcpu: number;
}

/** Phases of a record that are replayed; in `boot` only dom0's switches. */
export const REPLAYED = ["create", "run", "destroy"] as const;
export type Replayed = (typeof REPLAYED)[number];

interface Replay {
  /** machine, the version of Xen, dom0, one domU and the toolstack's pages */
  readonly scenario: Scenario;
  readonly switches: Readonly<Record<Replayed | "boot", readonly Switch[]>>;
  /** the phases that the record has */
  readonly phases: readonly Replayed[];
  /** pages that each XENMEM_remove_from_physmap_batch of the creation removed, continuations being calls of their own */
  readonly batches: readonly number[];
  /** where the domU's Linux put its shared info page: which ranges of blocks its death leaves depends on it */
  readonly sharedInfo?: number | undefined;
}

/** domU's id: the first one after dom0. */
export const DOMU = 1;
/** Where dom0's daemons (xenconsoled, xenstored) map the grants of the rings: at gfns beyond its RAM that nothing else uses. */
const RING_GFN = 2 ** 23;

/** The phase that is the model's own: what idle pCPUs still have to do when the record's last phase ends. */
export const SCRUB = "scrub";

/**
 * Runs the replay; the sinks get its trace. After a destruction comes a phase {@link SCRUB}, until every page that the domU
 * left is scrubbed: how far a record gets with that is a matter of time. Throws an InputError when the machine has not the
 * memory.
 */
export function replay(
  { scenario, switches, phases, batches, sharedInfo }: Replay,
  cpu: CpuProfile,
  policy: Policy,
  sinks: readonly TraceSink[],
): void {
  const recorder = new Recorder(scenario.machine.pcpus, sinks);
  recorder.pause(true);
  const machine = new Machine(
    recorder,
    [policyOn(policy, cpu)],
    cpu,
    scenario.machine.pcpus,
    scenario.machine["ram-mib"] * 256,
    xenVersion(scenario.xen.version),
  );
  const xen = new Xen(machine, scenario.machine["ipa-bits"]);
  const physmap = new Physmap(xen, scenario.toolstack["preempt-after"], scenario.toolstack["populate-preempt-after"]);
  const grants = new Grants(xen);
  const { dom0, base } = finish(bootDom0(xen, scenario));
  // dom0's vCPU 0 asks for everything; which pCPU it runs on does not change what is flushed.
  const askDom0 = (): void => {
    machine.here = 0;
    machine.writeVttbr(xen.currentVmid(dom0.vcpus[0]!), dom0.id);
  };
  const run = (list: readonly Switch[]): void => {
    for (const { pcpu, domain, vcpu } of list) {
      const comes = xen.domain(domain)?.vcpus[vcpu];
      if (comes) xen.run(pcpu, comes);
    }
    askDom0();
  };
  run(switches.boot);
  recorder.pause(false);
  const toolstack = new Toolstack(xen, physmap, dom0, base, scenario, new RecordedBatches(batches));
  const does: Record<Replayed, () => void> = {
    create() {
      run(switches.create);
      finish(toolstack.build(DOMU, scenario.domu[0]!));
      for (const ring of rings()) grants.map(dom0.id, DOMU, [MAGIC_GFN + ring], [RING_GFN + ring]);
    },
    run() {
      // A record's phase begins when the domU is unpaused; one that never is has no such phase.
      xen.unpause(DOMU);
      run(switches.run);
      const domu = xen.domain(DOMU);
      if (!domu || !switches.run.some(({ domain }) => domain === DOMU)) return;
      machine.writeVttbr(xen.currentVmid(domu.vcpus[0]!), DOMU);
      if (scenario.domu[0]!.linux) startLinux(xen, physmap, domu, sharedInfo);
      else startIdle(xen, domu);
      askDom0();
    },
    destroy() {
      run(switches.destroy);
      xen.destroy(DOMU, scenario.toolstack["preempt-after"]);
      for (const ring of rings()) grants.unmap(dom0.id, [RING_GFN + ring]);
    },
  };
  const rings = (): number[] => Array.from({ length: Math.min(RINGS, scenario.toolstack["magic-pages"]) }, (_, i) => i);
  for (const phase of REPLAYED) {
    if (!phases.includes(phase)) continue;
    const mark = recorder.names.id(`phase:${phase}`);
    recorder.begin(machine.here, mark);
    does[phase]();
    recorder.end(machine.here, mark);
  }
  if (phases.includes("destroy")) {
    const mark = recorder.names.id(`phase:${SCRUB}`);
    recorder.begin(machine.here, mark);
    finish(xen.scrub());
    recorder.end(machine.here, mark);
  }
  recorder.flush();
}

function finish<T>(steps: Generator<unknown, T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next();
  return step.value;
}
