/**
 * Follows a function's code from its entry to its ends, in symbols: each way that data may take, calls of functions that flush
 * themselves, loops once for all their rounds. What is not followed is named.
 */
import {
  type A64,
  BARRIERS,
  barrierFromWord,
  decodeA64,
  decodeSysreg,
  decodeTlbi,
  endsInException,
  nameOtherWord,
  SYSREGS,
  TLBI_OPS,
} from "../arch/index.js";
import { type Alternative, type CodeFile, type ElfSymbol, fullAddress } from "../binary/index.js";
import { type Capability, capabilityOf, type Said } from "./capabilities.js";
import { Concerns, neverBack } from "./concerns.js";
import { type Loop, writtenIn } from "./loops.js";
import { Machine } from "./machine.js";
import { operandOf } from "./operand.js";
import type { Decision, End, Event, Remark, Tree } from "./tree.js";
import { bitOf, type DataCondition, number, openChoice, operate, type Value } from "./value.js";

/** What is said of the code beside the code. */
interface Setting {
  readonly capabilities: Said;
  /** HCR_EL2.E2H = 1: the kernel runs at EL2 itself */
  readonly vhe: boolean;
  /** offsets in bytes from the function's first: where to begin, and where to end */
  readonly from?: number;
  readonly to?: number;
  /** conditions, in lower case, which tell that the owner's VTTBR_EL2 is in force */
  readonly ownerCurrent: ReadonlySet<string>;
  /** offsets of stores that write no descriptor */
  readonly others: ReadonlySet<number>;
}

/** Instructions followed on all ways together, and ways; more is not read by anybody. */
const MOST_STEPS = 200_000;
const MOST_WAYS = 1_024;
/** Calls in calls that are followed. */
const MOST_CALLS = 4;
/** HCR_EL2.TGE. */
const TGE = 27;
const VTTBR = "VTTBR_EL2";

/** A function that was called, and what is to be found again when it returns. */
interface Frame {
  readonly f: ElfSymbol;
  readonly back: number | undefined;
  readonly before: Machine | undefined;
}

/** Where a way is. */
interface Place {
  pc: number;
  readonly machine: Machine;
  frames: readonly Frame[];
  /** loops around, the innermost last, each with how many calls stand outside it */
  loops: readonly { readonly loop: Loop; readonly depth: number }[];
  /** the value that is taken for the owner's, once VTTBR_EL2 was written */
  owner: string | undefined;
  /** HCR_EL2.TGE, once it was written */
  tge: 0 | 1 | undefined | "unwritten";
  /** a DSB came, and no TLBI yet: what is stored now may be the descriptor, which that DSB does not wait for */
  waits: boolean;
  flushed: boolean;
}

/** An instruction that was met, for the listing. */
export interface Met {
  readonly address: number;
  readonly word: number;
  readonly f: ElfSymbol;
  /** what the words at this place are when patched */
  readonly instead?: string;
}

/** A part of a way: what is done until ways part. */
interface Row {
  readonly events: Event[];
  readonly remarks: Remark[];
}

export class Follower {
  private steps = 0;
  private ways = 0;
  private readonly concerns: Concerns;
  /** capabilities that a way depended on, and what was made of each */
  readonly asked = new Map<number, { readonly alternative: Alternative; readonly is: Capability }>();
  readonly met = new Map<number, Met>();
  /** where ways end in an exception, or in a function that never returns */
  readonly exceptions = new Set<number>();
  /** why not everything was followed */
  exhausted: string | undefined;

