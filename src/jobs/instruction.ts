/** The TLBI that a user names on the command line, the value of its operand register, and what it is for. */
import {
  type Cover,
  decodeTlbi,
  explainCover,
  GRANULE_WORDS,
  type GranuleWord,
  type Intent,
  nameOtherWord,
  parseRange,
  TLBI_OPS,
  type TlbiOp,
  tlbiIndex,
  tlbiOp,
  usualForm,
  type Wanted,
} from "../arch/index.js";
import { didYouMean, InputError } from "../input/index.js";

/** A TLBI with its register: X<rt>, 31 = XZR or none. */
export interface TypedTlbi {
  readonly op: TlbiOp;
  readonly rt: number;
}

/**
 * Reads "ripas2e1is, x0", "tlbi vmalls12e1is" or an instruction word ("0xd50c83df", or as objdump prints it, "d50c83df").
 * Throws an InputError when it is no TLBI of EL1&0 or EL2, or its register is missing (unless it need not be there), unwanted or malformed.
 */
export function parseInstruction(text: string, needsRegister = true): TypedTlbi {
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
  if (!needsRegister && comma + register === "") return { op, rt: 0 };
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

/** What an instruction is for, as options say it. */
export interface IntentOptions {
  readonly range?: string;
  readonly granule?: GranuleWord;
  readonly ttl?: string;
  readonly lpa2?: true;
  readonly asid?: string;
  readonly el?: "1" | "2";
}

/** The options as what is meant, of a TLBI whose operand must name such a range; where there is one, the tables have 4 KiB unless they say otherwise. Throws an InputError. */
export function intentOf(
  { range, granule, ttl, lpa2, asid, el }: IntentOptions,
  op?: TlbiOp,
): Intent & { range?: Wanted } {
  if (asid !== undefined && (!/^(0x[0-9a-f]+|\d+)$/i.test(asid) || Number(asid) > 0xffff))
    throw new InputError(`--asid '${asid}': expected 0 to 65535`);
  const granuleBits = granule ? GRANULE_WORDS[granule] : range === undefined ? undefined : GRANULE_WORDS["4K"];
  const wanted = range === undefined ? undefined : told("--range: ", () => parseRange(range, granuleBits));
  if (wanted && op && !op.operand.startsWith(wanted.kind))
    throw new InputError(`--range: ${op.name} takes no ${wanted.kind.toUpperCase()}`);
  return {
    ...(granuleBits && { granuleBits }),
    ...(wanted && { range: wanted }),
    ...(ttl !== undefined && { level: Number(ttl) }),
    ...(lpa2 && { lpa2 }),
    ...(asid !== undefined && { asid: Number(asid) }),
    ...(el && { el: el === "1" ? 1 : 2 }),
  };
}

/** The TLBIs of a form that cover the range of the options: of the usual form where none is named. Throws an InputError. */
export function coverOf(form: string, options: IntentOptions): Cover {
  const { range, ...intent } = intentOf(options);
  if (range === undefined) throw new InputError("--range: expected IPA+PAGES or va:ADDR+PAGES");
  const op = form === "" ? tlbiOp(usualForm(range.kind, intent.asid)) : parseInstruction(form, false).op;
  return told("--range: ", () => explainCover(op, range, intent));
}

/** What `make` gives; what it says of a value that cannot be, as an InputError. */
function told<T>(before: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof RangeError ? new InputError(before + error.message) : error;
  }
}

/** "; did you mean ...?" with the names nearest to a wrong one, or where the list is. */
const suggestion = (name: string): string =>
  didYouMean(
    name.toLowerCase(),
    TLBI_OPS.map((op) => op.name.toLowerCase()),
  ) || "; 'shootdown tlbi' lists them all";
