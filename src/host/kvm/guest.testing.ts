/** A guest hypervisor at work, for tests of its host. */
import { sysregIndex, tlbiIndex, vttbr } from "../../arch/index.js";
import { Access, NO_DOMAIN, Recorder } from "../../trace/index.js";
import { builtInHost } from "../builtin.fixture.js";
import type { Counts } from "../counts.js";
import { KvmNested } from "./nested.js";
import { withKvm } from "./settings.js";

const SHAPE = { granuleBits: 12, backingLevel: 3 } as const;
const KVM = withKvm(builtInHost("kvm-nested-7.2"), {
  granuleBits: 12,
  unmap: "per-chunk",
  holes: "walked",
  repeatTlbi: false,
});
const VTTBR_EL2 = sysregIndex("VTTBR_EL2")!;

/** Its accesses, switches, hypercalls and TLBIs, on a host with 40 and 48 IPA bits. Domain N has VMID N. */
export class Guest {
  readonly nested: KvmNested;
  readonly trace: Recorder;
  /** VTTBR_EL2 as last written, by pCPU */
  private readonly vttbr = new Map<number, ReturnType<typeof vttbr>>();

  constructor(vcpus = 1, shape: ConstructorParameters<typeof KvmNested>[0] = SHAPE, ran: readonly number[] = []) {
    this.nested = new KvmNested(shape, [40, 48], vcpus, ran);
    this.trace = new Recorder(vcpus, [this.nested]);
  }

  /** VTTBR_EL2 := that VMID, with a root of its own; nothing of the guest runs yet. */
  run(pcpu: number, vmid: number, root = 0x1000 + vmid): this {
    this.trace.context(pcpu, vmid, vmid);
    const now = vttbr(vmid, root);
    this.trace.sysreg(pcpu, VTTBR_EL2, this.vttbr.get(pcpu) ?? { lo: 0, hi: 0 }, now);
    this.vttbr.set(pcpu, now);
    return this;
  }

  /** What VTTBR_EL2 held when the trace began. */
  was(pcpu: number, vmid: number, root: number): void {
    this.vttbr.set(pcpu, vttbr(vmid, root));
  }

  /** A vCPU of the domain comes in; `body` is what Xen does before it runs. */
  enter(pcpu: number, domain: number, root?: number, body = (): unknown => undefined): this {
    const mark = this.trace.names.id(`vcpu-switch:d${domain}`);
    this.trace.begin(pcpu, mark);
    this.run(pcpu, domain, root);
    body();
    this.trace.end(pcpu, mark);
    return this;
  }

  /** The pCPU goes idle: VTTBR_EL2 stays. */
  idle(pcpu: number, vmid: number): this {
    this.trace.context(pcpu, NO_DOMAIN, vmid);
    return this;
  }

  /** A mark around what `body` does. */
  mark(pcpu: number, name: string, body = (): unknown => undefined): this {
    const mark = this.trace.names.id(name);
    this.trace.begin(pcpu, mark);
    body();
    this.trace.end(pcpu, mark);
    return this;
  }

  touch(pcpu: number, ...pages: number[]): this {
    for (const page of pages) this.trace.access(pcpu, Access.read, 3, page, page, page);
    return this;
  }

  tlbi(pcpu: number, name: string, operand = 0): this {
    this.trace.tlbi(pcpu, tlbiIndex(name)!, operand, 0);
    return this;
  }

  /** A flush of another VMID: VTTBR_EL2 there, the TLBI, and back. */
  flushOf(pcpu: number, vmid: number, back: number, root?: number): this {
    return this.run(pcpu, vmid, root).tlbi(pcpu, "vmalls12e1is").run(pcpu, back);
  }

  counts(ipaBits = 40): Counts {
    this.trace.flush();
    return this.nested.counts(KVM, ipaBits);
  }

  /** steps of 1 GiB that the host flushed, at 40 bits: 1,024 a full unmap */
  steps(): number {
    return this.counts().hardwareTlbi.RIPAS2E1IS ?? 0;
  }
}
