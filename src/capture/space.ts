/** Room on a disk, looked at before it is needed: what half fits is worse than what is refused. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../input/index.js";

/** Bytes that this user may still write in a folder, or will be able to in one that is not there yet; undefined: not known. */
export function freeSpace(folder: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch (error) {
    const above = dirname(folder);
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT" && above !== folder;
    return missing ? freeSpace(above) : undefined;
  }
}

/** "136 MB". */
export const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;

/** Throws an InputError when a folder has no room for so many bytes; `what` says of what, "the files of a run". */
export function checkSpace(folder: string, bytes: number, what: string, free = freeSpace(folder)): void {
  if (free !== undefined && free < bytes)
    throw InputError.at(folder, 0, `needs ${megabytes(bytes)} for ${what}, has ${megabytes(free)}`);
}
