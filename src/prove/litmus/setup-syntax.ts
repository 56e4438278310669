/** The page_table_setup language of a litmus file, as it is written. */
import type { GranuleBits } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import type { Stage } from "./descriptor.js";
import { type Expression, PROPOSITION, parseExpression } from "./expression.js";
import { type Passage, Reader } from "./lexer.js";

/** Whose addresses a name stands for. */
export type Space = "virtual" | "intermediate" | "physical";
export const SPACES: readonly Space[] = ["virtual", "intermediate", "physical"];

/** "with [AP = 0b11] and default": a named set of attributes, and fields that differ from it. */
interface Attributes {
  readonly set: "default" | "code";
  readonly fields: readonly { readonly name: string; readonly value: Expression; readonly line: number }[];
}

/** What a descriptor is to be. */
type Target = { readonly kind: "invalid" } | { readonly kind: "raw" | "table" | "address"; readonly value: Expression };

/** `from |-> target`; `initial` is false for `?->`, which only says that the descriptor may come to hold this. */
export interface Mapping {
  readonly kind: "mapping";
  readonly from: Expression;
  readonly target: Target;
  readonly initial: boolean;
  readonly level: number;
  readonly attributes: Attributes;
  /** "as walkx": the name of the walk for pteN, descN and tableN */
  readonly walk: string | undefined;
  readonly line: number;
}

/** A table of its own, with what stands in its braces. */
export interface TableBlock {
  readonly kind: "table";
  readonly name: string;
  readonly stage: Stage;
  readonly base: Expression;
  readonly body: readonly Statement[];
  readonly line: number;
}

export type Statement =
  | Mapping
  | TableBlock
  | { readonly kind: "option"; readonly name: string; readonly value: string; readonly line: number }
  | { readonly kind: "declare"; readonly space: Space; readonly names: readonly string[]; readonly aligned: Expression | undefined; readonly line: number } // biome-ignore format: one shape
  | { readonly kind: "assert"; readonly that: Expression; readonly line: number }
  /** "*pa1 = 1" */
  | { readonly kind: "store"; readonly at: Expression; readonly value: Expression; readonly line: number }
  /** "s1table NAME;": the pages of that table are mapped in the table around */
  | { readonly kind: "reference"; readonly name: string; readonly stage: Stage; readonly line: number };

/** Words that begin a statement. */
const WORDS = new Set([...SPACES, "aligned", "option", "assert", "identity", "s1table", "s2table"] as string[]);

/** Parses a whole page_table_setup. */
export function parseSetup(source: Passage): readonly Statement[] {
  const reader = new Reader(source);
  const list = statements(reader);
  reader.end();
  return list;
}

/** Tables in each other. */
const MAX_NESTING = 16;

function statements(reader: Reader, depth = 0): Statement[] {
  if (depth > MAX_NESTING) reader.fail(`tables nested too deep, expected at most ${MAX_NESTING}`);
  const list: Statement[] = [];
  while (reader.peek().kind !== "end" && !reader.sees("}")) if (!reader.takes(";")) list.push(statement(reader, depth));
  return list;
}

function statement(reader: Reader, depth: number): Statement {
  const { text, line } = reader.peek();
  switch (text) {
    case "option": {
      reader.next();
      const { text: name } = reader.name("the name of an option");
      reader.expect("=");
      const { text: value } = reader.next();
      close(reader);
      return { kind: "option", name, value, line };
    }
    case "virtual":
    case "intermediate":
    case "physical":
    case "aligned":
      return declaration(reader);
    case "assert": {
      reader.next();
      const that = parseExpression(reader, PROPOSITION);
      close(reader);
      return { kind: "assert", that, line };
    }
    case "s1table":
    case "s2table":
      return tableStatement(reader, depth);
    case "*": {
      reader.next();
      const at = parseExpression(reader);
      reader.expect("=");
      const value = parseExpression(reader);
      close(reader);
      return { kind: "store", at, value, line };
    }
    case "identity": {
      reader.next();
      const from = parseExpression(reader);
      const mapping = { kind: "mapping", from, target: { kind: "address", value: from }, initial: true, line } as const;
      return { ...mapping, ...clauses(reader) };
    }
    default:
      return mappingStatement(reader);
  }
}

/** A statement's end: ";", which may be missing before a brace and at the very end. */
function close(reader: Reader): void {
  if (!reader.takes(";") && !reader.sees("}") && reader.peek().kind !== "end") reader.fail("expected ';'");
}

