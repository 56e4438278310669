/**
 * Follows a function's code from its entry to its ends, in symbols: each way that data may take, calls of functions that flush
 * themselves, loops once for all their rounds. What is not followed is named.
 */
import { type A64, decodeA64, endsInException } from "../arch/index.js";
import { type Alternative, type CodeFile, type ElfSymbol, fullAddress } from "../binary/index.js";
import { access } from "./access.js";
import { Calls } from "./calls.js";
import type { Capability } from "./capabilities.js";
import { Concerns } from "./concerns.js";
import {
  type Following,
  type FollowSetting,
  followedBy,
  type Met,
  type Next,
  type Place,
  type Row,
} from "./following.js";
import { type Loop, loopName, writtenIn } from "./loops.js";
import { Machine } from "./machine.js";
import { Patches } from "./patched.js";
import { isOwnerCurrent, SystemInstructions } from "./system.js";
import type { Decision, End, Tree } from "./tree.js";
import type { DataCondition } from "./value.js";

/** Instructions followed on all ways together, and ways; more is not read by anybody. */
const MOST_STEPS = 200_000;
const MOST_WAYS = 1_024;

export class Follower implements Following {
  private steps = 0;
  private ways = 0;
  readonly concerns: Concerns;
  private readonly patches = new Patches(this);
  private readonly calls = new Calls(this);
  private readonly system = new SystemInstructions(this);
  /** capabilities that a way depended on, and what was made of each */
  readonly asked = new Map<number, { readonly alternative: Alternative; readonly is: Capability }>();
  readonly met = new Map<number, Met>();
  /** where ways end in an exception, or in a function that never returns */
  readonly exceptions = new Set<number>();
  /** why not everything was followed */
  exhausted: string | undefined;

  constructor(
    readonly code: CodeFile,
    readonly f: ElfSymbol,
    readonly setting: FollowSetting,
  ) {
    this.concerns = new Concerns(code);
  }

  follow(): Tree {
    const machine = new Machine((address) => this.code.dataName(address));
    const frames = [{ f: this.f, back: undefined, before: undefined }];
    const pc = this.f.address + (this.setting.from ?? 0);
    return this.run({
      pc,
      machine,
      frames,
      loops: [],
      owner: undefined,
      tge: "as found",
      former: "as found",
      waits: false,
      flushed: false,
    });
  }

  run(place: Place): Tree {
    const row: Row = { events: [], remarks: [] };
    for (;;) {
      const next = this.step(place, row);
      if (next !== undefined) return { ...row, next };
    }
  }

  end(end: End, at: number): Tree["next"] {
    this.ways++;
    if (end === "exception") this.exceptions.add(at);
    return { kind: "end", end, at };
  }

  giveUp(row: Row, at: number, why: string): Tree["next"] {
    this.exhausted ??= why;
    row.remarks.push({ kind: "problem", text: why });
    return this.end("return", at);
  }

  /** Executes one instruction; gives what follows where the way ends or parts. */
  private step(place: Place, row: Row): Next {
    const { pc } = place;
    const frame = place.frames.at(-1)!;
    if (++this.steps > MOST_STEPS)
      return this.giveUp(
        row,
        pc,
        `more than ${MOST_STEPS.toLocaleString("en")} instructions on its ways: a part of it may be named by --begin and --end`,
      );
    if (this.ways > MOST_WAYS)
      return this.giveUp(
        row,
        pc,
        `more than ${MOST_WAYS.toLocaleString("en")} ways: a part of it may be named by --begin and --end`,
      );
    const { to } = this.setting;
    if (to !== undefined && place.frames.length === 1 && pc === this.f.address + to) return this.end("return", pc);
    const depth = place.frames.length;
    const within = place.loops.filter((one) => one.depth < depth || (one.depth === depth && one.loop.body.has(pc)));
    for (const { loop } of place.loops.slice(within.length).reverse())
      row.events.push({ kind: "left", head: loop.head });
    place.loops = within;
    const around = place.loops.at(-1);
    if (around && around.depth === depth && pc === around.loop.head && !this.justEntered) return this.end("again", pc);
    const loop = this.concerns.loopAt(frame.f, pc);
    if (loop && !(around?.loop.head === pc && around.depth === depth)) return this.loop(place, loop);
    this.justEntered = false;
    const word = this.code.word(pc);
    if (word === undefined) return this.giveUp(row, pc, `no code at ${fullAddress(pc)}: the way leads out of the file`);
    this.met.set(pc, { address: pc, word, f: frame.f });
    const patched = this.patches.at(place, row, word);
    return patched === "as it stands" ? this.execute(place, row, word, pc) : patched;
  }

