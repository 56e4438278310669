/** A litmus file in the TOML form of the isla tool and its published Arm virtual-memory suite, read to a program. */
import * as v from "valibot";
import { InputError, type KeyPath, parseToml, type TomlFile } from "../../input/index.js";
import type { Cpu } from "../cpu.js";
import type { Condition, Instruction, Program, Thread, ThreadSysreg } from "../program.js";
import { type Assembled, assemble, entryOf } from "./assembler.js";
import { parseAssertion } from "./assertion.js";
import { ADDRESS_LIMIT, evaluate } from "./evaluate.js";
import { type Expression, parseExpression } from "./expression.js";
import { type Passage, Reader } from "./lexer.js";
import { generalRegister, sysregsAtStart, threadSysreg } from "./registers.js";
import { Setup, withoutTables } from "./setup.js";
import { parseSetup } from "./setup-syntax.js";
import { UnsupportedInTest } from "./unsupported.js";
import { verdictFor, verdictKeys } from "./verdict.js";

/** A test, ready for the prover. */
export interface LitmusTest {
  readonly name: string;
  readonly file: string;
  readonly program: Program;
  /** what the file's author noted: may the assertion hold ("sat") or not; no verdict */
  readonly expect?: "sat" | "unsat";
  /** in words, what the verdict is and which rule makes it so */
  readonly why?: string;
  /** how the proposition is asked for: "exists" where nothing is said */
  readonly quantifier?: "exists" | "~exists" | "forall";
  /** with "forall": what a final state has that speaks against it */
  readonly counter?: Condition;
  /** what of a CPU the test itself asks for */
  readonly asks?: Partial<Pick<Cpu, "ets2">>;
  /** the verdict that the file gives for a CPU */
  verdictFor(cpu: Cpu): "allowed" | "forbidden" | undefined;
}

const value = v.union([v.string(), v.number(), v.bigint(), v.boolean()]);
const values = v.record(v.string(), value);
const threadSchema = v.looseObject({
  code: v.string(),
  init: v.optional(values),
  reset: v.optional(values),
});
const sectionSchema = v.looseObject({ address: value, code: v.string() });
const schema = v.looseObject({
  arch: v.optional(v.string()),
  name: v.string(),
  ...verdictKeys,
  symbolic: v.optional(v.array(v.string())),
  page_table_setup: v.optional(v.string()),
  thread: v.record(v.string(), threadSchema),
  section: v.optional(v.record(v.string(), sectionSchema)),
  locations: v.optional(values),
  // sizes of C types, which a 64-bit machine's memory does not need, and how to draw an execution
  types: v.optional(v.unknown()),
  graph: v.optional(v.unknown()),
  final: v.looseObject({ assertion: v.string(), expect: v.optional(v.string()) }),
});
type Toml = v.InferOutput<typeof schema>;

/** Threads of a test: the timeline numbers them in 8 bits, and more than four are hopeless anyway. */
const MAX_THREADS = 64;
/** Pieces of code with addresses of their own; the published tests have at most six. */
const MAX_SECTIONS = 256;

/**
 * Reads a test. Throws an InputError for what is wrong, UnsupportedInTest for what this tool does not do. `checkTime` is
 * called now and then, and may throw to end it.
 */
export function parseLitmus(text: string, file: string, checkTime?: () => void): LitmusTest {
  return new Test(parseToml(text, file, schema), checkTime).read();
}

class Test {
  private readonly file: string;
  private readonly toml: Toml;
  private readonly setup: Setup;
  /** names of the threads, in the order of their numbers */
  private readonly names: readonly string[];

