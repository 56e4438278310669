/** A page_table_setup carried out: symbolic addresses, tables in memory, initial values, and words for all of them. */
import { GRANULES, type GranuleBits } from "../../arch/index.js";
import { InputError } from "../../input/index.js";
import type { Program } from "../program.js";
import { ATTRIBUTES, fieldOf, isContiguous, leaf, type Stage, table, withField } from "./descriptor.js";
import { ADDRESS_LIMIT, evaluate, type Scope, type Value, type Walked } from "./evaluate.js";
import type { Expression } from "./expression.js";
import { layOut, type Symbolic } from "./layout.js";
import { describer, namesOf } from "./names.js";
import { flattened, granuleOf, type Mapping, type Statement, type TableBlock } from "./setup-syntax.js";
import { type Root, Tables } from "./tables.js";
import { UnsupportedInTest } from "./unsupported.js";

/** Where the tables stand that a test does not declare. */
export const DEFAULT_BASES: Readonly<Record<Stage, number>> = { 1: 0x30_0000, 2: 0x20_0000 };
const DEFAULT_NAMES: Readonly<Record<Stage, string>> = { 1: "page_table_base", 2: "s2_page_table_base" };

/** Tables of a test; the published ones have at most six. */
const MAX_TABLES = 256;

/** Pages of one table that another one maps, once all of them are known. */
interface Reference {
  readonly within: Root;
  readonly of: Root;
}

export class Setup {
  private readonly tables: Tables;
  private readonly named = new Map<string, Root>();
  private readonly symbols: ReadonlyMap<string, Symbolic>;
  private readonly references: (Reference | (() => Reference))[] = [];
  private readonly stores: (() => void)[] = [];
  private readonly walks = new Map<string, { readonly address: number; readonly root: Root }>();
  private readonly data = new Map<number, bigint>();
  private readonly defaults: Partial<Record<Stage, Root>> = {};
  /** for names and tables, without labels */
  readonly scope: Scope;
  /** log2 of the granule of all tables */
  readonly granuleBits: GranuleBits;
  /** some leaf that is mapped at first or may be has the Contiguous bit */
  private contiguous = false;

  /**
   * Lays out the names, builds the tables; throws an InputError or UnsupportedInTest with the line in `file`. `checkTime` is
   * called now and then, and may throw. `symbols` are what {@link layOut} gave for the same names and statements before.
   */
  constructor(
    symbolic: readonly string[],
    statements: readonly Statement[],
    private readonly file: string,
    private readonly checkTime: () => void = () => {},
    symbols: readonly Symbolic[] = layOut(symbolic, statements, file, checkTime),
  ) {
    this.symbols = new Map(symbols.map((one) => [one.name, one]));
    this.granuleBits = granuleOf(statements, file);
    this.scope = {
      file,
      granuleBits: this.granuleBits,
      name: (name) => this.valueOf(name),
      walk: (walk, level, what) => this.walked(walk, level, what),
    };
    const blocks = [...flattened(statements)].filter((one) => one.kind === "table");
    if (blocks.length > MAX_TABLES)
      throw InputError.at(file, blocks[MAX_TABLES]!.line, `more than ${MAX_TABLES} tables, expected fewer`);
    const bases = blocks.map((one) => ({ one, base: this.baseOf(one) }));
    const taken = symbols.filter(({ space }) => space === "physical").map(({ address }) => address);
    this.tables = new Tables(new Set([...taken, ...bases.map(({ base }) => base)]), GRANULES[this.granuleBits]);
    if (this.hasDefaults(statements)) {
      for (const stage of [1, 2] as const) {
        // A table of the other stage may stand at the usual place; then the default one gives way.
        let base = DEFAULT_BASES[stage];
        while (
          bases.some((other) => other.base === base && (other.one.stage !== stage || base !== DEFAULT_BASES[stage]))
        )
          base += 0x2_0000;
        // One of the same stage is the same table, and its own name tells more.
        const own = bases.find((other) => other.base === base)?.one.name ?? DEFAULT_NAMES[stage];
        const root = this.addRoot(own, base, stage, undefined, stage === 2);
        this.named.set(DEFAULT_NAMES[stage], root);
        this.defaults[stage] = root;
      }
    }
    for (const { one, base } of bases) this.addRoot(one.name, base, one.stage, one.line);
    for (const one of statements) this.carryOut(one, undefined);
  }

  private hasDefaults(statements: readonly Statement[]): boolean {
    let has = true;
    for (const one of flattened(statements)) {
      if (one.kind !== "option" || one.name === "granule") continue;
      if (one.name !== "default_tables") throw new UnsupportedInTest(`the option '${one.name}'`, this.file, one.line);
      if (one.value !== "true" && one.value !== "false")
        throw InputError.at(this.file, one.line, `default_tables is '${one.value}', expected true or false`);
      has = one.value === "true";
    }
    return has;
  }

