/** What a thread did besides its events, in words: reads, faults, barriers, TLBIs that missed somebody. */
import { BARRIERS, completesTlbi } from "../../arch/index.js";
import type { Rule } from "../rules.js";
import type { AccessTrail, AmalgamTrail, Trail, World } from "../thread/index.js";
import { EL10 } from "../tlb/index.js";
import { BARRIER, CONFLICT, FAULT, LOADED, MISS, type Steps } from "./step.js";
import type { Translations } from "./translations.js";
import type { Words } from "./words.js";

/** Tells {@link Trail}s. */
export class Records {
  /** by PE: the latest arrival of its TLBIs that a DSB has waited for */
  private readonly completed = new Map<number, number>();

  constructor(
    private readonly world: World,
    private readonly words: Words,
    private readonly steps: Steps,
    private readonly translations: Translations,
    private readonly records: readonly (readonly Trail[])[],
  ) {}

  /** Tells what PE `pe` did. */
  tell(pe: number, record: Trail): void {
    switch (record.kind) {
      case "access":
        if (record.read) this.read(pe, record);
        break;
      case "fault":
        this.steps.add(record.view, FAULT, pe, `${record.at.text.trim()}: ${record.what}`, undefined, {
          at: record.at,
        });
        break;
      case "amalgam":
        this.amalgam(pe, record);
        break;
      case "barrier":
        this.barrier(pe, record);
        break;
      case "tlbi":
        this.missed(pe, record);
        break;
    }
  }

  private amalgam(pe: number, { at, page, view, context, conflict }: AmalgamTrail): void {
    for (const entry of conflict.entries) this.translations.fill(pe, { context, entry, time: view });
    const entries = conflict.entries.map((id) => this.words.entry(id)).join(" and ");
    const text = `${at.text.trim()}: may find two entries for ${this.words.va(page)}, ${entries}; what comes is CONSTRAINED UNPREDICTABLE`;
    this.steps.add(view, CONFLICT, pe, text, "break-before-make", { at });
  }

  private read(pe: number, record: AccessTrail): void {
    const { cells } = this.world;
    const value = this.words.value(record.value, record.cell);
    const where = this.words.cell(cells.pa[record.cell]!);
    const from = record.time === 0 ? "" : `, written at time ${record.time}`;
    if (record.walk.entry < 0) {
      this.steps.add(
        record.view,
        LOADED,
        pe,
        `${record.at.text.trim()}: reads ${value} from ${where}${from}`,
        undefined,
        { at: record.at },
      );
      return;
    }
    this.translations.fill(pe, record.walk);
    const text = `${record.at.text.trim()}: reads ${value} from ${where}${from}`;
    const { timeline, program, cpu } = this.world;
    const removed = this.translations.removal(pe, record.walk, record.view);
    const by = timeline.thread[removed];
    if (cpu.symptoms["repeat-tlbi-reads"] && by !== undefined && by !== pe) {
      const entry = this.words.entry(record.walk.entry);
      const late = `${text}, through ${entry} that was removed at time ${removed}: the read is observed only now`;
      const despite = program.threads[by]!.code[timeline.origin[removed]!]!;
      const more = { stale: true, at: record.at, entry, despite } as const;
      this.steps.add(record.view, LOADED, pe, late, "repeat-tlbi-reads", more);
      return;
    }
    const { words, rule, ...stale } = this.translations.through(pe, record.walk, record.view);
    this.steps.add(record.view, LOADED, pe, `${text}, ${words}`, rule, { ...stale, at: record.at });
  }

  /** A TLBI that does not come to a PE which goes on using what it was meant to remove. */
  private missed(pe: number, record: Extract<Trail, { kind: "tlbi" }>): void {
    const invalidation = this.world.catalogue.invalidations[record.invalidation]!;
    if (invalidation.regime !== EL10) return;
    this.records.forEach((list, other) => {
      if (record.targets.includes(other)) return;
      const uses = list.some(
        (r) => r.kind === "access" && r.walk.entry >= 0 && this.translations.isStale(other, r.walk, r.view),
      );
      if (!uses) return;
      const local = record.local && other !== pe;
      const why = local ? "it is local" : `it is for VMID ${invalidation.vmid}`;
      const what = `TLBI ${this.words.tlbi(invalidation)}: removes nothing on ${this.words.who(other)}, ${why}`;
      this.steps.add(record.view, MISS, pe, what, local ? "broadcast" : "vmid-match", { at: record.at });
    });
  }

  private barrier(pe: number, record: Extract<Trail, { kind: "barrier" }>): void {
    const barrier = BARRIERS[record.barrier]!;
    if (barrier.kind !== "DSB" || record.tlbis === 0) return;
    const completes = completesTlbi(barrier) !== "none";
    if (record.tlbis <= (this.completed.get(pe) ?? 0)) return;
    if (record.view >= record.tlbis && completes) this.completed.set(pe, record.tlbis);
    const add = (what: string, rule?: Rule): void =>
      this.steps.add(record.view, BARRIER, pe, `${barrier.name}${what}`, rule, { at: record.at });
    if (record.view >= record.tlbis) add(": its TLBIs are complete");
    else if (!completes) add(" after a TLBI: does not wait for it", "tlbi-completion");
    else if (barrier.nXS) add(": does not wait for a TLBI that has no nXS (FEAT_XS)");
    else add(": does not wait for a TLBI that reaches further", "dsb-domain");
  }
}
