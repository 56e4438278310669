/** Words of the small languages inside a litmus file: values, page_table_setup, assertions, immediates. */
import { InputError } from "../../input/index.js";
import { UnsupportedInTest } from "./unsupported.js";

/** A piece of text in a file: where it begins, so that errors name the file's own line. */
export interface Passage {
  readonly text: string;
  readonly file: string;
  /** line of the text's first line, from 1 */
  readonly line: number;
}

export interface Token {
  readonly kind: "number" | "name" | "sign" | "end";
  readonly text: string;
  readonly line: number;
}

const BLANK = /(?:\s|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const NUMBER = /0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*/y;
const NAME = /[A-Za-z_$][\w$]*/y;
const SIGN = /\|->|\?->|\.\.|==|!=|<=|>=|<<|>>|&&|\|\||\/\\|\\\/|[-+*=&|~!()[\]{},;:<>]/y;

/** Cuts a text into words; `#` begins a comment, as `//` does. */
function tokens({ text, file, line }: Passage): readonly Token[] {
  const list: Token[] = [];
  let at = 0;
  let now = line;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) return undefined;
    at += found.length;
    return found;
  };
  while (at < text.length) {
    const blank = match(BLANK);
    if (blank !== undefined) {
      now += blank.split("\n").length - 1;
      continue;
    }
    const number = match(NUMBER);
    const name = number ?? match(NAME);
    const found = name ?? match(SIGN);
    if (found === undefined) throw InputError.at(file, now, `unexpected character '${text[at]}'`);
    list.push({ kind: number !== undefined ? "number" : name !== undefined ? "name" : "sign", text: found, line: now });
  }
  list.push({ kind: "end", text: "", line: now });
  return list;
}

/** Reads words one after another; what all the small languages' parsers share. */
export class Reader {
  private at = 0;

  constructor(
    private readonly source: Passage,
    private readonly list: readonly Token[] = tokens(source),
  ) {}

  /** The word `ahead` of the next one, without taking it. */
  peek(ahead = 0): Token {
    return this.list[Math.min(this.at + ahead, this.list.length - 1)]!;
  }

  next(): Token {
    const token = this.peek();
    this.at++;
    return token;
  }

  /** True when the next word is this sign or name. */
  sees(text: string, ahead = 0): boolean {
    const token = this.peek(ahead);
    return token.kind !== "end" && token.text === text;
  }

  /** Takes the next word if it is this one. */
  takes(text: string): boolean {
    if (!this.sees(text)) return false;
    this.at++;
    return true;
  }

  expect(text: string): Token {
    if (!this.sees(text)) this.fail(`expected '${text}'`);
    return this.next();
  }

  name(what: string): Token {
    if (this.peek().kind !== "name") this.fail(`expected ${what}`);
    return this.next();
  }

  end(): void {
    if (this.peek().kind !== "end") this.fail("expected nothing more");
  }

  /** Refuses the next word: `message` says what was expected. */
  fail(message: string): never {
    const { text, line } = this.peek();
    throw InputError.at(this.source.file, line, `${message}, found ${text === "" ? "the end" : `'${text}'`}`);
  }

  /** Refuses what stands at a line. */
  failAt(line: number, message: string): never {
    throw InputError.at(this.source.file, line, message);
  }

  unsupported(reason: string, line = this.peek().line): never {
    throw new UnsupportedInTest(reason, this.source.file, line);
  }
}
