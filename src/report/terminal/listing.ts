/** What `shootdown policies | hosts | scenarios` prints: what is built in, each with a sentence and its source. */
import type { Described } from "../../compare/index.js";
import { wordTable } from "../table.js";
import { tableText, wrapped } from "./text.js";

/** The list of a shelf. */
export const listingText = (shelf: string, all: readonly Described[], width: number): string =>
  listed(
    all,
    `A path to a .toml file of your own works wherever a name does; shootdown ${shelf} NAME prints a built-in file to begin with.`,
    width,
  );

/** The list of the recorded traces. */
export const recordedText = (all: readonly Described[], width: number): string =>
  listed(
    all,
    "These names work wherever a trace is read, as a path to one of your own does; shootdown traces NAME prints where the file is.",
    width,
  );

function listed(all: readonly Described[], help: string, width: number): string {
  const rows = all.flatMap(({ name, title, source }, i) => [
    ...(i > 0 ? [["", ""]] : []),
    [name, title],
    ["", `source: ${source}`],
  ]);
  return `${tableText(wordTable(["name", "what it is"], rows), width)}\n${wrapped(help, width)}`;
}
