/** `shootdown tlbi`: what one TLBI is, whom it reaches, what it removes and what its operand says; or the list of them all. */
import type { Command } from "commander";
import {
  type ExplainedOperand,
  type Explanation,
  explainTlbi,
  type OperandField,
  type OperandKind,
  type Removal,
  TLBI_OPS,
  type TlbiOp,
} from "../arch/index.js";
import { loadHost } from "../catalog/index.js";
import { ipaNotes, isNested, priceTlbi } from "../host/index.js";
import { InputError } from "../input/index.js";
import { count, duration, durationRange, tally, textTable, wrapped } from "../report/index.js";
import { parseInstruction, parseXt, type TypedTlbi } from "./instruction.js";
import { ipaBitsOption, repeatOption, withRepeat } from "./options.js";
import { outputWidth, print, printRawJson } from "./output.js";
import { type ShadowOptions, shadowOf } from "./shadow.js";

/** The command's options, as commander gives them. */
export interface TlbiOptions extends ShadowOptions {
  xt?: string;
  json?: true;
  /** price the instruction on this host too */
  host?: string;
  ipaBits?: readonly number[];
  repeatTlbi?: true;
}

/** What the command has to say about an instruction, for people and for `--json`; the answers' keys stand side by side there. */
interface Answer {
  readonly text: string;
  readonly json: object;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  program
    .command("tlbi")
    .description("explain a TLBI, from its name or its word; without arguments, list them all")
    .argument("[instruction...]", 'such as "ripas2e1is, x0", "tlbi vmalls12e1is" or 0xd50c83df')
    .option("--xt <value>", "value of the operand register, 64 bits: 0x... or decimal")
    .option(
      "--host <host>",
      "also price it, executed by a guest hypervisor on this host: a built-in one or a .toml file",
    )
    .addOption(ipaBitsOption([48]))
    .option(
      "--shadow-leaves <n>",
      "the matching shadow holds n 4 KiB leaves from page 0 on; none: no shadow matches (default: 0)",
    )
    .option("--shadow <ranges>", "or these pages: GFN+PAGES[@4K|2M|1G], separated by commas")
    .addOption(repeatOption())
    .option("--json", "print JSON")
    .action((words: string[], options: TlbiOptions) => {
      (options.json ? printRawJson : print)(tlbiOutput(words, options, outputWidth()));
    });
}

/**
 * What the command prints, for a terminal of `width` columns (text keeps to it from 60 on). A price of the instruction joins
 * the answers. Throws an InputError as {@link parseInstruction} and {@link parseXt} do.
 */
export function tlbiOutput(words: readonly string[], options: TlbiOptions, width: number): string {
  if (words.length === 0) return list(options, width);
  const instruction = parseInstruction(words.join(" "));
  const xt = options.xt === undefined ? undefined : parseXt(options.xt, instruction);
  const answers: Answer[] = [explained(instruction, xt, width)];
  if (options.host === undefined && (options.shadowLeaves ?? options.shadow) !== undefined)
    throw new InputError(
      `--shadow${options.shadow === undefined ? "-leaves" : ""}: expected --host too, to price the instruction`,
    );
  if (options.host !== undefined) answers.push(...priced(options.host, instruction, xt, options, width));
  if (options.json) return `${JSON.stringify(Object.assign({}, ...answers.map((a) => a.json)), null, 2)}\n`;
  return answers.map((a) => a.text).join("\n");
}

function explained({ op, rt }: TypedTlbi, xt: bigint | undefined, width: number): Answer {
  const explanation = explainTlbi(op, rt, xt);
  return { text: explanationText(explanation, width), json: explanationJson(explanation) };
}

/** The price of the instruction on a host, at each IPA size asked for; `--json` has that of the first. */
function priced(
  name: string,
  { op }: TypedTlbi,
  xt: bigint | undefined,
  options: TlbiOptions,
  width: number,
): Answer[] {
  const host = withRepeat(loadHost(name), options.repeatTlbi);
  const shadow = shadowOf(options);
  const operand = xt ?? 0n;
  const sizes = !isNested(host) ? [48] : (options.ipaBits ?? [48]);
  if (options.json && sizes.length > 1) throw new InputError("--ipa-bits: expected one IPA size with --json");
  return sizes.map((ipaBits) => {
    const answer = priceTlbi({ op: op.name, operand, host, ipaBits, shadow });
    const rows = [
      ["price", `${duration(answer.microseconds)} (${durationRange(...answer.microsecondsRange)}), simulated time`],
      ["hardware", tally(answer.tlbi) || "no TLBI"],
      ...(!isNested(host)
        ? []
        : [
            [
              "host",
              `${count(Math.round(answer.instructions))} instructions, ${count(answer.leavesDropped)} shadow leaves dropped`,
            ],
            ["shadow", described(shadow)],
            ...ipaNotes([host], [ipaBits]).map((note) => ["needs", note]),
          ]),
      ...(op.operand !== "none" && xt === undefined ? [["operand", "0, since no --xt says otherwise"]] : []),
    ];
    const head = !isNested(host) ? `on ${host.name}` : `on ${host.name}, ${ipaBits} IPA bits`;
    return { text: textTable(["Price", head], rows, { width: Math.min(width, WIDEST) }), json: answer };
  });
}

