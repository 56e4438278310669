/** Where a way leaves its function for another one: calls, returns, and branches that are calls. */
import { fullAddress } from "../binary/index.js";
import { neverBack } from "./concerns.js";
import type { Following, Frame, Next, Place, Row } from "./following.js";
import { number } from "./value.js";

/** Calls in calls that are followed. */
const MOST_CALLS = 4;

export class Calls {
  constructor(private readonly following: Following) {}

  /** A branch within the function, or a call that comes back to who called this one. */
  jump(place: Place, row: Row, target: number): Next {
    const { f, back, before } = place.frames.at(-1)!;
    if (target >= f.address && target < f.address + f.size) {
      place.pc = target;
      return undefined;
    }
    const other = this.following.code.functionAt(target);
    // A part of a function that the compiler has put elsewhere belongs to it.
    if (
      other &&
      (target !== other.address || other.name.startsWith(f.name) || this.following.concerns.flushes(other))
    ) {
      place.pc = target;
      const frames = [...place.frames.slice(0, -1), { f: other, back, before }];
      return this.continueIn(place, frames);
    }
    const ended = this.callUnfollowed(place, row, other?.name ?? fullAddress(target), target);
    return ended ?? this.returned(place);
  }

  /** The same way with other functions around it. */
  private continueIn(place: Place, frames: readonly Frame[]): undefined {
    place.frames = frames;
    return undefined;
  }

  returned(place: Place): Next {
    const { back, before } = place.frames.at(-1)!;
    if (back === undefined || before === undefined) return this.following.end("return", place.pc);
    place.machine.returned(before);
    place.pc = back;
    return this.continueIn(place, place.frames.slice(0, -1));
  }

  call(place: Place, row: Row, target: number | undefined, at: number): Next {
    const { machine, pc, frames } = place;
    const f = target === undefined ? undefined : this.following.code.functionAt(target);
    if (f && target === f.address && frames.length <= MOST_CALLS && this.following.concerns.flushes(f)) {
      const before = machine.copy();
      machine.write(30, number(BigInt(pc + 4)));
      place.pc = target;
      return this.continueIn(place, [...frames, { f, back: pc + 4, before }]);
    }
    const name =
      this.following.code.callAt(at) ??
      f?.name ??
      (target === undefined ? "a function by a register" : fullAddress(target));
    place.pc = pc + 4;
    return this.callUnfollowed(place, row, name, target);
  }

  private callUnfollowed(place: Place, row: Row, name: string, target: number | undefined): Next {
    if (neverBack(name)) return this.following.end("exception", place.pc);
    place.machine.afterCall(name);
    if (target === undefined)
      row.remarks.push({ kind: "left-out", text: `the call at ${fullAddress(place.pc - 4)} of ${name}` });
    else row.remarks.push({ kind: "left-out", text: `the call of ${name}` });
    return undefined;
  }
}
