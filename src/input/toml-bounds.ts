/**
 * Bounds of a TOML file, looked at before the parser sees it: that one recurses on nesting, spreads a text over the stack's
 * arguments, and takes about 2 KB a word.
 */
import { InputError } from "./error.js";

/** Characters of a file. */
const MAX_FILE = 1 << 20;
/** Characters of one text: the parser overflows Node's default stack (984 KB) at about 120,000. */
const MAX_TEXT = 100_000;
/** Characters of a word: a key, a number. */
const MAX_WORD = 1000;
/** Words, texts and signs of a file; the longest of ours has some hundred. */
const MAX_WORDS = 50_000;
/** Arrays and inline tables in each other, and parts of a dotted key: the deepest of ours has two. */
export const MAX_DEPTH = 32;

const QUOTES = /"""|'''|"|'/y;
const BARE = /[^\s"'#[\]{}=,]+/y;
const COMMENT = /#[^\r\n]*/y;

/** Throws an InputError with the line of what is over a bound. What is no TOML at all is left to the parser. */
export function refuseAbsurd(text: string, file: string): void {
  if (text.length > MAX_FILE)
    throw InputError.at(file, 0, `${text.length} characters, expected a file of at most ${MAX_FILE}`);
  let at = 0;
  let line = 1;
  let words = 0;
  let depth = 0;
  const bound = (found: number, most: number, what: string): void => {
    if (found > most) throw InputError.at(file, line, `${what}, expected at most ${most}`);
  };
  const takes = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const char = text[at]!;
    if (char === "\n") line++;
    const comment = char === "#" ? takes(COMMENT) : undefined;
    const quotes = takes(QUOTES);
    const bare = takes(BARE);
    if (comment === undefined && char.trim() !== "") bound(++words, MAX_WORDS, "too many words and signs up to here");
    if (char === "[" || char === "{") bound(++depth, MAX_DEPTH, "arrays and tables nested too deep");
    else if (char === "]" || char === "}") depth = Math.max(0, depth - 1);
    if (bare !== undefined) bound(bare.length, MAX_WORD, `a word of ${bare.length} characters`);
    if (quotes === undefined) at += (comment ?? bare ?? char).length;
    else {
      const end = endOfText(text, at + quotes.length, quotes);
      bound(end - at - quotes.length, MAX_TEXT, `a text of ${end - at - quotes.length} characters`);
      for (let i = text.indexOf("\n", at); i >= 0 && i < end; i = text.indexOf("\n", i + 1)) line++;
      at = end + quotes.length;
      // A text in three quotes may end with one or two more, which are its own.
      for (let own = 0; quotes.length === 3 && own < 2 && text[at] === quotes[0]; own++) at++;
    }
  }
}

/** Where the text that begins at `from` ends: at its closing quotes, or where a text that lacks them cannot go on. */
function endOfText(text: string, from: number, quotes: string): number {
  const escapes = quotes.startsWith('"');
  for (let at = from; at < text.length; at++) {
    if (escapes && text[at] === "\\") at++;
    else if (text.startsWith(quotes, at) || (quotes.length === 1 && /[\r\n]/.test(text[at]!))) return at;
  }
  return text.length;
}
