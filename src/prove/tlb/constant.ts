/** Translations that nothing changes: no descriptor on their walk is ever written, and nobody else has their tags. */

import type { Catalogue } from "./catalogue.js";
import type { Cells } from "./cells.js";
import { type Decoded, type Descriptors, isClean, isTable, NO_DESCRIPTOR, payloadOf } from "./descriptors.js";
import { type Context, type Leaf, nameOf, PAGES, type WalkFault } from "./entry.js";
import { type Knowledge, LEARNED, peKey } from "./knowledge.js";

/** Where a constant translation ends. */
type Fixed = { readonly leaf: Leaf } | { readonly fault: WalkFault };

/** Where stage 2 ends: output page, S2AP, MemAttr, level of the descriptor. */
export interface Stage2Leaf {
  readonly page: number;
  readonly ap: number;
  readonly memory: number;
  readonly contiguous: boolean;
  readonly level: number;
}

/** What a leaf has of stage 2 where there is none: all permissions, Write-Back. */
export const NO_STAGE2 = { ap: 3, memory: 15, contiguous: false, level: 3 } as const;

/** More PEs than any program has. */
const PES = 64;

/** The page of the stage-1 root for a VA's page. */
export const rootOf = (context: Context, vaPage: number): number =>
  vaPage >= PAGES / 2 ? context.root1 : context.root0;

/** The constant translations of one exploration. */
export class Constants {
  private readonly fixed = new Map<string, Fixed>();
  /** stage-2 outcomes that nothing changes, by context and IPA; null = not constant */
  private readonly fixedStage2 = new Map<number, Stage2Leaf | WalkFault | null>();
  /** descriptors on walks that were taken for constant */
  private readonly relied = new Set<number>();
  /** contexts by id and PE that {@link know} has seen */
  private readonly known = new Set<number>();

  constructor(
    private readonly descriptors: Descriptors,
    private readonly cells: Cells,
    private readonly catalogue: Catalogue,
    private readonly knowledge: Knowledge,
    /** pages of VAs that have a name */
    private readonly named: readonly number[],
    /** false: every translation counts as one that can change */
    private readonly reduces: boolean,
  ) {}

  /** A context that the PE may use is known from now on; throws {@link Learned} when it was not known at the beginning. */
  know(pe: number, context: Context, beginning = false): void {
    if (this.known.has(context.id * PES + pe)) return;
    this.known.add(context.id * PES + pe);
    if (context.common > 0) this.knowledge.shares(pe);
    const key = peKey(pe, context.regime);
    let known = this.knowledge.contexts.get(key);
    if (!known) {
      known = new Map();
      this.knowledge.contexts.set(key, known);
    }
    const name = nameOf(context);
    const isNew = !known.has(name);
    if (isNew) {
      known.set(name, context.vmid);
      this.knowledge.noteRoot(context);
    }
    if (context.ha) this.speculate(pe, context);
    if (isNew && !beginning) throw LEARNED;
  }

  /** Walks that set access flags may be for any VA, accessed or not: here, for those that have names. */
  private speculate(pe: number, context: Context): void {
    this.knowledge.updates = true;
    for (const vaPage of this.named) this.of(pe, context, vaPage);
  }

  /** A thread writes this cell; throws {@link Learned} when a walk was taken for constant that reads it. */
  write(cell: number): void {
    const pa = this.cells.pa[cell]!;
    if (this.knowledge.written.has(pa)) return;
    this.knowledge.written.add(pa);
    if (this.relied.has(pa)) throw LEARNED;
  }

  /**
   * The constant outcome of a translation, or undefined when it can change; then the VA is among those whose entries are
   * tracked (the first time {@link Learned} is thrown).
   */
  of(pe: number, context: Context, vaPage: number): Fixed | undefined {
    const key = peKey(pe, context.regime);
    const changing = this.knowledge.changing.get(key);
    if (changing?.includes(vaPage)) return undefined;
    const name = `${pe}.${context.id}.${vaPage}`;
    let fixed = this.fixed.get(name);
    if (fixed === undefined) {
      const touched: number[] = [];
      const outcome =
        !this.reduces || this.knowledge.shared(key, context.vmid)
          ? undefined
          : this.walkConstant(context, vaPage, touched);
      if (outcome === undefined || touched.some((pa) => this.knowledge.written.has(pa))) {
        if (changing) changing.push(vaPage);
        else this.knowledge.changing.set(key, [vaPage]);
        throw LEARNED;
      }
      for (const pa of touched) this.relied.add(pa);
      fixed = outcome;
      this.fixed.set(name, fixed);
    }
    return fixed;
  }