  constructor(
    private readonly source: TomlFile<Toml>,
    checkTime?: () => void,
  ) {
    this.file = source.file;
    this.toml = source.value;
    this.refuseOthers();
    const { symbolic = [], page_table_setup } = this.toml;
    const statements =
      page_table_setup === undefined
        ? withoutTables(symbolic)
        : parseSetup(this.textAt(["page_table_setup"], page_table_setup));
    this.setup = new Setup(symbolic, statements, this.file, checkTime);
    this.names = Object.keys(this.toml.thread).sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : 1));
  }

  /** Texts beside the test are remarks; tables and lists that nobody here knows may well mean something. */
  private refuseOthers(): void {
    const { arch = "AArch64" } = this.toml;
    this.bound("thread", MAX_THREADS, "threads");
    this.bound("section", MAX_SECTIONS, "sections");
    if (arch.toLowerCase() !== "aarch64") this.unsupported(`the architecture '${arch}'`, ["arch"]);
    for (const [key, found] of Object.entries(this.toml))
      if (!Object.hasOwn(schema.entries, key) && typeof found === "object") this.unsupported(`'${key}'`, [key]);
    for (const [name, thread] of Object.entries(this.toml.thread))
      for (const key of Object.keys(thread))
        if (!Object.hasOwn(threadSchema.entries, key)) this.unsupported(`'${key}' of a thread`, ["thread", name, key]);
  }

  private bound(key: "thread" | "section", most: number, what: string): void {
    const extra = Object.keys(this.toml[key] ?? {})[most];
    if (extra === undefined) return;
    throw InputError.at(this.file, this.source.lineOf([key, extra]), `more than ${most} ${what}, expected fewer`);
  }

  private unsupported(what: string, path: KeyPath): never {
    throw new UnsupportedInTest(what, this.file, this.source.lineOf(path) ?? 0);
  }

  private textAt(path: KeyPath, text: string): Passage {
    return { text, file: this.file, line: this.source.textLineOf(path) ?? 0 };
  }

  read(): LitmusTest {
    const { name, final, locations = {} } = this.toml;
    const sections = this.sections();
    const threads = this.names.map((thread, index) => this.thread(thread, index, sections));
    for (const [place, first] of Object.entries(locations)) {
      const path = ["locations", place];
      const at = this.expression(place, path);
      this.setup.store(at, evaluate(this.expression(String(first), path), this.setup.scope).value);
    }
    // Named places first: an assertion or a register may have asked for a table's pages.
    const condition = parseAssertion(this.textAt(["final", "assertion"], final.assertion), {
      scope: this.setup.scope,
      thread: (wanted) => {
        const found = this.names.indexOf(wanted);
        return found < 0 ? undefined : found;
      },
      physical: (expression) => this.setup.physical(expression),
    });
    const program: Program = { name, threads, ...this.setup.finish(), final: condition };
    const { expect } = final;
    const { why } = this.toml;
    return {
      name,
      file: this.file,
      program,
      verdictFor: (cpu) => verdictFor(this.toml, cpu),
      ...(expect === "sat" || expect === "unsat" ? { expect } : {}),
      ...(why === undefined ? {} : { why: why.trim() }),
    };
  }

  private expression(text: string, path: KeyPath): Expression {
    const reader = new Reader(this.textAt(path, text));
    const expression = parseExpression(reader);
    reader.end();
    return expression;
  }

  /** Code at addresses of its own, for every thread; where two such pieces overlap, each is for the thread in its name. */
  private sections(): ReadonlyMap<string, readonly Instruction[]> {
    const made = Object.entries(this.toml.section ?? {}).map(([name, { address, code }]) => {
      const path = ["section", name];
      const wanted = evaluate(this.expression(String(address), [...path, "address"]), this.setup.scope).value;
      if (wanted % 4n !== 0n || wanted >= ADDRESS_LIMIT)
        throw InputError.at(
          this.file,
          this.source.lineOf([...path, "address"]),
          "expected a multiple of 4, of at most 48 bits",
        );
      const at = Number(wanted);
      return { name, at, code: assemble(this.textAt([...path, "code"], code), at).instructions };
    });
    const own = (name: string): string | undefined => /^thread(\d+)_/.exec(name)?.[1];
    for (const [i, a] of made.entries())
      for (const b of made.slice(0, i))
        if (
          a.at < b.at + 4 * b.code.length &&
          b.at < a.at + 4 * a.code.length &&
          !(own(a.name) !== own(b.name) && own(a.name) && own(b.name))
        )
          throw InputError.at(
            this.file,
            this.source.lineOf(["section", a.name]),
            `section ${a.name} overlaps section ${b.name}, expected an address of its own`,
          );
    return new Map(
      this.names.map((thread) => {
        const others = made.filter(({ name }) => own(name) !== thread);
        const mine = made.filter(({ name }) => own(name) === thread).flatMap(({ code }) => code);
        const taken = new Set(mine.map(({ address }) => address));
        return [thread, [...mine, ...others.flatMap(({ code }) => code).filter(({ address }) => !taken.has(address))]];
      }),
    );
  }

  private thread(name: string, index: number, sections: ReadonlyMap<string, readonly Instruction[]>): Thread {
    const { code, init = {}, reset = {} } = this.toml.thread[name]!;
    const path = ["thread", name];
    const entry = entryOf(index);
    const own = assemble(this.textAt([...path, "code"], code), entry);
    const state = new State(this.setup.defaultBase(1), this.setup.defaultBase(2));
    for (const [table, entries] of [["init", init], ["reset", reset]] as const) // biome-ignore format: a table
      for (const [register, text] of Object.entries(entries))
        this.set(state, register, text, own, [...path, table, register]);
    return { name, entry, code: [...own.instructions, ...sections.get(name)!], ...state.parts() };
  }

  private set(state: State, register: string, text: v.InferOutput<typeof value>, own: Assembled, path: KeyPath): void {
    if (register.startsWith("__isla")) return; // how that tool is to explore, not what the test means
    const scope = { ...this.setup.scope, label: (label: string) => own.labels.get(label) };
    const set = state.set(register, evaluate(this.expression(String(text), path), scope).value);
    if (!set) this.unsupported(`a first value of ${register}`, path);
  }
}

/** What a thread begins with. */
class State {
  private readonly registers: Record<number, bigint> = {};
  private readonly sysregs: Partial<Record<ThreadSysreg, bigint>>;
  private el: 0 | 1 | 2 = 0;
  private sp: 0 | 1 = 0;

  constructor(stage1: number, stage2: number) {
    this.sysregs = sysregsAtStart(stage1, stage2);
  }

  /** False when this tool has no such register. */
  set(name: string, value: bigint): boolean {
    const reg = generalRegister(name);
    const sysreg = threadSysreg(name);
    if (reg !== undefined) this.registers[reg] = value;
    else if (sysreg !== undefined) this.sysregs[sysreg] = value;
    else return this.setOther(name.toUpperCase(), Number(value));
    return true;
  }

  private setOther(name: string, value: number): boolean {
    if (name === "PSTATE.EL" && (value === 0 || value === 1 || value === 2)) this.el = value;
    else if (name === "PSTATE.SP" && (value === 0 || value === 1)) this.sp = value;
    // No instruction here can tell what these hold, and interrupts are no part of the model.
    else if (/^(SP|SP_EL[0-2]|CPACR_EL1|CPTR_EL2|MDSCR_EL1)$/.test(name)) return true;
    // Flags are 0 at first, and AArch64 is what there is.
    else return /^PSTATE\.[DAIF]$/.test(name) || (value === 0 && /^PSTATE\.([NZCV]|NRW)$/.test(name));
    return true;
  }

  parts(): Pick<Thread, "registers" | "sysregs" | "el" | "sp"> {
    return { registers: this.registers, sysregs: this.sysregs, el: this.el, sp: this.sp };
  }
}
