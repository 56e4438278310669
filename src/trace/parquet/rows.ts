/** What readers of a column chunk have in common: where its rows go, and what may be wrong with one of them. */
import { type ColumnName, columnOf } from "../columns.js";

/** Where columns of one word go. */
export type Small = Int32Array | Uint8Array | Uint16Array | Int8Array;

/** The rows of a column chunk, in their order. Each method throws an Error that says what is wrong with the bytes. */
export interface ColumnRows {
  /** rows read or left out so far */
  readonly row: number;
  /** The next `n` rows into `out`: a text's id, an integer, or the interleaved halves of 64 bits. */
  read(n: number, out: Int32Array): void;
  /** What the next `n` rows are where it is known that they are all the same, which reads them; undefined, and nothing read, elsewhere. */
  same?(n: number): number | undefined;
  /**
   * What rows may be, by their indexes in a dictionary, with what stands for null at the end; for {@link gather}, which can be called for
   * the next `n` rows. Undefined where they have no such indexes.
   */
  coded?(n: number): Int32Array | undefined;
  /** The next `n` rows into `out`, each as `table` has it in place of what {@link coded} gave. Of columns of one word. */
  gather?(n: number, table: Int32Array, out: Small): void;
  /** Leaves out the next `n` rows. */
  skip(n: number): void;
  /** To be called behind the last row: nothing may follow it. */
  finish(): void;
}

/** What is wrong with one row of a row group (counted from 0). */
export class RowError extends Error {
  constructor(
    readonly row: number,
    message: string,
  ) {
    super(message);
  }
}

/** What stands for null in a column: a text's id, or what an event without it has. */
export function absentIn(column: ColumnName, texts: Texts): number {
  const { holds, absent } = columnOf(column);
  return holds === "text" ? texts.id("") : absent;
}

/** More than a trace's marks, sites and names of the architecture can be. */
const MAX_TEXTS = 0x2_0000;
const MAX_CHARACTERS = 1 << 25;

/** Texts of a file's string columns, each once; a text column is decoded into indexes of this list. */
export class Texts {
  readonly list: string[] = [];
  private readonly ids = new Map<string, number>();
  private characters = 0;

  /** The id of a text, new or known. Throws a RangeError when they are more than a trace can have. */
  id(text: string): number {
    let id = this.ids.get(text);
    if (id === undefined) {
      id = this.list.length;
      this.characters += text.length;
      if (id === MAX_TEXTS || this.characters > MAX_CHARACTERS)
        throw new RangeError(`more than ${MAX_TEXTS} different strings, or ${MAX_CHARACTERS} characters in them`);
      this.list.push(text);
      this.ids.set(text, id);
    }
    return id;
  }
}
