/**
 * What a policy's injected code names, held against the descriptors written before it: each operand names a leaf that went, with
 * its level where it gives one, and each leaf that went is named. So the trace proves that the code was told the right pages,
 * which no decoding of a build can.
 */
import { decodeOperand, descriptorKind, outputPage, pagesAtLevel, TLBI_OPS, VALID } from "../arch/index.js";
import { type EventBuffer, isInjected, Kind, type Names, type TraceSink } from "../trace/index.js";
import { P2mPlaces } from "./p2m-places.js";

/** Pages modulo what is known of a place: 0 = all of it. */
interface Leaf {
  readonly gfn: number;
  readonly pages: number;
  readonly level: number;
  readonly modulus: number;
  named: number;
}

interface Pcpu {
  gone: Leaf[];
  named: { readonly op: number; readonly page: number; readonly pages: number; readonly ttl: number }[];
}

/** A sink; {@link finish} once at the end. */
export class OperandsHeld implements TraceSink {
  readonly wants = [Kind.write, Kind.tlbi, Kind.sysreg];
  /** operands that were held against what was written, and what was not as it must be: how often, and the first in words */
  operands = 0;
  wrong = 0;
  first = "";
  private readonly places = new P2mPlaces();
  private readonly pcpus: Pcpu[] = [];

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++) {
      const kind = b.kind[i]!;
      if (kind !== Kind.write && kind !== Kind.tlbi && kind !== Kind.sysreg) continue;
      this.pcpus[b.pcpu[i]!] ??= { gone: [], named: [] };
      const p = this.pcpus[b.pcpu[i]!]!;
      if (kind === Kind.tlbi) this.tlbi(p, b, i, isInjected(names.list[b.site[i]!]!));
      else {
        this.settle(p);
        if (kind === Kind.sysreg) this.vttbr(b, i);
        else if (b.stage[i] === 2) this.write(p, b, i);
      }
    }
  }

  private vttbr(b: EventBuffer, i: number): void {
    const hi = b.to[2 * i + 1]!;
    if (hi >>> 16 !== 0) this.places.vttbr(hi >>> 16, outputPage(b.to[2 * i]!, hi & 0xffff));
  }

  private write(p: Pcpu, b: EventBuffer, i: number): void {
    const [level, slot] = [b.level[i]!, b.slot[i]!];
    if (level < 0) return;
    const table = outputPage(b.address[2 * i]!, b.address[2 * i + 1]!);
    const [from, to] = [[b.from[2 * i]!, b.from[2 * i + 1]!] as const, [b.to[2 * i]!, b.to[2 * i + 1]!] as const];
    const goes = (from[0] & VALID) !== 0 && (to[0] & VALID) === 0;
    if (goes && descriptorKind(from[0], level) !== "table") {
      const { gfn, root, modulus } = this.places.place(table, level, slot);
      p.gone.push({ gfn, pages: pagesAtLevel(level), level, modulus: root === undefined ? modulus : 0, named: 0 });
    }
    this.places.write(table, level, slot, from, to);
  }

  private tlbi(p: Pcpu, b: EventBuffer, i: number, injected: boolean): void {
    const op = b.code[i]!;
    const { operand, stage2, base } = TLBI_OPS[op]!;
    if (operand !== "ipa" && operand !== "ipa-range") {
      this.settle(p);
      // The whole VMID, or all of them: what went is flushed, whoever it was.
      if (stage2 && !base.startsWith("IPA")) p.gone = [];
      return;
    }
    if (!injected) return;
    const fields = decodeOperand(operand, b.to[2 * i]!, b.to[2 * i + 1]!);
    if (fields.kind === "ipa") p.named.push({ op, page: fields.page, pages: 1, ttl: fields.ttl });
    else if (fields.kind === "ipa-range")
      p.named.push({ op, page: fields.base, pages: fields.granules, ttl: fields.ttl });
  }

  /** A flush is over. What was named by it and what went before it are each other's. */
  private settle(p: Pcpu): void {
    if (p.named.length === 0) return;
    const { gone, named } = p;
    p.gone = [];
    p.named = [];
    for (const { op, page, pages, ttl } of named) {
      this.operands++;
      const hit = gone.filter((leaf) => overlaps(leaf, page, pages));
      for (const leaf of hit) leaf.named++;
      const name = `${TLBI_OPS[op]!.name} of gfn 0x${page.toString(16)}`;
      if (hit.length === 0) this.fault(`${name} names no page that went before it`);
      else if (ttl !== 0 && hit.some(({ level }) => (ttl & 3) !== level))
        this.fault(`${name} gives level ${ttl & 3}, where one of level ${hit[0]!.level} went`);
    }
    for (const { gfn, named: times } of gone)
      if (times === 0) this.fault(`gfn 0x${gfn.toString(16)} went, and no operand names it`);
  }

  private fault(what: string): void {
    this.wrong++;
    if (this.first === "") this.first = what;
  }

  finish(): void {
    for (const p of this.pcpus) if (p) this.settle(p);
  }
}

function overlaps({ gfn, pages, modulus }: Leaf, page: number, count: number): boolean {
  if (modulus === 0) return page < gfn + pages && page + count > gfn;
  if (count >= modulus) return true;
  const away = (((gfn - page) % modulus) + modulus) % modulus;
  return away < count || modulus - away < pages;
}
