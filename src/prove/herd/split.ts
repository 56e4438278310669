/** Cuts a test in herd's form into its parts: name, settings, first values, columns of code, and the final condition. */
import { InputError } from "../../input/index.js";
import type { Passage } from "../litmus/lexer.js";
import { UnsupportedInTest } from "../litmus/unsupported.js";
import { lineAt, withoutComments } from "./lexer.js";
import type { Column, Setting } from "./syntax.js";

interface Parts {
  readonly name: string;
  readonly about?: string;
  readonly settings: readonly Setting[];
  readonly first: Passage;
  readonly columns: readonly Column[];
  readonly final: Passage;
}

const HEAD = /^\s*([A-Za-z][A-Za-z0-9_]*)[ \t]+([^\s"={(]\S*)[ \t]*(?:\([^)\n]*\))?[ \t;\r]*(?:\n|$)/;

/** True when a text is in herd's form: its first line is an architecture and a name, while TOML begins with "key = value". */
export const isHerdForm = (text: string): boolean => HEAD.test(withoutComments(text).plain);

/** The first line of the part behind the code. */
const FINAL = /(?<![\w.$])(?:~[ \t]*exists|exists|forall|final|locations|filter|observed|Observed)(?![\w.$])/;

/** Threads of a test: the timeline numbers them in 8 bits, and more than four are hopeless anyway. */
const MAX_THREADS = 64;

/** Cuts; throws an InputError where a part is missing, UnsupportedInTest for another architecture. */
export function split(source: string, file: string): Parts {
  const { plain: text, open: comment } = withoutComments(source);
  if (comment !== undefined)
    throw InputError.at(file, lineAt(source, comment), "this comment has no end, expected '*)'");
  const [head, arch, name] = HEAD.exec(text) ?? [];
  if (head === undefined) throw InputError.at(file, 1, "expected 'AArch64' and the test's name");
  if (arch !== "AArch64")
    throw new UnsupportedInTest(`the architecture '${arch}'`, file, lineAt(text, head.indexOf(arch!)));
  const open = text.indexOf("{", head.length);
  const close = closing(text, open);
  if (close < 0) throw InputError.at(file, lineAt(text, text.length), "expected the first values in '{ }'");
  const { about, settings } = settingsOf(text.slice(head.length, open), lineAt(text, head.length));
  const behind = text.slice(close + 1);
  const final = FINAL.exec(behind)?.index ?? behind.length;
  return {
    name: name!,
    ...(about === undefined ? {} : { about }),
    settings,
    first: { text: text.slice(open + 1, close), file, line: lineAt(text, open + 1) },
    columns: columnsOf(behind.slice(0, final), lineAt(text, close + 1), file),
    final: { text: behind.slice(final), file, line: lineAt(text, close + 1 + final) },
  };
}

/** The brace that closes the one at `open`: arrays have braces of their own. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i >= 0 && i < text.length; i++)
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  return -1;
}

function settingsOf(text: string, line: number): Pick<Parts, "about" | "settings"> {
  const settings: Setting[] = [];
  let about: string | undefined;
  text.split("\n").forEach((one, i) => {
    const [, quoted] = /^\s*"(.*)"\s*$/.exec(one) ?? [];
    const [, key, value = ""] = /^\s*([A-Za-z][\w.-]*)[ \t]*=[ \t]*(.*?)[ \t\r]*$/.exec(one) ?? [];
    if (quoted !== undefined) about = quoted;
    // Other lines are remarks, to herd too.
    else if (key !== undefined) settings.push({ key, value, line: line + i });
  });
  return { ...(about === undefined ? {} : { about }), settings };
}

/** One cell of the table of code. */
interface Cell {
  readonly text: string;
  readonly line: number;
}

function rowsOf(text: string, line: number): Cell[][] {
  let now = line;
  const rows: Cell[][] = [];
  for (const row of text.split(";")) {
    const cells = row.split("|").map((cell): Cell => {
      const blank = /^\s*/.exec(cell)![0];
      const at = now + blank.split("\n").length - 1;
      now += cell.split("\n").length - 1;
      return { text: cell.trim().replace(/\s+/g, " "), line: at };
    });
    rows.push(cells);
  }
  // What stands behind the last semicolon is a row of its own only where something stands there.
  if (rows.at(-1)!.every((cell) => cell.text === "")) rows.pop();
  return rows;
}

function columnsOf(text: string, line: number, file: string): Column[] {
  const [head, ...rows] = rowsOf(text, line);
  if (head === undefined) throw InputError.at(file, line, "expected the threads' code: 'P0 | P1 ;'");
  const columns = head.map((cell, i) => {
    const [, thread, handler] = /^P(\d+)(\.F)?$/.exec(cell.text) ?? [];
    if (thread === undefined)
      throw InputError.at(file, cell.line, `'${cell.text}', expected the name of a thread such as P0`);
    if (Number(thread) >= MAX_THREADS)
      throw InputError.at(file, cell.line, `more than ${MAX_THREADS} threads, expected fewer`);
    const lines: string[] = [];
    for (const row of rows) {
      if (row.length > head.length)
        throw InputError.at(file, row[0]!.line, `${row.length} columns, expected at most ${head.length}`);
      const { text = "", line: at = cell.line } = row[i] ?? {};
      const place = at - cell.line;
      lines[place] = lines[place] === undefined ? text : `${lines[place]};${text}`;
    }
    const filled = Array.from(lines, (one) => one ?? "").join("\n");
    return { thread: Number(thread), handler: handler !== undefined, text: filled, line: cell.line };
  });
  for (const [i, { thread, handler, line }] of columns.entries()) {
    const name = `P${thread}${handler ? ".F" : ""}`;
    if (columns.slice(0, i).some((other) => other.thread === thread && other.handler === handler))
      throw InputError.at(file, line, `${name} stands here a second time`);
    if (handler && !columns.some((other) => other.thread === thread && !other.handler))
      throw InputError.at(file, line, `${name} handles faults of P${thread}, which has no column`);
  }
  return columns;
}
