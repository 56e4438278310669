/**
 * Joins a trace with what was counted in its run: each TLBI gets the counts of its window; what the host did between two becomes
 * events of their own, exits, which stand before the second, with the marks of dom0's script among them. So a trace's counts
 * sum up to all that the host did.
 */
import { TLBI_OPS } from "../arch/index.js";
import {
  BLOCK_EVENTS,
  EventBuffer,
  type ExitName,
  exitCode,
  Kind,
  type Names,
  NO_DOMAIN,
  type TraceSink,
} from "../trace/index.js";
import type { CountedItem, Exit, Window } from "./counts.js";
import type { Count } from "./probe.js";

/** Marks of dom0's script (src/capture/scenario.ts): begin and end of what creates the domU. */
const SCRIPT: Readonly<Record<number, readonly [kind: number, mark: string]>> = {
  16: [Kind.begin, "script:xl-create"],
  17: [Kind.end, "script:xl-create"],
};
const PHASE = "phase:";
const TWO32 = 2 ** 32;
const PCPU = 0;

export class Joined implements TraceSink {
  /** windows that belong to no TLBI of the trace: what is left at the end */
  unjoined = 0;
  private readonly out = new EventBuffer(BLOCK_EVENTS);
  private names: Names | undefined;
  /** the next item, and a window that waits for its TLBI */
  private next = 0;
  private waiting: Window | undefined;
  /** a part of dom0's script has begun and not ended */
  private begun = false;

  /**
   * `tlbis`: how many the trace has. It may begin later than the machine, but ends with it: so what was counted before the last
   * so many windows is not the trace's. Some TLBIs have no window: those of Xen before its MMU is on.
   */
  constructor(
    private readonly items: readonly CountedItem[],
    tlbis: number,
    private readonly sinks: readonly TraceSink[],
  ) {
    const windows = items.filter(({ what }) => what === "tlbi").length;
    for (let early = Math.max(0, windows - tlbis); early > 0; this.next++)
      if (items[this.next]!.what === "tlbi") early--;
  }

  events(b: EventBuffer, names: Names): void {
    this.names = names;
    let from = 0;
    for (let i = 0; i < b.length; i++) {
      if (b.kind[i] === Kind.end && names.list[b.code[i]!]!.startsWith(PHASE)) {
        this.pass(b, from, i, names);
        from = i;
        this.toScript(names);
      }
      if (b.kind[i] !== Kind.tlbi) continue;
      this.pass(b, from, i, names);
      from = i + 1;
      this.waiting ??= this.between(names);
      this.pass(b, i, from, names);
      if (!this.waiting || !isOf(this.waiting, b, i)) continue;
      count(this.out, this.out.length - 1, this.waiting);
      this.waiting = undefined;
    }
    this.pass(b, from, b.length, names);
  }

  /** Writes what was counted before the next window, and returns that. */
  private between(names: Names): Window | undefined {
    while (this.next < this.items.length) {
      const item = this.items[this.next++]!;
      if (item.what === "tlbi") return item;
      this.write(item, names);
    }
    return undefined;
  }

  /**
   * Writes what was counted before dom0's script began to create the domU, where that comes next: the phase that ends was Xen's
   * before it.
   */
  private toScript(names: Names): void {
    const isBegin = (item: CountedItem): boolean => item.what === "mark" && SCRIPT[item.mark]?.[0] === Kind.begin;
    let at = this.next;
    while (at < this.items.length && this.items[at]!.what !== "tlbi" && !isBegin(this.items[at]!)) at++;
    if (at === this.items.length || !isBegin(this.items[at]!)) return;
    while (this.next < at) this.write(this.items[this.next++]!, names);
  }

  private write(item: CountedItem, names: Names): void {
    if (item.what === "exit") this.exit(item, names);
    else if (item.what === "mark") this.mark(item.mark, names);
  }

  private pass(b: EventBuffer, from: number, to: number, names: Names): void {
    for (let at = from; at < to; ) {
      const n = Math.min(to - at, this.room(names));
      this.out.append(b, at, n);
      at += n;
    }
  }

  /** Events that the block at hand has room for: at least one. */
  private room(names: Names): number {
    const { out } = this;
    if (out.length === out.capacity) this.flush(names);
    return out.capacity - out.length;
  }

  private row(kind: number, code: number, vmid: number, names: Names): number {
    this.room(names);
    const { out } = this;
    const i = out.length++;
    out.kind[i] = kind;
    out.pcpu[i] = PCPU;
    out.code[i] = code;
    out.domain[i] = NO_DOMAIN;
    out.vmid[i] = vmid;
    out.site[i] = 0;
    return i;
  }

  private mark(mark: number, names: Names): void {
    const of = SCRIPT[mark];
    // What began before the trace has no end in it.
    if (!of || (of[0] === Kind.end && !this.begun)) return;
    this.begun = of[0] === Kind.begin;
    this.row(of[0], names.id(of[1]), 0, names);
  }

  private exit(exit: Exit, names: Names): void {
    const i = this.row(Kind.exit, exitCode(exit.name), exit.vmid, names);
    const { out } = this;
    put(out.to, i, exit.syndrome);
    if (exit.leaf && LEAVES.includes(exit.name)) {
      put(out.address, i, exit.leaf.bytes);
      put(out.from, i, exit.leaf.address);
      out.stage[i] = 2;
      out.level[i] = exit.leaf.level;
    }
    count(out, i, exit);
  }

  private flush(names: Names): void {
    const { out } = this;
    if (out.length === 0) return;
    for (const sink of this.sinks) sink.events(out, names);
    out.clear();
  }

  /** What was counted behind the last TLBI, and the end. */
  finish(): void {
    const { names } = this;
    if (!names) return;
    while (this.waiting ?? this.between(names)) {
      this.waiting = undefined;
      this.unjoined++;
    }
    this.flush(names);
  }
}

/** Exits whose leaf is the guest's. */
const LEAVES: readonly ExitName[] = ["shadow-fault", "host-fault"];

/** Is it the window of that TLBI? */
function isOf({ op, operand }: Window, b: EventBuffer, i: number): boolean {
  if (b.code[i] !== op) return false;
  const value = (BigInt(b.to[2 * i + 1]!) << 32n) | BigInt(b.to[2 * i]!);
  return TLBI_OPS[op]!.operand === "none" || value === operand;
}

function put(words: Uint32Array, i: number, value: number): void {
  words[2 * i] = value % TWO32;
  words[2 * i + 1] = Math.floor(value / TWO32);
}

/** Sets a row's counts. */
function count(b: EventBuffer, i: number, { instructions, tlbi, exits, faults }: Count): void {
  const { RIPAS2E1IS = 0, IPAS2E1IS = 0, VMALLE1IS = 0, ...others } = tlbi;
  put(b.hostInstructions, i, instructions);
  put(b.hostRipas2, i, RIPAS2E1IS);
  put(b.hostIpas2, i, IPAS2E1IS);
  put(b.hostVmalle1, i, VMALLE1IS);
  put(
    b.hostOtherTlbi,
    i,
    Object.values(others).reduce((sum, n) => sum + n, 0),
  );
  put(b.hostEntries, i, exits);
  put(b.hostFaults, i, faults);
  b.counted = true;
}
