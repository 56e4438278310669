/** The walks that hardware may do: what they fill, and where they fault. */

import { Unsupported } from "../program.js";
import type { Catalogue } from "./catalogue.js";
import { type Constants, NO_STAGE2, rootOf, type Stage2Leaf } from "./constant.js";
import {
  type Decoded,
  type DescriptorRead,
  type Descriptors,
  isClean,
  isTable,
  NO_DESCRIPTOR,
  payloadOf,
  type Walker,
} from "./descriptors.js";
import {
  C_LEAF,
  C_STEP,
  type Context,
  EL10,
  type Leaf,
  leafLevels,
  NO_STAGE1,
  outputOf,
  S1_LEAF,
  S1_STEP,
  S2_LEAF,
  S2_STEP,
  SHARED,
  stage2Payload,
  type Update,
  type WalkFault,
} from "./entry.js";
import { fill, type Held, holds } from "./held.js";
import type { Knowledge } from "./knowledge.js";

/** The walks that a PE may do for one context at one time: they fill `bits` and note the faults that they meet. */
export class Walk implements Walker {
  readonly faults: WalkFault[] = [];
  /** what walks may write to leaf descriptors, so that accesses may go through them, and where these lead */
  readonly updates: { readonly update: Update; readonly leaf: Leaf }[] = [];
  stage: 1 | 2 = 1;
  private changed = false;

  constructor(
    private readonly descriptors: Descriptors,
    private readonly knowledge: Knowledge,
    private readonly constants: Constants,
    private readonly catalogue: Catalogue,
    readonly pe: number,
    readonly context: Context,
    private readonly t: number,
    private readonly bits: Held,
    readonly hidden: ReadonlyMap<number, number> | undefined = undefined,
    readonly memoryOnly = false,
    /** without the rule that entries are used under their ASID only */
    private readonly anyAsid = false,
    /** without the rule that entries filled with stage 1 are not used without it */
    private readonly anyStage1 = false,
  ) {}

  /** Adds all entries that a walk for a VA may fill; true when any was new. */
  fill(va: number): boolean {
    this.changed = false;
    const { context } = this;
    if (!context.stage1) this.combine(va, NO_STAGE1, 3, va, payloadOf(1, false, NO_DESCRIPTOR, context));
    else {
      this.table(rootOf(context, va), va, this.descriptors.granule.first1 - 1, false, true);
      for (let level = this.descriptors.granule.first1; level <= 3; level++) this.level(va, level);
    }
    return this.changed;
  }

  /** The combined leaf entries for a VA that this context may use. */
  leaves(va: number): number[] {
    const list: number[] = [];
    for (let level = 1; level <= 3; level++)
      for (const at of leafLevels(level, this.knowledge.contiguous))
        for (const id of this.catalogue.group(C_LEAF, this.context.regime, this.context.vmid, va, at))
          if (holds(this.bits, id) && this.mine(id)) list.push(id);
    return list;
  }

  private mine(id: number): boolean {
    const { asid } = this.catalogue.entries[id]!;
    // A walk with stage 1 and one without it do not share entries.
    if ((asid === NO_STAGE1) === this.context.stage1 && !this.anyStage1) return false;
    return asid < 0 || asid === this.context.asid || this.anyAsid;
  }

  private add(kind: number, asid: number, page: number, level: number, payload: number, ipa: number): void {
    const { regime, vmid } = this.context;
    if (fill(this.bits, this.catalogue.entry(kind, regime, vmid, asid, page, level, payload, ipa))) this.changed = true;
  }

  private fault(stage: 1 | 2, level: number, type: WalkFault["type"], onWalk: boolean, ipa: number): void {
    const fault = this.catalogue.fault(type, stage, level, onWalk, ipa);
    if (!this.faults.includes(fault)) this.faults.push(fault);
  }

  /** The next table of a walk is at an IPA: a stage-1 step, and a combined one for each PA that stage 2 may give it. */
  private table(ipa: number, va: number, level: number, cached: boolean, root = false): void {
    const { context } = this;
    if (!cached && !root && context.stage2) this.add(S1_STEP, context.asid, va, level, ipa, ipa);
    if (!context.stage2) this.add(C_STEP, context.asid, va, level, ipa, ipa);
    else for (const { page } of this.stage2(ipa, true)) this.add(C_STEP, context.asid, va, level, page, ipa);
  }

  /** All reads of descriptors of one level: from every table that may be reached. */
  private level(va: number, level: number): void {
    const { catalogue, context, bits } = this;
    const { regime, vmid } = context;
    if (level > this.descriptors.granule.first1)
      for (const id of catalogue.group(S1_STEP, regime, vmid, va, level - 1))
        if (holds(bits, id) && this.mine(id)) this.table(catalogue.entries[id]!.payload, va, level - 1, true);
    for (const id of [...catalogue.group(C_STEP, regime, vmid, va, level - 1)])
      if (holds(bits, id) && this.mine(id)) this.descriptor(catalogue.entries[id]!.payload, va, level);
    if (level > 0)
      for (const at of leafLevels(level, this.knowledge.contiguous))
        for (const id of [...catalogue.group(S1_LEAF, regime, vmid, va, at)])
          if (holds(bits, id) && this.mine(id)) {
            const { ipa, payload, asid } = catalogue.entries[id]!;
            this.combine(va, asid, at, ipa, payload);
          }
  }

  private descriptor(table: number, va: number, level: number): void {
    this.stage = 1;
    const read = this.descriptors.read(table, va, level, this.t, this);
    if (this.context.ha) this.update(read, va, level);
    this.step(read.memory, va, level, true);
    for (const d of read.cached) this.step(d, va, level, false);
    if (!this.knowledge.contiguous) return;
    for (const d of this.descriptors.shared(table, va, level, this.t, this)) this.leaf(d, va, level, true);
  }

