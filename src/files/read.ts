/** Reading: texts that people edit and images, whole and bounded; traces, as they come. */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { isatty, ReadStream } from "node:tty";
import { fileError, InputError } from "../input/index.js";
import { noteBytes, noteRead } from "./command.js";

/** Most bytes of a text. */
const MAX_TEXT = 1 << 20;

/**
 * The text of a file, a pipe or a device. `file` names it in errors, `what` is what was expected. Throws an InputError. It
 * waits for the writer of a pipe, and nothing in this process hears a signal meanwhile.
 */
export function readText(path: string, file = path, what = "a text file"): string {
  const bytes = bounded(path, file, MAX_TEXT, "a text file", () => {});
  noteBytes(file, bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw InputError.at(file, 0, `is not UTF-8 text, expected ${what}`);
  }
}

/** The bytes of a regular file, of which there may be `most`. Throws an InputError. */
export function readBytes(path: string, most: number): Buffer {
  return bounded(path, path, most, "a file", (stat) => regular(path, stat, "a regular file"));
}

/** Reads to the end, but no more than is allowed: a device may have no end. */
function bounded(path: string, file: string, most: number, what: string, check: (stat: Stats) => void): Buffer {
  const pieces: Buffer[] = [];
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY);
    try {
      const stat = fstatSync(fd);
      check(stat);
      noteRead(file, stat);
      let size = 0;
      for (let room = stat.isFile() ? Math.min(stat.size + 1, most + 1) : 0; ; room = 0) {
        const piece = Buffer.allocUnsafe(Math.max(room, 1 << 16));
        const read = readSync(fd, piece);
        if (read === 0) break;
        size += read;
        if (size > most) throw InputError.at(file, 0, `is larger than ${most} bytes, expected ${what} of at most that`);
        pieces.push(piece.subarray(0, read));
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(file, error);
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
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
