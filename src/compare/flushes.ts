/**
 * The flushes of a trace, lifted: for each occasion on which a hypervisor must flush, what was removed and the instructions
 * that followed, in order, with operands. Which occasion it was is told by what stands around (descriptor writes, marks, the
 * call path), never by the TLBIs themselves: so a flush that lacks an instruction, or is missing, is one of that occasion still.
 *
 * - a valid descriptor goes, and what follows at one site is its flush; with a valid descriptor into the same slot right behind
 *   it, on the same way of calls, it is a break-before-make ("split"). Without any flush to the end of the hypercall, it has none.
 * - of those that go in relinquish_p2m_mapping(), by call path, the domain dies ("domain-dies").
 * - one that comes back to the same slot, on the same way of calls, with other permissions and nothing else changed, was
 *   "write-protected" or "permission-relaxed", with a flush in between or not: the type being the same, mem_access did it.
 * - a vCPU comes in where another one of its domain ran last ("switch"); or, where none did, that ran elsewhere ("vcpu-moved").
 * - Xen gives out a VMID or clears a root (p2m_alloc_vmid, ...), by call path.
 * - not told apart are a vCPU's move to another pCPU, an error midway, a merge and a freed table: they are "switch", "revoke",
 *   "split" and "revoke" here.
 * - in a hypercall that removed something, a second flush with nothing removed in between: the end of a batch.
 */
import {
  BARRIERS,
  descriptorKind,
  idOf,
  outputPage,
  pagesAtLevel,
  S2AP_W,
  SYSREGS,
  TLBI_OPS,
  VALID,
} from "../arch/index.js";
import type { Occasion } from "../policy/index.js";
import { type EventBuffer, Kind, type Names, siteAround, type TraceSink } from "../trace/index.js";
import { type Flush, keyOf, type Lifted, type Removed, reduced } from "./flush.js";
import { P2mPlaces } from "./p2m-places.js";

/** Occasions that are told apart here; what happens on others counts as one of these (a table that is freed as a removal). */
export const TOLD: readonly Occasion[] = [
  "revoke",
  "switch",
  "split",
  "vmid-assigned",
  "batch-end",
  "domain-dies",
  "write-protected",
  "permission-relaxed",
  "vcpu-moved",
];

/** TLBIs of the EL1&0 regime on no occasion that a policy has. */
export interface OtherFlush {
  readonly op: string;
  readonly caller: string;
  count: number;
}

type Permission = "write-protected" | "permission-relaxed";

/** A descriptor: bits [31:0] and [63:32]. */
type Words = readonly [number, number];

interface Entry extends Removed {
  /** the descriptor that went, and what became of it or of its domain */
  readonly words: Words;
  /** the way of calls to its write */
  readonly site: number;
  occasion: "revoke" | "domain-dies" | Permission;
  readonly table: number;
  readonly slot: number;
  readonly root: number | undefined;
  readonly modulus: number;
  /** a table that hung at the root */
  readonly ofRoot: boolean;
}

/** A run of instructions of one site. */
interface Run {
  readonly site: number;
  readonly currentVmid: number;
  readonly list: Lifted[];
  hasTlbi: boolean;
}

/** One pCPU. */
class Pcpu {
  constructor(readonly number: number) {}

  /** in force; -1: not known yet */
  vmid = -1;
  /** since the last flush, and since the hypercall's begin */
  removed: Entry[] = [];
  sinceBegin: Entry[] = [];
  run: Run | undefined;
  /** a flush behind a removal, until what follows tells whether it was a break-before-make */
  held: { readonly run: Run; readonly removed: Entry[] } | undefined;
  /** since a domain's creation began, a VMID's flush was executed */
  assigned = true;
  /** site of the descriptor write just before; -1: none */
  wrote = -1;
  /** open marks */
  readonly marks: string[] = [];
  switching: { readonly domain: number; readonly vcpu: number; flushed: boolean; otherwise?: Run } | undefined;
}

