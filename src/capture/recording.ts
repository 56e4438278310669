/** From QEMU's records to the events of a trace: what each site means, with the context in which it was executed. */
import { type Halves, idOf, outputPage, type Store, sysregIndex } from "../arch/index.js";
import {
  type Barriers,
  type Directmap,
  type FrameTable,
  holdsMappings,
  isP2m,
  pageOf,
  type Site,
  type Sites,
  type StoreSite,
  type SysregSite,
  type TlbiSite,
  type TranslationSite,
  type XenText,
} from "../binary/index.js";
import { Access, NO_DOMAIN, NO_LEVEL, Recorder, type TraceSink } from "../trace/index.js";
import { CallMarks, type Continued, type Phase } from "./call-marks.js";
import { CallStacks } from "./call-stacks.js";
import { Ownership } from "./ownership.js";
import { type BlockRecord, wide } from "./records.js";
import { Stage2Tables } from "./stage2.js";

/** Events that wait for a descriptor write whose table is not linked yet; more are let go without a level. */
const MOST_WAITING = 4096;
/** Xen's stack of a vCPU: its size and its alignment (STACK_SIZE; get_cpu_info). What stands above SP in it is a variable. */
const STACK_SIZE = 32_768;
const VTTBR = sysregIndex("VTTBR_EL2")!;
/** Who clears the pages of a p2m's root and then flushes: up to Xen 4.17 p2m_teardown does it itself. */
const CLEARS_ROOT = ["p2m_clear_root_pages", "p2m_teardown"];

/** Counts for progress. */
export interface RecordingCounts {
  readonly phase: Phase;
  readonly tlbis: number;
  /** XENMEM_remove_from_physmap so far in this phase */
  readonly removals: number;
}

/** Code that may run before the MMU is on, at physical addresses: it flushes all of Xen's own regime. */
export const runsUnmapped = (site: Site): boolean => site.kind === "tlbi" && site.op.base === "ALLE2";

/** One capture on its way into a trace. */
export class Recording {
  private readonly recorder: Recorder;
  private sitesAt = new Map<number, Site[]>();
  private readonly stacks: CallStacks;
  private readonly marks: CallMarks;
  private readonly tables = new Stage2Tables();
  private readonly ownership: Ownership;
  private begun = false;
  /** VTTBR_EL2 and VTCR_EL2 by CPU, as last written; 0 before */
  private readonly registers = new Map<string, Halves>();
  private readonly waiting: { readonly known: (() => boolean) | undefined; readonly put: () => void }[] = [];
  private tlbis = 0;
  /** blocks logged that begin at no site, but for those in pages where every instruction begins one */
  unmatched = 0;
  private singles = new Set<number>();
  /** pages that guests used since the last flush of theirs */
  private readonly used = new Set<number>();
  private directmap: Directmap | undefined;

  /** `physical`: what is added to a link address for the address at which Xen runs before its MMU is on. */
  constructor(
    private readonly text: XenText,
    sites: Sites,
    private readonly physical: number,
    cpus: number,
    sinks: readonly TraceSink[],
    memoryOps: ReadonlyMap<number, string> = new Map(),
    /** the phase at whose begin it is told who owns what */
    private readonly from?: Phase,
  ) {
    this.recorder = new Recorder(cpus, sinks);
    this.setSites(sites);
    this.stacks = new CallStacks(text);
    this.marks = new CallMarks(cpus, (cpu, put) => this.put(cpu, "", put), memoryOps);
    this.ownership = new Ownership((pointer) => this.marks.domainAt(pointer));
  }

  /** Other sites from now on: Xen has put its alternatives in place. */
  setSites(sites: Sites): void {
    this.sitesAt = new Map();
    this.singles = new Set(sites.pages);
    const add = (address: number, site: Site): void => {
      const list = this.sitesAt.get(address);
      if (list) list.push(site);
      else this.sitesAt.set(address, [site]);
    };
    for (const site of sites.list) {
      add(site.logged, site);
      if (runsUnmapped(site)) add(site.logged + this.physical, site);
    }
  }

  /** From now on descriptors' physical addresses are known. */
  setDirectmap(directmap: Directmap): void {
    this.directmap = directmap;
  }

  /** From now on a struct page_info's page is known. */
  setFrameTable(frames: FrameTable): void {
    this.ownership.setFrameTable(frames);
  }

  /** Events that the trace has so far, and what they are. */
  get counts(): RecordingCounts {
    return { phase: this.marks.phase, tlbis: this.tlbis, removals: this.marks.removals };
  }

  /** Hypercalls that went on with an earlier one. */
  get continued(): Continued {
    return this.marks.continued;
  }

