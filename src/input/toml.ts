/** TOML files that people edit (policies, hosts, scenarios), read by a schema; errors say file, line, key and what was expected. */
import { type AST, getStaticTOMLValue, ParseError, parseTOML } from "toml-eslint-parser";
import * as v from "valibot";
import { InputError } from "./error.js";

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

const MAX_BYTES = 1 << 20;

/** Reads `text` by `schema` (a strictObject, so that unknown keys are refused). `file` is the name to use in errors. */
export function parseToml<T>(text: string, file: string, schema: v.GenericSchema<unknown, T>): TomlFile<T> {
  if (text.length > MAX_BYTES) throw InputError.at(file, 0, `${text.length} bytes, expected at most ${MAX_BYTES}`);
  if (text.trim() === "") throw InputError.at(file, 0, "the file is empty, expected TOML");
  let ast: AST.TOMLProgram;
  let raw: unknown;
  try {
    ast = parseTOML(text, { tomlVersion: "1.0" });
    raw = getStaticTOMLValue(ast);
  } catch (error) {
    if (error instanceof ParseError) throw InputError.at(file, error.lineNumber, `not valid TOML: ${error.message}`);
    throw error;
  }
  const lines = keyLines(ast, text);
  const lineOf = (path: KeyPath): number | undefined => lines.get(keyOf(path))?.key;
  const result = v.safeParse(schema, raw, { abortEarly: true });
  if (!result.success) {
    const issue = result.issues[0];
    const path = (issue.path ?? []).map((item) => item.key as PropertyKey);
    const name = path.map(String).join(".") || "the file";
    const line = nearestLine(lineOf, path);
    throw InputError.at(file, line, issue.expected === "never" ? `unknown key '${name}'` : `${name}: ${saying(issue)}`);
  }
  return { file, value: result.output, lineOf, textLineOf: (path) => lines.get(keyOf(path))?.text };
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

function keyLines(ast: AST.TOMLProgram, source: string): Map<string, Lines> {
  const lines = new Map<string, Lines>();
  const content = (node: AST.TOMLContentNode, path: KeyPath): void => {
    if (node.type === "TOMLArray")
      node.elements.forEach((element, i) => {
        set([...path, i], element, element);
        content(element, [...path, i]);
      });
    else if (node.type === "TOMLInlineTable") for (const pair of node.body) keyValue(pair, path);
  };
  const set = (path: KeyPath, key: AST.TOMLNode, value: AST.TOMLNode): void => {
    // A newline right after the opening quotes is not part of the text.
    const multiline =
      value.type === "TOMLValue" && /^("""|''')\r?\n/.test(source.slice(value.range[0], value.range[0] + 5));
    lines.set(keyOf(path), { key: key.loc.start.line, text: value.loc.start.line + (multiline ? 1 : 0) });
  };
  const keyValue = (node: AST.TOMLKeyValue, base: KeyPath): void => {
    const path = [...base, ...node.key.keys.map((k) => (k.type === "TOMLBare" ? k.name : k.value))];
    set(path, node.key, node.value);
    content(node.value, path);
  };
  for (const node of ast.body[0].body)
    if (node.type === "TOMLKeyValue") keyValue(node, []);
    else {
      set(node.resolvedKey, node.key, node.key);
      for (const pair of node.body) keyValue(pair, node.resolvedKey);
    }
  return lines;
}