const DSB_SY = BARRIERS.findIndex(({ name }) => name === "DSB SY");
const VTTBR = SYSREGS.indexOf("VTTBR_EL2");
/** Xen's functions whose flush is that of a VMID given out, or of a root cleared or invalidated. */
// 4.17 clears a root in p2m_teardown itself, and invalidates one inline at the first unpausing.
const VMID_ASSIGNED =
  /\b(p2m_init|p2m_alloc_table|p2m_alloc_vmid|p2m_clear_root_pages|p2m_invalidate_root|p2m_force_tlb_flush_sync < p2m_teardown|p2m_write_unlock < domain_unpause_by_systemcontroller)\b/;
/** The function in which a dying domain's mappings go. */
const RELINQUISHES = /\brelinquish_p2m_mapping\b/;
/** Those that flush on occasions that no policy has. */
const XENS_OWN =
  /\b(scrub_free_pages|alloc_heap_pages|populate_physmap|do_trap_stage2_abort_guest|p2m_resolve_translation_fault|p2m_flush_vm|vmid_rollover)\b/;
/**
 * Makes entries invalid below one that is: what Xen itself takes for valid still, and nobody can have cached since the flush
 * behind p2m_invalidate_root. No removal.
 */
const BELOW_INVALID = /\bp2m_resolve_translation_fault\b/;
/** What dom0's script does: a counted run tells it before the TLBI that comes next, even amid its flush. */
const OF_A_SCRIPT = /^script:/;
/** Distinct flushes that are kept, and instructions of all of them; what is beyond is counted only. */
const MOST_DISTINCT = 4096;
const MOST_INSTRUCTIONS = 2 ** 22;

/** A sink that lifts the flushes. Needs all columns and all rows; {@link Flushes.finish} once at the end. */
export class Flushes implements TraceSink {
  readonly wants = [Kind.write, Kind.tlbi, Kind.barrier, Kind.sysreg, Kind.begin, Kind.end];
  /** distinct flushes, in the order in which they came first */
  readonly list: Flush[] = [];
  readonly others: OtherFlush[] = [];
  /** flushes that were too many to be looked at */
  beyond = 0;
  /** removals at a level that the trace does not say */
  unplaced = 0;
  /** removals that no flush had followed when the trace ended */
  unfinished = 0;
  private readonly known = new Map<string, Flush>();
  private readonly knownOthers = new Map<string, OtherFlush>();
  private instructions = 0;
  private readonly places = new P2mPlaces();
  private readonly pcpus: Pcpu[] = [];
  /** by domain and vCPU: the pCPU that it ran on last */
  private readonly ranOn = new Map<string, number>();
  /** by domain and pCPU: the vCPU that ran last, with its VMID */
  private readonly lastRan = new Map<number, Map<number, { readonly vcpu: number; readonly vmid: number }>>();
  /** domains whose creation is in the trace */
  private readonly created = new Set<number>();
  private names: Names | undefined;
  /** by site: the way of calls, in which a policy's code that was put in counts as the function around it */
  private readonly ways: string[] = [];
  /** the trace has the DSB SY before and after each store of a descriptor (write_pte) */
  private writesPte = false;

  events(b: EventBuffer, names: Names): void {
    this.names = names;
    for (let i = 0; i < b.length; i++) {
      this.pcpus[b.pcpu[i]!] ??= new Pcpu(b.pcpu[i]!);
      const p = this.pcpus[b.pcpu[i]!]!;
      switch (b.kind[i]) {
        case Kind.barrier:
          if (this.writesPte && p.wrote === b.site[i] && b.code[i] === DSB_SY) p.wrote = -1;
          else this.instruction(p, b, i, { kind: "barrier", barrier: b.code[i]! });
          break;
        case Kind.tlbi:
          this.instruction(p, b, i, { kind: "tlbi", op: b.code[i]!, lo: b.to[2 * i]!, hi: b.to[2 * i + 1]! });
          break;
        case Kind.sysreg:
          if (b.code[i] === VTTBR) this.vttbr(p, b, i);
          break;
        case Kind.write:
          if (b.stage[i] === 2) this.write(p, b, i);
          break;
        case Kind.begin:
          this.begin(p, names.list[b.code[i]!]!, b.to[2 * i]!);
          break;
        case Kind.end:
          this.end(p, names.list[b.code[i]!]!);
      }
    }
  }

