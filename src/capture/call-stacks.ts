/**
 * Who called whom, from the entries of functions: each with its SP and its return address. Xen keeps no frame pointers, so
 * a way is followed outwards only as far as it is certain: from a function to the one that its return address lies in, and
 * on from there if that one's entry was seen.
 */
import { beginsWay, type XenFunction, type XenText } from "../binary/index.js";

interface Frame {
  readonly of: XenFunction;
  /** SP and X30 at the entry */
  readonly sp: number;
  readonly returnsTo: number;
}

export class CallStacks {
  /** by CPU: functions entered, the innermost last; some may have returned already */
  private readonly frames: Frame[][] = [];
  private readonly jumps = new Map<XenFunction, ReadonlySet<XenFunction>>();
  private readonly leaves = new Map<XenFunction, boolean>();

  constructor(private readonly text: XenText) {}

  private of(cpu: number): Frame[] {
    this.frames[cpu] ??= [];
    return this.frames[cpu];
  }

  /** A function was entered. */
  enter(cpu: number, of: XenFunction, sp: number, returnsTo: number): void {
    const frames = this.of(cpu);
    for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
      // The stack grows down: what was entered below has returned. At the same SP it has too, or it ended in a jump to here.
      if (top.sp > sp || (top.sp === sp && top.returnsTo === returnsTo && this.jumpsTo(top.of, of))) break;
      frames.pop();
    }
    frames.push({ of, sp, returnsTo });
  }

  /** True when a function ends in a jump to another (a tail call). */
  private jumpsTo(from: XenFunction, to: XenFunction): boolean {
    let sources = this.jumps.get(to);
    if (!sources) {
      const jumps = this.text.branchesTo(to.address).filter(({ call }) => !call);
      sources = new Set(jumps.map(({ from }) => this.text.functionAt(from)).filter((f) => f !== undefined));
      this.jumps.set(to, sources);
    }
    return sources.has(from);
  }

  private isLeaf(f: XenFunction): boolean {
    let leaf = this.leaves.get(f);
    if (leaf === undefined) {
      leaf = this.text.isLeaf(f);
      this.leaves.set(f, leaf);
    }
    return leaf;
  }

  /** Names from the function that executes outwards, as far as certain. `sp` and `x30` are those of the moment. */
  path(cpu: number, f: XenFunction, sp: number, x30: number): string[] {
    const frames = this.of(cpu);
    const names = [f.name];
    let at = this.nearest(frames, frames.length - 1, f, sp);
    let frame: Frame;
    if (at !== undefined) frame = frames[at]!;
    else if (this.isLeaf(f)) {
      frame = { of: f, sp, returnsTo: x30 };
      at = frames.length;
    } else return names;
    for (;;) {
      // Functions that ended in a jump to this one, with its SP and return address.
      for (let next = frames[at - 1]; next !== undefined; next = frames[at - 1]) {
        if (next.sp < frame.sp) {
          at--; // returned already
          continue;
        }
        if (next.sp !== frame.sp || next.returnsTo !== frame.returnsTo || !this.jumpsTo(next.of, frame.of)) break;
        frame = next;
        at--;
        names.push(frame.of.name);
      }
      const caller = this.text.functionAt(frame.returnsTo - 4);
      if (!caller) return names;
      names.push(caller.name);
      if (beginsWay(caller)) return names;
      const found = this.nearest(frames, at - 1, caller, frame.sp + 1);
      if (found === undefined) return names;
      at = found;
      frame = frames[at]!;
    }
  }

  /** The innermost entry of a function from `last` on outwards whose SP was at least `sp`. */
  private nearest(frames: readonly Frame[], last: number, f: XenFunction, sp: number): number | undefined {
    for (let i = last; i >= 0; i--) if (frames[i]!.of === f && frames[i]!.sp >= sp) return i;
    return undefined;
  }
}
