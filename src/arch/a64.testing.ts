/** Formulas of instructions, calculated, for tests. */
import type { Formula } from "./a64.js";

/** What a formula gives for registers that hold these. */
export function calculate(formula: Formula, registers: Readonly<Record<string, bigint>>): bigint {
  if ("imm" in formula) return formula.imm;
  if ("reg" in formula) {
    const value = formula.reg === 31 ? 0n : registers[formula.reg]!;
    return formula.wide ? value : BigInt.asUintN(32, value);
  }
  const [a, b = 0n] = formula.of.map((part) => calculate(part, registers)) as [bigint, bigint];
  const cut = (value: bigint): bigint => BigInt.asUintN(64, value);
  switch (formula.op) {
    case "add":
      return cut(a + b);
    case "sub":
      return cut(a - b);
    case "and":
      return a & b;
    case "orr":
      return a | b;
    case "eor":
      return a ^ b;
    case "mul":
      return cut(a * b);
    case "lsl":
      return cut(a << b);
    case "lsr":
      return a >> b;
    case "asr":
      return cut(BigInt.asIntN(64, a) >> b);
    case "ror":
      return cut((a >> b) | (a << (64n - b)));
    case "ror32":
      return BigInt.asUintN(32, (a >> b) | (a << (32n - b)));
    case "low":
      return BigInt.asUintN(Number(b), a);
    case "sext":
      return cut(BigInt.asIntN(Number(b), a));
  }
}
