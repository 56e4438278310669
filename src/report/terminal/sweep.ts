/** What sweeps and tornados print. */
import { visibleLine } from "../../input/index.js";
import {
  MOVED,
  pictures,
  reignSentence,
  SWEPT,
  type SweepFound,
  type SweepResult,
  sections,
  sweepTable,
  type TornadoPrice,
  tornadoTable,
} from "../sweep-view.js";
import { indented, tableText, wrapped } from "./text.js";

/** Elementary prices that move a price by less than this share of it are not shown. */
const LEAST = 0.01;

const section = (title: string, table: string): string => `${visibleLine(title)}\n${indented(table)}`;

const notesText = (notes: readonly string[], width: number): string =>
  notes.map((note) => wrapped(note, width)).join("");

/** The prices, and where another policy becomes the cheapest. */
export function sweepText(result: SweepResult, width: number): string {
  const cheapest = pictures(result)
    .map(reignSentence)
    .filter((sentence) => sentence !== "");
  return [
    ...sections(result.rows, result.keys).map(({ title, rows }) =>
      section(title, tableText(sweepTable({ ...result, rows }, { places: false }), width)),
    ),
    cheapest.map((sentence) => wrapped(`- ${sentence}`, width, "  ")).join(""),
    notesText([SWEPT, ...result.notes], width),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** Which elementary prices matter, the one that moves a price most first. */
export function tornadoText(found: SweepFound<TornadoPrice>, width: number): string {
  const notes = [`${MOVED} Those that move a price by less than ${LEAST * 100} % are left out here.`, ...found.notes];
  const tables = sections(found.rows).map(({ title, rows }) =>
    section(title, tableText(tornadoTable({ ...found, rows }, LEAST, false), width)),
  );
  return [...tables, notesText(notes, width)].join("\n");
}
