/** A timeline and its executions, told in time: who walked, what was held, what was written, which TLBI reached whom. */
import { BARRIERS, completesTlbi } from "../../arch/index.js";
import type { Instruction } from "../program.js";
import { RULES, type Rule } from "../rules.js";
import type { Record, Walked, World } from "../thread/index.js";
import {
  C_LEAF,
  C_STEP,
  CONTEXT,
  type Context,
  EL10,
  type Entry,
  INVALIDATE,
  type Invalidation,
  isStep,
  KINDS,
  S2_LEAF,
  WRITE,
} from "../tlb/index.js";

/** One step of a story. Times are positions in the timeline, 0 = before anything happens; several steps may share one. */
export interface Step {
  readonly time: number;
  readonly who: string;
  readonly what: string;
  /** the rule of the manual that allows it, where it surprises */
  readonly rule?: string;
  /** the PE at which an invalidation by another one arrives */
  readonly to?: string;
  /** true of an access through a translation that the tables do not give any more */
  readonly stale?: true;
}

/** What comes first among the steps of one time. */
const EVENT = 0;
const FILL = 1;
const BARRIER = 2;
const ACCESS = 3;

interface Placed extends Step {
  readonly order: number;
}

type Access = Extract<Record, { kind: "access" }>;

/** Tells what the threads did, `records`, in program order each, over the world's present timeline. */
export function tell(world: World, records: readonly (readonly Record[])[]): Step[] {
  return new Story(world, records).steps();
}

class Story {
  private readonly placed: Placed[] = [];
  /** fills told already, by PE, entry and time */
  private readonly told = new Set<string>();

  constructor(
    private readonly world: World,
    private readonly records: readonly (readonly Record[])[],
  ) {}

  steps(): Step[] {
    const { timeline } = this.world;
    const writes = new Map<number, Access>();
    this.records.forEach((list) => {
      for (const r of list) if (r.kind === "access" && !r.read) writes.set(r.time, r);
    });
    for (let t = 1; t <= timeline.n; t++) this.event(t, writes.get(t));
    this.records.forEach((list, pe) => {
      for (const record of list) this.record(pe, record);
    });
    const sorted = this.placed.map((step, i) => ({ step, i }));
    sorted.sort((a, b) => a.step.time - b.step.time || a.step.order - b.step.order || a.i - b.i);
    return sorted.map(({ step: { order: _, ...step } }) => step);
  }

  private add(
    time: number,
    order: number,
    pe: number,
    what: string,
    rule?: Rule,
    more?: Pick<Step, "to" | "stale">,
  ): void {
    this.placed.push({ time, order, who: this.who(pe), what, ...(rule && { rule: RULES[rule] }), ...more });
  }

  private who(pe: number): string {
    const thread = this.world.program.threads[pe]!;
    return thread.title ?? `PE ${thread.name}`;
  }

  private event(t: number, write: Access | undefined): void {
    const { timeline } = this.world;
    if (timeline.kind[t] === WRITE) this.write(t, write);
    else if (timeline.kind[t] === INVALIDATE) this.arrival(t);
    else if (timeline.kind[t] === CONTEXT) this.context(t);
  }

  private write(t: number, record: Access | undefined): void {
    const { timeline, cells } = this.world;
    const pe = timeline.thread[t]!;
    const cell = timeline.what[t]!;
    const value = this.valueWords(timeline.value[t]!, cell);
    const where = this.cellWords(cells.pa[cell]!);
    if (record === undefined || record.walk.entry < 0) {
      this.add(t, EVENT, pe, `writes ${value} to ${where}`);
      return;
    }
    this.fill(pe, record.walk);
    const { removed } = this.removal(pe, record.walk, t);
    if (removed <= t)
      this.add(t, EVENT, pe, `its write of ${value} to ${where}, made through ${this.entryName(record.walk.entry)} before time ${removed}, is observed only now`, "repeat-tlbi", { stale: true }); // biome-ignore format: one call
    else {
      const { words, rule, ...stale } = this.through(pe, record.walk, t);
      this.add(t, EVENT, pe, `writes ${value} to ${where} ${words}`, rule, stale);
    } // biome-ignore format: one call
  }

  /** Which events have removed the entry of a walk by time `t`. */
  private removal(pe: number, walk: Walked, t: number): { removed: number } {
    const { timeline, catalogue } = this.world;
    for (let i = walk.time + 1; i <= t; i++)
      if (timeline.kind[i] === INVALIDATE && timeline.pe[i] === pe && catalogue.matches(timeline.what[i]!, walk.entry))
        return { removed: i };
    return { removed: Number.POSITIVE_INFINITY };
  }

