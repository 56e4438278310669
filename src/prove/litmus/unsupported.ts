/** What a test asks for and this tool does not do: said, never guessed. */
import { Unsupported } from "../program.js";

export class UnsupportedInTest extends Unsupported {
  constructor(
    /** a sentence without its full stop */
    readonly reason: string,
    readonly file: string,
    /** line in the file, from 1; 0 when the whole file is meant */
    readonly line: number,
  ) {
    super(`${file}${line > 0 ? `:${line}` : ""}: ${reason}`);
  }
}
