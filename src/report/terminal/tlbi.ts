/** What `shootdown tlbi` prints: what one TLBI is, what it costs, or the list of them all. */
import {
  type Cover,
  type CoverStep,
  type ExplainedOperand,
  type Explanation,
  GRANULE_NAME,
  type Lint,
  type OperandField,
  type OperandKind,
  type Removal,
  TLBI_OPS,
  type TlbiOp,
} from "../../arch/index.js";
import { type Host, ipaNotes, isNested, type priceTlbi, type TouchedPages } from "../../host/index.js";
import { count, duration, durationRange, hex, tally } from "../format.js";
import { wordTable } from "../table.js";
import { tableText, wrapped } from "./text.js";

/** Prose wider than this is hard to read. */
const WIDEST = 110;

/** An explanation of a TLBI as text for a terminal so wide (text keeps to it from 60 columns on). Ends with a newline. */
export function explanationText(e: Explanation, terminal: number): string {
  const width = Math.min(terminal, WIDEST);
  const { op1, CRn, CRm, op2, Rt } = e.encoding;
  const { stage1, stage2, combined } = e.removes;
  const rows = [
    ["word", `${hex(e.word)} = SYS #${op1}, C${CRn}, C${CRm}, #${op2}, Rt ${Rt}`],
    ["regime", e.regime],
    ["needs", e.needs.join(", ") || "nothing optional"],
    ["reaches", e.reach],
    ["stage-1", removal(stage1)],
    ...(stage2.status === "absent"
      ? []
      : [
          ["stage-2", removal(stage2)],
          ["combined", removal(combined)],
        ]),
    completion(e.completedBy),
  ];
  const sections = [tableText(wordTable(["TLBI", e.assembly.replace("TLBI ", "")], rows), width)];
  if (e.operand) sections.push(operandText(e.operand, width));
  if (e.lint.length > 0) sections.push(lintText(e.lint, width));
  if (e.remarks.length > 0) sections.push(remarksText(e.remarks, width));
  return sections.join("\n");
}

const completion = (dsbs: readonly string[]): string[] => [
  "completion",
  `a later DSB of loads and stores: ${dsbs.map((name) => name.replace("DSB ", "")).join(", ")}; not one of stores only (ST) or loads only (LD)`,
];

const remarksText = (remarks: readonly string[], width: number): string =>
  remarks.map((remark) => wrapped(`- ${remark}`, width, "  ")).join("");

/** What is wrong, by name, with its section of the manual. */
function lintText(lint: readonly Lint[], width: number): string {
  const rows = lint.map(({ name, certain, sentence, section }) => [
    certain ? name : `${name}?`,
    `${sentence} (${section})`,
  ]);
  const head = lint.some(({ certain }) => certain) ? "WRONG" : "wrong?";
  return tableText(wordTable([head, "why (DDI 0487)"], rows), width);
}

/** Rows of a cover that are shown; of more the first and the last. */
const MOST_ROWS = 40;

/** The TLBIs that cover a range, with their operands, as text. Ends with a newline. */
export function coverText(cover: Cover, terminal: number): string {
  const width = Math.min(terminal, WIDEST);
  const { range, tables, steps, needs } = cover;
  const pages = (range.end - range.start) >> BigInt(tables.granuleBits);
  const head = [
    `${count(steps.length)} ${steps.length === 1 ? "TLBI covers" : "TLBIs cover"} ${range.kind.toUpperCase()}s [${hex(range.start)}, ${hex(range.end)}):`,
    `${size(range.end - range.start)}, ${count(Number(pages))} ${pages === 1n ? "page" : "pages"} of ${GRANULE_NAME[tables.granuleBits]}`,
    tables.level === undefined ? "" : `, leaves at level ${tables.level}`,
    cover.asid === undefined ? "" : `, ASID ${cover.asid}`,
  ];
  const hidden = steps.length - MOST_ROWS;
  const shown = hidden > 0 ? [...steps.slice(0, MOST_ROWS - 1), undefined, steps.at(-1)!] : steps;
  const rows = shown.map((step) => (step ? stepRow(step) : ["...", `${count(hidden)} more`, "", ""]));
  const sections = [
    wrapped(`${head[0]} ${head.slice(1).join("")}`, width, "  "),
    tableText(wordTable(["TLBI", "Xt", "from", "bytes"], rows), width),
    tableText(wordTable(["needs", needs.join(", ") || "nothing optional"], [completion(cover.completedBy)]), width),
  ];
  if (cover.lint.length > 0) sections.push(lintText(cover.lint, width));
  return [...sections, remarksText(cover.remarks, width)].join("\n");
}

const stepRow = ({ op, xt, start, end }: CoverStep): string[] => [op.name, hex(xt), hex(start), size(end - start)];

