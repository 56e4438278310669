/** What one command has read and written: it writes over none of its inputs, and nothing twice. */
import { createHash } from "node:crypto";
import { fstatSync, type Stats } from "node:fs";
import { InputError } from "../input/index.js";

const identity = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

/** All bytes of standard input. */
type StandardInput = () => Uint8Array;

interface Command {
  /** names of files that were read, by their identity */
  readonly read: Map<string, string>;
  /** SHA-256 of the inputs that were read whole, by their names */
  readonly hashes: Map<string, string>;
  readonly written: Set<string>;
  /** in place of the process's own */
  readonly stdin: StandardInput | undefined;
  stdinTaken: boolean;
}

let command: Command | undefined;

/** What "-" is called in errors. */
export const STANDARD_INPUT = "standard input";

/** From here on this process is one command. A program that uses the engine as a library may write what it has read. */
export function oneCommand(stdin?: StandardInput): void {
  command = { read: new Map(), hashes: new Map(), written: new Set(), stdin, stdinTaken: false };
}

/** Notes that standard input is read, which is there once; tells what to read in its place. Throws an InputError. */
export function noteStandardInput(): StandardInput | undefined {
  if (command?.stdinTaken)
    throw InputError.at(STANDARD_INPUT, 0, "is read by this command already, expected one '-' among its inputs");
  if (command) command.stdinTaken = true;
  return command?.stdin;
}

/** Notes a file that is read. Throws an InputError where standard output goes to the same file (and would feed it for ever). */
export function noteRead(path: string, stat: Stats): void {
  if (command === undefined || !stat.isFile()) return;
  const out = fstatSync(1);
  if (out.isFile() && identity(out) === identity(stat))
    throw InputError.at(path, 0, "is where standard output goes too, expected another file for it");
  command.read.set(identity(stat), path);
}

/** Notes the bytes of an input; those of what is built in are in no file. */
export function noteBytes(file: string, bytes: Uint8Array): void {
  command?.hashes.set(file, createHash("sha256").update(bytes).digest("hex"));
}

/** The inputs that this command has read whole so far, in the order of their names, each with its SHA-256 in hexadecimal. */
export const inputHashes = (): readonly { readonly file: string; readonly sha256: string }[] =>
  [...(command?.hashes ?? [])].map(([file, sha256]) => ({ file, sha256 })).sort((a, b) => (a.file < b.file ? -1 : 1));

/** Notes a regular file that will be written, `stat` where it stands already. Throws an InputError as the room's head says. */
export function noteWritten(path: string, target: string, stat: Stats | undefined): void {
  if (command === undefined) return;
  const input = stat && command.read.get(identity(stat));
  if (input !== undefined)
    throw InputError.at(path, 0, `is an input too${input === path ? "" : ` (as ${input})`}, expected another file`);
  if (command.written.has(target))
    throw InputError.at(path, 0, "is written by this command already, expected another file");
  command.written.add(target);
}
