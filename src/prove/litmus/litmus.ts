/** A litmus file in the TOML form of the isla tool and its published Arm virtual-memory suite, read to a program. */
import * as v from "valibot";
import { InputError, type KeyPath, parseToml, type TomlFile } from "../../input/index.js";
import type { Cpu } from "../cpu.js";
import type { Condition, Observed, Program, Thread } from "../program.js";
import { entryOf } from "./assembler.js";
import { parseAssertion } from "./assertion.js";
import { ADDRESS_LIMIT, evaluate } from "./evaluate.js";
import { type Expression, parseExpression } from "./expression.js";
import { FirstState } from "./first-state.js";
import { type Passage, Reader } from "./lexer.js";
import { type Piece, Pieces, stoppedAt, threadPiece } from "./pieces.js";
import { Setup, withoutTables } from "./setup.js";
import { parseSetup } from "./setup-syntax.js";
import { UnsupportedInTest } from "./unsupported.js";
import { verdictFor, verdictKeys, type Wanted } from "./verdict.js";

/** One place that is looked at in final states: its name, and words for what it holds ("taken" or "no" of a fault). */
export interface Look {
  readonly of: Observed;
  readonly name: string;
  text(value: bigint): string;
}

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
  /** the condition as it is written */
  readonly condition: string;
  /** the proposition alone, where final states must pass a filter first */
  readonly proposition?: Condition;
  readonly filter?: Condition;
  /** what the final states show; where it is missing, the places of the condition */
  readonly looks?: readonly Look[];
  /** what of a CPU the test itself asks for */
  readonly asks?: Partial<Pick<Cpu, "ets2">>;
  /** the verdict that the file gives for a CPU */
  verdictFor(cpu: Cpu): Wanted | undefined;
}

