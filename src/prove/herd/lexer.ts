/** Words of herd's form: its comments, its names, its signs. */
import { InputError } from "../../input/index.js";
import { type Passage, Reader, type Token } from "../litmus/lexer.js";

const BLANK = /\s+/y;
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|[0-9]+)/y;
/** Names of attributes have hyphens, those of variables may have any of these. */
const NAME = /[A-Za-z_.$][\w.$/-]*/y;
const TEXT = /"[^"\n]*"/y;
const SIGN = /\/\\|\\\/|=>|==|!=|<>|[=~()[\]{},;:*&+%]/y;

/** Blanks in place of comments, which may stand in each other; the lines stay. `open` is where one begins that has no end. */
export function withoutComments(text: string): { readonly plain: string; readonly open: number | undefined } {
  let depth = 0;
  let begun = 0;
  let plain = "";
  for (let i = 0; i < text.length; i++) {
    const two = text.slice(i, i + 2);
    if (two === "(*") {
      if (depth++ === 0) begun = i;
    } else if (two !== "*)" || depth === 0) {
      plain += depth === 0 || text[i] === "\n" ? text[i] : " ";
      continue;
    } else depth--;
    plain += "  ";
    i++;
  }
  return { plain, open: depth > 0 ? begun : undefined };
}

/** The line of a place in a text, from 1. */
export const lineAt = (text: string, at: number): number => text.slice(0, at).split("\n").length;

function tokens({ text, file, line }: Passage): readonly Token[] {
  const list: Token[] = [];
  let at = 0;
  let now = line;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  while (at < text.length) {
    const blank = match(BLANK);
    if (blank !== undefined) {
      now += blank.split("\n").length - 1;
      continue;
    }
    let kind: Token["kind"] = "number";
    let found = match(NUMBER);
    for (const [next, pattern] of [
      ["name", NAME],
      ["name", TEXT],
      ["sign", SIGN],
    ] as const)
      if (found === undefined) {
        kind = next;
        found = match(pattern);
      }
    if (found === undefined) throw InputError.at(file, now, `unexpected character '${text[at]}'`);
    list.push({ kind, text: found, line: now });
  }
  list.push({ kind: "end", text: "", line: now });
  return list;
}

/** Reads a passage without comments. */
export const readerOf = (passage: Passage): Reader => new Reader(passage, tokens(passage));
