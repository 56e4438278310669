/** A scenario under a policy, from Xen's boot to the end, as a trace. */
import type { CpuProfile } from "../arch/index.js";
import { InputError } from "../input/index.js";
import { type Occasion, type Policy, policyOn } from "../policy/index.js";
import { Recorder, type TraceSink } from "../trace/index.js";
import { logDirty, serveDisk } from "./dom0-work.js";
import { type Domain, Xen } from "./domain.js";
import { Grants } from "./grants.js";
import { balloon, startLinux } from "./guest.js";
import { Machine } from "./machine.js";
import { Physmap } from "./physmap.js";
import type { DomuSpec, Scenario } from "./scenario.js";
import { type Running, schedule, touch } from "./scheduler.js";
import { GUEST_RAM_GFN, Toolstack } from "./toolstack.js";
import { P2m } from "./types.js";
import { xenVersion } from "./versions.js";

interface SimulationOptions {
  /** false: the sinks get the trace only from the end of the boot on, when dom0 runs. Default true */
  readonly boot?: boolean;
}

/** What a simulation was. */
interface Simulated {
  /** events handed to the sinks, by lane */
  readonly events: readonly number[];
  /** occasions on which code ran: the traces depend on the policies' code for no others */
  readonly occasions: readonly Occasion[];
}

/** A policy to simulate, and who gets its trace. */
interface Lane {
  readonly policy: Policy;
  readonly sinks: readonly TraceSink[];
}

/** What a domU does beside being scheduled. */
const works = (domu: DomuSpec): boolean =>
  domu["balloon-mib"] > 0 || domu["disk-pages"] > 0 || domu["log-dirty"] !== undefined;

/**
 * The occasions that a scenario can bring up, whatever the policy: those of a removal where anything is mapped and unmapped;
 * domain-dies where a domain is destroyed (then also where a policy has no code of its own for it, and its revoke code runs);
 * the switch where anything runs. Some may not come up after all. A guest's ageing and its stage 1 are not Xen's affair.
 */
export function possibleOccasions(scenario: Scenario): Occasion[] {
  const dies = scenario.destroy || scenario.lives > 1;
  const removes =
    dies ||
    scenario.toolstack["special-pages"] > 0 ||
    scenario.toolstack["magic-pages"] > 0 ||
    scenario.toolstack["grant-frames"] > 0 ||
    scenario.domu.some((domu) => domu.segment.length > 0 || domu["balloon-mib"] > 0 || domu["disk-pages"] > 0);
  const protects = scenario.domu.some((domu) => domu["log-dirty"] !== undefined);
  const switches = scenario.run["time-us"] > 0 || scenario.dom0["switch-after"] !== undefined;
  return [
    "vmid-assigned",
    // Without code of its own for a change of permissions, a policy executes that of a removal.
    ...(removes || protects ? (["revoke", "batch-end", "table-freed", "fails-midway"] as const) : []),
    ...(removes || protects || scenario.domu.some(({ linux }) => linux) ? (["split", "block-merged"] as const) : []),
    ...(protects ? (["write-protected", "permission-relaxed"] as const) : []),
    ...(dies ? (["domain-dies"] as const) : []),
    ...(switches ? (["switch", "vcpu-moved"] as const) : []),
  ];
}

/**
 * Runs a scenario on a CPU, under one policy or under several of the same frame at once (see Machine): each lane's sinks get
 * the very trace that its policy alone would give. A generator, so that a caller may show progress, let other work in, or
 * stop it (what it yields is the number of events so far). Phases: boot (dom0 is built), then create, run and destroy for
 * each life, and scrub: it is waited until idle pCPUs have scrubbed what the domains left. Throws an InputError when the
 * scenario does not fit.
 */
