/**
 * What an exploration learns about its program while it goes: which translations can change, and where TLBIs count. It takes
 * as little as it can for changing at first; where that turns out wrong it starts again, knowing more.
 */
import { type Context, REGIMES, type Regime } from "./entry.js";

/** Something that was taken for constant is not: the exploration starts again. One object for all: it is thrown often. */
export class Learned extends Error {}
export const LEARNED = new Learned();

/** A PE and a regime as one number. */
export const peKey = (pe: number, regime: Regime): number => pe * 3 + regime;

/** What the exploration has learned so far about which translations can change; survives a new start. */
export class Knowledge {
  /** PAs of descriptors that a thread writes */
  readonly written = new Set<number>();
  /** VA pages, by PE and regime, whose translation can change */
  readonly changing = new Map<number, number[]>();
  /** contexts by PE and regime: their names, and the VMID of each */
  readonly contexts = new Map<number, Map<string, number>>();

  /** true when walks for some context set access flags */
  updates = false;

  /** PEs that have had a context with CnP = 1, and true when these are several */
  readonly common = new Set<number>();
  sharing = false;

  /** The PE has CnP = 1; throws {@link Learned} when it is the second one that has. */
  shares(pe: number): void {
    this.common.add(pe);
    if (this.sharing || this.common.size < 2) return;
    this.sharing = true;
    throw LEARNED;
  }

  /** true when some leaf may have the Contiguous bit */
  contiguous = false;

  /** A leaf has the Contiguous bit; throws {@link Learned} when that is new. */
  hasContiguous(): void {
    if (this.contiguous) return;
    this.contiguous = true;
    throw LEARNED;
  }

  /** 8 bytes that are accessed by several sizes which overlap, and where those accesses begin and end; see Cells */
  readonly cuts = new Map<number, number>();

  /** PEs that write through translations of EL1&0 that can change */
  readonly writers = new Set<number>();

  /** PEs that read through such translations, on a CPU whose reads may be late */
  readonly readers = new Set<number>();

  /** PEs that a broadcast TLBI reaches which may remove entries there */
  readonly struck = new Set<number>();

  /** True when the PE has a context of the regime with this VMID. */
  has(key: number, vmid: number): boolean {
    for (const other of this.contexts.get(key)?.values() ?? []) if (other === vmid) return true;
    return false;
  }

  /** stage-2 roots by VMID */
  private readonly roots = new Map<number, Set<number>>();

  /** True when a VMID has had several stage-2 tables. */
  stage2Shared(context: Context): boolean {
    return (this.roots.get(context.vmid)?.size ?? 0) > 1;
  }

  /** Notes a context's stage-2 root. */
  noteRoot(context: Context): void {
    if (!context.stage2) return;
    const roots = this.roots.get(context.vmid) ?? new Set();
    this.roots.set(context.vmid, roots.add(context.stage2Root));
  }

  /** True when entries of one of the PE's contexts may be used in another: they share the VMID. */
  shared(key: number, vmid: number): boolean {
    let n = 0;
    for (const other of this.contexts.get(key)?.values() ?? []) if (other === vmid) n++;
    return n > 1;
  }

  /** True when some translation of either regime can change on this PE. */
  changes(pe: number): boolean {
    return REGIMES.some((regime) => this.matters(pe, regime));
  }

  /** True when what may be cached matters on this PE: some translation of the regime can change there. */
  matters(pe: number, regime: Regime): boolean {
    return (this.changing.get(peKey(pe, regime))?.length ?? 0) > 0;
  }

  /** A broadcast TLBI may remove entries of the PE; throws {@link Learned} when that is new. */
  strikes(pe: number): void {
    if (this.struck.has(pe)) return;
    this.struck.add(pe);
    throw LEARNED;
  }

  /** The PE reads through a translation that can change; throws {@link Learned} when that is new. */
  readsThrough(pe: number): void {
    if (this.readers.has(pe)) return;
    this.readers.add(pe);
    throw LEARNED;
  }

  /** The PE writes through a translation that can change; throws {@link Learned} when that is new. */
  writesThrough(pe: number): void {
    if (this.writers.has(pe)) return;
    this.writers.add(pe);
    throw LEARNED;
  }
}