  private arrival(t: number): void {
    const { timeline, catalogue, cache } = this.world;
    const pe = timeline.pe[t]!;
    const by = timeline.thread[t]!;
    const invalidation = catalogue.invalidations[timeline.what[t]!]!;
    const before = cache.entriesAt(pe, t - 1);
    const gone = before.filter((entry) => catalogue.matches(invalidation.id, entry));
    const leaves = gone.filter((entry) => !isStep(catalogue.entries[entry]!.kind));
    const kinds = [...new Set(gone.map((entry) => KINDS[catalogue.entries[entry]!.kind]!.replace(" step", "")))];
    const removes =
      gone.length === 0
        ? "finds no entry of this story"
        : leaves.length > 0 && leaves.length <= 2
          ? `removes ${leaves.map((e) => this.entryName(e)).join(" and ")}`
          : `removes the ${kinds.join(", ")} entries`;
    const stays = before.filter((e) => catalogue.entries[e]!.kind === C_LEAF && !gone.includes(e));
    const onlyStage2 = invalidation.op.stage2 && !invalidation.op.combined;
    const to = pe === by ? "its own PE" : this.who(pe);
    const early = this.overtaken(t);
    const text = `TLBI ${this.tlbiWords(invalidation)} arrives at ${to}${early ? `, before the ${early.text.trim().replace(/,.*/, "")} in front of it` : ""}: ${removes}`;
    const far = pe === by ? {} : { to };
    if (early) this.add(t, EVENT, by, text, "tlbi-unordered", far);
    else if (onlyStage2 && stays.length > 0)
      this.add(t, EVENT, by, `${text}; ${stays.length === 1 ? this.entryName(stays[0]!) : "combined entries"} may stay`, "combined-entries", far); // biome-ignore format: one call
    else {
      // Another leaf entry that somebody there goes on using: the TLBI is for another ASID, or not for global ones.
      const kept = stays.find((e) => this.usedLater(pe, e, t) && catalogue.entries[e]!.vmid === invalidation.vmid);
      const spared = kept !== undefined && invalidation.op.matchesAsid !== "any";
      if (spared) this.add(t, EVENT, by, `${text}; ${this.entryName(kept)} may stay`, "asid-match", far);
      else this.add(t, EVENT, by, text, undefined, far);
    }
  }

  /** True when the PE accesses memory through the entry at a time after `t`. */
  private usedLater(pe: number, entry: number, t: number): boolean {
    return this.records[pe]!.some((r) => r.kind === "access" && r.walk.entry === entry && r.view >= t);
  }

  /** A TLBI with its operand in words: "IPAS2E1IS, ipa1". */
  private tlbiWords({ op, fields }: Invalidation): string {
    switch (fields.kind) {
      case "none":
        return op.name;
      case "asid":
        return `${op.name}, ASID ${fields.asid}`;
      case "va":
        return op.regime === "EL2" && fields.page === 0 ? op.name : `${op.name}, ${this.va(fields.page)}`;
      case "ipa":
        return `${op.name}, ${this.ipa(fields.page)}`;
      default: {
        const first = fields.kind === "va-range" ? this.va(fields.base) : this.ipa(fields.base);
        return `${op.name}, ${fields.granules} pages from ${first}`;
      }
    }
  }

  private origin(t: number): Instruction {
    const { timeline, program } = this.world;
    return program.threads[timeline.thread[t]!]!.code[timeline.origin[t]!]!;
  }

  /** A TLBI of the same PE that comes earlier in its program and arrives at the same place later. */
  private overtaken(t: number): Instruction | undefined {
    const { timeline } = this.world;
    const mine = this.origin(t);
    for (let i = t + 1; i <= timeline.n; i++)
      if (
        timeline.kind[i] === INVALIDATE &&
        timeline.thread[i] === timeline.thread[t] &&
        timeline.pe[i] === timeline.pe[t] &&
        this.origin(i).address < mine.address
      )
        return this.origin(i);
    return undefined;
  }

  private context(t: number): void {
    const { timeline, cache } = this.world;
    const pe = timeline.pe[t]!;
    const el10 = (list: readonly Context[]): readonly Context[] => list.filter((c) => c.regime === EL10);
    const now = el10(cache.live(timeline.what[t]!));
    const before = el10(cache.liveAt(pe, t - 1));
    const text = this.origin(t).text.trim();
    if (now.length > 0) {
      const words = now.map((c) => `${this.table(c.root0)}, VMID ${c.vmid}, ASID ${c.asid}`).join(" or ");
      this.add(t, EVENT, pe, `${text}: may walk for EL1&0 from now on (${words})`);
    } else if (before.length > 0)
      this.add(t, EVENT, pe, `${text}: comes to EL2, and does not walk for EL1&0 from now on`, "out-of-context");
    else {
      const words = cache.live(timeline.what[t]!).map((c) => this.table(c.root0));
      this.add(t, EVENT, pe, `${text}: may walk for EL2 from now on (${words.join(" or ")})`);
    }
  }