  private instruction(p: Pcpu, b: EventBuffer, i: number, instruction: Lifted): void {
    p.wrote = -1;
    if (p.vmid < 0) p.vmid = b.vmid[i]!;
    if (p.run !== undefined && p.run.site !== b.site[i] && this.way(p.run.site) !== this.way(b.site[i]!)) this.close(p);
    p.run ??= { site: b.site[i]!, currentVmid: p.vmid, list: [], hasTlbi: false };
    p.run.list.push(instruction);
    if (instruction.kind === "tlbi" && TLBI_OPS[instruction.op]!.regime === "EL1&0") p.run.hasTlbi = true;
  }

  private way(site: number): string {
    this.ways[site] ??= siteAround(this.names!.list[site]!);
    return this.ways[site];
  }

  private vttbr(p: Pcpu, b: EventBuffer, i: number): void {
    const [lo, hi] = [b.to[2 * i]!, b.to[2 * i + 1]!];
    if (p.vmid < 0) p.vmid = idOf(b.from[2 * i + 1]!);
    const vmid = idOf(hi);
    this.instruction(p, b, i, { kind: "vttbr", vmid });
    p.vmid = vmid;
    if (vmid !== 0) this.places.vttbr(vmid, outputPage(lo, hi & 0xffff));
  }

  private write(p: Pcpu, b: EventBuffer, i: number): void {
    const [from, to] = [[b.from[2 * i]!, b.from[2 * i + 1]!] as const, [b.to[2 * i]!, b.to[2 * i + 1]!] as const];
    const table = outputPage(b.address[2 * i]!, b.address[2 * i + 1]!);
    const [level, slot] = [b.level[i]!, b.slot[i]!];
    const ownSite = p.run !== undefined && this.way(p.run.site) === this.way(b.site[i]!);
    if (ownSite && isDsbSy(p.run!.list.at(-1))) {
      p.run!.list.pop();
      this.writesPte = true;
    }
    // A capture tells that a root was cleared when its flush comes (p2m_clear_root_pages), VTTBR_EL2 being the owner's already.
    if (!(ownSite && VMID_ASSIGNED.test(this.way(b.site[i]!)))) this.close(p);
    const last = p.held?.removed.at(-1);
    const isValid = (to[0] & VALID) !== 0;
    const removes =
      (from[0] & VALID) !== 0 &&
      !BELOW_INVALID.test(this.way(b.site[i]!)) &&
      this.isRemoval(table, level, slot, from, to);
    const isBehind = (entry: Entry): boolean =>
      isValid && entry.table === table && entry.slot === slot && entry.site === b.site[i];
    const isSplit = last !== undefined && isBehind(last);
    this.settle(p, isSplit, removes, isSplit ? changeBehindFlush(last.words, to) : undefined);
    p.wrote = b.site[i]!;
    const pending = p.removed.at(-1);
    if (pending !== undefined && isBehind(pending))
      pending.occasion = permissionChange(pending.words, to) ?? pending.occasion;
    if (removes) {
      if (level < 0) this.unplaced++;
      else {
        const entry = this.entry(table, level, slot, from, b.site[i]!);
        p.removed.push(entry);
        p.sinceBegin.push(entry);
      }
    }
    if (level >= 0) this.places.write(table, level, slot, from, to);
  }

  /**
   * A valid descriptor that is not valid any more, or that maps something else now; the latter only in a table that is known
   * to hang in a p2m: in one that is not linked yet (p2m_split_superpage) nobody has seen what stood there.
   */
  private isRemoval(table: number, level: number, slot: number, from: Words, to: Words): boolean {
    if ((to[0] & VALID) === 0) return true;
    if (level < 0 || this.places.place(table, level, slot).root === undefined) return false;
    return outputPage(...from) !== outputPage(...to) || descriptorKind(from[0], level) !== descriptorKind(to[0], level);
  }

