/** A policy's code, instruction by instruction, with one of them taken out or put in another's place. */
import { singleFormOf, TLBI_OPS } from "../arch/index.js";
import { codeLines, type Occasion, type Policy, type Sequence, type Statement } from "../policy/index.js";
import type { Instruction } from "./instruction.js";

/** An instruction of a policy; the line is that of the file in which it stands, and says which one it is. */
export interface Placed {
  readonly occasion: Occasion;
  readonly line: number;
  readonly code: string;
  readonly statement: Statement;
  /** the loop over pages around it */
  readonly over: string | undefined;
}

const isInstruction = (s: Statement): s is Exclude<Statement, { kind: "if" } | { kind: "for" }> =>
  s.kind !== "if" && s.kind !== "for";

/** The instructions of an occasion's code, `with owner-vmid` among them, in the order of their lines. */
export function instructionsOf({ code }: Policy, occasion: Occasion): Placed[] {
  const list: Placed[] = [];
  const walk = (program: Sequence, over: string | undefined): void => {
    for (const s of program) {
      if (isInstruction(s)) list.push({ occasion, line: s.line, code: codeLines([s])[0]!, statement: s, over });
      if (s.kind === "for") walk(s.body, s.over === "vmid" ? over : s.over);
      else if (s.kind === "with-owner") walk(s.body, over);
      else if (s.kind === "if") {
        walk(s.body, over);
        walk(s.otherwise, over);
      }
    }
  };
  walk(code[occasion], undefined);
  return list;
}

/** Lines of the instructions that a program executes; it is as one CPU runs it. */
export function linesRun(program: Sequence): ReadonlySet<number> {
  const lines = new Set<number>();
  const walk = (body: Sequence): void => {
    for (const s of body) {
      if (isInstruction(s)) lines.add(s.line);
      if (s.kind === "for" || s.kind === "with-owner") walk(s.body);
      else if (s.kind === "if") {
        walk(s.body);
        walk(s.otherwise);
      }
    }
  };
  walk(program);
  return lines;
}

/** The policy without an instruction, or with another in its place; what is left around nothing goes too. */
export function edited(policy: Policy, { occasion, line }: Placed, by?: Instruction): Policy {
  const walk = (program: Sequence): Sequence =>
    program.flatMap((s): Sequence => {
      if (s.kind === "if") {
        const one = { ...s, body: walk(s.body), otherwise: walk(s.otherwise) };
        return one.body.length + one.otherwise.length === 0 ? [] : [one];
      }
      if (s.kind === "for") {
        const body = walk(s.body);
        return body.length === 0 ? [] : [{ ...s, body }];
      }
      const here = s.line === line;
      if (s.kind === "with-owner") {
        const body = walk(s.body);
        return here ? body : body.length === 0 ? [] : [{ ...s, body }];
      }
      if (!here) return [s];
      return by === undefined ? [] : statementsOf(by, line, s);
    });
  return { ...policy, code: { ...policy.code, [occasion]: walk(policy.code[occasion]) } };
}

/** An instruction as statements; in a loop of its own, unless it stands in one already. */
function statementsOf({ barrier, op, over, ttl }: Instruction, line: number, before: Statement): Sequence {
  if (barrier >= 0) return [{ kind: "barrier", barrier, line }];
  const inLoop = before.kind === "tlbi" && before.operand === "loop";
  const operand = over === undefined ? "none" : over === "zero" ? "zero" : "loop";
  const one: Statement = {
    kind: "tlbi",
    op,
    single: operand === "loop" ? singleFormOf(TLBI_OPS[op]!) : -1,
    operand,
    ttl,
    line,
  };
  if (inLoop || over === undefined || over === "zero") return [one];
  const loop: Statement = { kind: "for", over, body: [one], line };
  if (!over.startsWith("va")) return [loop];
  return [{ kind: "if", condition: { test: "va-known", not: false }, body: [loop], otherwise: [] }];
}
