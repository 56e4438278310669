/**
 * Answers kept on disk: a file each, named by all that an answer depends on, and written whole, so that several processes may share
 * them. What is there is believed only if it is what was written: else it is asked again.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { codeHash } from "./build.js";
import { io } from "./io.js";

/** Where answers of a kind are kept, and by which code they were found. Plain data, so that threads may have it. */
export interface Shelf {
  readonly folder: string;
  /** hash of the code that an answer hangs on: another one answers anew */
  readonly rules: string;
}

/** The kinds of answers: what a user calls their folder in the environment, and the rooms whose code they hang on. */
export const SHELVES = {
  /** verdicts on scenarios */
  verdicts: { variable: "SHOOTDOWN_VERDICTS", rooms: ["arch", "input", "policy", "prove"] },
  /** what hosts count while a scenario is simulated: prices are multiplied from it */
  counts: {
    variable: "SHOOTDOWN_COUNTS",
    rooms: ["arch", "compare", "host", "hypervisor", "input", "policy", "trace", "xen"],
  },
} as const satisfies Record<string, { readonly variable: string; readonly rooms: readonly string[] }>;

type ShelfName = keyof typeof SHELVES;

const rules = new Map<ShelfName, string>();

/**
 * The user's own answers of a kind: in the folder that its variable names, or in one of its name in the cache folder that a capture
 * has too; none where the environment has no place for them.
 */
export function userShelf(name: ShelfName): Shelf | undefined {
  const { variable, rooms } = SHELVES[name];
  const { [variable]: own, SHOOTDOWN_CACHE, XDG_CACHE_HOME, HOME } = io().env;
  const cache =
    SHOOTDOWN_CACHE || (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? join(XDG_CACHE_HOME, "shootdown") : undefined);
  const home = HOME && isAbsolute(HOME) ? join(HOME, ".cache", "shootdown") : undefined;
  const folder = own || ((cache ?? home) && join((cache ?? home)!, name));
  if (!folder) return undefined;
  const by = rules.get(name) ?? codeHash(rooms);
  rules.set(name, by);
  return { folder, rules: by };
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

const folderOf = (folder: string, by: string): string => join(folder, by.slice(0, 12));

function pathOf({ folder, rules: by }: Shelf, question: string | Uint8Array): string {
  const key = createHash("sha256").update(`${by}\n`).update(question).digest("hex");
  return join(folderOf(folder, by), key.slice(0, 2), `${key.slice(2)}.json`);
}

/** True where some answers are kept: then it may be that nothing is left to be found. */
export const holdsSome = ({ folder, rules: by }: Shelf): boolean => existsSync(folderOf(folder, by));

/** The answer to a question, if it is kept and whole. */
export function recall(shelf: Shelf, question: string | Uint8Array): unknown {
  try {
    const text = readFileSync(pathOf(shelf, question), "utf8");
    const end = text.indexOf("\n");
    const body = text.slice(end + 1);
    return end > 0 && text.slice(0, end) === sha256(body) ? JSON.parse(body) : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps an answer, which must be JSON. Written beside and then renamed; where that cannot be, nothing is kept. */
export function keepAnswer(shelf: Shelf, question: string | Uint8Array, answer: unknown): void {
  const path = pathOf(shelf, question);
  const beside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const body = JSON.stringify(answer);
    writeFileSync(beside, `${sha256(body)}\n${body}`);
    renameSync(beside, path);
  } catch {
    try {
      rmSync(beside, { force: true });
    } catch {} // it never was
  }
}