  private entry(table: number, level: number, slot: number, from: Words, site: number): Entry {
    const { gfn, root, modulus } = this.places.place(table, level, slot);
    const pages = pagesAtLevel(level);
    const isTable = descriptorKind(from[0], level) === "table";
    const step = isTable ? this.places.smallestLeaf(outputPage(...from), level) : pages;
    const ofRoot = isTable && root !== undefined && modulus === 512 * pages;
    const occasion = RELINQUISHES.test(this.way(site)) ? "domain-dies" : "revoke";
    return { gfn, pages, step, words: from, site, occasion, table, slot, root, modulus, ofRoot };
  }

  private begin(p: Pcpu, mark: string, to: number): void {
    if (OF_A_SCRIPT.test(mark)) return;
    this.close(p);
    const domain = /^vcpu-switch:d(\d+)$/.exec(mark)?.[1];
    if (domain !== undefined) {
      this.boundary(p);
      p.switching = { domain: Number(domain), vcpu: to, flushed: false };
    } else if (mark === "domain:create") {
      p.assigned = false;
      this.created.add(to);
      this.lastRan.delete(to);
      for (const whose of [...this.ranOn.keys()]) if (whose.startsWith(`${to} `)) this.ranOn.delete(whose);
    }
    if (mark.startsWith("hypercall:")) p.sinceBegin = [...p.removed];
    p.marks.push(mark);
  }

  private end(p: Pcpu, mark: string): void {
    if (OF_A_SCRIPT.test(mark)) return;
    this.close(p);
    if (mark === "domain:create" && !p.assigned) this.put("vmid-assigned", nothingAt(p), [], [NO_VMID], p);
    if (mark.startsWith("vcpu-switch:")) this.switched(p);
    else if (!mark.startsWith("phase:")) this.boundary(p);
    const at = p.marks.lastIndexOf(mark);
    if (at >= 0) p.marks.splice(at);
  }

  /** A vCPU has come in; another one of its domain that ran last on the pCPU makes a flush due. */
  private switched(p: Pcpu): void {
    const { switching } = p;
    p.switching = undefined;
    if (switching === undefined) return;
    const { domain, vcpu, otherwise } = switching;
    const last = this.lastRan.get(domain)?.get(p.number);
    const due = last !== undefined && last.vcpu !== vcpu;
    if (due && !switching.flushed)
      this.put("switch", nothingAt(p), [], [p.vmid], p, { sameVmid: last.vmid === p.vmid });
    const whose = `${domain} ${vcpu}`;
    const before = this.ranOn.get(whose);
    this.ranOn.set(whose, p.number);
    // Where another vCPU ran last as well, what was executed is taken for that.
    if (before !== undefined && before !== p.number && !due && !switching.flushed)
      this.put("vcpu-moved", otherwise ?? nothingAt(p), [], [p.vmid], p);
    else if (otherwise !== undefined) this.notOurs(otherwise);
    const pcpus = this.lastRan.get(domain) ?? new Map();
    this.lastRan.set(domain, pcpus.set(p.number, { vcpu, vmid: p.vmid }));
  }

  /** What was executed while a vCPU came in. */
  private atSwitch(p: Pcpu, run: Run): void {
    const { domain, vcpu } = p.switching!;
    withoutEntry(run.list);
    if (run.list.length === 0) return;
    const last = this.lastRan.get(domain)?.get(p.number);
    // In a trace that begins late another vCPU may have run there before.
    const due = last === undefined ? !this.created.has(domain) : last.vcpu !== vcpu;
    if (!due) {
      if (p.switching!.otherwise !== undefined) this.notOurs(p.switching!.otherwise);
      p.switching!.otherwise = { ...run, currentVmid: p.vmid };
    } else {
      p.switching!.flushed = true;
      this.put("switch", { ...run, currentVmid: p.vmid }, [], [p.vmid], p, {
        sameVmid: last === undefined || last.vmid === p.vmid,
      });
    }
  }

  /** The pCPU leaves the p2m: what was removed and not flushed until here is not flushed. */
  private boundary(p: Pcpu): void {
    this.settle(p, false);
    this.unflushed(p, p.removed);
    const roots = p.removed.filter(({ ofRoot }) => ofRoot);
    if (roots.length > 0) this.put("vmid-assigned", nothingAt(p), [], this.owners(roots), p);
    p.removed = [];
    p.sinceBegin = [];
  }

