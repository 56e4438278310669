/** The cache folder: where it is, and whether what it holds can be believed, for a capture runs programs out of it. */
import { type Dirent, lstatSync, readdirSync, type Stats } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { fileReason, InputError } from "../input/index.js";

/**
 * The cache folder: SHOOTDOWN_CACHE, or shootdown in XDG_CACHE_HOME or ~/.cache. Absolute, as apt and dpkg need it. Throws an
 * InputError where none of them says where that is.
 */
export function cacheFolder(): string {
  const { SHOOTDOWN_CACHE, XDG_CACHE_HOME } = process.env;
  if (SHOOTDOWN_CACHE) return resolve(SHOOTDOWN_CACHE);
  // XDG Base Directory Specification: a relative path is invalid and to be ignored.
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, "shootdown");
  const home = homedir();
  if (isAbsolute(home)) return join(home, ".cache", "shootdown");
  throw new InputError(
    `HOME is '${home}', expected an absolute path, in which the cache folder is: set HOME, or SHOOTDOWN_CACHE to a folder for it`,
  );
}

/** Who may own what the cache holds: this user, and root, who can do everything anyway. */
const isOurs = (uid: number): boolean => uid === 0 || uid === process.geteuid?.();
/** Write permission of the group and of everybody. */
const OTHERS_WRITE = 0o022;

/**
 * Throws an InputError when somebody else may have put in the cache, or may put there, what a capture would run. Nothing is
 * wrong with a cache that does not exist.
 */
export function checkCache(folder = cacheFolder()): void {
  const entry = statusOf(folder);
  if (!entry) return;
  check(folder, entry, folder);
  if (entry.isDirectory()) checkTree(folder, folder);
}

function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw named(path, error);
  }
}

function checkTree(folder: string, cache: string): void {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw named(folder, error);
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const status = statusOf(path);
    if (status) check(path, status, cache);
    if (entry.isDirectory()) checkTree(path, cache);
  }
}

/** A link has no permissions of its own: who may change it, its folder says. */
function check(path: string, status: Stats, cache: string): void {
  if (!isOurs(status.uid))
    throw InputError.at(
      path,
      0,
      `is owned by user ${status.uid}: a capture runs programs from its cache, so all of it must be yours; remove ${cache}, or set SHOOTDOWN_CACHE to another folder`,
    );
  if (!status.isSymbolicLink() && (status.mode & OTHERS_WRITE) !== 0)
    throw InputError.at(
      path,
      0,
      `may be written by others (mode ${(status.mode & 0o7777).toString(8).padStart(4, "0")}): a capture runs programs from its cache; look through it and say chmod -R go-w ${cache}, or remove it`,
    );
}

function named(path: string, error: unknown): unknown {
  const reason = fileReason(error);
  return reason === undefined ? error : InputError.at(path, 0, reason);
}