  /** What hardware may do to the leaf descriptor that a walk finds in memory: set its access flag, and for a write its dirty state. */
  private update({ memory: d, cell, at }: DescriptorRead, va: number, level: number): void {
    const { context, catalogue } = this;
    if (!this.descriptors.isUsable(d, level) || isTable(d, level)) return;
    if (d.contiguous) throw new Unsupported("a walk that updates a descriptor with the Contiguous bit (FEAT_HAFDBS)");
    const clean = isClean(d, context);
    const ipa = this.descriptors.output(d, va, level);
    const asid = d.global ? -1 : context.asid;
    for (const dirty of [false, true]) {
      if (dirty ? !clean : d.af) continue;
      const value = this.descriptors.updated(cell, at, dirty);
      const payload = payloadOf(dirty ? d.ap & ~2 : d.ap, clean && !dirty, d, context);
      for (const leaf of this.leavesOf(level, ipa, payload)) {
        const entry = catalogue.entry(C_LEAF, context.regime, context.vmid, asid, va, level, leaf.id, ipa);
        this.updates.push({ update: { cell, read: at, value, flag: !d.af, dirty, entry }, leaf });
      }
    }
  }

  private step(d: Decoded, va: number, level: number, memory: boolean): void {
    if (!this.descriptors.isUsable(d, level)) {
      if (memory) this.fault(1, level, "translation", false, -1);
    } else if (isTable(d, level)) this.table(d.page, va, level, false);
    else if (d.af) this.leaf(d, va, level, false);
    else if (memory && !this.context.ha) this.fault(1, level, "access-flag", false, -1);
  }

  /** The entries of a stage-1 leaf; `shared`: of another descriptor of the VA's contiguous group, for all of that. */
  private leaf(d: Decoded, va: number, level: number, shared: boolean): void {
    const { context } = this;
    const ipa = this.descriptors.output(d, va, level, shared);
    const asid = d.global ? -1 : context.asid;
    const payload = payloadOf(d.ap, isClean(d, context), d, context);
    const at = shared ? level + SHARED : level;
    if (context.stage2) this.add(S1_LEAF, asid, va, at, payload, ipa);
    this.combine(va, asid, at, ipa, payload);
  }

  /** A combined entry for each PA that stage 2 may give an IPA; `payload` is that of a stage-1 leaf, which stands under the level `at`. */
  private combine(va: number, asid: number, at: number, ipa: number, payload: number): void {
    const level = at >= SHARED ? at - SHARED : at;
    for (const leaf of this.leavesOf(level, ipa, payload)) this.add(C_LEAF, asid, va, at, leaf.id, ipa);
  }

  /** Where an IPA that stage 1 gave at `level` may lead. */
  private leavesOf(level: number, ipa: number, payload: number): Leaf[] {
    const { catalogue } = this;
    if (!this.context.stage2) {
      const { ap, memory, contiguous, level: level2 } = NO_STAGE2;
      return [catalogue.leaf(ipa, ipa, level, payload, ap, memory, contiguous, level2)];
    }
    return this.stage2(ipa, false).map((end) =>
      catalogue.leaf(end.page, ipa, level, payload, end.ap, end.memory, end.contiguous, end.level),
    );
  }

  /** What stage 2 may give for an IPA: from cached entries and from walks, which are cached in turn. */
  private stage2(ipa: number, onWalk: boolean): readonly Stage2Leaf[] {
    const { catalogue, context, bits } = this;
    const constant = this.constants.stage2(context, ipa, onWalk);
    if (constant !== null) {
      if (!("type" in constant)) return [constant];
      if (!this.faults.includes(constant)) this.faults.push(constant);
      return [];
    }
    const leaves: Stage2Leaf[] = [];
    const { descriptors, knowledge } = this;
    const { granule } = descriptors;
    const held = (d: Decoded, level: number, shared: boolean): void => {
      const payload = stage2Payload(descriptors.output(d, ipa, level, shared), d.contiguous, d.memory2, d.ap);
      this.add(S2_LEAF, -1, ipa, shared ? level + SHARED : level, payload, -1);
    };
    const reads = (table: number, level: number): void => {
      this.stage = 2;
      const { memory, cached } = descriptors.read(table, ipa, level, this.t, this);
      for (const d of [memory, ...cached]) {
        if (!descriptors.isUsable(d, level)) this.fault(2, level, "translation", onWalk, ipa);
        else if (isTable(d, level)) this.add(S2_STEP, -1, ipa, level, d.page, -1);
        else if (!d.af) this.fault(2, level, "access-flag", onWalk, ipa);
        else held(d, level, false);
      }
      if (knowledge.contiguous)
        for (const d of descriptors.shared(table, ipa, level, this.t, this)) held(d, level, true);
    };
    reads(context.stage2Root, granule.first2);
    for (let level = granule.first2 + 1; level <= 3; level++) {
      for (const id of [...catalogue.group(S2_STEP, EL10, context.vmid, ipa, level - 1)])
        if (holds(bits, id)) reads(catalogue.entries[id]!.payload, level);
    }
    for (let level = 1; level <= 3; level++)
      for (const at of leafLevels(level, knowledge.contiguous))
        for (const id of catalogue.group(S2_LEAF, EL10, context.vmid, ipa, at))
          if (holds(bits, id)) {
            const { payload } = catalogue.entries[id]!;
            const [memory, contiguous] = [(payload >> 2) & 15, (payload & 64) !== 0];
            leaves.push({ page: outputOf(payload), ap: payload & 3, memory, contiguous, level });
          }
    return leaves;
  }
}
