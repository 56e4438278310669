/** Places and values of herd's form, as they stand in first values and in conditions alike. */
import type { Reader } from "../litmus/lexer.js";
import { type Descriptor, FIELDS, type Field, type Output, type Place, type Value } from "./syntax.js";

/** Elements of an array. */
const MAX_ELEMENTS = 512;

/** "P1:" or "1:" before a register's name; undefined, and nothing taken, where neither stands. */
function threadOf(reader: Reader): number | undefined {
  const { kind, text } = reader.peek();
  const number = kind === "number" || /^P\d+$/.test(text) ? Number(text.replace("P", "")) : undefined;
  if (number === undefined || !reader.sees(":", 1)) return undefined;
  reader.next();
  reader.next();
  return number;
}

/** A whole number, decimal or hexadecimal, as 64 bits. */
function numberOf(reader: Reader): bigint {
  const { kind, text, line } = reader.peek();
  if (kind !== "number") reader.fail("expected a number");
  if (text.length > 30) reader.failAt(line, "a number of more than 64 bits");
  const negative = text.startsWith("-");
  const size = BigInt(negative ? text.slice(1) : text);
  if (size >= 1n << (negative ? 63n : 64n)) reader.failAt(line, `${text} needs more than 64 bits`);
  reader.next();
  return BigInt.asUintN(64, negative ? -size : size);
}

/** Parentheses around a name. */
function inParentheses(reader: Reader): string {
  reader.expect("(");
  const { text } = reader.name("the name of a variable");
  reader.expect(")");
  return text;
}

/** PTE(x), or TTD(x) or pte_x: the descriptor of a variable; undefined, and nothing taken, where none stands. */
function pteOf(reader: Reader): string | undefined {
  const { kind, text } = reader.peek();
  if ((text === "PTE" || text === "TTD") && reader.sees("(", 1)) {
    reader.next();
    if (reader.sees("PTE", 1)) reader.unsupported("the descriptor of a descriptor");
    return inParentheses(reader);
  }
  const [, old] = /^pte_(.+)$/.exec(kind === "name" ? text : "") ?? [];
  if (old !== undefined) reader.next();
  return old;
}

/** A register, a variable or its descriptor, with or without brackets around it. */
export function readPlace(reader: Reader): Place {
  if (reader.takes("*")) return memoryPlace(reader);
  if (reader.takes("[")) {
    const place = memoryPlace(reader);
    reader.expect("]");
    return place;
  }
  const thread = threadOf(reader);
  if (thread === undefined) return memoryPlace(reader);
  if (reader.sees("%")) reader.unsupported("a register with a name of its own");
  return { kind: "register", thread, name: reader.name("a register such as X0").text };
}

function memoryPlace(reader: Reader): Place {
  if (reader.sees("tag") || reader.sees("TAG")) reader.unsupported("memory tags");
  const pte = pteOf(reader);
  if (pte !== undefined) return { kind: "pte", name: pte };
  if (reader.sees("PA") && reader.sees("(", 1)) {
    reader.next();
    return { kind: "variable", name: inParentheses(reader) };
  }
  const { text: name } = reader.name("a register such as 0:X1, a variable, or PTE of one");
  return { kind: "variable", name };
}

/** "[2]" behind a variable's name; undefined where none stands. */
export function readIndex(reader: Reader): number | undefined {
  if (!reader.takes("[")) return undefined;
  const { line } = reader.peek();
  const index = numberOf(reader);
  if (index >= BigInt(MAX_ELEMENTS)) reader.failAt(line, `expected a number below ${MAX_ELEMENTS}`);
  reader.expect("]");
  return Number(index);
}

const LABEL = /^"P?(\d+):(.+)"$/;

/** The value behind "=". */
export function readValue(reader: Reader): Value {
  reader.takes("&");
  const { kind, text, line } = reader.peek();
  if (text === "(") return descriptorOf(reader);
  if (text === "{") return arrayOf(reader);
  if (/^nop$/i.test(text) || text === "instr") reader.unsupported("instructions as values", line);
  if (text === ":") reader.unsupported("memory tags", line);
  if (text === "label" && reader.sees(":", 1)) {
    reader.next();
    reader.next();
    const [, thread, name] = LABEL.exec(reader.next().text) ?? reader.failAt(line, `expected label:"P0:L0"`);
    return { kind: "label", thread: Number(thread), name: name! };
  }
  const thread = threadOf(reader);
  if (thread !== undefined) {
    const { text: name } = reader.name("a label");
    return { kind: "label", thread, name };
  }
  if (kind === "number") return { kind: "number", value: numberOf(reader) };
  const pte = pteOf(reader);
  if (pte !== undefined) return { kind: "address", of: "pte", name: pte };
  if (text === "PA" && reader.sees("(", 1)) reader.unsupported("a physical address as a value", line);
  const { text: name } = reader.name("a number, a variable, or a descriptor such as (oa:PA(x), valid:0)");
  if (reader.sees(":")) reader.unsupported("memory tags", line);
  const index = readIndex(reader);
  return { kind: "address", of: "variable", name, ...(index === undefined ? {} : { index }) };
}

function arrayOf(reader: Reader): Value {
  reader.expect("{");
  const values: Value[] = [];
  do {
    if (values.length === MAX_ELEMENTS) reader.fail(`expected at most ${MAX_ELEMENTS} elements`);
    values.push(readValue(reader));
  } while (reader.takes(","));
  reader.expect("}");
  return { kind: "array", values };
}

/** A descriptor in parentheses. */
function descriptorOf(reader: Reader): Descriptor {
  const { line: begun } = reader.expect("(");
  const fields = new Map<Field, number>();
  const attributes: string[] = [];
  let oa: Output | undefined;
  do {
    const { text, line } = reader.name("a field of a descriptor: oa, valid, af, db, dbm or el0");
    if (text === "oa" && reader.takes(":")) oa = outputOf(reader);
    else if (/^attrs$/i.test(text) && reader.takes(":")) {
      reader.expect("(");
      do attributes.push(reader.name("a memory attribute").text);
      while (reader.takes(","));
      reader.expect(")");
    } else if (!reader.sees(":")) attributes.push(text);
    else {
      reader.next();
      const field = FIELDS.find((name) => name === text);
      if (field === undefined) reader.failAt(line, `unknown field '${text}', expected oa, ${FIELDS.join(", ")}`);
      const value = numberOf(reader);
      if (value > 1n) reader.failAt(line, `${text}:${value}, expected 0 or 1`);
      fields.set(field, Number(value));
    }
  } while (reader.takes(","));
  reader.expect(")");
  return { kind: "descriptor", ...(oa === undefined ? {} : { oa }), fields, attributes, line: begun };
}

function outputOf(reader: Reader): Output {
  const pte = pteOf(reader);
  if (pte !== undefined) return { of: "pte", name: pte };
  if (reader.sees("PA") && reader.sees("(", 1)) {
    reader.next();
    return { of: "pa", name: inParentheses(reader) };
  }
  const { text } = reader.name("a physical address such as PA(x)");
  return { of: "pa", name: text.replace(/^phy_/, "") };
}