  private baseOf({ base, line, name }: TableBlock): number {
    const { value } = evaluate(base, this.scope);
    if (value % BigInt(2 ** this.granuleBits) !== 0n || value >= ADDRESS_LIMIT)
      throw InputError.at(
        this.file,
        line,
        `table ${name} stands at 0x${value.toString(16)}, expected a page's address`,
      );
    return Number(value);
  }

  private addRoot(name: string, base: number, stage: Stage, line?: number, identity = false): Root {
    const there = this.tables.roots.get(base);
    if (there !== undefined && there.stage !== stage)
      throw InputError.at(
        this.file,
        line,
        `table ${name} stands at the place of ${there.name}, a table of the other stage`,
      );
    const root = this.tables.addRoot(name, base, stage, identity);
    this.named.set(name, root);
    return root;
  }

  private valueOf(name: string): Value | undefined {
    const symbol = this.symbols.get(name);
    if (symbol) return { value: BigInt(symbol.address), width: 64, space: symbol.space };
    const root = this.named.get(name);
    return root && { value: BigInt(root.base), width: 64 };
  }

  private addressOf(expression: Expression): number {
    const { value } = evaluate(expression, this.scope);
    if (value >= ADDRESS_LIMIT)
      throw InputError.at(
        this.file,
        expression.line,
        `0x${value.toString(16)}, expected an address of at most 48 bits`,
      );
    return Number(value);
  }

  private carryOut(one: Statement, within: Root | undefined): void {
    switch (one.kind) {
      case "mapping":
        this.map(one, within ?? this.defaultFor(one));
        break;
      case "table": {
        const root = this.named.get(one.name)!;
        if (within) this.references.push({ within, of: root });
        for (const inner of one.body) this.carryOut(inner, root);
        break;
      }
      case "reference":
        this.references.push(() => this.reference(one.name, one.line, within));
        break;
      case "store":
        this.stores.push(() => this.data.set(this.physical(one.at), evaluate(one.value, this.scope).value));
        break;
    }
  }

  /** Outside of tables the address says whose it is: an IPA is mapped in the default stage 2, all else in stage 1. */
  private defaultFor({ from, line }: Mapping): Root {
    const stage = evaluate(from, this.scope).space === "intermediate" ? 2 : 1;
    const root = this.defaults[stage];
    if (root === undefined)
      throw InputError.at(
        this.file,
        line,
        "a mapping outside of a table, expected default_tables or a table around it",
      );
    return root;
  }

  private reference(name: string, line: number, within: Root | undefined): Reference {
    const of = this.named.get(name);
    if (of === undefined) throw InputError.at(this.file, line, `unknown table '${name}'`);
    const around = within ?? this.defaults[1];
    if (around === undefined) throw InputError.at(this.file, line, `expected a table around '${name};'`);
    return { within: around, of };
  }

  private map(mapping: Mapping, root: Root): void {
    const { level, line, walk } = mapping;
    const address = this.addressOf(mapping.from);
    if (walk !== undefined) this.walks.set(walk, { address, root });
    const slot = this.tables.slot(root, address, level);
    const descriptor = this.descriptorOf(mapping, root.stage);
    if (!mapping.initial) return; // where the place cannot be reached, what may come to stand there cannot either
    if (slot === undefined)
      throw InputError.at(
        this.file,
        line,
        `this level-${level} descriptor of ${root.name} lies under one that is no table`,
      );
    this.tables.write(slot, descriptor);
  }

  private descriptorOf({ target, level, attributes, line }: Mapping, stage: Stage): bigint {
    if (target.kind === "invalid") return 0n;
    if (target.kind === "raw") return evaluate(target.value, this.scope).value;
    const address = BigInt(this.addressOf(target.value));
    const { block } = GRANULES[this.granuleBits];
    if (target.kind === "address" && level < block)
      throw InputError.at(this.file, line, `level ${level} cannot map memory, expected a table or another level`);
    const isTable = target.kind === "table";
    if (isTable && level === 3)
      throw InputError.at(this.file, line, "level 3 cannot hold a table, expected level 0 to 2");
    let made = isTable ? table(address) : leaf(address, level, ATTRIBUTES[attributes.set][stage], this.granuleBits);
    for (const { name, value, line } of attributes.fields) {
      const field = fieldOf(name, isTable ? "table" : stage);
      if (!field) throw InputError.at(this.file, line, `unknown field '${name}' of a stage-${stage} descriptor`);
      const set = withField(made, field, evaluate(value, this.scope).value);
      if (set === undefined)
        throw InputError.at(this.file, line, `${name} has ${field.width} bits, found a larger value`);
      made = set;
    }
    if (isContiguous(made, level)) this.contiguous = true;
    return made;
  }

