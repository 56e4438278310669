/** A test in herd's form, read: first values, locations, filter, quantifier and proposition. */
import type { Passage, Reader } from "../litmus/lexer.js";
import { readerOf } from "./lexer.js";
import { askedBy } from "./settings.js";
import { split } from "./split.js";
import {
  FAULT_KINDS,
  type FaultAt,
  type First,
  type HerdTest,
  type Place,
  type Proposition,
  type Quantifier,
  type Shown,
} from "./syntax.js";
import { readIndex, readPlace, readValue } from "./values.js";

/** Parses; throws an InputError or UnsupportedInTest with the line. */
export function parseHerd(text: string, file: string): HerdTest {
  const { first, final, ...parts } = split(text, file);
  // First, as what a variant brings may stand in the first values.
  const asked = askedBy(parts.settings, file);
  return { file, ...parts, asked, first: firstValues(first), ...finalOf(final) };
}

/** First values; every one of them is a few words. */
const MAX_FIRST = 10_000;

function firstValues(source: Passage): First[] {
  const reader = readerOf(source);
  const list: First[] = [];
  while (reader.peek().kind !== "end") {
    if (reader.takes(";")) continue;
    if (list.length === MAX_FIRST) reader.fail(`more than ${MAX_FIRST} first values, expected fewer`);
    list.push(firstOf(reader));
    if (!reader.sees(";") && reader.peek().kind !== "end") reader.fail("expected ';'");
  }
  return list;
}

function firstOf(reader: Reader): First {
  const { line } = reader.peek();
  reader.takes("_Atomic");
  const type = typeOf(reader);
  reader.takes("*"); // a pointer: 64 bits, as its value says
  const place = readPlace(reader);
  const length = place.kind === "variable" ? readIndex(reader) : undefined;
  const value = reader.takes("=") ? readValue(reader) : undefined;
  if (length !== undefined && value?.kind === "array" && value.values.length !== length)
    reader.failAt(line, `${value.values.length} values, expected ${length}`);
  if (length !== undefined && value !== undefined && value.kind !== "array")
    reader.failAt(line, "expected the values of an array in '{ }'");
  return { place, ...(type ? { type } : {}), ...(length === undefined ? {} : { length }), value, line };
}

/** A C type: a name with a place behind it. */
function typeOf(reader: Reader): string | undefined {
  const next = reader.peek(1);
  const place =
    next.kind === "name" || next.kind === "number" || next.text === "[" || next.text === "*" || next.text === "%";
  if (reader.peek().kind !== "name" || !place) return undefined;
  if (next.text === "[" && reader.peek(2).kind === "number") return undefined; // an array without a type
  return reader.next().text;
}

type Final = Pick<HerdTest, "shown" | "filter" | "quantifier" | "proposition">;

function finalOf(source: Passage): Final {
  const reader = readerOf(source);
  const shown = reader.takes("locations") ? shownOf(reader) : [];
  const filter = reader.takes("filter") ? new Propositions(reader).disjunction() : undefined;
  const { quantifier, proposition } = constraintOf(reader);
  reader.takes(";");
  if (reader.sees("with")) reader.unsupported("verdicts of other models ('with')");
  reader.end();
  return { shown, ...(filter ? { filter } : {}), quantifier, proposition };
}

function constraintOf(reader: Reader): { quantifier: Quantifier; proposition: Proposition } {
  if (/^observed$/i.test(reader.peek().text)) reader.unsupported("'observed'");
  if (reader.peek().kind === "end") return { quantifier: "forall", proposition: { kind: "true" } };
  let quantifier: Quantifier = "exists";
  if (reader.takes("forall")) quantifier = "forall";
  else if (reader.takes("~") || reader.takes("not")) {
    reader.expect("exists");
    quantifier = "~exists";
  } else if (!reader.takes("exists") && !reader.takes("final") && !reader.sees("("))
    reader.fail("expected 'exists', '~exists' or 'forall'");
  return { quantifier, proposition: new Propositions(reader).disjunction() };
}

function shownOf(reader: Reader): Shown[] {
  const list: Shown[] = [];
  reader.expect("[");
  while (!reader.takes("]")) {
    const { line } = reader.peek();
    if (/^fault$/i.test(reader.peek().text)) list.push({ kind: "fault", fault: faultOf(reader), line });
    else {
      list.push({ kind: "place", place: withIndex(reader, readPlace(reader)) });
      while (reader.peek().kind === "name" || reader.sees("*")) reader.next(); // its C type
    }
    if (!reader.sees("]")) reader.expect(";");
  }
  return list;
}

