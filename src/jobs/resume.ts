/** What a search has found so far, as JSON lines: a question, and then a line for each piece that was searched. */
import { existsSync, readFileSync } from "node:fs";
import { fileError, InputError } from "../input/index.js";
import type { Space } from "../synth/index.js";
import { version } from "./made.js";
import type { Done } from "./synthesize.js";

/** The question as it is compared: a search goes on only where all of it is the same. */
const questionOf = ({ base, occasion, cpus, setting, length, instructions }: Space): string =>
  JSON.stringify({
    shootdown: version(),
    occasion,
    length,
    setting,
    cpus: cpus.map(({ name, features, errata }) => ({ name, features: [...features], errata: [...errata] })),
    instructions: instructions.map(({ code, over }) => (over === undefined ? code : `${code} for ${over}`)),
    base: { name: base.name, due: base.due, code: base.code },
  });

/** The lines of a file to go on from. */
export const resumeLines = (space: Space, done: readonly Done[]): string =>
  [questionOf(space), ...done.map((one) => JSON.stringify(one))].map((line) => `${line}\n`).join("");

/** Pieces that a file says were searched; none where it is not there yet. Throws an InputError where it is of another search. */
export function resumed(path: string, space: Space): Done[] {
  if (!existsSync(path)) return [];
  const [first, ...lines] = textOf(path)
    .split("\n")
    .filter((line) => line !== "");
  if (first !== questionOf(space))
    throw InputError.at(
      path,
      1,
      "another search, or one of another version: expected the same occasion, CPUs, length and instructions",
    );
  return lines.map((line, i) => doneOf(line, path, i + 2));
}

/** Read as it is, and not noted as an input: it is written again. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw fileError(path, error);
  }
}

function doneOf(line: string, path: string, number: number): Done {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {}
  const { piece, result } = (value ?? {}) as Partial<Done>;
  if (!Number.isInteger(piece) || typeof result?.tally !== "object" || !Array.isArray(result?.learnt))
    throw InputError.at(path, number, "expected a searched piece, as shootdown wrote it");
  return value as Done;
}
