/** Something a user gave that cannot be used: one sentence that names file, line or row, and what was expected. Exit status 1. */
export class InputError extends Error {
  override readonly name = "InputError";

  /** `line` counts from 1; 0 or absent when the whole file is meant. */
  static at(file: string, line: number | undefined, message: string): InputError {
    return new InputError(line ? `${file}:${line}: ${message}` : `${file}: ${message}`);
  }
}