function described(shadow: ReturnType<typeof shadowOf>): string {
  if (shadow === undefined) return "none that matches the VMID";
  if (typeof shadow === "number") return shadow === 0 ? "valid, but empty" : `${count(shadow)} leaves of 4 KiB`;
  const pages = shadow.reduce((sum, range) => sum + range.pages, 0);
  return `${count(pages)} touched pages in ${count(shadow.length)} ${shadow.length === 1 ? "range" : "ranges"}`;
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

/** The explanation as `--json` gives it: words, values and addresses in hex, as strings. */
function explanationJson(e: Explanation): object {
  const { name, word, operand, ...rest } = e;
  return {
    name,
    word: hex(word),
    ...rest,
    ...(operand && {
      operand: {
        ...(operand.value !== undefined && { value: hex(operand.value) }),
        fields: operand.fields.map((f) => ({ ...f, ...(f.value !== undefined && { value: hex(f.value) }) })),
        ...(operand.range && { range: { start: hex(operand.range.start), end: hex(operand.range.end) } }),
      },
    }),
  };
}

/** Prose wider than this is hard to read. */
const WIDEST = 110;

function explanationText(e: Explanation, terminal: number): string {
  const width = Math.min(terminal, WIDEST);
  const { op1, CRn, CRm, op2, Rt } = e.encoding;
  const { stage1, stage2, combined } = e.removes;
  const dsbs = e.completedBy.map((name) => name.replace("DSB ", "")).join(", ");
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
    ["completion", `a later DSB of loads and stores: ${dsbs}; not one of stores only (ST) or loads only (LD)`],
  ];
  const sections = [textTable(["TLBI", e.assembly.replace("TLBI ", "")], rows, { width })];
  if (e.operand) sections.push(operandText(e.operand, width));
  if (e.remarks.length > 0) sections.push(e.remarks.map((remark) => wrapped(`- ${remark}`, width, "  ")).join(""));
  return sections.join("\n");
}

function operandText({ value, fields, range }: ExplainedOperand, width: number): string {
  if (value === undefined) {
    const rows = fields.map((f) => [bits(f), f.name]);
    return `Operand (--xt 0x... explains a value)\n${textTable(["bits", "field"], rows, { width })}`;
  }
  const rows = fields.map((f) => [bits(f), f.name, hex(f.value!), f.meaning!]);
  const table = textTable(["bits", "field", "value", "meaning"], rows, { width });
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

/** All TLBIs, one a line. */
function list(options: TlbiOptions, width: number): string {
  if (options.xt !== undefined) throw new InputError("--xt: expected an instruction before it");
  if (options.json)
    return `${JSON.stringify(
      TLBI_OPS.map((op) => ({
        name: op.name,
        word: hex(op.word),
        regime: op.regime,
        reach: op.reach,
        operand: op.operand,
        stage1: op.stage1,
        stage2: op.stage2,
        combined: op.combined,
        matchesVmid: op.matchesVmid,
        matchesAsid: op.matchesAsid,
        lastLevel: op.lastLevel,
        needs: op.needs,
      })),
      null,
      2,
    )}\n`;
  const rows = TLBI_OPS.map((op) => [
    op.name,
    REACH[op.reach],
    operandOf(op),
    removed(op) + (op.lastLevel ? " (leaf)" : ""),
    op.needs.map((f) => f.replace("FEAT_", "")).join(" "),
  ]);
  return `${textTable(["TLBI", "reach", "operand", "removes", "needs FEAT_"], rows, { width })}
local: the executing PE; IS, OS: its Inner, Outer Shareable domain.
S1, S2, combined: cached stage-1 and stage-2 entries, and both folded together
(VA to PA). (leaf): entries of the last level only.
`;
}
