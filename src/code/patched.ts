/** Words that may be patched at boot: alternatives, and branches of static keys. */
import { decodeA64 } from "../arch/index.js";
import { type Alternative, fullAddress } from "../binary/index.js";
import { capabilityOf } from "./capabilities.js";
import { type Following, followedBy, type Next, type Place, type Row } from "./following.js";
import type { Decision, Tree } from "./tree.js";

type How = (place: Place, row: Row) => Next;

export class Patches {
  constructor(private readonly following: Following) {}

  /** Where the words may be patched at boot: executes them, with a decision where that is the CPU's or nobody's. */
  at(place: Place, row: Row, word: number): Next | "as it stands" {
    const { pc } = place;
    const { following } = this;
    const { code, setting } = following;
    const jump = code.jumpLabels.get(pc);
    if (jump) {
      const on = (target: number) => () => following.run({ ...place, machine: place.machine.copy(), pc: target });
      return following.part({ kind: "data", text: `static key ${jump.key} branches` }, on(jump.target), on(pc + 4));
    }
    const alternative = code.alternatives.get(pc);
    if (alternative === undefined) return "as it stands";
    if (alternative.callback !== undefined && !/patch_nops/.test(alternative.callback))
      return this.written(place, row, alternative, alternative.callback);
    const is = capabilityOf(alternative, setting.capabilities, setting.vhe);
    following.asked.set(alternative.capability, { alternative, is });
    const with_: How = (p, r) => this.replaced(p, r, alternative);
    const without: How = (p, r) => this.plain(p, r, word, alternative);
    if (is.kind === "fixed") return (is.has ? with_ : without)(place, row);
    const decision: Decision =
      is.kind === "cpu"
        ? { kind: "cpu", word: is.word, not: false }
        : {
            kind: "data",
            text: `capability ${alternative.capability}${alternative.title ? ` (${alternative.title})` : ""}`,
          };
    const key = `patched ${decision.kind === "cpu" ? decision.word : alternative.capability}`;
    const known = place.machine.decisions.get(key);
    if (known !== undefined) return (known ? with_ : without)(place, row);
    const side = (how: How, yes: boolean) => (): Tree => {
      const own: Place = { ...place, machine: place.machine.copy() };
      own.machine.decisions.set(key, yes);
      const ownRow: Row = { events: [], remarks: [] };
      const next = how(own, ownRow);
      return next !== undefined ? { ...ownRow, next } : followedBy(ownRow, following.run(own));
    };
    return following.part(decision, side(with_, true), side(without, false));
  }

  /** Words that a function writes at boot: what they compute is not known. */
  private written(place: Place, row: Row, { count }: Alternative, callback: string): Next {
    const { following } = this;
    const { code, met } = following;
    const first = place.pc;
    row.remarks.push({
      kind: "left-out",
      text: `what the words at ${fullAddress(first)} compute: ${callback}() writes them at boot`,
    });
    for (let at = first; at < first + 4 * Math.max(count, 1); at += 4) {
      const word = code.word(at) ?? 0;
      met.set(at, { address: at, word, f: place.frames.at(-1)!.f });
      const does = decodeA64(word, at);
      if (does?.kind !== "compute") {
        const next = following.execute(place, row, word, at);
        if (next !== undefined || place.pc !== at + 4) return next;
        continue;
      }
      place.machine.assign(
        does.sets.map(({ rd }) => ({ rd, value: undefined })),
        `v@${at.toString(16)}`,
      );
      place.pc = at + 4;
    }
    return undefined;
  }

  /** All words of an alternative as they are put in place; branches are meant from where they stand. */
  private replaced(place: Place, row: Row, { replacement, callback, count }: Alternative): Next {
    const { following } = this;
    const { code, met } = following;
    const first = place.pc;
    for (let i = 0; i < count; i++) {
      if (callback !== undefined) {
        place.pc = first + 4 * (i + 1);
        continue;
      }
      const at = replacement + 4 * i;
      const word = code.word(at) ?? code.u32(at);
      if (word === undefined) return following.giveUp(row, at, `no code at ${fullAddress(at)}, an alternative`);
      met.set(at, { address: at, word, f: place.frames.at(-1)!.f });
      const next = following.execute(place, row, word, at);
      if (next !== undefined || place.pc !== first + 4 * (i + 1)) return next;
    }
    return undefined;
  }

  /** The words of an alternative as they stand. */
  private plain(place: Place, row: Row, word: number, { count }: Alternative): Next {
    const { following } = this;
    const { code, met } = following;
    let next = following.execute(place, row, word, place.pc);
    for (let i = 1; i < count && next === undefined; i++) {
      const at = place.pc;
      const other = code.word(at);
      if (other === undefined || code.alternatives.has(at)) break;
      met.set(at, { address: at, word: other, f: place.frames.at(-1)!.f });
      next = following.execute(place, row, other, at);
    }
    return next;
  }
}