export function* simulation(
  scenario: Scenario,
  cpu: CpuProfile,
  lanes: readonly Lane[],
  options: SimulationOptions = {},
): Generator<number, Simulated> {
  const { pcpus } = scenario.machine;
  const ipaBits = scenario.machine["ipa-bits"];
  if (scenario.machine["ram-mib"] * 256 > 2 ** (ipaBits - 12))
    throw InputError.at(scenario.file, 0, `machine.ram-mib is more than machine.ipa-bits = ${ipaBits} can address`);
  const [first, ...more] = lanes.map(({ sinks }) => sinks);
  const recorder = new Recorder(pcpus, first ?? [], ...more);
  recorder.pause(options.boot === false);
  const policies = lanes.map(({ policy }) => policyOn(policy, cpu));
  const machine = new Machine(
    recorder,
    policies,
    cpu,
    pcpus,
    scenario.machine["ram-mib"] * 256,
    xenVersion(scenario.xen.version),
  );
  const xen = new Xen(machine, ipaBits);
  const physmap = new Physmap(xen, scenario.toolstack["preempt-after"], scenario.toolstack["populate-preempt-after"]);

  function* phase<T>(name: string, body: Generator<unknown, T>): Generator<number, T> {
    const mark = recorder.names.id(`phase:${name}`);
    recorder.begin(machine.here, mark);
    let step = body.next();
    for (; !step.done; step = body.next()) yield recorder.total();
    recorder.end(machine.here, mark);
    return step.value;
  }

  const { dom0, base } = yield* phase("boot", bootDom0(xen, scenario));
  recorder.pause(false);
  const toolstack = new Toolstack(xen, physmap, dom0, base, scenario);
  const grants = new Grants(xen);
  let next = 1;
  for (let life = 1; life <= scenario.lives; life++) {
    const running: Running[] = [];
    yield* phase("create", createAll());
    if (scenario.run["time-us"] > 0 || scenario.domu.some((domu) => domu.linux || works(domu)))
      yield* phase("run", runAll());
    if (life < scenario.lives || scenario.destroy) {
      yield* phase("destroy", destroyAll());
      yield* phase("scrub", scrubAll());
    }

    function* createAll(): Generator<void> {
      // dom0 begins to run, and with it the toolstack.
      if (life === 1) xen.run(0, dom0.vcpus[0]!);
      for (const spec of scenario.domu)
        running.push({ domain: yield* toolstack.create(next++, spec), spec, base: GUEST_RAM_GFN });
    }
    function* runAll(): Generator<void> {
      for (const { domain, spec } of running)
        if (spec.linux) {
          xen.run(pcpus - 1, domain.vcpus[0]!);
          startLinux(xen, physmap, domain);
        }
      yield* schedule(xen, scenario, running, dom0, toolstack.touchWorkingSet);
      for (const one of running) if (works(one.spec)) yield* work(one);
      xen.run(0, dom0.vcpus[0]!);
    }
    /** A domU's own work, by its last vCPU on the last pCPU, and dom0's for it, on pCPU 0. */
    function* work(one: Running): Generator<void> {
      const { domain, spec } = one;
      const vcpu = domain.vcpus.at(-1)!;
      if (spec["balloon-mib"] > 0) {
        xen.run(pcpus - 1, vcpu);
        for (const _ of balloon(physmap, domain, spec, scenario.file)) {
          touch(xen, one, vcpu);
          yield;
        }
      }
      if (spec["disk-pages"] > 0) {
        xen.run(pcpus - 1, vcpu);
        xen.run(0, dom0.vcpus[0]!);
        yield* serveDisk(xen, grants, toolstack, dom0, domain, spec);
      }
      yield* logDirty(xen, toolstack, dom0, domain, spec, pcpus - 1);
    }
    function* scrubAll(): Generator<void> {
      machine.here = pcpus - 1; // one that has nothing else to do: not dom0's, where there is another
      yield* xen.scrub();
      machine.here = 0;
    }
    function* destroyAll(): Generator<void> {
      for (const { domain } of running) {
        xen.destroy(domain.id, scenario.toolstack["preempt-after"]);
        yield;
      }
    }
  }
  recorder.flush();
  return { events: lanes.map((_, lane) => recorder.total(lane)), occasions: [...machine.occasions] };
}

/** Runs a {@link simulation} to its end in one go. */
export function simulate(
  scenario: Scenario,
  cpu: CpuProfile,
  lanes: readonly Lane[],
  options: SimulationOptions = {},
): Simulated {
  const run = simulation(scenario, cpu, lanes, options);
  let step = run.next();
  while (!step.done) step = run.next();
  return step.value;
}

/** Xen builds dom0: memory in the largest aligned pieces, mapped 1:1. Returns it and the first gfn of its RAM. */
export function* bootDom0(xen: Xen, scenario: Scenario): Generator<void, { dom0: Domain; base: number }> {
  const wanted = scenario.dom0["memory-mib"] * 256;
  if (xen.createDomain(0, scenario.dom0.vcpus) !== 0) throw InputError.at(scenario.file, 0, "no memory for dom0's p2m");
  const dom0 = xen.domain(0)!;
  let base: number | undefined;
  for (let left = wanted; left > 0; ) {
    const order = [18, 9, 0].find((o) => 2 ** o <= left)!;
    const page = xen.allocate(dom0, order);
    if (page === undefined)
      throw InputError.at(
        scenario.file,
        0,
        `dom0 with ${scenario.dom0["memory-mib"]} MiB does not fit into the machine's RAM`,
      );
    base ??= page;
    dom0.p2m.lock();
    dom0.p2m.setEntry(page, 2 ** order, page, P2m.ram_rw);
    dom0.p2m.unlock();
    left -= 2 ** order;
  }
  xen.unpause(0);
  return { dom0, base: base! };
}
