/** The final assertion of a litmus file: registers and memory, with &, |, ~ and parentheses. */
import type { Condition } from "../program.js";
import { evaluate, type Scope } from "./evaluate.js";
import { type Expression, parseExpression } from "./expression.js";
import { type Passage, Reader } from "./lexer.js";
import { generalRegister, threadSysreg } from "./registers.js";

/** What an assertion may speak of. */
interface AssertionContext {
  readonly scope: Scope;
  /** a thread's index by its name */
  thread(name: string): number | undefined;
  /** the address of a label that a thread's code may name */
  label(thread: number, name: string): number | undefined;
  /** the physical address behind an expression at the start */
  physical(expression: Expression): number;
}

/** Parses an assertion; "&" binds more strongly than "|". */
export function parseAssertion(source: Passage, context: AssertionContext): Condition {
  const reader = new Reader(source);
  const condition = new Assertion(reader, context).disjunction();
  reader.end();
  return condition;
}

const OR = ["|", "||", "\\/", "or"];
const AND = ["&", "&&", "/\\", "and"];
const NOT = ["~", "!", "not"];

/** Parentheses and negations in each other. */
const MAX_NESTING = 100;

class Assertion {
  private nesting = 0;

  constructor(
    private readonly reader: Reader,
    private readonly context: AssertionContext,
  ) {}

  disjunction(): Condition {
    return this.joined("or", OR, () => this.joined("and", AND, () => this.one()));
  }

  private joined(kind: "and" | "or", words: readonly string[], part: () => Condition): Condition {
    const of = [part()];
    while (words.some((word) => this.reader.takes(word))) of.push(part());
    return of.length === 1 ? of[0]! : { kind, of };
  }

  private one(): Condition {
    if (++this.nesting > MAX_NESTING)
      this.reader.fail(`parentheses and negations nested too deep, expected at most ${MAX_NESTING}`);
    const one = this.negatedOrPlain();
    this.nesting--;
    return one;
  }

  private negatedOrPlain(): Condition {
    const { reader } = this;
    if (NOT.some((word) => reader.takes(word))) return { kind: "not", of: this.one() };
    if (reader.takes("true")) return { kind: "true" };
    if (reader.takes("false")) return { kind: "false" };
    if (reader.takes("(")) {
      const inner = this.disjunction();
      reader.expect(")");
      return inner;
    }
    if (reader.takes("*")) {
      const pa = this.context.physical(parseExpression(reader));
      return this.compared((value) => ({ kind: "mem", pa, value }));
    }
    return this.register();
  }

  private register(): Condition {
    const { reader, context } = this;
    if (!reader.sees(":", 1)) reader.fail("expected a register such as 0:X2, memory such as *pa1, ~, ( or true");
    const { text: name } = reader.peek();
    const thread = context.thread(name);
    if (thread === undefined) return reader.fail("expected a thread of this test");
    reader.next();
    reader.next();
    const { text } = reader.name("a register such as X2");
    const reg = generalRegister(text);
    if (reg !== undefined) return this.compared((value) => ({ kind: "reg", thread, reg, value }));
    const scope = this.withLabels(thread);
    if (text.toUpperCase() === "PC")
      return this.compared((value) => ({ kind: "pc", thread, address: Number(value) }), scope);
    const sysreg = threadSysreg(text);
    if (sysreg === undefined) return reader.unsupported(`the register '${text}' in an assertion`);
    return this.compared((value) => ({ kind: "sysreg", thread, sysreg, value }), scope);
  }

  /** Names of the test, and those of labels in a thread's code. */
  private withLabels(thread: number): Scope {
    const { scope, label } = this.context;
    return {
      ...scope,
      name: (name) => {
        const address = label(thread, name);
        return scope.name(name) ?? (address === undefined ? undefined : { value: BigInt(address), width: 64 });
      },
    };
  }

  private compared(condition: (value: bigint) => Condition, scope: Scope = this.context.scope): Condition {
    const { reader } = this;
    const differs = reader.takes("!=") || reader.takes("~"); // ArchSem: 0:X0~0
    if (!differs && !reader.takes("==") && !reader.takes("=")) reader.fail("expected '=' or '!='");
    if (reader.peek().kind === "number" && reader.sees(":", 1)) reader.unsupported("a comparison of two registers");
    const made = condition(evaluate(parseExpression(reader), scope).value);
    return differs ? { kind: "not", of: made } : made;
  }
}