function operandText({ value, fields, range }: ExplainedOperand, width: number): string {
  if (value === undefined) {
    const rows = fields.map((f) => [bits(f), f.name]);
    return `Operand (--xt 0x... explains a value)\n${tableText(wordTable(["bits", "field"], rows), width)}`;
  }
  const rows = fields.map((f) => [bits(f), f.name, hex(f.value!), f.meaning!]);
  const table = tableText(wordTable(["bits", "field", "value", "meaning"], rows), width);
  const bytes = range ? `bytes [${hex(range.start)}, ${hex(range.end)}): ${size(range.end - range.start)}\n` : "";
  return `Operand ${hex(value)}\n${table}${bytes}`;
}

const bits = (f: OperandField): string => `[${f.bits.join(":")}]`;

function removal(r: Removal): string {
  if (r.matches !== undefined) return `removed: ${r.matches}`;
  return r.status === "not required" ? "may stay: not required to apply to them" : "may stay";
}

/** "2 MiB", "8 GiB", "12 KiB": whole KiB as the largest unit that keeps it whole. */
function size(bytes: bigint): string {
  let n = bytes / 1024n;
  let unit = 0;
  while (n % 1024n === 0n && unit < 3) {
    n /= 1024n;
    unit++;
  }
  return `${n.toLocaleString("en")} ${["KiB", "MiB", "GiB", "TiB"][unit]}`;
}

const OPERAND: Record<OperandKind, string> = {
  none: "-",
  asid: "ASID",
  va: "VA",
  ipa: "IPA",
  "va-range": "VA range",
  "ipa-range": "IPA range",
};

const REACH: Record<TlbiOp["reach"], string> = { local: "local", inner: "IS", outer: "OS" };

function removed(op: TlbiOp): string {
  if (op.regime === "EL2") return "EL2's own";
  return [op.stage1 && "S1", op.stage2 && "S2", op.combined && "combined"].filter(Boolean).join(", ");
}

const operandOf = (op: TlbiOp): string =>
  (op.matchesAsid !== "any" && op.operand.startsWith("va") ? "ASID, " : "") + OPERAND[op.operand];

/** The shadow stage-2 that a TLBI finds: a number of leaves, ranges of pages, or undefined where none matches its VMID. */
type Shadow = number | readonly TouchedPages[] | undefined;

/** A price of a TLBI as text. `assumed`: no operand was given where one is needed, and 0 taken. */
export function tlbiPriceText(
  price: ReturnType<typeof priceTlbi>,
  { host, ipaBits, shadow, assumed }: { host: Host; ipaBits: number; shadow: Shadow; assumed: boolean },
  terminal: number,
): string {
  const rows = [
    ["price", `${duration(price.microseconds)} (${durationRange(...price.microsecondsRange)}), simulated time`],
    ["hardware", tally(price.tlbi) || "no TLBI"],
    ...(!isNested(host)
      ? []
      : [
          [
            "host",
            `${count(Math.round(price.instructions))} instructions, ${count(price.leavesDropped)} shadow leaves dropped`,
          ],
          ["shadow", described(shadow)],
        ]),
    ...ipaNotes([host], [ipaBits]).map((note) => ["needs", note]),
    ...(assumed ? [["operand", "0, since no --xt says otherwise"]] : []),
  ];
  const head = !isNested(host) ? `on ${host.name}` : `on ${host.name}, ${ipaBits} IPA bits`;
  return tableText(wordTable(["Price", head], rows), Math.min(terminal, WIDEST));
}

function described(shadow: Shadow): string {
  if (shadow === undefined) return "none that matches the VMID";
  if (typeof shadow === "number") return shadow === 0 ? "valid, but empty" : `${count(shadow)} leaves of 4 KiB`;
  const pages = shadow.reduce((sum, range) => sum + range.pages, 0);
  return `${count(pages)} touched pages in ${count(shadow.length)} ${shadow.length === 1 ? "range" : "ranges"}`;
}

/** All TLBIs, one a line. */
export function tlbiListText(width: number): string {
  const rows = TLBI_OPS.map((op) => [
    op.name,
    REACH[op.reach],
    operandOf(op),
    removed(op) + (op.lastLevel ? " (leaf)" : ""),
    op.needs.map((f) => f.replace("FEAT_", "")).join(" "),
  ]);
  return `${tableText(wordTable(["TLBI", "reach", "operand", "removes", "needs FEAT_"], rows), width)}
local: the executing PE; IS, OS: its Inner, Outer Shareable domain.
S1, S2, combined: cached stage-1 and stage-2 entries, and both folded together
(VA to PA). (leaf): entries of the last level only.
`;
}