  /** Removed and never flushed; a root that was cleared is another occasion. */
  private unflushed(p: Pcpu, removed: readonly Entry[]): void {
    const pages = removed.filter(({ ofRoot }) => !ofRoot);
    if (pages.length > 0) this.put(occasionOf(pages), nothingAt(p), pages, this.owners(pages), p);
  }

  private owners(removed: readonly Entry[]): number[] {
    const root = removed[0]?.root;
    return root === undefined ? [] : this.places.vmidsOf(root);
  }

  /** The run of instructions is over: which flush was it? */
  private close(p: Pcpu): void {
    const { run } = p;
    if (run === undefined) return;
    p.run = undefined;
    const site = this.way(run.site);
    if (p.switching !== undefined) {
      this.atSwitch(p, run);
      return;
    }
    const assigns = VMID_ASSIGNED.test(site);
    if (!run.hasTlbi && !((assigns || p.removed.length > 0) && run.list.some(isBarrier))) return;
    if (XENS_OWN.test(site)) {
      this.notOurs(run);
      return;
    }
    this.settle(p, false);
    if (assigns) this.assigned(p, run);
    else if (p.removed.length > 0) {
      // One flush is about one p2m; what went from another one still waits for its own.
      const { root } = p.removed.at(-1)!;
      p.held = { run, removed: p.removed.filter((entry) => entry.root === root) };
      p.removed = p.removed.filter((entry) => entry.root !== root);
    } else if (p.sinceBegin.length > 0 && p.marks.some((mark) => mark.startsWith("hypercall:"))) {
      this.put("batch-end", run, p.sinceBegin, this.owners(p.sinceBegin), p);
      p.sinceBegin = [];
    } else this.notOurs(run);
  }

  private assigned(p: Pcpu, run: Run): void {
    this.unflushed(p, p.removed);
    p.assigned = true;
    const written = run.list.flatMap((x) => (x.kind === "vttbr" && x.vmid !== run.currentVmid ? [x.vmid] : []));
    const root = p.removed.find(({ ofRoot }) => ofRoot)?.root;
    p.removed = [];
    const owners = written.length > 0 ? [...new Set(written)] : root === undefined ? [] : this.places.vmidsOf(root);
    // A domain that is being created is not the one that runs.
    const elsewhere = owners.length === 0 && p.marks.includes("domain:create");
    this.put("vmid-assigned", run, [], elsewhere ? [NO_VMID] : owners, p);
  }

  /** What was held is a break-before-make, or it is not. */
  private settle(p: Pcpu, split: boolean, goesOn = false, change?: Permission): void {
    const { held } = p;
    if (held === undefined) return;
    p.held = undefined;
    if (!split) this.put(occasionOf(held.removed), held.run, held.removed, this.owners(held.removed), p, { goesOn });
    else {
      // What was removed before it still waits for its own flush.
      const [entry, before] = [held.removed.slice(-1), held.removed.slice(0, -1)];
      p.removed.unshift(...before);
      p.sinceBegin = p.sinceBegin.filter((e) => e !== entry[0]);
      this.put(change ?? "split", held.run, entry, this.owners(entry), p, { amid: change !== undefined });
    }
  }

  /** A flush on no occasion of a policy. */
  private notOurs({ list, site }: Run): void {
    const caller = this.way(site);
    for (const x of list) {
      if (x.kind !== "tlbi") continue;
      const op = TLBI_OPS[x.op]!.name;
      const key = `${op} ${caller}`;
      const known = this.knownOthers.get(key);
      if (known) known.count++;
      else {
        const other = { op, caller, count: 1 };
        this.knownOthers.set(key, other);
        this.others.push(other);
      }
    }
  }

