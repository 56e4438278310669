import { visibleLine, visibleText } from "./visible.js";

/** Something a user gave that cannot be used: one sentence that names file, line or row, and what was expected. Exit status 1. */
export class InputError extends Error {
  override readonly name = "InputError";

  /** Control characters of names are made visible; `details` (what another program printed) follows on lines of its own. */
  constructor(message: string, details = "") {
    super(visibleLine(message) + (details === "" ? "" : `\n${visibleText(details)}`));
  }

  /** `line` counts from 1; 0 or absent when the whole file is meant. */
  static at(file: string, line: number | undefined, message: string): InputError {
    return new InputError(line ? `${file}:${line}: ${readable(message)}` : `${file}: ${readable(message)}`);
  }
}

/** What a message quotes may be as long as its file: of a long word and of a long message only the beginning is told. */
function readable(message: string): string {
  const words = message.replace(/\S{200,}/g, (word) => `${word.slice(0, 60)}... (${word.length} characters)`);
  return words.length > 2000 ? `${words.slice(0, 2000)}...` : words;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  ENOTDIR: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  EISDIR: "it is a folder, expected a file",
  ELOOP: "its links lead in a circle",
  ENAMETOOLONG: "the name is too long",
  ERR_INVALID_ARG_VALUE: "the name holds a NUL character",
  EBUSY: "it is in use",
  ETXTBSY: "it is a program that runs",
  ENXIO: "it is a socket or a device without anything behind it",
  ENODEV: "it is a device without anything behind it",
  EMFILE: "too many files are open",
  ENFILE: "too many files are open",
  ENOMEM: "not enough memory",
  ENOSPC: "no space left on the device",
  EDQUOT: "the quota of the disk is used up",
  EFBIG: "the file grows larger than is allowed here",
  EIO: "an input or output error",
  EINVAL: "it cannot be read or written like a file",
  EEXIST: "something of that name is there already",
};

/** An error of the file system in words; undefined for any other error, and for those that say nothing about the file. */
export function fileReason(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return Object.hasOwn(REASONS, code) ? REASONS[code] : undefined;
}

/** An error of the file system as an InputError, `before` the reason; any other (a broken pipe, too) stays what it is. */
export function fileError(path: string, error: unknown, before = ""): unknown {
  const reason = fileReason(error);
  return reason === undefined ? error : InputError.at(path, 0, before + reason);
}
