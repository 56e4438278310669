/** Text of users' files on its way to a reader: what a terminal would obey, or what would reorder a line, is made visible. */

/** C0, DEL and C1; what reorders text (bidirectional controls); separators of lines that are no newline. */
const UNSEEN = /[\p{Cc}\p{Bidi_C}\u2028\u2029]/gu;

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Pictures where Unicode has them ("␛"), escapes as in JSON for the others ("\u009b"). */
function seen(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : escaped(char);
}

/** A name or sentence, on one line: no control character is left. */
export const visibleLine = (text: string): string => text.replace(UNSEEN, seen);

/** A text of lines: newlines and tabs stay. */
export const visibleText = (text: string): string =>
  text.replace(UNSEEN, (char) => (char === "\n" || char === "\t" ? char : seen(char)));

/** JSON that means the same: what JSON.stringify leaves as it is (DEL, C1, bidirectional controls) is escaped too. */
export const visibleJson = (json: string): string =>
  json.replace(UNSEEN, (char) => (char < " " ? char : escaped(char)));
