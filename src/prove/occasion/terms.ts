/** Values of registers and addresses in a scenario, as small trees; in the litmus form each is an expression. */
import type { GranuleBits } from "../../arch/index.js";
import { type Expression, numeral } from "../litmus/expression.js";

/** A name ("ipa1"), a label in the pCPU's code ("guest:"), a number as it is written ("0x2C0000"), or a function of others. */
export type Term = string | Call;

interface Call {
  readonly call: string;
  readonly args: readonly Term[];
  /** arguments that have names, behind the others */
  readonly named?: Readonly<Record<string, Term>>;
}

const call = (name: string, ...args: readonly Term[]): Call => ({ call: name, args });
const withNames = (name: string, named: Readonly<Record<string, Term>>): Call => ({ call: name, args: [], named });

/** A number's digits, at least `digits` of them. */
export const hex = (value: number | bigint, digits = 1): string => `0x${value.toString(16).padStart(digits, "0")}`;

/** A number of 64 bits; `value` may be one as it is written. */
export const wide = (value: number | bigint | Term): Call =>
  call("extz", typeof value === "number" || typeof value === "bigint" ? hex(value) : value, "64");

/** A term plus a number. */
export const plus = (term: Term, value: bigint): Term => (value === 0n ? term : call("bvadd", term, wide(value)));

/** The page number of an address: Xt of a TLBI without its other fields. */
export const pageOf = (address: Term): Term => wide(call("page", address));

/** The number of an address's granule: BaseADDR of a range operand. */
export const granuleOfAddress = (address: Term, granule: GranuleBits): Term =>
  granule === 12 ? pageOf(address) : call("bvlshr", address, String(granule));

/** The address of the descriptor of `of` in a table, at a level. */
export const pte = (level: 2 | 3, of: Term, table: string): Term => call(`pte${level}`, of, table);

/** Fields of a descriptor by their names, as numbers are written: S2AP = "0b01". */
export type Fields = Readonly<Record<string, string>>;

/** A leaf descriptor that maps the page or block `output`, at level 3 unless told otherwise: of stage 1 or of stage 2. */
export const leaf = (stage: 1 | 2, output: string, fields: Fields = {}, level: 2 | 3 = 3): Term =>
  withNames(`${stage === 1 ? "" : "s2"}mkdesc${level}`, { oa: output, ...fields });

/** A level-2 descriptor of a table. */
export const tableAt = (address: string): Term => withNames("mkdesc2", { table: wide(address) });

/** VTTBR_EL2 of a VMID and the root of its stage 2. */
export const vttbrOf = (vmid: number, base: string): Term => withNames("ttbr", { vmid: hex(vmid, 4), base });

/** A TTBR of an ASID and the root of its stage 1. */
export const ttbrOf = (asid: number, base: string): Term => withNames("ttbr", { asid: hex(asid, 4), base });

/** Xt of a guest's TLBI by ASID, and by VA. */
export const asidOperand = (asid: number): Term => call("asid", hex(asid));
export const vaOperand = (asid: number, va: string): Term => call("bvor", asidOperand(asid), pageOf(va));

/** A term in the litmus form. */
export function termText(term: Term): string {
  if (typeof term === "string") return term;
  const args = term.args.map(termText);
  for (const name in term.named) args.push(`${name}=${termText(term.named[name]!)}`);
  return `${term.call}(${args.join(", ")})`;
}

/** A term as an expression of the litmus form, without reading one. */
export function expressionOf(term: Term): Expression {
  const line = 0;
  if (typeof term !== "string") {
    const named = new Map(Object.entries(term.named ?? {}).map(([name, value]) => [name, expressionOf(value)]));
    return { kind: "call", name: term.call, args: term.args.map(expressionOf), named, line };
  }
  if (/^\d/.test(term)) return { kind: "number", ...numeral(term), line };
  return term.endsWith(":") ? { kind: "label", name: term.slice(0, -1), line } : { kind: "name", name: term, line };
}