  private record(pe: number, record: Record): void {
    switch (record.kind) {
      case "access":
        if (record.read) this.read(pe, record);
        break;
      case "fault":
        this.add(record.view, ACCESS, pe, `${record.at.text.trim()}: ${record.what}`);
        break;
      case "barrier":
        this.barrier(pe, record);
        break;
      case "tlbi":
        this.missed(pe, record);
        break;
    }
  }

  private read(pe: number, record: Access): void {
    const { cells } = this.world;
    const value = this.valueWords(record.value, record.cell);
    const where = this.cellWords(cells.pa[record.cell]!);
    const from = record.time === 0 ? "" : `, written at time ${record.time}`;
    if (record.walk.entry < 0) {
      this.add(record.view, ACCESS, pe, `${record.at.text.trim()}: reads ${value} from ${where}${from}`);
      return;
    }
    this.fill(pe, record.walk);
    const { words, rule, ...stale } = this.through(pe, record.walk, record.view);
    const text = `${record.at.text.trim()}: reads ${value} from ${where}${from}, ${words}`;
    this.add(record.view, ACCESS, pe, text, rule, stale);
  }

  /** True when the tables do not give, at time `t`, what a walk out of the TLB gives. */
  private isStale(pe: number, walk: Walked, t: number): boolean {
    const { page } = this.world.catalogue.entries[walk.entry]!;
    return !this.world.cache.fresh(pe, walk.context, page, t).includes(walk.entry);
  }

  /** Words for an access through a cached entry, and the rule that lets it. */
  private through(pe: number, walk: Walked, t: number): { words: string; rule: Rule | undefined; stale?: true } {
    const name = `through ${this.entryName(walk.entry)}`;
    if (!this.isStale(pe, walk, t)) return { words: name, rule: undefined };
    const { asid, regime } = this.world.catalogue.entries[walk.entry]!;
    const written = this.descriptorWritten(t);
    const words = `${name}, which ${written ? "the tables do not give any more" : "the present tables do not give"}`;
    return { stale: true, words, rule: written || asid < 0 || regime !== EL10 ? undefined : "asid-match" };
  }

  private descriptorWritten(t: number): boolean {
    const { timeline, cache } = this.world;
    for (let i = t; i > 0; i--) if (timeline.kind[i] === WRITE && cache.descriptors.has(timeline.what[i]!)) return true;
    return false;
  }

  /** A TLBI that does not come to a PE which goes on using what it was meant to remove. */
  private missed(pe: number, record: Extract<Record, { kind: "tlbi" }>): void {
    const invalidation = this.world.catalogue.invalidations[record.invalidation]!;
    if (invalidation.op.regime === "EL2") return;
    this.records.forEach((list, other) => {
      if (record.targets.includes(other)) return;
      const uses = list.some((r) => r.kind === "access" && r.walk.entry >= 0 && this.isStale(other, r.walk, r.view));
      if (!uses) return;
      const local = record.local && other !== pe;
      const why = local ? "it is local" : `it is for VMID ${invalidation.vmid}`;
      const what = `TLBI ${this.tlbiWords(invalidation)}: removes nothing on ${this.who(other)}, ${why}`;
      this.add(record.view, BARRIER, pe, what, local ? "broadcast" : "vmid-match");
    });
  }