  /** One flush more, with those that are like it. */
  private put(
    occasion: Occasion,
    run: Run,
    removed: readonly Entry[],
    owners: readonly number[],
    p: Pcpu,
    around: { readonly sameVmid?: boolean; readonly goesOn?: boolean; readonly amid?: boolean } = {},
  ): void {
    const bySlot = removed.some(({ root }) => root === undefined);
    const modulus = bySlot ? Math.min(...removed.map((e) => e.modulus)) : 0;
    const instructions = bySlot ? run.list.map((x) => reduced(x, modulus)) : run.list;
    const entries = removed.map(({ gfn, pages, step }) => ({ gfn: bySlot ? gfn % modulus : gfn, pages, step }));
    const within = withinOf(p.marks);
    const sameVmid = around.sameVmid === true;
    const goesOn = within === "batch" && around.goesOn === true;
    const amid = around.amid === true;
    const tags = `${occasion} ${bySlot} ${within} ${sameVmid} ${goesOn} ${amid}`;
    const key = keyOf(tags, run.currentVmid, owners, entries, instructions);
    const caller = run.list.length === 0 ? "" : this.way(run.site);
    let flush = this.known.get(key);
    if (flush === undefined) {
      if (this.list.length === MOST_DISTINCT || this.instructions + instructions.length > MOST_INSTRUCTIONS) {
        this.beyond++;
        return;
      }
      this.instructions += instructions.length;
      const { currentVmid } = run;
      const callers = new Map<string, number>();
      flush = {
        occasion,
        currentVmid,
        ownerVmids: owners,
        removed: entries,
        bySlot,
        within,
        sameVmid,
        goesOn,
        amid,
        instructions,
        count: 0,
        callers,
      };
      this.known.set(key, flush);
      this.list.push(flush);
    }
    flush.count++;
    flush.callers.set(caller, (flush.callers.get(caller) ?? 0) + 1);
  }

  /** The trace has ended. What was removed and not flushed by then may be flushed later. */
  finish(): void {
    for (const p of this.pcpus) {
      if (p === undefined) continue;
      this.close(p);
      this.settle(p, false);
      this.unfinished += p.removed.length;
    }
  }
}

/** The occasion of a flush: what happened to the last of its entries. */
const occasionOf = (removed: readonly Entry[]): Occasion => removed.at(-1)!.occasion;

/** What a descriptor that came back to its slot says, when it differs in what may be written at most; else undefined. */
function permissionChange(was: Words, is: Words): Permission | undefined {
  const differs = was[1] !== is[1] || ((was[0] ^ is[0]) & ~S2AP_W) !== 0;
  return differs ? undefined : (is[0] & S2AP_W) === 0 ? "write-protected" : "permission-relaxed";
}

/**
 * The same where a flush stood in between. What came back as it was is then a break-before-make: __p2m_set_entry puts the flush
 * off to the unlock only where mem_access is enabled and nothing but permissions may change.
 */
const changeBehindFlush = (was: Words, is: Words): Permission | undefined =>
  was[0] === is[0] && was[1] === is[1] ? undefined : permissionChange(was, is);

/** No instruction where a flush was due. */
const nothingAt = (p: Pcpu): Run => ({ site: 0, currentVmid: p.vmid, list: [], hasTlbi: false });

/** The hypercall around, if it is one that removes pages. */
function withinOf(marks: readonly string[]): Flush["within"] {
  if (marks.some((mark) => /^hypercall:.*remove.*batch/.test(mark))) return "batch";
  return marks.includes("hypercall:XENMEM_remove_from_physmap") ? "single" : undefined;
}

/** An owner that is not current and has no number. */
const NO_VMID = -1;

const isDsbSy = (x: Lifted | undefined): boolean => x?.kind === "barrier" && x.barrier === DSB_SY;

/** A barrier of a flush, whose TLBI may be missing. */
const isBarrier = (x: Lifted): boolean =>
  x.kind === "barrier" && x.barrier !== DSB_SY && BARRIERS[x.barrier]!.kind === "DSB";

/** The switch to the new VTTBR_EL2, with its ISB, is no part of the flush. */
function withoutEntry(list: Lifted[]): void {
  if (list[0]?.kind !== "vttbr") return;
  const next = list[1];
  list.splice(0, next?.kind === "barrier" && BARRIERS[next.barrier]!.kind === "ISB" ? 2 : 1);
}
