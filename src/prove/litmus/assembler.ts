/** Assembler text to instructions: comments, labels (also numeric ones, as 1f and 0b), one address after another. */
import { InputError } from "../../input/index.js";
import type { Instruction } from "../program.js";
import { actionOf, type InstructionContext } from "./instructions.js";
import type { Passage } from "./lexer.js";
import { UnsupportedInTest } from "./unsupported.js";

/** A piece of code at its address. */
export interface Assembled {
  readonly instructions: readonly Instruction[];
  /** addresses by the names of labels */
  readonly labels: ReadonlyMap<string, number>;
}

interface Statement {
  readonly text: string;
  readonly line: number;
  readonly address: number;
}

/** Instructions of one piece of code: a thread has 0x1000 bytes for its own. */
export const MAX_INSTRUCTIONS = 1024;
/** Characters of an instruction with its labels; the longest of the published tests has some 80. */
const MAX_LENGTH = 1000;

/** Address of a thread's code, by the thread's index. */
export const entryOf = (thread: number): number => 0x40_0000 + thread * 4 * MAX_INSTRUCTIONS;

const LABEL = /^([A-Za-z_.$][\w.$]*|[0-9]+)\s*:/;

/**
 * Assembles a text at `address`; throws an InputError or UnsupportedInTest with the line. `elsewhere` are labels of other
 * pieces of code that it may name too.
 */
export function assemble(source: Passage, address: number, elsewhere?: ReadonlyMap<string, number>): Assembled {
  const { file } = source;
  const labels = new Map<string, number>();
  const numeric: { readonly name: string; readonly address: number }[] = [];
  const statements: Statement[] = [];
  let at = address;
  for (const { text, line } of statementsOf(source)) {
    if (text.length > MAX_LENGTH)
      throw InputError.at(file, line, `an instruction of ${text.length} characters, expected at most ${MAX_LENGTH}`);
    let rest = text;
    for (let label = LABEL.exec(rest); label; label = LABEL.exec(rest)) {
      const name = label[1]!;
      if (/^\d/.test(name)) numeric.push({ name, address: at });
      else if (labels.has(name)) throw InputError.at(file, line, `the label '${name}' stands here a second time`);
      else labels.set(name, at);
      rest = rest.slice(label[0].length).trim();
    }
    if (rest === "") continue;
    if (statements.length === MAX_INSTRUCTIONS)
      throw InputError.at(file, line, `expected at most ${MAX_INSTRUCTIONS} instructions`);
    statements.push({ text: rest, line, address: at });
    at += 4;
  }
  const target = (name: string, from: Statement): number => {
    const local = /^(\d+)([fb])$/i.exec(name);
    const found = local
      ? local[2]!.toLowerCase() === "f"
        ? numeric.find((one) => one.name === local[1] && one.address > from.address)?.address
        : numeric.findLast((one) => one.name === local[1] && one.address <= from.address)?.address
      : (labels.get(name) ?? elsewhere?.get(name));
    if (found === undefined) throw InputError.at(file, from.line, `no label '${name}' in this code`);
    return found;
  };
  const instructions = statements.map((one): Instruction => {
    const { text, line } = one;
    const context: InstructionContext = {
      file,
      line,
      target: (name) => target(name, one),
      fail: (message) => {
        throw InputError.at(file, line, `'${text}': ${message}`);
      },
      unsupported: (what) => {
        throw new UnsupportedInTest(what, file, line);
      },
    };
    return { ...actionOf(text, context), address: one.address, text, line };
  });
  return { instructions, labels };
}

/** The labels of a text that is to stand at `address`, where its instructions need not be known yet. */
export function labelsOf(source: Passage, address: number): ReadonlyMap<string, number> {
  const labels = new Map<string, number>();
  let at = address;
  for (const { text } of statementsOf(source)) {
    let rest = text;
    for (let label = LABEL.exec(rest); label; label = LABEL.exec(rest)) {
      if (!/^\d/.test(label[1]!)) labels.set(label[1]!, at);
      rest = rest.slice(label[0].length).trim();
    }
    if (rest !== "") at += 4;
  }
  return labels;
}

/** The statements of a text with their lines: without comments, cut at ";". */
export function statementsOf({ text, line }: Passage): { readonly text: string; readonly line: number }[] {
  return withoutComments(text)
    .split("\n")
    .flatMap((one, index) =>
      one
        .replace(/\/\/.*$|@.*$|^\s*#.*$/s, "")
        .replace(/([^,\s])\s+#\s.*$/s, "$1") // a "#" alone begins a comment; with something behind it, an immediate
        .split(";")
        .map((statement) => ({ text: statement.trim().replace(/\s+/g, " "), line: line + index }))
        .filter((statement) => statement.text !== ""),
    );
}

/** Blanks in place of what stands between slash-star and star-slash; the lines stay. An open one is no comment. */
function withoutComments(text: string): string {
  let plain = "";
  let at = 0;
  for (;;) {
    const from = text.indexOf("/*", at);
    const end = from < 0 ? -1 : text.indexOf("*/", from + 2);
    if (end < 0) return plain + text.slice(at);
    plain += text.slice(at, from) + text.slice(from, end + 2).replace(/[^\n]/g, " ");
    at = end + 2;
  }
}
