/** What the recorded calls of Xen's functions say: phases, hypercalls, domains, and which vCPU runs where. */

import type { CALLS } from "../binary/index.js";
import { NO_DOMAIN, type Recorder } from "../trace/index.js";
import { type BlockRecord, wide } from "./records.js";

/** Phases of a capture, in their order. */
export const PHASES = ["xen-boot", "dom0-build", "dom0-boot", "create", "run", "destroy"] as const;
export type Phase = (typeof PHASES)[number];

/** Domain ids from here on are Xen's own: idle, I/O, xen (DOMID_FIRST_RESERVED). */
const FIRST_RESERVED = 0x7ff0;
/** Bits of do_memory_op's command that say what is to be done (MEMOP_CMD_MASK); the others say where to go on. */
const COMMAND_MASK = 0x3f;

/** Hypercalls that went on with what an earlier one gave way in, by phase and name. */
export type Continued = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** XENMEM_* by number (xen/include/public/memory.h). */
const XENMEM: Readonly<Record<number, string>> = {
  0: "increase_reservation",
  1: "decrease_reservation",
  2: "maximum_ram_page",
  3: "current_reservation",
  4: "maximum_reservation",
  5: "machphys_mfn_list",
  6: "populate_physmap",
  7: "add_to_physmap",
  9: "memory_map",
  10: "machine_memory_map",
  11: "exchange",
  12: "machphys_mapping",
  13: "set_memory_map",
  14: "maximum_gpfn",
  15: "remove_from_physmap",
  16: "set_pod_target",
  17: "get_pod_target",
  18: "get_sharing_freed_pages",
  19: "get_sharing_shared_pages",
  20: "paging_op",
  21: "access_op",
  22: "sharing_op",
  23: "add_to_physmap_batch",
  24: "claim_pages",
  25: "machphys_compat_mfn_list",
  26: "get_vnumainfo",
  27: "reserved_device_memory_map",
  28: "acquire_resource",
};

/** The name of a do_memory_op command in Xen's own sources; undefined for one that they do not have. */
export function memoryOpName(command: number): string | undefined {
  const name = XENMEM[command];
  return name === undefined ? undefined : `XENMEM_${name}`;
}

/** Commands that do_memory_op can have: 0 to this. */
export const LAST_MEMORY_OP = COMMAND_MASK;

type Put = (cpu: number, event: (recorder: Recorder) => void) => void;
type Name = keyof typeof CALLS;

interface VcpuName {
  readonly domain: number;
  readonly id: number;
}

export class CallMarks {
  phase: Phase = "xen-boot";
  /** XENMEM_remove_from_physmap in this phase */
  removals = 0;
  readonly continued: Record<string, Record<string, number>> = {};
  private begun = false;
  /** struct domain and struct vcpu by address */
  private readonly domains = new Map<number, number>();
  private readonly vcpus = new Map<number, VcpuName>();
  /** by CPU: what is being created */
  private readonly creating: { domain?: number; vcpu?: VcpuName }[];
  /** by CPU and function: the mark that its return ends */
  private readonly open = new Map<string, { readonly mark: string; readonly cpu: number }>();
  private readonly running: (VcpuName | undefined)[];

  constructor(
    cpus: number,
    private readonly put: Put,
    /** names of further XENMEM_* calls, by number */
    private readonly memoryOps: ReadonlyMap<number, string> = new Map(),
  ) {
    this.creating = Array.from({ length: cpus }, () => ({}));
    this.running = Array.from({ length: cpus }, () => undefined);
  }

  /** The domain whose vCPU runs on a CPU; NO_DOMAIN for none, and before the first is known. */
  domain(cpu: number): number {
    return this.running[cpu]?.domain ?? NO_DOMAIN;
  }

  /** The domain of a struct domain's address; undefined for Xen's own, and for what is none. */
  domainAt(pointer: number): number | undefined {
    return this.domains.get(pointer);
  }

  private begin(cpu: number, of: Name, mark: string, to = 0): void {
    this.open.set(`${cpu} ${of}`, { mark, cpu });
    this.put(cpu, (recorder) => recorder.begin(cpu, recorder.names.id(mark), to));
  }

  private end(cpu: number, of: Name, result = 0): void {
    const key = `${cpu} ${of}`;
    const mark = this.open.get(key)?.mark;
    if (mark === undefined) return;
    this.open.delete(key);
    this.put(cpu, (recorder) => recorder.end(cpu, recorder.names.id(mark), result));
  }

