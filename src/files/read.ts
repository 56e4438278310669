/** Reading: texts that people edit and images, whole and bounded; traces, as they come. */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { isatty, ReadStream } from "node:tty";
import { fileError, InputError } from "../input/index.js";
import { noteBytes, noteRead, noteStandardInput } from "./command.js";
import { pause } from "./write.js";

/** Most bytes of a text. */
const MAX_TEXT = 1 << 20;

/**
 * The text of a file, a pipe or a device; "-" is standard input. `file` names it in errors, `what` is what was expected. Throws an InputError. It
 * waits for the writer of a pipe, and nothing in this process hears a signal meanwhile.
 */
export function readText(path: string, file = path, what = "a text file"): string {
  const bytes = path === "-" ? standardInput(file) : bounded(path, file, MAX_TEXT, "a text file", () => {});
  noteBytes(file, bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw InputError.at(file, 0, `is not UTF-8 text, expected ${what}`);
  }
}

function standardInput(file: string): Uint8Array {
  const given = noteStandardInput();
  try {
    const bytes = given ? given() : wholeOf(0, file, MAX_TEXT, "a text file", fstatSync(0));
    return bytes.length > MAX_TEXT ? tooLarge(file, MAX_TEXT, "a text file") : bytes;
  } catch (error) {
    throw fileError(file, error);
  }
}

/** The bytes of a regular file, of which there may be `most`. Throws an InputError. */
export function readBytes(path: string, most: number): Buffer {
  return bounded(path, path, most, "a file", (stat) => regular(path, stat, "a regular file"));
}

function bounded(path: string, file: string, most: number, what: string, check: (stat: Stats) => void): Buffer {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY);
    try {
      const stat = fstatSync(fd);
      check(stat);
      return wholeOf(fd, file, most, what, stat);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(file, error);
  }
}

/** Reads to the end, but no more than is allowed: a device may have no end. Throws what the file system says, or an InputError. */
function wholeOf(fd: number, file: string, most: number, what: string, stat: Stats): Buffer {
  noteRead(file, stat);
  const pieces: Buffer[] = [];
  let size = 0;
  for (let room = stat.isFile() ? Math.min(stat.size + 1, most + 1) : 0; ; room = 0) {
    const piece = Buffer.allocUnsafe(Math.max(room, 1 << 16));
    const read = readPatiently(fd, piece);
    if (read === 0) break;
    size += read;
    if (size > most) tooLarge(file, most, what);
    pieces.push(piece.subarray(0, read));
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

function tooLarge(file: string, most: number, what: string): never {
  throw InputError.at(file, 0, `is larger than ${most} bytes, expected ${what} of at most that`);
}

/** Reads also where the descriptor, which may be another program's too, does not block. */
function readPatiently(fd: number, into: Buffer): number {
  for (;;)
    try {
      return readSync(fd, into);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      pause();
    }
}

/** Reads a regular file only to note it as an input, by the name `file`. */
export const noteInput = (path: string, file: string): void => noteBytes(file, readBytes(path, MAX_INPUT));
const MAX_INPUT = 1 << 28;

function regular(path: string, stat: Stats, what: string): void {
  if (!stat.isFile() && !stat.isDirectory()) throw InputError.at(path, 0, `is no regular file, expected ${what}`);
}

/**
 * Opening and reading never wait for the other end of a pipe in the kernel: a thread that waits there would keep the process
 * from ending.
 */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Bytes as they come, of a file, a pipe, a terminal or a device; "-" is standard input. Destroying it ends the waiting. */
export function openStream(path: string): Readable {
  if (path === "-") return process.stdin;
  const fd = openSync(path, FLAGS);
  try {
    const stat = fstatSync(fd);
    noteRead(path, stat);
    if (stat.isFIFO()) return new Socket({ fd, readable: true, writable: false });
    if (isatty(fd)) return new ReadStream(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return createReadStream("", { fd, highWaterMark: 1 << 18 });
}

/** A regular file, to be read here and there. `what` is what was expected. */
export async function openSeekable(path: string, what: string): Promise<FileHandle> {
  const file = await open(path, FLAGS);
  try {
    const stat = await file.stat();
    regular(path, stat, what);
    noteRead(path, stat);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
