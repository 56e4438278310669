/** TOML files that people edit (policies, hosts, scenarios), read by a schema; errors say file, line, key and what was expected. */
import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import * as v from "valibot";
import { InputError } from "./error.js";
import { MAX_DEPTH, refuseAbsurd } from "./toml-bounds.js";

/** Path of a key in a file: ["revoke", "code"], ["segments", 0, "pages"]. */
export type KeyPath = readonly PropertyKey[];

/** A file, read: the checked value, and the line (from 1) at which a key stands. */
export interface TomlFile<T> {
  readonly file: string;
  readonly value: T;
  lineOf(path: KeyPath): number | undefined;
  /** the first line of a multi-line string's text, so that errors inside can name their own line */
  textLineOf(path: KeyPath): number | undefined;
}

/** Reads `text` by `schema` (a strictObject, so that unknown keys are refused). `file` is the name to use in errors. */
export function parseToml<T>(text: string, file: string, schema: v.GenericSchema<unknown, T>): TomlFile<T> {
  refuseAbsurd(text, file);
  if (text.trim() === "") throw InputError.at(file, 0, "the file is empty, expected TOML");
  const { raw, lines } = new Contents(text, file);
  const lineOf = (path: KeyPath): number | undefined => lines.get(keyOf(path))?.key;
  return checked(raw, file, schema, lineOf, (path) => lines.get(keyOf(path))?.text);
}

/** The same of a value that was made, not read: `file` is what to call it in errors, which have no lines. */
export const checkValue = <T>(raw: unknown, file: string, schema: v.GenericSchema<unknown, T>): TomlFile<T> =>
  checked(
    raw,
    file,
    schema,
    () => undefined,
    () => undefined,
  );

function checked<T>(
  raw: unknown,
  file: string,
  schema: v.GenericSchema<unknown, T>,
  lineOf: TomlFile<T>["lineOf"],
  textLineOf: TomlFile<T>["textLineOf"],
): TomlFile<T> {
  const result = v.safeParse(schema, raw, { abortEarly: true });
  if (!result.success) {
    const issue = result.issues[0];
    const path = (issue.path ?? []).map((item) => item.key as PropertyKey);
    const name = path.map(String).join(".") || "the file";
    const line = nearestLine(lineOf, path);
    throw InputError.at(file, line, issue.expected === "never" ? `unknown key '${name}'` : `${name}: ${saying(issue)}`);
  }
  return { file, value: result.output, lineOf, textLineOf };
}

/** An issue in words: what was expected, or that the key is missing. */
function saying(issue: v.BaseIssue<unknown>): string {
  if (issue.received === "undefined" && issue.kind === "schema") return "is missing";
  return issue.message.replace(/^Invalid \w+: Expected/, "expected").replace(" but received ", ", found ");
}

const keyOf = (path: KeyPath): string => path.map(String).join("\0");

/** The line of the key, or of the nearest table around it. */
function nearestLine(lineOf: (path: KeyPath) => number | undefined, path: KeyPath): number | undefined {
  for (let n = path.length; n > 0; n--) {
    const line = lineOf(path.slice(0, n));
    if (line !== undefined) return line;
  }
  return undefined;
}

interface Lines {
  key: number;
  text: number;
}

type Table = Record<string, unknown>;

/** A file's values and the lines of their keys. */
class Contents {
  readonly raw: Table = {};
  readonly lines = new Map<string, Lines>();

  constructor(
    private readonly source: string,
    private readonly file: string,
  ) {
    for (const node of this.parsed().body[0].body)
      if (node.type === "TOMLKeyValue") this.keyValue(node, [], this.raw);
      else {
        this.refuseKeys(node.key);
        this.line(node.resolvedKey, node.key, node.key);
        const table = stepped(this.raw, node.resolvedKey);
        for (const pair of node.body) this.keyValue(pair, node.resolvedKey, table);
      }
  }

  private parsed(): AST.TOMLProgram {
    try {
      return parseTOML(this.source, { tomlVersion: "1.0" });
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      throw InputError.at(this.file, error.lineNumber, `not valid TOML: ${error.message}`);
    }
  }

  private keyValue(node: AST.TOMLKeyValue, base: KeyPath, table: Table): void {
    this.refuseKeys(node.key);
    const keys = node.key.keys.map((key) => (key.type === "TOMLBare" ? key.name : key.value));
    const path = [...base, ...keys];
    this.line(path, node.key, node.value);
    const last = keys.pop()!;
    stepped(table, keys)[last] = this.value(node.value, path);
  }

  /** What a node stands for. Whole numbers keep all their digits: those that a double cannot hold are bigints. */
  private value(node: AST.TOMLContentNode, path: KeyPath): unknown {
    if (node.type === "TOMLArray")
      return node.elements.map((element, i) => {
        this.line([...path, i], element, element);
        return this.value(element, [...path, i]);
      });
    if (node.type === "TOMLInlineTable") {
      const table: Table = {};
      for (const pair of node.body) this.keyValue(pair, path, table);
      return table;
    }
    return node.kind === "integer" && !Number.isSafeInteger(node.value) ? node.bigint : node.value;
  }

  private refuseKeys(key: AST.TOMLKey): void {
    const line = key.loc.start.line;
    if (key.keys.length > MAX_DEPTH)
      throw InputError.at(this.file, line, `a key of ${key.keys.length} parts, expected at most ${MAX_DEPTH}`);
    for (const part of key.keys) {
      const name = part.type === "TOMLBare" ? part.name : part.value;
      // Objects of JavaScript have these from birth, and schemas pass over them without a word.
      if (/^(__proto__|prototype|constructor)$/.test(name))
        throw InputError.at(this.file, line, `unknown key '${name}'`);
    }
  }

  private line(path: KeyPath, key: AST.TOMLNode, value: AST.TOMLNode): void {
    // A newline right after the opening quotes is not part of the text.
    const start = this.source.slice(value.range[0], value.range[0] + 5);
    const multiline = value.type === "TOMLValue" && /^("""|''')\r?\n/.test(start);
    this.lines.set(keyOf(path), { key: key.loc.start.line, text: value.loc.start.line + (multiline ? 1 : 0) });
  }
}

/** The table that a path leads to from another one: keys, and indices of arrays of tables. */
function stepped(from: Table, path: readonly (string | number)[]): Table {
  let at: Table | unknown[] = from;
  path.forEach((key, i) => {
    const within = at as Table;
    if (!Object.hasOwn(within, key)) within[key] = typeof path[i + 1] === "number" ? [] : {};
    at = within[key] as Table;
  });
  return at as Table;
}
