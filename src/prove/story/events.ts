/** The events of a timeline in words: writes, invalidations that arrive, changes of what a PE may walk for. */
import type { Instruction } from "../program.js";
import type { AccessTrail, Trail, World } from "../thread/index.js";
import { C_LEAF, CONTEXT, type Context, EL10, INVALIDATE, isStep, KINDS, NOBODY, WRITE } from "../tlb/index.js";
import { ARRIVAL, CHANGE, STORED, type Steps } from "./step.js";
import type { Translations } from "./translations.js";
import type { Words } from "./words.js";

/** AP[2] of a descriptor. */
const AP_RO = 1n << 7n;

/** Tells the events of the world's timeline. */
export class Events {
  constructor(
    private readonly world: World,
    private readonly words: Words,
    private readonly steps: Steps,
    private readonly translations: Translations,
    private readonly records: readonly (readonly Trail[])[],
  ) {}

  /** Tells the event of time `t`; of a write, `write` is how the thread came to do it. */
  tell(t: number, write: AccessTrail | undefined): void {
    const { timeline } = this.world;
    if (timeline.kind[t] === WRITE) this.write(t, write);
    else if (timeline.kind[t] === INVALIDATE) this.arrival(t);
    else if (timeline.kind[t] === CONTEXT) this.context(t);
  }

  private write(t: number, record: AccessTrail | undefined): void {
    const { timeline, cells } = this.world;
    const pe = timeline.thread[t]!;
    const cell = timeline.what[t]!;
    const value = this.words.value(timeline.value[t]!, cell);
    const where = this.words.cell(cells.pa[cell]!);
    if (timeline.pe[t] !== 0) {
      this.update(t, cell, where);
      return;
    }
    const at = this.origin(t);
    if (record === undefined || record.walk.entry < 0) {
      this.steps.add(t, STORED, pe, `writes ${value} to ${where}`, undefined, { at });
      return;
    }
    this.translations.fill(pe, record.walk);
    const removed = this.translations.removal(pe, record.walk, t);
    const entry = this.words.entry(record.walk.entry);
    if (removed <= t)
      this.steps.add(
        t,
        STORED,
        pe,
        `its write of ${value} to ${where}, made through ${entry} before time ${removed}, is observed only now`,
        "repeat-tlbi",
        { stale: true, at, entry, despite: this.origin(removed) },
      );
    else {
      const { words, rule, ...stale } = this.translations.through(pe, record.walk, t);
      this.steps.add(t, STORED, pe, `writes ${value} to ${where} ${words}`, rule, { ...stale, at });
    }
  }

  /** What a walk wrote to a descriptor. */
  private update(t: number, cell: number, where: string): void {
    const { timeline, cells, values } = this.world;
    const before = timeline.lastWrite(cell, t - 1);
    const former = values.big(before === 0 ? cells.initial[cell]! : timeline.value[before]!);
    const dirty = ((former ^ values.big(timeline.value[t]!)) & AP_RO) !== 0n;
    const what = dirty ? "makes writable what was clean" : "sets the access flag";
    const ahead = timeline.thread[t] === NOBODY ? ", ahead of any access" : "";
    const rule = dirty ? "hardware-dirty" : "hardware-flag";
    this.steps.add(t, STORED, timeline.pe[t]! - 1, `its walk ${what} in ${where}${ahead}`, rule);
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
          ? `removes ${leaves.map((e) => this.words.entry(e)).join(" and ")}`
          : `removes the ${kinds.join(", ")} entries`;
    const stays = before.filter((e) => catalogue.entries[e]!.kind === C_LEAF && !gone.includes(e));
    const onlyStage2 = invalidation.op.stage2 && !invalidation.op.combined;
    const to = pe === by ? "its own PE" : this.words.who(pe);
    const early = this.overtaken(t);
    const text = `TLBI ${this.words.tlbi(invalidation)} arrives at ${to}${early ? `, before the ${early.text.trim().replace(/,.*/, "")} in front of it` : ""}: ${removes}`;
    const far = { at: this.origin(t), ...(pe === by ? {} : { to }) };
    if (early) this.steps.add(t, ARRIVAL, by, text, "tlbi-unordered", far);
    else if (onlyStage2 && stays.length > 0)
      this.steps.add(
        t,
        ARRIVAL,
        by,
        `${text}; ${stays.length === 1 ? this.words.entry(stays[0]!) : "combined entries"} may stay`,
        "combined-entries",
        far,
      );
    else {
      // Another leaf entry that somebody there goes on using: the TLBI is for another ASID, or not for global ones.
      const kept = stays.find((e) => this.usedLater(pe, e, t) && catalogue.entries[e]!.vmid === invalidation.vmid);
      const spared = kept !== undefined && invalidation.op.matchesAsid !== "any";
      if (spared) this.steps.add(t, ARRIVAL, by, `${text}; ${this.words.entry(kept)} may stay`, "asid-match", far);
      else this.steps.add(t, ARRIVAL, by, text, undefined, far);
    }
  }

  /** True when the PE accesses memory through the entry at a time after `t`. */
  private usedLater(pe: number, entry: number, t: number): boolean {
    return this.records[pe]!.some((r) => r.kind === "access" && r.walk.entry === entry && r.view >= t);
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
    const now = el10(cache.live.of(timeline.what[t]!));
    const before = el10(cache.live.at(pe, t - 1));
    const at = this.origin(t);
    const text = at.text.trim();
    if (now.length > 0) {
      const words = now.map((c) => `${this.words.table(c.root0)}, VMID ${c.vmid}, ASID ${c.asid}`).join(" or ");
      this.steps.add(t, CHANGE, pe, `${text}: may walk for EL1&0 from now on (${words})`, undefined, { at });
    } else if (before.length > 0)
      this.steps.add(
        t,
        CHANGE,
        pe,
        `${text}: comes to EL2, and does not walk for EL1&0 from now on`,
        "out-of-context",
        { at },
      );
    else {
      const words = cache.live.of(timeline.what[t]!).map((c) => this.words.table(c.root0));
      this.steps.add(t, CHANGE, pe, `${text}: may walk for EL2 from now on (${words.join(" or ")})`, undefined, { at });
    }
  }
}