const value = v.union([v.string(), v.number(), v.bigint(), v.boolean()]);
const values = v.record(v.string(), value);
const threadSchema = v.looseObject({
  code: v.string(),
  init: v.optional(values),
  reset: v.optional(values),
  /** ArchSem: the thread ends at these addresses */
  breakpoints: v.optional(v.array(value)),
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
  /** ArchSem: bytes of a place, where they are not 8 */
  sizes: v.optional(values),
  // sizes of C types, which a 64-bit machine's memory does not need, and how to draw an execution
  types: v.optional(v.unknown()),
  graph: v.optional(v.unknown()),
  // what other tools note for themselves
  meta: v.optional(v.unknown()),
  final: v.looseObject({
    assertion: v.string(),
    expect: v.optional(v.string()),
    kind: v.optional(v.picklist(["exists", "forall"])),
  }),
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
    if (!/^(aarch64|arm)$/i.test(arch)) this.unsupported(`the architecture '${arch}'`, ["arch"]);
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
    const { name, final } = this.toml;
    const pieces = this.pieces();
    const begun = this.names.map((thread, index) => this.thread(thread, index, pieces));
    this.storeLocations();
    // Named places first: an assertion or a register may have asked for a table's pages.
    const condition = parseAssertion(this.textAt(["final", "assertion"], final.assertion), {
      scope: this.setup.scope,
      thread: (wanted) => {
        const found = this.names.indexOf(wanted);
        return found < 0 ? undefined : found;
      },
      label: (thread, wanted) => pieces.labelsFor(this.names[thread]!).get(wanted),
      physical: (expression) => this.setup.physical(expression),
    });
    const threads = begun.map((thread, index) => this.ending(thread, index, condition));
    const program: Program = { name, threads, ...this.setup.finish(), final: condition };
    const { expect, kind } = final;
    const { why } = this.toml;
    return {
      name,
      file: this.file,
      program,
      condition: final.assertion.trim().replace(/\s+/g, " "),
      ...(kind === "forall" ? { quantifier: kind, counter: { kind: "not", of: condition } } : {}),
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

  /** Where a section stands. */
  private section(name: string): Piece {
    const { address, code } = this.toml.section![name]!;
    const path = ["section", name];
    const at = evaluate(this.expression(String(address), [...path, "address"]), this.setup.scope).value;
    const line = this.source.lineOf([...path, "address"]);
    if (at % 4n !== 0n || at >= ADDRESS_LIMIT)
      throw InputError.at(this.file, line, "expected a multiple of 4, of at most 48 bits");
    const source = this.textAt([...path, "code"], code);
    return { name, at: Number(at), source, line: this.source.lineOf(path) };
  }

  private pieces(): Pieces {
    const threads = this.names.map((name, i) =>
      threadPiece(name, i, this.textAt(["thread", name, "code"], this.toml.thread[name]!.code)),
    );
    const sections = Object.keys(this.toml.section ?? {}).map((name) => this.section(name));
    return new Pieces(threads, sections, this.file);
  }

  private thread(name: string, index: number, pieces: Pieces): Thread {
    const { init = {}, reset = {} } = this.toml.thread[name]!;
    const path = ["thread", name];
    const labels = pieces.labelsFor(name);
    const scope = { ...this.setup.scope, label: (label: string) => labels.get(label) };
    const code = pieces.of(name);
    const state = new FirstState(this.setup.defaultBase(1), this.setup.defaultBase(2), this.setup.granuleBits);
    for (const [table, entries] of [["init", init], ["reset", reset]] as const) // biome-ignore format: a table
      for (const [register, text] of Object.entries(entries)) {
        if (register.startsWith("__isla")) continue; // how that tool is to explore, not what the test means
        const at = [...path, table, register];
        const set = state.set(register, evaluate(this.expression(String(text), at), scope).value);
        if (!set) this.unsupported(`a first value of ${register}`, at);
      }
    return { name, entry: entryOf(index), code, ...state.parts() };
  }

  /** The thread, ending where the file has breakpoints, and at addresses whose PC the condition asks for. */
  private ending(thread: Thread, index: number, condition: Condition): Thread {
    const { breakpoints = [] } = this.toml.thread[thread.name]!;
    const path = ["thread", thread.name, "breakpoints"];
    const at = breakpoints.map((one) => Number(evaluate(this.expression(String(one), path), this.setup.scope).value));
    return { ...thread, code: stoppedAt(thread.code, new Set(at), new Set(endsIn(condition, index))) };
  }

  /** First values in `[locations]`, of as many bytes as `[sizes]` says. */
  private storeLocations(): void {
    const { locations = {}, sizes = {} } = this.toml;
    for (const place of Object.keys(sizes)) this.size(place);
    for (const [place, first] of Object.entries(locations)) {
      const path = ["locations", place];
      const wide = typeof first === "bigint" && first >= 1n << 64n;
      const value = wide ? first : evaluate(this.expression(String(first), path), this.setup.scope).value;
      const size = this.size(place) ?? 8;
      const bits = BigInt(8 * size);
      if (wide && value >= 1n << bits)
        throw InputError.at(this.file, this.source.lineOf(path), `expected a value of at most ${size} bytes`);
      this.setup.store(this.expression(place, path), value, size);
    }
  }

  private size(place: string): number | undefined {
    const found = this.toml.sizes?.[place];
    if (found === undefined) return undefined;
    const path = ["sizes", place];
    const { value } = evaluate(this.expression(String(found), path), this.setup.scope);
    if (value < 1n || value > 4096n)
      throw InputError.at(this.file, this.source.lineOf(path), "expected a size of 1 to 4096 bytes");
    return Number(value);
  }
}

/** Addresses at whose PC a condition asks whether a thread has ended. */
const endsIn = (condition: Condition, thread: number): number[] => {
  if (condition.kind === "and" || condition.kind === "or") return condition.of.flatMap((one) => endsIn(one, thread));
  if (condition.kind === "not") return endsIn(condition.of, thread);
  return condition.kind === "pc" && condition.thread === thread ? [condition.address] : [];
};
