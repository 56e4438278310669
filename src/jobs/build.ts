/** Which build of the product this is: a hash of the code that answers hang on. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { version } from "./made.js";

/** SHA-256, in hexadecimal, of the code of some rooms, tests left out. */
export function codeHash(rooms: readonly string[]): string {
  const dist = join(dirname(fileURLToPath(import.meta.url)), "..");
  const hash = createHash("sha256");
  for (const room of rooms)
    for (const file of readdirSync(join(dist, room), { recursive: true }).map(String).sort())
      if (/\.js$/.test(file) && !/\.(test|fixture|testing)\.js$/.test(file))
        hash.update(`${room}/${file}\n`).update(readFileSync(join(dist, room, file)));
  return hash.digest("hex");
}

/** Rooms whose code decides what is sent over a queue, and how it is sent. */
const ROOMS = ["arch", "builtin", "cpu", "input", "jobs", "policy", "prove", "synth"];

let build: string | undefined;

/** "0.1.0 (build 1a2b3c4d5e6f)": equal on two machines only where the same code is there. */
export function buildName(): string {
  build ??= codeHash(ROOMS).slice(0, 12);
  return `${version()} (build ${build})`;
}
