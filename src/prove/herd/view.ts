/** Final states in herd's words: which places they show, and values as addresses, descriptors or numbers. */
import type { Look } from "../litmus/litmus.js";
import type { Observed } from "../program.js";
import type { Memory } from "./memory.js";
import { descriptorText } from "./print.js";
import { FIELDS, type Field } from "./syntax.js";

const DEFAULTS: Readonly<Record<Field, number>> = { valid: 1, af: 1, db: 1, dbm: 0, el0: 1 };
/** Bits that each descriptor has here: [1], Inner Shareable, nG. */
const ALWAYS = (1n << 1n) | (3n << 8n) | (1n << 11n);
const AT: Readonly<Record<Field, bigint>> = { valid: 0n, el0: 6n, db: 7n, af: 10n, dbm: 51n };
const ADDRESS = 0xffff_ffff_f000n;
const FLAGS = FIELDS.reduce((bits, field) => bits | (1n << AT[field]), ALWAYS);

/** Fields of a descriptor that differ from the default, in herd's order; undefined of what is none that herd knows. */
export function fieldsOf(value: bigint): ReadonlyMap<Field, number> | undefined {
  if ((value & ~ADDRESS & ~FLAGS) !== 0n || (value & ALWAYS) !== ALWAYS) return undefined;
  const fields = (["af", "db", "dbm", "valid", "el0"] as const).map((field): [Field, number] => {
    const bit = Number((value >> AT[field]) & 1n);
    return [field, field === "db" ? 1 - bit : bit];
  });
  return new Map(fields.filter(([field, bit]) => bit !== DEFAULTS[field]));
}

/** A value of 64 bits in words; `descriptor`: where one is expected, be it of no known page. */
function wordsOf(value: bigint, memory: Memory, descriptor: boolean): string | undefined {
  const output = memory.outputAt(Number(value & ADDRESS));
  const fields = output !== undefined || descriptor ? fieldsOf(value) : undefined;
  if (fields) return descriptorText({ ...(output ? { oa: output } : {}), fields, attributes: [] });
  return value < 1n << 48n ? memory.nameAt(Number(value)) : undefined;
}

/** How a place is shown, by what is observed; `label` names an address in the code. */
export function lookAt(
  of: Observed,
  name: string,
  memory: Memory,
  label: (address: bigint) => string | undefined,
): Look {
  if (of.kind === "fault") return { of, name, text: (value) => (value === 0n ? "no" : "taken") };
  const descriptor = name.startsWith("[PTE(");
  return { of, name, text: (value) => wordsOf(value, memory, descriptor) ?? label(value) ?? String(value) };
}
