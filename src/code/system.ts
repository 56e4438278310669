/** System instructions of a way: barriers, TLBIs, reads and writes of system registers. */
import {
  BARRIERS,
  barrierFromWord,
  decodeSysreg,
  decodeTlbi,
  nameOtherWord,
  SYSREGS,
  TLBI_OPS,
  type TlbiOp,
} from "../arch/index.js";
import { fullAddress } from "../binary/index.js";
import type { Following, Next, Place, Row } from "./following.js";
import type { Machine } from "./machine.js";
import { operandOf } from "./operand.js";
import { ownRegime } from "./regime.js";
import { bitOf, type DataCondition, number, openChoice, type Value } from "./value.js";

/** HCR_EL2.TGE. */
const TGE = 27;
const VTTBR = "VTTBR_EL2";

export class SystemInstructions {
  constructor(private readonly following: Following) {}

  /** Barriers, TLBIs, system registers, hints. */
  execute(place: Place, row: Row, word: number, at: number): Next {
    const { machine, pc } = place;
    const barrier = barrierFromWord(word);
    const tlbi = decodeTlbi(word);
    const move = decodeSysreg(word);
    if (tlbi) {
      const value = tlbi.op.operand === "none" ? number(0n) : machine.read(tlbi.rt);
      const open = openChoice(value);
      if (open) return this.following.fork(place, open, (own) => this.following.run(own));
      this.checkTge(place, row, tlbi.op, at);
      const own = this.following.setting.vhe ? ownRegime(tlbi.op, place) : undefined;
      place.waits = false;
      place.flushed = true;
      const operand = operandOf(TLBI_OPS[tlbi.index]!, value);
      row.events.push({ kind: "tlbi", op: tlbi.index, operand, ...(own && { own }), at: [at] });
    } else if (barrier !== undefined) {
      if (BARRIERS[barrier]!.kind === "DSB" && !place.flushed) place.waits = true;
      if (BARRIERS[barrier]!.kind === "ISB") place.former = place.tge;
      if (BARRIERS[barrier]!.kind !== "DMB") row.events.push({ kind: "barrier", barrier, at: [at] });
    } else if (move) {
      const next = move.reads ? undefined : this.writeRegister(place, row, move.register, machine.read(move.rt), at);
      if (next) return next;
      if (move.reads) machine.write(move.rt, this.readRegister(machine, move.register));
    } else if (!isHint(word)) this.other(row, word, at);
    place.pc = pc + 4;
    return undefined;
  }

  /** What of HCR_EL2.TGE no policy can say, or nobody knows. */
  private checkTge({ tge }: Place, row: Row, op: TlbiOp, at: number): void {
    const where = `TLBI ${op.name} at ${fullAddress(at)}`;
    if (op.op1 !== 0) return;
    if (tge === 1 && !this.following.setting.vhe)
      row.remarks.push({ kind: "problem", text: `${where} is executed with HCR_EL2.TGE = 1 and E2H = 0` });
    else if (tge === undefined)
      row.remarks.push({
        kind: "taken",
        text: `${where}: HCR_EL2.TGE is taken for 0, as what is written is not followed`,
      });
  }

  private readRegister(machine: Machine, register: string): Value {
    const known = machine.system.get(register);
    if (known) return known;
    if (STEADY[register]) return nameOf(STEADY[register]);
    const value = (SYSREGS as readonly string[]).includes(register) ? nameOf(register) : machine.unknown(register);
    if ((SYSREGS as readonly string[]).includes(register)) machine.system.set(register, value);
    return value;
  }

  private writeRegister(place: Place, row: Row, register: string, value: Value, at: number): Next {
    const { machine } = place;
    if (!(SYSREGS as readonly string[]).includes(register)) {
      if (/^S3_5_C(1_C0_0|2_C0_)/.test(register))
        row.remarks.push({ kind: "left-out", text: `MSR ${register} at ${fullAddress(at)}` });
      return undefined;
    }
    if (register === VTTBR) {
      const open = openChoice(value);
      if (open) return this.following.fork(place, open, (own) => this.following.run(own));
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

/** NOP, BTI, PACIASP, YIELD, ...: HINT #imm7. */
const isHint = (word: number): boolean => (word & 0xffff_f01f) >>> 0 === 0xd503_201f;

/** Whether VTTBR_EL2, as it was at the entry, is the owner's. */
export const isOwnerCurrent = ({ equal }: DataCondition): boolean =>
  equal?.some(({ text }) => text === VTTBR) === true &&
  equal.some(({ kind, text }) => kind !== "number" && text !== VTTBR);