  private toPhase(cpu: number, phase: Phase): void {
    if (this.phase === phase && this.begun) return;
    const before = this.phase;
    if (this.begun) this.put(cpu, (recorder) => recorder.end(cpu, recorder.names.id(`phase:${before}`)));
    this.begun = true;
    this.phase = phase;
    this.removals = 0;
    this.put(cpu, (recorder) => recorder.begin(cpu, recorder.names.id(`phase:${phase}`)));
  }

  /** A record came; the first of all begins Xen's boot. */
  start(cpu: number): void {
    if (!this.begun) this.toPhase(cpu, "xen-boot");
  }

  private continues(what: string): void {
    this.continued[this.phase] ??= {};
    const counts = this.continued[this.phase]!;
    counts[what] = (counts[what] ?? 0) + 1;
  }

  /** A function was entered; one that is not among CALLS says nothing here. */
  entered(r: BlockRecord, name: string): void {
    const { cpu } = r;
    const creating = this.creating[cpu]!;
    switch (name as Name) {
      case "create_dom0":
        this.toPhase(cpu, "dom0-build");
        break;
      case "domain_create": {
        creating.domain = r.lo(0) & 0xffff;
        if (creating.domain >= FIRST_RESERVED) break;
        if (creating.domain > 0) this.toPhase(cpu, "create");
        this.begin(cpu, "domain_create", "domain:create", creating.domain);
        break;
      }
      case "arch_domain_create":
        if (creating.domain !== undefined) this.domains.set(wide(r, 0), creating.domain);
        break;
      case "vcpu_create": {
        const domain = this.domains.get(wide(r, 0));
        if (domain === undefined) delete creating.vcpu;
        else creating.vcpu = { domain, id: r.lo(1) };
        break;
      }
      case "arch_vcpu_create":
        if (creating.vcpu) this.vcpus.set(wide(r, 0), creating.vcpu);
        else this.vcpus.delete(wide(r, 0));
        break;
      case "domain_unpause_by_systemcontroller": {
        const domain = this.domains.get(wide(r, 0));
        if (domain === undefined) break;
        this.toPhase(cpu, domain === 0 ? "dom0-boot" : "run");
        this.begin(cpu, "domain_unpause_by_systemcontroller", "domain:unpause", domain);
        break;
      }
      case "domain_kill": {
        const domain = this.domains.get(wide(r, 0));
        if (domain === undefined || this.open.has(`${cpu} domain_kill`)) break;
        this.toPhase(cpu, "destroy");
        this.begin(cpu, "domain_kill", "domain:destroy", domain);
        break;
      }
      case "p2m_save_state":
        this.running[cpu] = undefined;
        break;
      case "p2m_restore_state": {
        const vcpu = this.vcpus.get(wide(r, 0));
        this.running[cpu] = vcpu && vcpu.domain < FIRST_RESERVED ? vcpu : undefined;
        if (this.running[cpu]) this.begin(cpu, "p2m_restore_state", `vcpu-switch:d${vcpu!.domain}`, vcpu!.id);
        break;
      }
      case "do_memory_op": {
        const command = r.lo(0) & COMMAND_MASK;
        const what = memoryOpName(command) ?? this.memoryOps.get(command) ?? `memory_op_${command}`;
        if (what === "XENMEM_remove_from_physmap") this.removals++;
        if ((r.lo(0) & ~COMMAND_MASK) !== 0 || r.hi(0) !== 0) this.continues(what);
        this.begin(cpu, "do_memory_op", `hypercall:${what}`);
      }
    }
  }

  /** A call of a function came back, with its result in X0. */
  returned(r: BlockRecord, name: string): void {
    const { cpu } = r;
    const result = r.hi(0) === 0xffff_ffff || (r.hi(0) === 0 && name !== "do_memory_op") ? r.lo(0) | 0 : r.lo(0);
    switch (name as Name) {
      case "domain_kill":
        // -ERESTART: dom0 is to ask again; the work goes on.
        if (result === 0) this.end(cpu, "domain_kill");
        break;
      case "do_memory_op":
        this.end(cpu, "do_memory_op", result);
        break;
      default:
        // A pointer or nothing.
        this.end(cpu, name as Name);
    }
  }

  /** The end: what is open ends. */
  finish(): void {
    for (const key of [...this.open.keys()]) {
      const cpu = Number(key.slice(0, key.indexOf(" ")));
      this.end(cpu, key.slice(key.indexOf(" ") + 1) as Name);
    }
    if (this.begun) {
      const { phase } = this;
      this.put(0, (recorder) => recorder.end(0, recorder.names.id(`phase:${phase}`)));
    }
  }
}
