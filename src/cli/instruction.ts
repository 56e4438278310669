/** The instruction that a user names on the command line, and the value of its operand register. */
import { decodeTlbi, nameOtherWord, TLBI_OPS, type TlbiOp, tlbiIndex } from "../arch/index.js";
import { didYouMean, InputError } from "../input/index.js";

/** A TLBI with its register: X<rt>, 31 = XZR or none. */
export interface TypedTlbi {
  readonly op: TlbiOp;
  readonly rt: number;
}

/**
 * Reads "ripas2e1is, x0", "tlbi vmalls12e1is" or an instruction word ("0xd50c83df", or as objdump prints it, "d50c83df").
 * Throws an InputError when it is no TLBI of EL1&0 or EL2, or its register is missing, unwanted or malformed.
 */
export function parseInstruction(text: string): TypedTlbi {
  const trimmed = text.trim();
  if (/^(0x[0-9a-f]*|[0-9a-f]{8})$/i.test(trimmed)) return parseWord(trimmed);
  const [, name = "", comma, register = ""] = /^(?:tlbi\s+)?([^\s,]*)\s*(,?)\s*(.*)$/i.exec(trimmed)!;
  if (name === "") throw new InputError("expected an instruction, such as 'ripas2e1is, x0' or 0xd50c83df");
  const index = tlbiIndex(name);
  if (index === undefined) throw new InputError(`unknown TLBI '${name}'${suggestion(name)}`);
  const op = TLBI_OPS[index]!;
  const spelt = `tlbi ${op.name.toLowerCase()}`;
  if (op.operand === "none") {
    if (comma !== "" || register !== "")
      throw new InputError(`'${trimmed}': ${op.name} takes no operand register, expected '${spelt}'`);
    return { op, rt: 31 };
  }
  if (register === "") throw new InputError(`'${trimmed}': ${op.name} needs an operand register, as in '${spelt}, x0'`);
  const rt = registerNumber(register);
  if (rt === undefined || comma === "")
    throw new InputError(`'${trimmed}': expected ', x0' to ', x30' or ', xzr' after ${op.name}, not '${register}'`);
  return { op, rt };
}

function registerNumber(name: string): number | undefined {
  if (/^xzr$/i.test(name)) return 31;
  const digits = /^x(0|[1-9]\d?)$/i.exec(name)?.[1];
  return digits === undefined || Number(digits) > 30 ? undefined : Number(digits);
}

function parseWord(text: string): TypedTlbi {
  const digits = text.replace(/^0x/i, "");
  const word = Number.parseInt(digits, 16);
  if (digits === "" || word > 0xffff_ffff)
    throw new InputError(`'${text}': expected an instruction word of 32 bits, such as 0xd50c83df`);
  const decoded = decodeTlbi(word);
  if (decoded !== undefined) return { op: decoded.op, rt: decoded.rt };
  const other = nameOtherWord(word);
  throw new InputError(`${text} is not a TLBI of EL1&0 or EL2${other === undefined ? "" : `; it is ${other}`}`);
}

/** Reads `--xt`: 0x... or decimal, at most 64 bits, for an instruction that reads a register. */
export function parseXt(text: string, { op, rt }: TypedTlbi): bigint {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) throw new InputError(`--xt '${text}': expected a number, 0x... or decimal`);
  const value = BigInt(text);
  if (value >= 1n << 64n) throw new InputError(`--xt '${text}': expected at most 64 bits`);
  if (op.operand === "none") throw new InputError(`--xt: ${op.name} takes no operand`);
  if (rt === 31 && value !== 0n) throw new InputError(`--xt '${text}': the operand register is XZR, which reads as 0`);
  return value;
}

/** "; did you mean ...?" with the names nearest to a wrong one, or where the list is. */
const suggestion = (name: string): string =>
  didYouMean(name.toLowerCase(), TLBI_OPS.map((op) => op.name.toLowerCase())) || "; 'shootdown tlbi' lists them all"; // biome-ignore format: one row