function declaration(reader: Reader): Statement {
  const { line } = reader.peek();
  const aligned = reader.takes("aligned") ? parseExpression(reader) : undefined;
  const space = SPACES.find((word) => reader.sees(word));
  if (space === undefined) reader.fail("expected 'virtual', 'intermediate' or 'physical'");
  reader.next();
  const names: string[] = [];
  do names.push(reader.name("a name").text);
  while (reader.takes(",") || (reader.peek().kind === "name" && !WORDS.has(reader.peek().text)));
  close(reader);
  return { kind: "declare", space, names, aligned, line };
}

function tableStatement(reader: Reader, depth: number): Statement {
  const { text, line } = reader.next();
  const stage: Stage = text === "s1table" ? 1 : 2;
  const { text: name } = reader.name("the name of a table");
  if (reader.sees(";") || reader.sees("}")) {
    close(reader);
    return { kind: "reference", name, stage, line };
  }
  const base = parseExpression(reader);
  reader.expect("{");
  const body = statements(reader, depth + 1);
  reader.expect("}");
  return { kind: "table", name, stage, base, body, line };
}

function mappingStatement(reader: Reader): Mapping {
  const { line } = reader.peek();
  const from = parseExpression(reader);
  if (!reader.sees("|->") && !reader.sees("?->")) reader.fail("expected '|->' or '?->'");
  const initial = reader.next().text === "|->";
  return { kind: "mapping", from, target: target(reader), initial, line, ...clauses(reader) };
}

function target(reader: Reader): Target {
  if (reader.takes("invalid")) return { kind: "invalid" };
  const { text } = reader.peek();
  if ((text === "raw" || text === "table") && reader.sees("(", 1)) {
    reader.next();
    reader.next();
    const value = parseExpression(reader);
    reader.expect(")");
    return { kind: text, value };
  }
  return { kind: "address", value: parseExpression(reader) };
}

/** "with ...", "at level n" and "as name", in any order, and the end of the statement. */
function clauses(reader: Reader): Pick<Mapping, "level" | "attributes" | "walk"> {
  let level = 3;
  let walk: string | undefined;
  let attributes: Attributes = { set: "default", fields: [] };
  for (;;) {
    if (reader.takes("with")) attributes = attributesOf(reader);
    else if (reader.takes("at")) {
      reader.expect("level");
      if (!/^[0-3]$/.test(reader.peek().text)) reader.fail("expected a level, 0 to 3");
      level = Number(reader.next().text);
    } else if (reader.takes("as")) walk = reader.name("the name of a walk").text;
    else break;
  }
  close(reader);
  return { level, attributes, walk };
}

function attributesOf(reader: Reader): Attributes {
  let set: Attributes["set"] = "default";
  const fields: Attributes["fields"][number][] = [];
  do {
    if (reader.takes("default")) set = "default";
    else if (reader.takes("code")) set = "code";
    else {
      if (!reader.takes("[")) reader.fail("expected 'default', 'code' or fields in brackets");
      while (!reader.takes("]")) {
        const { text: name, line } = reader.name("the name of a field");
        reader.expect("=");
        fields.push({ name, value: parseExpression(reader), line });
        if (!reader.sees("]") && !reader.takes(",")) reader.fail("expected ',' or ']'");
      }
    }
  } while (reader.takes("and"));
  return { set, fields };
}

/** A statement and all those inside it, in the order of the file. */
export function* flattened(list: readonly Statement[]): Generator<Statement> {
  for (const one of list) {
    yield one;
    if (one.kind === "table") yield* flattened(one.body);
  }
}

/** Granules as an option names them: "option granule = 64;", in KiB. */
const GRANULE_OF: Readonly<Record<string, GranuleBits>> = { "4": 12, "16": 14, "64": 16 };

/** The granule of all tables of a setup: log2 of its bytes. Throws an InputError for another one. */
export function granuleOf(list: readonly Statement[], file: string): GranuleBits {
  let granule: GranuleBits = 12;
  for (const one of flattened(list)) {
    if (one.kind !== "option" || one.name !== "granule") continue;
    const found = Object.hasOwn(GRANULE_OF, one.value) ? GRANULE_OF[one.value] : undefined;
    if (found === undefined)
      throw InputError.at(file, one.line, `a granule of '${one.value}' KiB, expected 4, 16 or 64`);
    granule = found;
  }
  return granule;
}
