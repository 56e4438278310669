/** The contexts, cached entries, leaves, faults and TLBIs of one exploration, interned: it handles small numbers only. */
import {
  decodeOperand,
  type EntryKind,
  GLOBAL_ASID,
  type GranuleBits,
  matchesAddress,
  matchesAsid,
  matchesHint,
  matchesLevel,
  matchesVmid,
  removesKind,
  TLBI_OPS,
  type TlbiOp,
} from "../../arch/index.js";
import type { Model } from "../rules.js";
import {
  type Context,
  type ContextParts,
  EL2,
  EL10,
  type Entry,
  type Invalidation,
  isStep,
  type Leaf,
  nameOf,
  PAGES,
  type Regime,
  SHARED,
  type WalkFault,
} from "./entry.js";

/** How the kinds of entry are called where invalidation is decided. */
const ENTRY_KINDS: readonly EntryKind[] = ["stage1", "stage1", "stage2", "stage2", "combined", "combined"];

const NONE: readonly number[] = [];

/** Interns contexts, entries, leaves, faults and TLBIs of one exploration. */
export class Catalogue {
  readonly contexts: Context[] = [];
  readonly entries: Entry[] = [];
  readonly leaves: Leaf[] = [];
  readonly faults: WalkFault[] = [];
  readonly invalidations: Invalidation[] = [];
  private readonly ids = new Map<string, number>();
  /** entries of one kind, regime, VMID, level and page; the first four make a tag */
  private readonly tags = new Map<number, number>();
  private readonly groups = new Map<number, number[]>();
  /** leaves by page; and by id what else a leaf is asked for by */
  private readonly leafGroups = new Map<number, Leaf[]>();
  private readonly leafPayload: number[] = [];
  private readonly leafRest: number[] = [];
  private readonly faultsByKey = new Map<number, WalkFault>();
  /** matches() by invalidation and entry: 0 not asked, 1 no, 2 yes */
  private readonly matched: Uint8Array[] = [];

  constructor(
    private readonly model: Model,
    private readonly granuleBits: GranuleBits,
  ) {}

  private intern<T extends { readonly id: number }>(list: T[], key: string, make: (id: number) => T): T {
    const known = this.ids.get(key);
    if (known !== undefined) return list[known]!;
    const made = make(list.length);
    this.ids.set(key, made.id);
    list.push(made);
    return made;
  }

  context(c: ContextParts): Context {
    const memoryTypes = Array.from({ length: 8 }, (_, i) => Number((c.mair >> BigInt(8 * i)) & 0xffn));
    return this.intern(this.contexts, `c${nameOf(c)}`, (id) => ({ id, ...c, memoryTypes }));
  }

  private groupKey(kind: number, regime: Regime, vmid: number, page: number, level: number): number {
    const name = ((kind * 3 + regime) * 0x10000 + vmid) * 16 + level + 1;
    let tag = this.tags.get(name);
    if (tag === undefined) {
      tag = this.tags.size;
      this.tags.set(name, tag);
    }
    return tag * PAGES + page;
  }

  /** The id of an entry. */
  entry(
    kind: number,
    regime: Regime,
    vmid: number,
    asid: number,
    page: number,
    level: number,
    payload: number,
    ipa: number,
  ): number {
    const key = this.groupKey(kind, regime, vmid, page, level);
    let group = this.groups.get(key);
    if (group === undefined) {
      group = [];
      this.groups.set(key, group);
    }
    for (const id of group) {
      const e = this.entries[id]!;
      if (e.payload === payload && e.asid === asid && e.ipa === ipa) return id;
    }
    const id = this.entries.length;
    this.entries.push({ id, kind, regime, vmid, asid, page, level, payload, ipa });
    group.push(id);
    return id;
  }

  /** Ids of the entries known so far of that kind, VMID, page and level, of any ASID. */
  group(kind: number, regime: Regime, vmid: number, page: number, level: number): readonly number[] {
    return this.groups.get(this.groupKey(kind, regime, vmid, page, level)) ?? NONE;
  }

  /**
   * The leaf that a stage-1 descriptor of `level` with `payload` (see payloadOf()) and the IPA `ipa` makes with what stage 2 gives:
   * looked for among those of its page, for walks ask for it all the time.
   */
  leaf(
    page: number,
    ipa: number,
    level: number,
    payload: number,
    s2ap: number,
    memory2: number,
    contiguous2: boolean,
    level2: number,
  ): Leaf {
    let group = this.leafGroups.get(page);
    if (group === undefined) {
      group = [];
      this.leafGroups.set(page, group);
    }
    const rest = (((memory2 * 4 + s2ap) * 2 + (contiguous2 ? 1 : 0)) * 4 + level2) * 4 + level;
    for (const leaf of group)
      if (leaf.ipa === ipa && this.leafPayload[leaf.id] === payload && this.leafRest[leaf.id] === rest) return leaf;
    const bits = { ap: payload & 3, clean: (payload & 4) !== 0, xs: (payload & 8) !== 0 };
    const stage1 = { ipa, level, ...bits, contiguous: (payload & 16) !== 0, memory: payload >> 5 };
    const leaf = { id: this.leaves.length, page, ...stage1, s2ap, memory2, contiguous2, level2 };
    this.leaves.push(leaf);
    this.leafPayload.push(payload);
    this.leafRest.push(rest);
    group.push(leaf);
    return leaf;
  }

