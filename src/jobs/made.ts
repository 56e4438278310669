/** What a result was made from and how, so that somebody else can make it again and see that it is the same. */
import { readFileSync } from "node:fs";
import { inputHashes } from "../files/index.js";
import { argv } from "./io.js";

export interface Made {
  readonly version: string;
  /** the command line, for a shell to repeat */
  readonly command: string;
  readonly inputs: readonly Input[];
}

/** A file that was read, and the SHA-256 of its bytes in hexadecimal. */
export interface Input {
  readonly file: string;
  readonly sha256: string;
}

/** The package's version. */
export function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Version, command line, and the files that were read until now. */
export const made = (): Made => ({
  version: version(),
  command: ["shootdown", ...argv().map(shellWord)].join(" "),
  inputs: inputHashes(),
});

/** A word for a shell to read as it is. */
export function shellWord(text: string): string {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text;
  if (!/[\p{Cc}\p{Bidi_C}\u2028\u2029]/u.test(text)) return `'${text.replaceAll("'", "'\\''")}'`;
  return `$'${text.replace(/['\\]/g, "\\$&").replace(/[\p{Cc}\p{Bidi_C}\u2028\u2029]/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)}'`;
}
