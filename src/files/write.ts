/** Writing: a file is complete or as it was before; what is no regular file is written in place. */
import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileError } from "../input/index.js";
import { noteWritten } from "./command.js";

/** Where a name leads: to an open descriptor of this process (/dev/stdout, /dev/fd/N), or to a path that is no link. */
type Target = { readonly fd: number } | { readonly path: string; readonly stat: Stats | undefined };

/** As many links as Linux follows. */
const MOST_LINKS = 40;

/** Follows links, also one that leads to nothing yet. Throws errors of the file system. */
function targetOf(name: string): Target {
  let path = resolve(name);
  for (let links = 0; links <= MOST_LINKS; links++) {
    path = join(realpathSync(dirname(path)), basename(path));
    const own = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(path);
    if (own && Number(own[1]) === process.pid) return { fd: Number(own[2]) };
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat?.isSymbolicLink()) return { path, stat };
    path = resolve(dirname(path), readlinkSync(path));
  }
  throw Object.assign(new Error(`too many links: ${name}`), { code: "ELOOP" });
}

/**
 * True when writing there may wait for somebody: "-" or a name that leads to a pipe, a terminal, a device. False where it
 * cannot be told: writing will say why.
 */
export function isStream(path: string): boolean {
  try {
    const target = path === "-" ? { fd: 1 } : targetOf(path);
    const stat = "fd" in target ? fstatSync(target.fd) : target.stat;
    return stat !== undefined && !stat.isFile() && !stat.isDirectory();
  } catch {
    return false;
  }
}

/** Temporaries of this process; those that are left are removed when it exits. */
const temporaries = new Set<string>();
const removeAll = (): void => {
  for (const path of temporaries) rmSync(path, { force: true });
};

/** A file on its way. */
export class OutputFile {
  private open = true;

  private constructor(
    private readonly path: string,
    private readonly fd: number,
    /** a descriptor that is not ours to close */
    private readonly borrowed: boolean,
    /** what will be renamed to what; undefined when it is written in place */
    private readonly move: { readonly from: string; readonly to: string } | undefined,
  ) {}

  /**
   * Opens what `path` leads to; "-" is standard output. A regular file, or one that is not there yet, is written under another
   * name beside it and given its name by {@link close}, with the mode and owner of the one before; anything else (a pipe, a
   * device) is written in place, and opening waits for a pipe's reader. Throws an InputError.
   */
  static open(path: string): OutputFile {
    if (path === "-") return new OutputFile("standard output", 1, true, undefined);
    try {
      const target = targetOf(path);
      if ("fd" in target) return new OutputFile(path, target.fd, true, undefined);
      const { path: to, stat } = target;
      if (stat && !stat.isFile())
        return new OutputFile(path, openSync(to, constants.O_WRONLY | constants.O_NOCTTY), false, undefined);
      noteWritten(path, to, stat);
      // A file that may not be written may not be replaced.
      if (stat) accessSync(to, constants.W_OK);
      return OutputFile.beside(path, to, stat);
    } catch (error) {
      throw fileError(path, error, "cannot be written: ");
    }
  }

  private static beside(path: string, to: string, stat: Stats | undefined): OutputFile {
    // Short enough beside a name of any length.
    const short = [...basename(to)].slice(0, 40).join("");
    const from = join(dirname(to), `.${short}.${randomBytes(6).toString("hex")}.part`);
    const fd = openSync(from, "wx", stat ? 0o600 : 0o666);
    if (temporaries.size === 0) process.on("exit", removeAll);
    temporaries.add(from);
    const file = new OutputFile(path, fd, false, { from, to });
    try {
      if (stat) takeAfter(fd, stat);
    } catch (error) {
      file.abort();
      throw error;
    }
    return file;
  }

  /** Writes all of it. After an error, of which it throws an InputError if it is of the file system, the file is dropped. */
  write(bytes: Uint8Array): void {
    this.guard(() => writeAll(this.fd, bytes));
  }

  /** Completes the file and gives it its name. */
  close(): void {
    this.guard(() => {
      if (!this.borrowed) closeSync(this.fd);
      if (this.move) renameSync(this.move.from, this.move.to);
    });
    this.open = false;
    this.forget();
  }

  /** Drops the file; whatever had its name is left as it was. Does nothing after close. */
  abort(): void {
    if (!this.open) return;
    this.open = false;
    if (!this.borrowed)
      try {
        closeSync(this.fd);
      } catch {} // closed already: it was the renaming that failed
    if (this.move) rmSync(this.move.from, { force: true });
    this.forget();
  }

  private forget(): void {
    if (this.move) temporaries.delete(this.move.from);
    if (temporaries.size === 0) process.off("exit", removeAll);
  }

  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.abort();
      throw fileError(this.path, error, "cannot be written: ");
    }
  }
}

/** Gives a new file the mode, and where that is allowed the owner, of the one that it will replace. */
function takeAfter(fd: number, { uid, gid, mode }: Stats): void {
  const mine = fstatSync(fd);
  let bits = mode & 0o7777;
  if (mine.uid !== uid || mine.gid !== gid)
    try {
      fchownSync(fd, uid, gid);
    } catch {
      bits &= 0o777; // set-user-ID would be another user's
    }
  fchmodSync(fd, bits);
}

/** Writes a whole text or file. Throws an InputError; then what stands there is as it was, unless it is written in place. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const file = OutputFile.open(path);
  file.write(typeof content === "string" ? Buffer.from(content) : content);
  file.close();
}

/** Writes all of it, also where the descriptor is a pipe that does not block. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; )
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      pause();
    }
}

/** A millisecond in which this thread does nothing. */
export function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}