  /** by PE: the latest arrival of its TLBIs that a DSB has waited for */
  private readonly completed = new Map<number, number>();
  /** When the PE filled the entry that a walk used: since then it has held it. */
  private fill(pe: number, walk: Walked): void {
    const { cache, catalogue, timeline } = this.world;
    let t = walk.time;
    const removedAt = (i: number): boolean =>
      timeline.kind[i] === INVALIDATE && timeline.pe[i] === pe && catalogue.matches(timeline.what[i]!, walk.entry);
    while (t > 0 && !removedAt(t) && cache.entriesAt(pe, t - 1).includes(walk.entry)) t--;
    const key = `${pe}.${walk.entry}.${t}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    const entry = catalogue.entries[walk.entry]!;
    const what = `walks ${this.va(entry.page)} and holds ${this.entryName(walk.entry)}`;
    if (t === 0) this.add(t, FILL, pe, what);
    else if (this.fromTables(pe, entry, t)) this.add(t, FILL, pe, what, "speculative-fill");
    else {
      const held = this.world.cache.outOfHeld(pe, walk.context, entry.page, t).includes(walk.entry);
      const old = held ? this.heldPart(pe, entry, t) : undefined;
      if (old) this.add(t, FILL, pe, `${what}, out of the ${old} that it still holds`, "speculative-fill");
      else
        this.add(t, FILL, pe, `${what}, out of a former descriptor in a physical translation cache`, "physical-caches");
    }
  }

  /** True when the tables of a context that is live at time `t` give the entry then. */
  private fromTables(pe: number, { id, regime, vmid, page }: Entry, t: number): boolean {
    const { cache } = this.world;
    return cache
      .liveAt(pe, t)
      .some((context) => context.regime === regime && context.vmid === vmid && cache.fresh(pe, context, page, t).includes(id)); // biome-ignore format: one row
  }

  /** What a PE held already before time `t`, out of which it fills a combined entry then. */
  private heldPart(pe: number, entry: Entry, t: number): string {
    const { cache, catalogue } = this.world;
    const leaf = catalogue.leaves[entry.payload]!;
    const stage2 = cache.entriesAt(pe, t).find((id) => {
      const other = catalogue.entries[id]!;
      const same = other.kind === S2_LEAF && other.vmid === entry.vmid && other.page === leaf.ipa;
      return same && Math.floor(other.payload / 4) === leaf.page;
    });
    return stage2 === undefined ? "table descriptors" : this.entryName(stage2);
  }

  private barrier(pe: number, record: Extract<Record, { kind: "barrier" }>): void {
    const barrier = BARRIERS[record.barrier]!;
    if (barrier.kind !== "DSB" || record.tlbis === 0) return;
    const completes = completesTlbi(barrier) !== "none";
    if (record.tlbis <= (this.completed.get(pe) ?? 0)) return;
    if (record.view >= record.tlbis && completes) this.completed.set(pe, record.tlbis);
    if (record.view >= record.tlbis) this.add(record.view, BARRIER, pe, `${barrier.name}: its TLBIs are complete`);
    else if (!completes)
      this.add(record.view, BARRIER, pe, `${barrier.name} after a TLBI: does not wait for it`, "tlbi-completion");
    else if (barrier.nXS)
      this.add(record.view, BARRIER, pe, `${barrier.name}: does not wait for a TLBI that has no nXS (FEAT_XS)`);
    else
      this.add(
        record.view,
        BARRIER,
        pe,
        `${barrier.name}: does not wait for a TLBI that reaches further`,
        "dsb-domain",
      );
  }

  private entryName(id: number): string {
    const { catalogue } = this.world;
    const e = catalogue.entries[id]!;
    const kind = KINDS[e.kind]!;
    const tag = e.regime === 0 ? `VMID ${e.vmid}${e.kind >= C_STEP ? (e.asid < 0 ? ", global" : `, ASID ${e.asid}`) : ""}` : "EL2"; // biome-ignore format: one row
    if (e.kind === S2_LEAF)
      return `${kind} entry ${this.ipa(e.page)} -> ${this.pa(Math.floor(e.payload / 4))} (${tag})`;
    if (e.kind === C_LEAF) {
      const leaf = catalogue.leaves[e.payload]!;
      return `its ${kind} entry ${this.va(e.page)} -> ${this.pa(leaf.page)} (${tag})`;
    }
    return `${kind} entry of ${this.va(e.page)} (${tag})`;
  }

  private va = (page: number): string => this.name("virtual", page);
  private ipa = (page: number): string => this.name("intermediate", page);
  private pa = (page: number): string => this.name("physical", page);

  private name(kind: "virtual" | "intermediate" | "physical", page: number): string {
    return this.world.program.names[kind].get(page * 4096) ?? `0x${(page * 4096).toString(16)}`;
  }

  private table(page: number): string {
    return this.world.program.names.tables.get(page * 4096) ?? `table 0x${(page * 4096).toString(16)}`;
  }

  private cellWords(pa: number): string {
    const { program } = this.world;
    return program.memory.describe(pa) ?? program.names.physical.get(pa) ?? `0x${pa.toString(16)}`;
  }

  /** A value in words; descriptors as what they map. */
  private valueWords(value: number, cell: number): string {
    const big = this.world.values.big(value);
    if (!this.world.cache.descriptors.has(cell)) return `0x${big.toString(16)}`.replace(/^0x(\d)$/, "$1");
    if ((big & 1n) === 0n) return big === 0n ? "0 (invalid)" : `0x${big.toString(16)} (invalid)`;
    const page = Number((big & 0xffff_ffff_f000n) >> 12n);
    const { physical, intermediate } = this.world.program.names;
    const to = physical.get(page * 4096) ?? intermediate.get(page * 4096) ?? `0x${(page * 4096).toString(16)}`;
    return `a descriptor of ${to}`;
  }
}
