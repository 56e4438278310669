/** The instructions that a function's ways met, each with what it became in the policy. */
import {
  type A64,
  type A64Condition,
  decodeA64,
  decodeTlbi,
  endsInException,
  type Formula,
  nameOtherWord,
} from "../arch/index.js";
import { type CodeFile, fullAddress } from "../binary/index.js";
import type { Met } from "./following.js";
import type { LiftedWay } from "./lift.js";

/** A line of the listing. */
export interface ListedInstruction {
  readonly address: string;
  /** eight hexadecimal digits */
  readonly word: string;
  /** the function that it stands in, or the one for which it is patched in */
  readonly function: string;
  /** assembly as far as it is known here; of data processing what it computes */
  readonly text: string;
  /** lines of ways' policies, each once; empty for what leaves no trace */
  readonly became: readonly string[];
}

/** In the order of addresses, functions one after the other. */
export function listingOf(code: CodeFile, met: readonly Met[], ways: readonly LiftedWay[]): ListedInstruction[] {
  const became = new Map<string, Set<string>>();
  for (const { lines } of ways)
    for (const { text, at } of lines)
      for (const address of at) became.set(address, (became.get(address) ?? new Set()).add(text));
  return [...met]
    .sort((a, b) => a.f.address - b.f.address || a.address - b.address)
    .map(({ address, word, f }) => ({
      address: fullAddress(address),
      word: word.toString(16).padStart(8, "0"),
      function: f.name,
      text: code.textAt(address) ?? instructionText(code, word, address),
      became: [...(became.get(fullAddress(address)) ?? [])],
    }));
}

const FLAGS = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"];
const HINTS = ["nop", "yield", "wfe", "wfi", "sev", "sevl"];

/** An instruction in words: assembly of branches and system instructions, and what others compute. */
function instructionText(code: CodeFile, word: number, address: number): string {
  const tlbi = decodeTlbi(word);
  if (tlbi)
    return `tlbi ${tlbi.op.name.toLowerCase()}${tlbi.op.operand === "none" ? "" : `, ${registerText(tlbi.rt, true)}`}`;
  if ((word & 0xffff_f01f) >>> 0 === 0xd503_201f) return HINTS[(word >>> 5) & 127] ?? `hint #${(word >>> 5) & 127}`;
  const other = nameOtherWord(word);
  if (other !== undefined) return other.replace(/ \(.*/, "").toLowerCase();
  if (endsInException(word))
    return word >>> 16 === 0
      ? "udf"
      : word >>> 21 === 0b11010100001
        ? `brk #0x${((word >>> 5) & 0xffff).toString(16)}`
        : "hlt";
  const does = decodeA64(word, address);
  return does === undefined ? `.inst 0x${word.toString(16).padStart(8, "0")}` : doesText(code, does, word);
}

function doesText(code: CodeFile, does: A64, word: number): string {
  switch (does.kind) {
    case "nothing":
      return "prfm";
    case "branch": {
      if (does.returns) return word === 0xd69f03e0 ? "eret" : "ret";
      if (does.target === undefined) return `${does.call ? "blr" : "br"} ${registerText((word >>> 5) & 31, true)}`;
      const f = code.functionAt(does.target);
      const target = f?.address === does.target ? f.name : fullAddress(does.target);
      return does.condition ? `${conditionText(does.condition)}${target}` : `${does.call ? "bl" : "b"} ${target}`;
    }
    case "select":
      return `${registerText(does.rd, true)} := ${formulaText(does.yes)} or ${formulaText(does.no)}`;
    case "compute": {
      const sets = does.sets.map(
        ({ rd, value }) => `${registerText(rd, true)} := ${value ? formulaText(value) : "..."}`,
      );
      const { compares } = does;
      const compared =
        compares === undefined
          ? []
          : compares === "unknown"
            ? ["flags := ..."]
            : [
                `${{ sub: "cmp", add: "cmn", and: "tst" }[compares.op]} ${formulaText(compares.left)}, ${formulaText(compares.right)}`,
              ];
      return [...sets, ...compared].join("; ");
    }
    default: {
      const registers = does.registers.map((register) => registerText(register, does.bytes === 8)).join(", ");
      return `${does.kind} ${registers || "v"}${does.bytes < 4 ? ` (${8 * does.bytes} bits)` : ""}, [${formulaText(does.address)}]`;
    }
  }
}

function conditionText(condition: A64Condition): string {
  if (condition.test === "flags") return `b.${FLAGS[condition.code]} `;
  const value = formulaText(condition.value);
  if (condition.test === "zero") return `${condition.not ? "cbnz" : "cbz"} ${value}, `;
  return `${condition.not ? "tbnz" : "tbz"} ${value}, #${condition.bit}, `;
}

const registerText = (register: number | "sp", wide: boolean): string =>
  register === "sp" ? "sp" : `${wide ? "x" : "w"}${register === 31 ? "zr" : register}`;

const SIGNS: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  and: "&",
  orr: "|",
  eor: "^",
  mul: "*",
  lsl: "<<",
  lsr: ">>",
};

function formulaText(formula: Formula): string {
  if ("imm" in formula) {
    const value = BigInt.asIntN(64, formula.imm);
    return value > -4096n && value < 4096n ? `${value}` : `0x${formula.imm.toString(16)}`;
  }
  if ("reg" in formula) return registerText(formula.reg, formula.wide);
  const [a, b] = formula.of.map((part) =>
    "op" in part && SIGNS[part.op] ? `(${formulaText(part)})` : formulaText(part),
  );
  if (formula.op === "low" && b === "32") return formulaText(formula.of[0]!);
  if (formula.op === "add" && b?.startsWith("-")) return `${a} - ${b.slice(1)}`;
  return SIGNS[formula.op] ? `${a} ${SIGNS[formula.op]} ${b}` : `${formula.op}(${a}, ${b})`;
}