  constructor(
    private readonly code: CodeFile,
    private readonly f: ElfSymbol,
    private readonly setting: Setting,
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
      tge: "unwritten",
      waits: false,
      flushed: false,
    });
  }

  private run(place: Place): Tree {
    const row: Row = { events: [], remarks: [] };
    for (;;) {
      const next = this.step(place, row);
      if (next !== undefined) return { ...row, next };
    }
  }

  private end(end: End, at: number): Tree["next"] {
    this.ways++;
    if (end === "exception") this.exceptions.add(at);
    return { kind: "end", end, at };
  }

  private giveUp(row: Row, at: number, why: string): Tree["next"] {
    this.exhausted ??= why;
    row.remarks.push({ kind: "problem", text: why });
    return this.end("return", at);
  }

  /** Executes one instruction; gives what follows where the way ends or parts. */
  private step(place: Place, row: Row): Tree["next"] | undefined {
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
    const patched = this.patched(place, row, word);
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

  /** Where the words may be patched at boot: executes them, with a decision where that is the CPU's or nobody's. */
  private patched(place: Place, row: Row, word: number): Tree["next"] | undefined | "as it stands" {
    const { pc } = place;
    const jump = this.code.jumpLabels.get(pc);
    if (jump) {
      const on = (target: number) => () => this.run({ ...place, machine: place.machine.copy(), pc: target });
      return this.part({ kind: "data", text: `static key ${jump.key} branches` }, on(jump.target), on(pc + 4));
    }
    const alternative = this.code.alternatives.get(pc);
    if (alternative === undefined) return "as it stands";
    if (alternative.callback !== undefined && !/patch_nops/.test(alternative.callback))
      return this.written(place, row, alternative, alternative.callback);
    const is = capabilityOf(alternative, this.setting.capabilities, this.setting.vhe);
    this.asked.set(alternative.capability, { alternative, is });
    const with_ = (p: Place, r: Row) => this.replaced(p, r, alternative);
    const without = (p: Place, r: Row) => this.plain(p, r, word, alternative);
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
    const side = (how: typeof with_, yes: boolean) => (): Tree => {
      const own: Place = { ...place, machine: place.machine.copy() };
      own.machine.decisions.set(key, yes);
      const ownRow: Row = { events: [], remarks: [] };
      const next = how(own, ownRow);
      if (next !== undefined) return { ...ownRow, next };
      const rest = this.run(own);
      return { ...rest, events: [...ownRow.events, ...rest.events], remarks: [...ownRow.remarks, ...rest.remarks] };
    };
    return this.part(decision, side(with_, true), side(without, false));
  }

  /** Words that a function writes at boot: what they compute is not known. */
  private written(place: Place, row: Row, { count }: Alternative, callback: string): Tree["next"] | undefined {
    const first = place.pc;
    row.remarks.push({
      kind: "left-out",
      text: `what the words at ${fullAddress(first)} compute: ${callback}() writes them at boot`,
    });
    for (let at = first; at < first + 4 * Math.max(count, 1); at += 4) {
      const word = this.code.word(at) ?? 0;
      this.met.set(at, { address: at, word, f: place.frames.at(-1)!.f });
      const does = decodeA64(word, at);
      if (does?.kind !== "compute") {
        const next = this.execute(place, row, word, at);
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
  private replaced(place: Place, row: Row, { replacement, callback, count }: Alternative): Tree["next"] | undefined {
    const first = place.pc;
    for (let i = 0; i < count; i++) {
      if (callback !== undefined) {
        place.pc = first + 4 * (i + 1);
        continue;
      }
      const at = replacement + 4 * i;
      const word = this.code.word(at) ?? this.code.u32(at);
      if (word === undefined) return this.giveUp(row, at, `no code at ${fullAddress(at)}, an alternative`);
      this.met.set(at, { address: at, word, f: place.frames.at(-1)!.f });
      const next = this.execute(place, row, word, at);
      if (next !== undefined || place.pc !== first + 4 * (i + 1)) return next;
    }
    return undefined;
  }

  /** The words of an alternative as they stand. */
  private plain(place: Place, row: Row, word: number, { count }: Alternative): Tree["next"] | undefined {
    let next = this.execute(place, row, word, place.pc);
    for (let i = 1; i < count && next === undefined; i++) {
      const at = place.pc;
      const other = this.code.word(at);
      if (other === undefined || this.code.alternatives.has(at)) break;
      this.met.set(at, { address: at, word: other, f: place.frames.at(-1)!.f });
      next = this.execute(place, row, other, at);
    }
    return next;
  }

  private part(decision: Decision, yes: () => Tree, no: () => Tree): Tree["next"] {
    return { kind: "part", decision, yes: yes(), no: no() };
  }

  /** Both ways of a condition on data. */
  private fork(place: Place, condition: DataCondition, way: (place: Place, yes: boolean) => Tree): Tree["next"] {
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

  /** Executes a word that stands at `at`, and goes on behind it. */
  private execute(place: Place, row: Row, word: number, at: number): Tree["next"] | undefined {
    const { machine, pc } = place;
    if (endsInException(word)) return this.end("exception", at);
    const does = decodeA64(word, at);
    if (does === undefined) return this.system(place, row, word, at);
    if (does.kind === "branch") return this.branch(place, row, does, at);
    if (does.kind === "compute") {
      // The comparison is of what was there before.
      if (does.compares) machine.compare(does.compares);
      machine.assign(does.sets, `v@${at.toString(16)}`);
    } else if (does.kind === "select")
      machine.select(does.rd, does.condition, machine.value(does.yes), machine.value(does.no));
    else if (
      does.kind !== "nothing" &&
      this.access(place, does) &&
      place.waits &&
      !this.setting.others.has(at - this.f.address)
    )
      row.events.push({ kind: "store", at: [at] });
    place.pc = pc + 4;
    return undefined;
  }

  /** A load or a store; true for a store to what is not the stack. */
  private access({ machine }: Place, does: Extract<A64, { kind: "load" | "store" }>): boolean {
    const address = machine.value(does.address);
    const parts = does.registers.map((register, i) => ({
      register,
      address: operate("add", address, number(BigInt(i * does.bytes))),
    }));
    if (does.kind === "load") {
      const values = parts.map(({ address: from }) =>
        does.opaque ? machine.unknown(`[${from.text}]`) : machine.load(from, does.bytes),
      );
      machine.assign(does.sets, "base");
      for (const [i, { register }] of parts.entries())
        machine.write(register, does.signed ? unknownOr(values[i]!, does.bytes) : values[i]!);
      return false;
    }
    let outside = parts.length === 0 && machine.stackOffset(address) === undefined;
    for (const { register, address: to } of parts)
      outside = machine.store(to, does.bytes, does.opaque ? undefined : machine.read(register)) || outside;
    machine.assign(does.sets, "status");
    return outside;
  }

  private branch(place: Place, row: Row, does: Extract<A64, { kind: "branch" }>, at: number): Tree["next"] | undefined {
    const { machine, pc, frames } = place;
    if (does.returns) return this.returned(place);
    if (does.call) return this.call(place, row, does.target, at);
    if (does.target === undefined)
      return this.giveUp(row, at, `the branch by register at ${fullAddress(at)} leads to where a register says`);
    const { target } = does;
    if (does.condition === undefined) return this.jump(place, row, target);
    const found = machine.condition(does.condition);
    if ("is" in found) {
      if (found.is) return this.jump(place, row, target);
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
      const next = this.jump(own, ownRow, target);
      const rest = next === undefined ? this.run(own) : { events: [], remarks: [], next };
      return { ...rest, events: [...ownRow.events, ...rest.events], remarks: [...ownRow.remarks, ...rest.remarks] };
    });
  }

  /** A branch within the function, or a call that comes back to who called this one. */
  private jump(place: Place, row: Row, target: number): Tree["next"] | undefined {
    const { f, back, before } = place.frames.at(-1)!;
    if (target >= f.address && target < f.address + f.size) {
      place.pc = target;
      return undefined;
    }
    const other = this.code.functionAt(target);
    // A part of a function that the compiler has put elsewhere belongs to it.
    if (other && (target !== other.address || other.name.startsWith(f.name) || this.concerns.flushes(other))) {
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

  private returned(place: Place): Tree["next"] | undefined {
    const { back, before } = place.frames.at(-1)!;
    if (back === undefined || before === undefined) return this.end("return", place.pc);
    place.machine.returned(before);
    place.pc = back;
    return this.continueIn(place, place.frames.slice(0, -1));
  }

  private call(place: Place, row: Row, target: number | undefined, at: number): Tree["next"] | undefined {
    const { machine, pc, frames } = place;
    const f = target === undefined ? undefined : this.code.functionAt(target);
    if (f && target === f.address && frames.length <= MOST_CALLS && this.concerns.flushes(f)) {
      const before = machine.copy();
      machine.write(30, number(BigInt(pc + 4)));
      place.pc = target;
      return this.continueIn(place, [...frames, { f, back: pc + 4, before }]);
    }
    const name =
      this.code.callAt(at) ?? f?.name ?? (target === undefined ? "a function by a register" : fullAddress(target));
    place.pc = pc + 4;
    return this.callUnfollowed(place, row, name, target);
  }

  private callUnfollowed(place: Place, row: Row, name: string, target: number | undefined): Tree["next"] | undefined {
    if (neverBack(name)) return this.end("exception", place.pc);
    place.machine.afterCall(name);
    if (target === undefined)
      row.remarks.push({ kind: "left-out", text: `the call at ${fullAddress(place.pc - 4)} of ${name}` });
    else row.remarks.push({ kind: "left-out", text: `the call of ${name}` });
    return undefined;
  }

  /** Barriers, TLBIs, system registers, hints. */
  private system(place: Place, row: Row, word: number, at: number): Tree["next"] | undefined {
    const { machine, pc } = place;
    const barrier = barrierFromWord(word);
    const tlbi = decodeTlbi(word);
    const move = decodeSysreg(word);
    if (tlbi) {
      const value = tlbi.op.operand === "none" ? number(0n) : machine.read(tlbi.rt);
      const open = openChoice(value);
      if (open) return this.fork(place, open, (own) => this.run(own));
      if (tlbi.op.regime === "EL1&0" && place.tge === 1)
        row.remarks.push({
          kind: "problem",
          text: `TLBI ${tlbi.op.name} at ${fullAddress(at)} is executed with HCR_EL2.TGE = 1: it concerns the hypervisor's own regime`,
        });
      place.waits = false;
      place.flushed = true;
      row.events.push({ kind: "tlbi", op: tlbi.index, operand: operandOf(TLBI_OPS[tlbi.index]!, value), at: [at] });
    } else if (barrier !== undefined) {
      if (BARRIERS[barrier]!.kind === "DSB" && !place.flushed) place.waits = true;
      if (BARRIERS[barrier]!.kind !== "DMB") row.events.push({ kind: "barrier", barrier, at: [at] });
    } else if (move) {
      const next = move.reads ? undefined : this.writeRegister(place, row, move.register, machine.read(move.rt), at);
      if (next) return next;
      if (move.reads) machine.write(move.rt, this.readRegister(machine, move.register));
    } else if (!isHint(word)) this.other(row, word, at);
    place.pc = pc + 4;
    return undefined;
  }

  private readRegister(machine: Machine, register: string): Value {
    const known = machine.system.get(register);
    if (known) return known;
    if (STEADY[register]) return nameOf(STEADY[register]);
    const value = (SYSREGS as readonly string[]).includes(register) ? nameOf(register) : machine.unknown(register);
    if ((SYSREGS as readonly string[]).includes(register)) machine.system.set(register, value);
    return value;
  }

  private writeRegister(place: Place, row: Row, register: string, value: Value, at: number): Tree["next"] | undefined {
    const { machine } = place;
    if (!(SYSREGS as readonly string[]).includes(register)) {
      if (/^S3_5_C(1_C0_0|2_C0_)/.test(register))
        row.remarks.push({ kind: "left-out", text: `MSR ${register} at ${fullAddress(at)}` });
      return undefined;
    }
    if (register === VTTBR) {
      const open = openChoice(value);
      if (open) return this.fork(place, open, (own) => this.run(own));
      const before = machine.system.get(VTTBR)?.text ?? VTTBR;
      const current = value.text === VTTBR || (place.owner !== undefined && place.owner !== value.text);
      if (!current) place.owner = value.text;
      if (current && value.text !== VTTBR)
        row.remarks.push({
          kind: "taken",
          text: `what VTTBR_EL2 becomes at ${fullAddress(at)}${shown(value)} is taken for what was in force before`,
        });
      else if (!current && before === VTTBR)
        row.remarks.push({
          kind: "taken",
          text: `what VTTBR_EL2 becomes at ${fullAddress(at)}${shown(value)} is taken for the owner's table and VMID`,
        });
      row.events.push({ kind: "vttbr", value: current ? "current" : "owner", text: value.text, at: [at] });
    } else row.remarks.push({ kind: "left-out", text: `MSR ${register} at ${fullAddress(at)}` });
    if (register === "HCR_EL2") place.tge = bitOf(value, TGE);
    machine.system.set(register, value);
    return undefined;
  }

  private other(row: Row, word: number, at: number): void {
    const known = nameOtherWord(word);
    // SYS and MSR (immediate) of caches and of PSTATE are nothing to translation.
    if (known !== undefined && !/among the TLBIs/.test(known)) return;
    if (known === undefined && (word & 0xfff8_f01f) >>> 0 === 0xd500_401f) return;
    row.remarks.push({
      kind: known ? "problem" : "left-out",
      text: `${known ?? `the word ${hexWord(word)}, which is not understood,`} at ${fullAddress(at)}`,
    });
  }
}

/** How values that a loop changes call it. */
export const loopName = (head: number): string => `loop ${fullAddress(head)}`;
const hexWord = (word: number): string => `0x${word.toString(16).padStart(8, "0")}`;
/** A value that people can read. */
const shown = ({ text }: Value): string => (text.length > 40 ? "" : ` (${text})`);
/** Registers that hold the same as long as a function runs, by their encodings. */
const STEADY: Readonly<Record<string, string>> = {
  S3_4_C13_C0_2: "TPIDR_EL2",
  S3_0_C13_C0_4: "TPIDR_EL1",
  S3_0_C4_C1_0: "SP_EL0",
};
const nameOf = (register: string): Value => ({ kind: "name", bits: 64, text: register });
/** Of a value that is extended from its sign only numbers stay what they are. */
const unknownOr = (value: Value, bytes: number): Value =>
  value.kind === "number" ? value : operate("sext", value, number(BigInt(8 * bytes)));

/** NOP, BTI, PACIASP, YIELD, ...: HINT #imm7. */
const isHint = (word: number): boolean => (word & 0xffff_f01f) >>> 0 === 0xd503_201f;

/** Whether VTTBR_EL2, as it was at the entry, is the owner's. */
const isOwnerCurrent = ({ equal }: DataCondition): boolean =>
  equal?.some(({ text }) => text === VTTBR) === true &&
  equal.some(({ kind, text }) => kind !== "number" && text !== VTTBR);
