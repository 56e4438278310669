/** Who runs where and when: rotations in the manner of credit2, null and hard affinity (xen/common/sched). */
import { InputError } from "../input/index.js";
import { Access } from "../trace/index.js";
import type { Domain, Vcpu, Xen } from "./domain.js";
import type { DomuSpec, Scenario } from "./scenario.js";

/** VA page of a process's working set: the same in each vCPU, in tables of its own. */
const USER_VA = 0x400;
/** VA page of what the vCPUs share: the kernel's half. */
const KERNEL_VA = 0xffff800010000;

/** A domain that runs, with what its vCPUs touch. */
export interface Running {
  readonly domain: Domain;
  readonly spec: DomuSpec;
  /** first gfn of its RAM */
  readonly base: number;
}

/** Rotations: for each slot of time and each pCPU, the vCPU that runs there (undefined = idle). */
class Rotation {
  private readonly queues: Vcpu[][];

  /** Throws an InputError when the scheduler cannot place the vCPUs. */
  constructor(
    private readonly kind: Scenario["run"]["scheduler"],
    vcpus: readonly Vcpu[],
    pcpus: number,
    affinity: (vcpu: Vcpu) => readonly number[] | undefined,
    file: string,
  ) {
    if (kind === "credit2") this.queues = [[...vcpus]];
    else {
      this.queues = Array.from({ length: pcpus }, () => []);
      if (kind === "null" && vcpus.length > pcpus)
        throw InputError.at(
          file,
          0,
          `run.scheduler "null" pins each vCPU to a pCPU: ${vcpus.length} vCPUs, ${pcpus} pCPUs`,
        );
      vcpus.forEach((vcpu, i) => {
        for (const pcpu of kind === "null" ? [i] : this.allowed(vcpu, affinity(vcpu), pcpus, file))
          this.queues[pcpu]!.push(vcpu);
      });
    }
  }

  private allowed(vcpu: Vcpu, list: readonly number[] | undefined, pcpus: number, file: string): readonly number[] {
    const what = `affinity of d${vcpu.domain.id}v${vcpu.id}`;
    if (!list)
      throw InputError.at(file, 0, `${what} is missing: run.scheduler "affinity" needs a list of pCPUs for every vCPU`);
    const bad = list.find((pcpu) => pcpu >= pcpus);
    if (bad !== undefined) throw InputError.at(file, 0, `${what} names pCPU ${bad}, the machine has 0 to ${pcpus - 1}`);
    return list;
  }

  /** The vCPUs of the next slot, one a pCPU. A vCPU runs on one pCPU at a time. */
  next(pcpus: number): (Vcpu | undefined)[] {
    const taken = new Set<Vcpu>();
    const shared = this.kind === "credit2";
    return Array.from({ length: pcpus }, (_, pcpu) => {
      const queue = this.queues[shared ? 0 : pcpu]!;
      const at = queue.findIndex((vcpu) => !taken.has(vcpu));
      if (at < 0) return undefined;
      const [vcpu] = queue.splice(at, 1);
      queue.push(vcpu!);
      taken.add(vcpu!);
      return vcpu;
    });
  }
}

/** Runs the domains for the scenario's time; yields now and then so that the caller may stop it or show progress. */
export function* schedule(
  xen: Xen,
  scenario: Scenario,
  running: readonly Running[],
  dom0: Domain,
  dom0Touches: () => void,
): Generator<void> {
  const { pcpus } = scenario.machine;
  const slots = Math.floor(scenario.run["time-us"] / scenario.run["slice-us"]);
  const busy = dom0.vcpus.slice(0, scenario.dom0["busy-vcpus"]);
  const vcpus = [...busy, ...running.flatMap(({ domain }) => domain.vcpus)];
  if (slots === 0 || vcpus.length === 0) return;
  const of = new Map(running.map((r) => [r.domain, r]));
  const rotation = new Rotation(
    scenario.run.scheduler,
    vcpus,
    pcpus,
    (vcpu) => (of.get(vcpu.domain)?.spec ?? scenario.dom0).affinity?.[vcpu.id],
    scenario.file,
  );
  const touchAll = (vcpu: Vcpu): void => {
    const domu = of.get(vcpu.domain);
    if (domu) touch(xen, domu, vcpu);
    else dom0Touches();
  };
  const here: (Vcpu | undefined)[] = new Array(pcpus).fill(undefined);
  const { machine } = xen;
  /** TLBIs executed when the vCPU on a pCPU touched its pages last, by lane */
  const touched = Array.from({ length: pcpus }, () => new Float64Array(machine.policies.length));
  for (let slot = 0; slot < slots; slot++) {
    rotation.next(pcpus).forEach((vcpu, pcpu) => {
      if (!vcpu) return;
      machine.here = pcpu;
      if (here[pcpu] !== vcpu) {
        xen.run(pcpu, vcpu);
        here[pcpu] = vcpu;
        touched[pcpu]!.set(machine.tlbis);
        touchAll(vcpu);
      } else machine.whereFlushed(touched[pcpu]!, () => touchAll(vcpu));
    });
    if (slot % 16 === 15) yield;
  }
}

/** The vCPU touches its own working set, then what all its domain's vCPUs share. */
export function touch(xen: Xen, { domain, spec, base }: Running, vcpu: Vcpu): void {
  const own = spec["working-set"];
  const shared = spec["shared-set"];
  const first = base + shared + vcpu.id * own;
  for (let i = 0; i < own; i++) xen.access(domain, Access.write, USER_VA + i, first + i);
  for (let i = 0; i < shared; i++) xen.access(domain, Access.read, KERNEL_VA + i, base + i);
}