function withIndex(reader: Reader, place: Place): Place {
  if (place.kind !== "variable") return place;
  const index = readIndex(reader);
  return index === undefined ? place : { ...place, index };
}

/** "fault(P0:L0,x,MMU:Translation)" */
function faultOf(reader: Reader): FaultAt {
  reader.next();
  reader.expect("(");
  const { text, line } = reader.next();
  if (!/^P\d+$/.test(text)) reader.failAt(line, `'${text}', expected a thread such as P0`);
  const thread = Number(text.slice(1));
  const label = reader.takes(":") ? reader.name("a label").text : undefined;
  let at: FaultAt["at"];
  let type: FaultAt["type"];
  while (reader.takes(",")) {
    const isKind = reader.sees(":", 1) || /^(TagCheck|UndefinedInstruction|SupervisorCall)$/.test(reader.peek().text);
    if (isKind) type = kindOf(reader);
    else if (at !== undefined) reader.fail("expected the kind of a fault such as MMU:Translation");
    else {
      const place = readPlace(reader);
      if (place.kind === "register") return reader.fail("expected a variable");
      at = { kind: place.kind, name: place.name };
    }
  }
  reader.expect(")");
  return { thread, ...(label ? { label } : {}), ...(at ? { at } : {}), ...(type ? { type } : {}) };
}

function kindOf(reader: Reader): FaultAt["type"] {
  const { line } = reader.peek();
  let text = reader.next().text;
  while (reader.takes(":")) text += `:${reader.name("the kind of a fault").text}`;
  const known = FAULT_KINDS.find((kind) => kind === text);
  return known ?? reader.unsupported(`faults of the kind '${text}'`, line);
}

/** Parentheses and negations in each other. */
const MAX_NESTING = 100;

/** "=>" binds more strongly than "/\", and that more than "\/", as herd's grammar has it. */
class Propositions {
  private nesting = 0;

  constructor(private readonly reader: Reader) {}

  disjunction(): Proposition {
    return this.joined("or", "\\/", () => this.joined("and", "/\\", () => this.implication()));
  }

  private joined(kind: "or" | "and", word: string, part: () => Proposition): Proposition {
    const of = [part()];
    while (this.reader.takes(word)) of.push(part());
    return of.length === 1 ? of[0]! : { kind, of };
  }

  private implication(): Proposition {
    const left = this.one();
    return this.reader.takes("=>") ? { kind: "implies", of: [left, this.nested(() => this.implication())] } : left;
  }

  private nested(read: () => Proposition): Proposition {
    if (++this.nesting > MAX_NESTING) this.reader.fail(`nested too deep, expected at most ${MAX_NESTING} parentheses`);
    const proposition = read();
    this.nesting--;
    return proposition;
  }

  private one(): Proposition {
    const { reader } = this;
    if (reader.takes("~") || reader.takes("not")) return { kind: "not", of: this.nested(() => this.one()) };
    for (const kind of ["true", "false"] as const) if (reader.takes(kind)) return { kind };
    if (reader.takes("(")) {
      const inner = this.nested(() => this.disjunction());
      reader.expect(")");
      return inner;
    }
    const { line, text } = reader.peek();
    if (/^fault$/i.test(text)) return { kind: "fault", fault: faultOf(reader), line };
    return this.equality(line);
  }

  private equality(line: number): Proposition {
    const { reader } = this;
    const place = withIndex(reader, readPlace(reader));
    const differs = reader.takes("!=") || reader.takes("<>");
    if (!differs && !reader.takes("==") && !reader.takes("=")) reader.fail("expected '=' or '!='");
    if (reader.sees("[") || reader.sees("*") || this.seesRegister()) reader.unsupported("a comparison of two places");
    const equals = { kind: "equals", place, value: readValue(reader), line } as const;
    return differs ? { kind: "not", of: equals } : equals;
  }

  /** "0:X1": the value of a register; "P1:L1" is a label. */
  private seesRegister(): boolean {
    const { reader } = this;
    return reader.sees(":", 1) && /^[XW]\d+$/.test(reader.peek(2).text) && threadLike(reader.peek().text);
  }
}

const threadLike = (text: string): boolean => /^P?\d+$/.test(text);