  /** Undefined where a contiguous group plays a part, so that others' descriptors count. */
  private walkStage2(
    context: Context,
    ipa: number,
    onWalk: boolean,
    touched: number[],
  ): Stage2Leaf | WalkFault | undefined {
    if (!context.stage2) return { page: ipa, ...NO_STAGE2 };
    const { descriptors } = this;
    let table = context.stage2Root;
    for (let level = descriptors.granule.first2; level < 4; level++) {
      const d = descriptors.initial(table, ipa, level, touched);
      const usable = descriptors.isUsable(d, level);
      if (usable && isTable(d, level)) {
        table = d.page;
        continue;
      }
      if (descriptors.initiallyShared(table, ipa, level, touched)) return undefined;
      if (usable && d.af) {
        const { ap, memory2: memory, contiguous } = d;
        return { page: descriptors.output(d, ipa, level), ap, memory, contiguous, level };
      }
      const type = usable ? "access-flag" : "translation";
      return this.catalogue.fault(type, 2, level, onWalk, ipa);
    }
    throw new Error("a level-3 descriptor is no table");
  }

  /** A walk through memory as it is at the beginning; undefined where the walk itself changes it. */
  private walkConstant(context: Context, vaPage: number, touched: number[]): Fixed | undefined {
    const { descriptors } = this;
    let [ipa, ap, level1] = [vaPage, 1, 3];
    let bits: Pick<Decoded, "attributes" | "contiguous"> = NO_DESCRIPTOR;
    let table = context.stage1 ? rootOf(context, vaPage) : -1;
    for (let level = descriptors.granule.first1; table >= 0; level++) {
      const at = this.walkStage2(context, table, true, touched);
      if (at === undefined) return undefined;
      if ("type" in at) return { fault: at };
      const d = descriptors.initial(at.page, vaPage, level, touched);
      const usable = descriptors.isUsable(d, level);
      if (usable && isTable(d, level)) {
        table = d.page;
        continue;
      }
      if (descriptors.initiallyShared(at.page, vaPage, level, touched)) return undefined;
      if (usable && ((context.ha && !d.af) || isClean(d, context))) return undefined;
      if (!usable || !d.af) {
        const type = usable ? "access-flag" : "translation";
        return { fault: this.catalogue.fault(type, 1, level, false, -1) };
      }
      [ipa, ap, level1] = [descriptors.output(d, vaPage, level), d.ap, level];
      bits = d;
      table = -1;
    }
    const end = this.walkStage2(context, ipa, false, touched);
    if (end === undefined) return undefined;
    if ("type" in end) return { fault: end };
    const payload = payloadOf(ap, false, bits, context);
    return {
      leaf: this.catalogue.leaf(end.page, ipa, level1, payload, end.ap, end.memory, end.contiguous, end.level),
    };
  }

  /** What stage 2 gives for an IPA when nothing on the walk is ever written and nobody else has the VMID; null when it can change. */
  stage2(context: Context, ipa: number, onWalk: boolean): Stage2Leaf | WalkFault | null {
    const key = (context.id * 2 + (onWalk ? 1 : 0)) * PAGES + ipa;
    let fixed = this.fixedStage2.get(key);
    if (fixed === undefined) {
      const touched: number[] = [];
      fixed =
        !this.reduces || this.knowledge.stage2Shared(context)
          ? null
          : (this.walkStage2(context, ipa, onWalk, touched) ?? null);
      if (touched.some((pa) => this.knowledge.written.has(pa))) fixed = null;
      if (fixed !== null) for (const pa of touched) this.relied.add(pa);
      this.fixedStage2.set(key, fixed);
    }
    return fixed;
  }
}
