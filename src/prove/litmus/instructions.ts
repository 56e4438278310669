/** Instructions by their mnemonics: what one line of assembler does. Aliases become what they stand for (DDI 0487, C6). */
import { barrierIndex, TLBI_OPS, tlbiIndex } from "../../arch/index.js";
import type { Action, AluKind, Operand, Reg, ThreadSysreg } from "../program.js";
import { memoryAction } from "./memory-instructions.js";
import { conditionOf, type InstructionContext, Operands, opposite } from "./operands.js";
import { threadSysreg } from "./registers.js";

export type { InstructionContext } from "./operands.js";

const ZR: Reg = 31;
type Read = (operands: Operands, context: InstructionContext, mnemonic: string) => Action;
type Table = Readonly<Record<string, Read>>;

const NOP: Action = { op: "nop" };
const ignore: Read = (operands) => {
  while (operands.left > 0) operands.text();
  return NOP;
};

function alu(kind: AluKind, rd: Reg, rn: Reg, operand: Operand, word: boolean, flags = false): Action {
  return { op: "alu", kind, rd, rn, operand, flags, ...(word ? { word } : {}) };
}

/** rd, rn, operand */
const three = (kind: AluKind, flags = false): Read => {
  return (o) => {
    const rd = o.register();
    return alu(kind, rd.reg, o.register().reg, o.last(rd.word), rd.word, flags);
  };
};

/** rn, operand: only the flags are kept */
const compare = (kind: AluKind): Read => {
  return (o) => {
    const rn = o.register();
    return alu(kind, ZR, rn.reg, o.last(rn.word), rn.word, true);
  };
};

/** rd, operand */
const two = (kind: AluKind, flags = false): Read => {
  return (o) => {
    const rd = o.register();
    return alu(kind, rd.reg, ZR, o.last(rd.word), rd.word, flags);
  };
};

/** MOVZ and MOVN: an immediate, shifted. */
const wide = (invert: boolean): Read => {
  return (o, context) => {
    const rd = o.register();
    const operand = o.last(rd.word);
    if (!("imm" in operand)) return context.fail("expected an immediate");
    const imm = BigInt.asUintN(rd.word ? 32 : 64, invert ? ~operand.imm : operand.imm);
    return alu("mov", rd.reg, ZR, { imm }, rd.word);
  };
};

const movk: Read = (o, context) => {
  const rd = o.register();
  const imm = o.immediate();
  let shift = 0;
  if (o.left > 0) {
    const match = /^lsl\s*#?(0x[0-9a-f]+|\d+)$/i.exec(o.text());
    shift = Number(match?.[1] ?? Number.NaN);
    if (!(shift >= 0 && shift <= 48 && shift % 16 === 0)) context.fail("expected LSL #0, #16, #32 or #48");
  }
  if (imm > 0xffffn) context.fail("expected an immediate of 16 bits");
  const made = { op: "alu", kind: "movk", rd: rd.reg, rn: rd.reg, operand: { imm }, flags: false } as const;
  return { ...made, imms: [shift, 16], ...(rd.word ? { word: true } : {}) };
};

const ubfx: Read = (o, context) => {
  const rd = o.register();
  const rn = o.register().reg;
  const [lsb, width] = [Number(o.immediate()), Number(o.immediate())];
  if (width < 1 || lsb + width > (rd.word ? 32 : 64)) context.fail("the field does not lie in the register");
  const made = { op: "alu", kind: "ubfx", rd: rd.reg, rn, operand: { imm: 0n }, flags: false } as const;
  return { ...made, imms: [lsb, width], ...(rd.word ? { word: true } : {}) };
};

type Select = "sel" | "inc" | "inv" | "neg";
const csel = (kind: Select): Read => {
  return (o) => {
    const rd = o.register();
    const [rn, rm] = [o.register().reg, o.register().reg];
    return { op: "csel", kind, rd: rd.reg, rn, rm, cond: o.condition(), ...(rd.word ? { word: true } : {}) };
  };
};
/** CSET, CSETM (of XZR) and CINC, CINV, CNEG (of a register): one register and the opposite condition. */
const cset = (kind: Select, ofZero: boolean): Read => {
  return (o, context) => {
    const rd = o.register();
    const rn = ofZero ? ZR : o.register().reg;
    const cond = opposite(o.condition(), context);
    return { op: "csel", kind, rd: rd.reg, rn, rm: rn, cond, ...(rd.word ? { word: true } : {}) };
  };
};

const cbz = (nonzero: boolean): Read => {
  return (o) => {
    const { reg, word } = o.register();
    return { op: "cbz", rt: reg, nonzero, target: o.target(), ...(word ? { word } : {}) };
  };
};
const tbz = (nonzero: boolean): Read => {
  return (o, context) => {
    const { reg } = o.register();
    const bit = Number(o.immediate());
    if (bit > 63) context.fail("expected a bit, 0 to 63");
    return { op: "cbz", rt: reg, nonzero, bit, target: o.target() };
  };
};

const barrier: Read = (o, context, mnemonic) => {
  const text = o.left > 0 ? `${mnemonic} ${o.text().replace(/^#0xf$/i, "SY")}` : mnemonic;
  return { op: "barrier", barrier: barrierIndex(text) ?? context.fail("unknown barrier, expected e.g. DSB ISH") };
};