  /** A block began. */
  readonly record = (r: BlockRecord): void => {
    const sites = this.sitesAt.get(r.pc);
    if (!sites) {
      if (!this.singles.has(pageOf(r.pc))) this.unmatched++;
      return;
    }
    this.marks.start(r.cpu);
    for (const site of sites)
      switch (site.kind) {
        case "entry":
          this.stacks.enter(r.cpu, site.of, wide(r, 31), wide(r, 30));
          this.marks.entered(r, site.of.name);
          this.ownership.entered(r, site.of.name, () => this.dropsMapping(r), this.at(r, site));
          if (!this.begun && this.marks.phase === this.from) {
            this.begun = true;
            this.ownership.tell((event) => this.put(r.cpu, "", event));
          }
          break;
        case "return":
          this.marks.returned(r, site.of.name);
          this.ownership.returned(r, site.of.name, this.at(r, site));
          break;
        case "tlbi":
          this.tlbi(r, site);
          break;
        case "sysreg":
          this.sysreg(r, site);
          break;
        case "translation":
          this.translation(r, site);
          break;
        case "store":
          this.store(r, site);
          break;
        case "barrier": {
          const path = this.path(r, site);
          this.rootCleared(r.cpu, path);
          this.barriers(r.cpu, this.where(r, site, path), [site.barrier]);
        }
      }
  };

  /** The way of calls to a site; first the policy whose code stands there, if one's does. */
  private where(r: BlockRecord, site: Site, path = this.path(r, site)): string {
    const code = this.text.injectedAt(site.address)?.code;
    return (code === undefined ? path : [code, ...path]).join(" < ");
  }

  /** True where the caller holds pages for what it maps. */
  private dropsMapping(r: BlockRecord): boolean {
    const caller = this.text.functionAt(wide(r, 30) - 4);
    return caller !== undefined && holdsMappings(caller);
  }

  /** Puts events with the call path of a site. */
  private at(r: BlockRecord, site: Site): (event: (recorder: Recorder) => void) => void {
    return (event) => this.put(r.cpu, this.where(r, site), event);
  }

  private path(r: BlockRecord, site: Site): string[] {
    return site.in ? this.stacks.path(r.cpu, site.in, wide(r, 31), wide(r, 30)) : [];
  }

  private register(cpu: number, name: string): Halves {
    return this.registers.get(`${name} ${cpu}`) ?? { lo: 0, hi: 0 };
  }

  private tlbi(r: BlockRecord, site: TlbiSite): void {
    this.tlbis++;
    const path = this.path(r, site);
    const where = this.where(r, site, path);
    const { cpu } = r;
    const { lo, hi } = operandOf(r, site.rt);
    this.rootCleared(cpu, path);
    this.barriers(cpu, where, site.barriers.before);
    if (site.op.regime === "EL1&0") this.used.clear();
    const operand = lo + (hi & 0xffff) * 2 ** 32;
    this.put(cpu, where, (recorder) => recorder.tlbi(cpu, site.index, operand, hi >>> 16));
    this.barriers(cpu, where, site.barriers.after);
  }

  /** The flush of a root that was cleared begins. clear_and_clean_page writes whole pages, without the barriers of a descriptor's store. */
  private rootCleared(cpu: number, path: readonly string[]): void {
    if (!CLEARS_ROOT.includes(path[1] ?? "")) return;
    const where = path.join(" < ");
    const { lo, hi } = this.register(cpu, "VTTBR_EL2");
    const root = outputPage(lo, hi & 0xffff);
    for (const { page, slot, before, after } of this.tables.clearRoot(root)) {
      const level = this.tables.level(page);
      this.put(cpu, where, (recorder) =>
        recorder.write(cpu, page, 2, level, slot, before.lo, before.hi, after.lo, after.hi),
      );
    }
    this.tables.forgetRoot(root);
  }

  /**
   * Xen reads or writes a guest's argument: the guest uses that page, which is told once until the next flush. Its IPA is
   * known only where the guest's memory is mapped to itself, as dom0's is.
   */
  private translation(r: BlockRecord, site: TranslationSite): void {
    const { cpu } = r;
    const failed = (r.lo(site.par) & 1) !== 0;
    if (failed || this.marks.domain(cpu) === NO_DOMAIN) return;
    const page = outputPage(r.lo(site.par) & ~0xfff, r.hi(site.par) & 0xffff);
    if (this.used.has(page)) return;
    const { lo, hi } = this.register(cpu, "VTTBR_EL2");
    const level = this.tables.levelOf(outputPage(lo, hi & 0xffff), page, page);
    if (level === undefined) return;
    this.used.add(page);
    const va = Math.floor(wide(r, site.va) / 4096);
    const where = this.path(r, site).join(" < ");
    this.put(cpu, where, (recorder) => recorder.access(cpu, Access.read, level, va, page, page));
  }