  private walked(walk: Walked, level: number, what: "pte" | "desc" | "table"): bigint {
    const { root, address } = this.whose(walk);
    const slot = this.tables.slot(root, address, level);
    if (slot === undefined)
      throw InputError.at(
        this.file,
        walk.line,
        `0x${address.toString(16)} has no level-${level} descriptor in ${root.name}: one above it is no table`,
      );
    if (what === "desc") return this.tables.read(slot);
    return BigInt(what === "pte" ? slot : slot - (slot % 2 ** this.granuleBits));
  }

  private whose(walk: Walked): { readonly root: Root; readonly address: number } {
    if ("name" in walk) {
      const found = this.walks.get(walk.name);
      if (!found)
        throw InputError.at(this.file, walk.line, `unknown walk '${walk.name}', expected '... as ${walk.name}' before`);
      return found;
    }
    const root = this.tables.roots.get(walk.base);
    if (!root) throw InputError.at(this.file, walk.line, `no table has its root at 0x${walk.base.toString(16)}`);
    return { root, address: walk.address };
  }

  /** The physical address that an expression stands for at the start: a physical one itself, others through their mappings. */
  physical(expression: Expression): number {
    const value = evaluate(expression, this.scope);
    const address = this.addressOf(expression);
    const ipa = value.space === "virtual" ? this.through(1, address) : address;
    const pa = value.space === undefined || value.space === "physical" ? address : this.through(2, ipa);
    if (pa === undefined)
      throw InputError.at(this.file, expression.line, "no initial mapping leads from here to memory, expected one");
    return pa - (pa % 8);
  }

  /** Through the default table of a stage, or the first other one that maps it; without a stage-2 table, the same address. */
  private through(stage: Stage, address: number | undefined): number | undefined {
    if (address === undefined) return undefined;
    const roots = [...this.tables.roots.values()].filter((root) => root.stage === stage);
    const first = this.defaults[stage];
    if (stage === 2 && roots.length === 0) return address;
    for (const root of first ? [first, ...roots] : roots) {
      const { output } = this.tables.walk(root, address);
      if (output !== undefined) return output;
    }
    return undefined;
  }

  /** The base of the table that a translation register holds at first: the usual one if such a table stands there, or 0. */
  defaultBase(stage: Stage): number {
    if (this.defaults[stage]) return this.defaults[stage].base;
    return this.tables.roots.get(DEFAULT_BASES[stage])?.stage === stage ? DEFAULT_BASES[stage] : 0;
  }

  /** Gives a place in memory its first value, of so many bytes: behind the first eight, the following words. */
  store(at: Expression, value: bigint, size = 8): void {
    this.stores.push(() => {
      const pa = this.physical(at);
      for (let i = 0; i < size; i += 8) this.data.set(pa + i, BigInt.asUintN(64, value >> BigInt(8 * i)));
    });
  }

  /** The memory when all has been said: tables map the tables that they name, the default stage 1 maps them all. */
  finish(): Pick<Program, "memory" | "names" | "granuleBits"> {
    const references = this.references.map((one) => (typeof one === "function" ? one() : one));
    const first = this.defaults[1];
    for (const of of this.tables.roots.values()) {
      // Whoever runs on a stage-1 table can write it: tests of EL2's own tables name no other way.
      if (of.stage === 1) references.push({ within: of, of });
      if (first) references.push({ within: first, of });
      if (first && of.stage === 2) references.push({ within: of, of: first }); // so that both can be used together
    }
    // A table that maps tables may grow by it, and then what maps that one grows too.
    const mapped = references.map(() => 0);
    for (let grown = true; grown; ) {
      grown = false;
      references.forEach(({ within, of }, i) => {
        this.checkTime();
        const pages = this.tables.pagesOf(of);
        for (const end = pages.length; mapped[i]! < end; mapped[i]!++)
          if (this.tables.mapToItself(within, pages[mapped[i]!]!)) grown = true;
      });
    }
    for (const store of this.stores) store();
    const { tables, data } = this;
    const symbols = [...this.symbols.values()];
    return {
      memory: {
        read: (pa) => data.get(pa) ?? tables.read(pa),
        describe: describer(tables, symbols),
        contiguous: this.contiguous,
      },
      names: namesOf(tables, symbols),
      ...(this.granuleBits === 12 ? {} : { granuleBits: this.granuleBits }),
    };
  }
}

/** For tests without a page_table_setup: every symbolic name is an address that maps to itself. */
export function withoutTables(symbolic: readonly string[]): readonly Statement[] {
  return symbolic.map((name) => {
    const value: Expression = { kind: "name", name, line: 1 };
    const attributes = { set: "default", fields: [] } as const;
    const target = { kind: "address", value } as const;
    return { kind: "mapping", from: value, target, initial: true, level: 3, attributes, walk: undefined, line: 1 };
  });
}