const tlbi: Read = (o, context) => {
  const name = o.text();
  // The mnemonic and the operation are parted by a blank, not by a comma.
  const index = tlbiIndex(name) ?? context.unsupported(`the operation 'TLBI ${name}'`);
  const { operand } = TLBI_OPS[index]!;
  if (operand === "none") {
    if (o.left > 0) context.fail("this operation takes no register");
    return { op: "tlbi", tlbi: index, rt: ZR };
  }
  return { op: "tlbi", tlbi: index, rt: o.whole() };
};

const sysreg = (text: string, context: InstructionContext): ThreadSysreg =>
  threadSysreg(text) ?? context.unsupported(`the system register ${text.toUpperCase()}`);

const msr: Read = (o, context) => {
  const name = o.text();
  // Interrupts are no part of this model: masking them does nothing.
  if (/^daif(set|clr)$/i.test(name)) return ignore(o, context, "MSR");
  const register = sysreg(name, context);
  return { op: "msr", sysreg: register, rt: o.whole() };
};
const mrs: Read = (o, context) => {
  const rt = o.whole();
  return { op: "mrs", sysreg: sysreg(o.text(), context), rt };
};

const call = (op: "svc" | "hvc"): Read => {
  return (o, context) => {
    const imm = o.left > 0 ? Number(o.immediate()) : 0;
    if (imm > 0xffff) context.fail("expected an immediate of 16 bits");
    return { op, imm };
  };
};

const READS: Table = {
  ...{ ADD: three("add"), ADDS: three("add", true), SUB: three("sub"), SUBS: three("sub", true) },
  ...{ AND: three("and"), ANDS: three("and", true), BIC: three("bic"), BICS: three("bic", true) },
  ...{ ORR: three("orr"), ORN: three("orn"), EOR: three("eor"), EON: three("eon"), MUL: three("mul") },
  ...{ LSL: three("lsl"), LSR: three("lsr"), ASR: three("asr") },
  ...{ LSLV: three("lsl"), LSRV: three("lsr"), ASRV: three("asr") },
  ...{ CMP: compare("sub"), CMN: compare("add"), TST: compare("and") },
  ...{ MOV: two("mov"), MVN: two("mvn"), NEG: two("sub"), NEGS: two("sub", true) },
  ...{ MOVZ: wide(false), MOVN: wide(true), MOVK: movk, UBFX: ubfx },
  ...{ CSEL: csel("sel"), CSINC: csel("inc"), CSINV: csel("inv"), CSNEG: csel("neg") },
  ...{ CSET: cset("inc", true), CSETM: cset("inv", true) },
  ...{ CINC: cset("inc", false), CINV: cset("inv", false), CNEG: cset("neg", false) },
  ...{ CBZ: cbz(false), CBNZ: cbz(true), TBZ: tbz(false), TBNZ: tbz(true) },
  B: (o) => ({ op: "branch", cond: "al", target: o.target() }),
  ...{ DMB: barrier, DSB: barrier, ISB: barrier, TLBI: tlbi, MSR: msr, MRS: mrs },
  ERET: () => ({ op: "eret" }),
  ...{ SVC: call("svc"), HVC: call("hvc") },
  ...{ NOP: ignore, IC: ignore, HINT: ignore, YIELD: ignore, PRFM: ignore, SEV: ignore, SEVL: ignore },
  DC: (o, context, mnemonic) => {
    const operation = o.text();
    if (/^(z|g|gz)va$/i.test(operation)) context.unsupported(`'DC ${operation}', which writes memory`);
    return ignore(o, context, mnemonic);
  },
  // The address of a label is a number here; code lies in one piece, so ADRP's page is not needed.
  ADR: (o) => {
    const rd = o.whole();
    return alu("mov", rd, ZR, { imm: BigInt(o.target()) }, false);
  },
};

/** Instructions of the architecture that stand in nobody's table above and that a test might well use. */
const KNOWN =
  /^(LD|ST|CAS|SWP|BL|BR|RET|SMC|AT|SYS|ADC|SBC|ADRP|BF|SBF|UBF|EXT|ROR|CL[SZ]|CCM|M(ADD|SUB|NEG)|[US](DIV|XT|M)|WF|BRK|HLT|RBIT|REV|SB$|SSBB|PSSBB|CSDB|ESB)/;

/** Reads one instruction, in upper or lower case; throws an InputError or UnsupportedInTest through the context. */
export function actionOf(text: string, context: InstructionContext): Action {
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
  const mnemonic = word.toUpperCase();
  const branch = /^B\.?([A-Z]{2})$/.exec(mnemonic)?.[1];
  const cond = branch === undefined ? undefined : conditionOf(branch);
  const isSystem = mnemonic === "TLBI" || mnemonic === "DC" || mnemonic === "IC";
  const operands = new Operands(isSystem ? rest.replace(/^(\w+)\s+(?!,)/, "$1,") : rest, context);
  const read = Object.hasOwn(READS, mnemonic) ? READS[mnemonic] : undefined;
  const action =
    read !== undefined
      ? read(operands, context, mnemonic)
      : cond !== undefined
        ? ({ op: "branch", cond, target: operands.target() } as const)
        : memoryAction(mnemonic, operands, context);
  if (action === undefined) {
    if (KNOWN.test(mnemonic)) context.unsupported(`the instruction '${word}'`);
    return context.fail("no instruction of that name is known");
  }
  operands.end();
  return action;
}