  /** The head of a loop is met first when it is entered, and then again. */
  private justEntered = false;

  /** The rounds of a loop, from a state that holds in each, and the ways out. */
  private loop(place: Place, loop: Loop): Tree["next"] {
    const machine = place.machine.copy();
    const { grows, writes, stores, all } = writtenIn(this.code, loop, machine);
    machine.widen(loopName(loop.head), grows, writes, stores, all);
    this.justEntered = true;
    const loops = [...place.loops, { loop, depth: place.frames.length }];
    return { kind: "loop", at: loop.head, body: this.run({ ...place, machine, loops }) };
  }

  part(decision: Decision, yes: () => Tree, no: () => Tree): Tree["next"] {
    return { kind: "part", decision, yes: yes(), no: no() };
  }

  fork(place: Place, condition: DataCondition, way: (place: Place, yes: boolean) => Tree): Tree["next"] {
    const decision: Decision =
      isOwnerCurrent(condition) || this.setting.ownerCurrent.has(condition.text.toLowerCase())
        ? { kind: "owner-current" }
        : { kind: "data", text: condition.text };
    const side = (yes: boolean) => (): Tree => {
      const machine = place.machine.copy();
      machine.decide(condition.text, yes);
      return way({ ...place, machine }, yes);
    };
    return this.part(decision, side(true), side(false));
  }

  execute(place: Place, row: Row, word: number, at: number): Next {
    const { machine, pc } = place;
    if (endsInException(word)) return this.end("exception", at);
    const does = decodeA64(word, at);
    if (does === undefined) return this.system.execute(place, row, word, at);
    if (does.kind === "branch") return this.branch(place, row, does, at);
    if (does.kind === "compute") {
      // The comparison is of what was there before.
      if (does.compares) machine.compare(does.compares);
      machine.assign(does.sets, `v@${at.toString(16)}`);
    } else if (does.kind === "select")
      machine.select(does.rd, does.condition, machine.value(does.yes), machine.value(does.no));
    else if (
      does.kind !== "nothing" &&
      access(machine, does) &&
      place.waits &&
      !this.setting.others.has(at - this.f.address)
    )
      row.events.push({ kind: "store", at: [at] });
    place.pc = pc + 4;
    return undefined;
  }

  private branch(place: Place, row: Row, does: Extract<A64, { kind: "branch" }>, at: number): Next {
    const { machine, pc, frames } = place;
    if (does.returns) return this.calls.returned(place);
    if (does.call) return this.calls.call(place, row, does.target, at);
    if (does.target === undefined)
      return this.giveUp(row, at, `the branch by register at ${fullAddress(at)} leads to where a register says`);
    const { target } = does;
    if (does.condition === undefined) return this.calls.jump(place, row, target);
    const found = machine.condition(does.condition);
    if ("is" in found) {
      if (found.is) return this.calls.jump(place, row, target);
      place.pc = pc + 4;
      return undefined;
    }
    // Where no way from here to the function's end does anything of interest, they need not be told apart.
    if (
      frames.length === 1 &&
      place.loops.length === 0 &&
      this.setting.to === undefined &&
      this.concerns.quiet(frames[0]!.f, pc)
    )
      return this.end("return", at);
    return this.fork(place, found.data, (own, yes) => {
      own.pc = pc + 4;
      if (yes === found.not) return this.run(own);
      const ownRow: Row = { events: [], remarks: [] };
      const next = this.calls.jump(own, ownRow, target);
      return next !== undefined ? { ...ownRow, next } : followedBy(ownRow, this.run(own));
    });
  }
}