  fault(type: WalkFault["type"], stage: 1 | 2, level: number, onWalk: boolean, ipa: number): WalkFault {
    const what = (type === "translation" ? 4 : 0) + (stage === 2 ? 2 : 0) + (onWalk ? 1 : 0);
    const key = (what * 8 + level + 1) * 2 * PAGES + ipa + 1;
    let fault = this.faultsByKey.get(key);
    if (fault === undefined) {
      fault = { id: this.faults.length, type, stage, level, onWalk, ipa };
      this.faults.push(fault);
      this.faultsByKey.set(key, fault);
    }
    return fault;
  }

  /** `operand` is Xt, `opIndex` an index in TLBI_OPS; see {@link regimeOf}. */
  invalidation(opIndex: number, operand: bigint, vmid: number, regime: Regime): Invalidation {
    const op = TLBI_OPS[opIndex]!;
    return this.intern(this.invalidations, `i${opIndex}.${operand}.${op.matchesVmid ? vmid : 0}.${regime}`, (id) => ({
      id,
      regime,
      op,
      operand,
      fields: decodeOperand(op.operand, Number(operand & 0xffff_ffffn), Number(operand >> 32n)),
      vmid,
    }));
  }

  /** True when the TLBI must remove the entry from a PE that it reaches. */
  matches(invalidation: number, entry: number): boolean {
    let row = this.matched[invalidation];
    if (row === undefined || row.length <= entry) {
      const longer = new Uint8Array(Math.max(256, 2 * entry + 2));
      if (row) longer.set(row);
      this.matched[invalidation] = row = longer;
    }
    if (row[entry] === 0) row[entry] = this.decide(this.invalidations[invalidation]!, this.entries[entry]!) ? 2 : 1;
    return row[entry] === 2;
  }

  /** {@link mustGo}, part by part: those that the mutation test drops are left out. */
  private decide({ op, fields, vmid, regime }: Invalidation, e: Entry): boolean {
    const { model } = this;
    if (regime !== e.regime || (regime === EL10 && !matchesVmid(op, vmid, e.vmid))) return false;
    const step = isStep(e.kind);
    const kind = ENTRY_KINDS[e.kind]!;
    if (!this.removesKind(op, kind)) return false;
    if (model["last-level"] && !matchesLevel(op, step)) return false;
    const byIpa = op.operand.startsWith("ipa");
    if (
      !byIpa &&
      model["asid-match"] &&
      !matchesAsid(op, fields, regime === EL2 ? "EL2" : "EL1&0", Math.max(e.asid, GLOBAL_ASID))
    )
      return false;
    const shared = e.level >= SHARED;
    const level = shared ? e.level - SHARED : e.level;
    if (model["ttl-hint"] && !matchesHint(fields, level, step, this.granuleBits)) return false;
    const page = byIpa && kind === "combined" ? e.ipa : e.page;
    return !model["address-match"] || matchesAddress(fields, page, level, this.granuleBits, shared);
  }

  /** Whether the TLBI is for entries of a kind. Without a rule it is for more, or fewer, than the architecture says. */
  private removesKind(op: TlbiOp, kind: EntryKind): boolean {
    const { model } = this;
    if (!model["combined-entries"] && kind === "combined") return true;
    if (!model["stage1-kinds"] && kind === "stage2" && op.stage1 && !op.stage2) return true;
    if (!model["stage2-kinds"] && kind === "stage2" && op.operand.startsWith("ipa")) return false;
    return removesKind(op, kind);
  }

  /** True when a fault that a walk gave would be gone with this TLBI, had it been an entry: the access that took it is complete. */
  matchesFault(invalidation: number, fault: WalkFault, context: Context, vaPage: number): boolean {
    const i = this.invalidations[invalidation]!;
    const { op } = i;
    if (i.regime !== context.regime) return false;
    if (context.regime === EL10 && op.matchesVmid && context.vmid !== i.vmid) return false;
    const byIpa = op.operand.startsWith("ipa");
    if (byIpa && fault.stage === 1) return false;
    if (op.matchesAsid !== "any" && context.regime !== EL2 && "asid" in i.fields && i.fields.asid !== context.asid)
      return false;
    if (i.fields.kind === "none" || i.fields.kind === "asid") return true;
    // The level that a hint by VA is about is that of stage 1, which a fault of stage 2 does not tell.
    const level = byIpa || fault.stage === 1 ? fault.level : 3;
    if (this.model["ttl-hint"] && !matchesHint(i.fields, level, false, this.granuleBits)) return false;
    return matchesAddress(i.fields, byIpa ? fault.ipa : vaPage, 3, this.granuleBits);
  }
}
