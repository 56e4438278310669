/** What people read: tables for the terminal, and one self-contained HTML file. */
export * from "./format.js";
export { checksText, compareTables } from "./table.js";
export { type Align, type Span, type TextTableOptions, textTable, wrapped } from "./text.js";