  private sysreg(r: BlockRecord, site: SysregSite): void {
    const { cpu } = r;
    const to = operandOf(r, site.rt);
    const from = this.register(cpu, site.register);
    const where = this.path(r, site).join(" < ");
    this.registers.set(`${site.register} ${cpu}`, to);
    const index = sysregIndex(site.register)!;
    if (index === VTTBR) {
      if (to.lo !== 0 || (to.hi & 0xffff) !== 0) this.tables.setRoot(outputPage(to.lo, to.hi & 0xffff));
    } else this.tables.setVtcr(to.lo);
    this.put(cpu, where, (recorder) => recorder.sysreg(cpu, index, from, to));
    this.barriers(cpu, where, site.barriers.after);
  }

  private store(r: BlockRecord, site: StoreSite): void {
    const { cpu } = r;
    if (site.shared && !this.calledByP2m(r)) return;
    const sp = wide(r, 31);
    // p2m_split_superpage hands its caller the new descriptor in a variable, by the same inline function.
    const stores = site.stores.filter((store) => {
      const address = addressOf(r, store);
      return address < sp || Math.floor(address / STACK_SIZE) !== Math.floor(sp / STACK_SIZE);
    });
    if (stores.length === 0) return;
    const where = this.path(r, site).join(" < ");
    this.barriers(cpu, where, site.barriers.before);
    for (const store of stores) this.descriptor(cpu, where, addressOf(r, store), operandOf(r, store.rt));
    this.barriers(cpu, where, site.barriers.after);
  }

  /** True in a function that calls no other, when a p2m function has called it. */
  private calledByP2m(r: BlockRecord): boolean {
    const caller = this.text.functionAt(wide(r, 30) - 4);
    return caller !== undefined && isP2m(caller);
  }

  private descriptor(cpu: number, where: string, address: number, { lo, hi }: Halves): void {
    const page = this.directmap?.pageOf(Math.floor(address / 4096));
    const slot = (address % 4096) / 8;
    if (page === undefined) {
      this.put(cpu, where, (recorder) => recorder.write(cpu, 0, 2, NO_LEVEL, slot, 0, 0, lo, hi));
      return;
    }
    const { before } = this.tables.write(page, slot, lo, hi);
    const now = this.tables.level(page);
    const level = now === NO_LEVEL ? () => this.tables.level(page) : () => now;
    const write = (recorder: Recorder): void =>
      recorder.write(cpu, page, 2, level(), slot, before.lo, before.hi, lo, hi);
    this.put(cpu, where, write, () => level() !== NO_LEVEL);
  }

  private barriers(cpu: number, where: string, list: Barriers["before"]): void {
    for (const barrier of list) this.put(cpu, where, (recorder) => recorder.barrier(cpu, barrier));
  }

  /** Records an event at a site in the context that the CPU has now; `known` tells whether what it needs is. */
  private put(cpu: number, where: string, event: (recorder: Recorder) => void, known?: () => boolean): void {
    const domain = this.marks.domain(cpu);
    const vmid = idOf(this.register(cpu, "VTTBR_EL2").hi);
    const put = (): void => {
      const { recorder } = this;
      recorder.context(cpu, domain ?? NO_DOMAIN, vmid);
      recorder.at(recorder.names.id(where));
      event(recorder);
    };
    if (this.waiting.length === 0 && (known === undefined || known())) put();
    else {
      this.waiting.push({ known, put });
      this.letGo();
    }
  }

  /** Hands on what no longer waits, in order. */
  private letGo(): void {
    let n = 0;
    for (const { known, put } of this.waiting) {
      if (known !== undefined && !known() && this.waiting.length - n <= MOST_WAITING) break;
      put();
      n++;
    }
    this.waiting.splice(0, n);
  }

  /** The machine is off: what waits goes out as it is, phases end. Returns the events of the trace. */
  finish(): number {
    this.marks.finish();
    for (const { put } of this.waiting.splice(0)) put();
    this.recorder.flush();
    return this.recorder.total();
  }
}

/** The value of an operand register; register 31 is XZR there. */
const operandOf = (r: BlockRecord, register: number): Halves =>
  register === 31 ? { lo: 0, hi: 0 } : { lo: r.lo(register), hi: r.hi(register) };

/** The VA that a store goes to, from the registers before it. */
function addressOf(r: BlockRecord, { rn, offset, index }: Store): number {
  if (!index || index.rm === 31) return wide(r, rn) + offset;
  const { rm, extend, shift } = index;
  const register = extend === "UXTW" ? r.lo(rm) : extend === "SXTW" ? r.lo(rm) | 0 : signedWide(r, rm);
  return wide(r, rn) + offset + register * 2 ** shift;
}

/** An X register that may be negative, as an index is. */
const signedWide = (r: BlockRecord, register: number): number => (r.hi(register) | 0) * 2 ** 32 + r.lo(register);
