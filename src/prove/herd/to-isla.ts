/**
 * A test in herd's form as one in isla's. What isla's form has no words for is done by code: a fault leaves its instruction,
 * address and status in registers that the thread has no other use for.
 */
import { entryOf, labelsOf } from "../litmus/assembler.js";
import { UnsupportedInTest } from "../litmus/unsupported.js";
import { descriptorFields, namesOf } from "./memory.js";
import type { Column, Descriptor, FaultAt, FaultKind, First, HerdTest, Place, Proposition, Value } from "./syntax.js";
import { AFTER_FAULT, FROM_EL0, FROM_EL1, sysregsOf, vectorsOf } from "./translate.js";

const TABLE = "page_table_base";
const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const pa = (name: string): string => `pa_${name}`;

/** DFSC of faults at level 3 (DDI 0487, D19, ESR_EL1): the descriptors that herd knows stand there. */
const STATUS: Readonly<Record<FaultKind, number>> = {
  "MMU:Translation": 0b000111,
  "MMU:AccessFlag": 0b001011,
  "MMU:Permission": 0b001111,
};

/** Registers in which a thread's handler leaves what a fault was: ELR_EL1, FAR_EL1 as a page, and DFSC. */
interface Trace {
  readonly elr: number;
  readonly page: number;
  readonly status: number;
}

/** The text of the test; throws UnsupportedInTest for what it cannot say. */
export const islaText = (test: HerdTest): string => new ToIsla(test).text();

class ToIsla {
  private readonly traces = new Map<number, Trace>();
  private readonly threads: readonly Column[];

  constructor(private readonly test: HerdTest) {
    if (test.asked.ets2) this.unsupported("a CPU with FEAT_ETS2", 0);
    this.threads = test.columns.filter(({ handler }) => !handler);
    const asked = [test.proposition, ...(test.filter ? [test.filter] : [])].flatMap(faultsIn);
    for (const { thread } of asked) if (!this.traces.has(thread)) this.traces.set(thread, this.traceOf(thread));
  }

  text(): string {
    const { name, about, quantifier, proposition, filter, settings } = this.test;
    const assertion = filter
      ? `(${this.condition(filter)}) & (${this.condition(proposition)})`
      : this.condition(proposition);
    const why = settings.find(({ key }) => /^why$/i.test(key))?.value;
    return [
      `arch = "AArch64"`,
      `name = ${JSON.stringify(name)}`,
      ...(about === undefined ? [] : [`# ${about}`]),
      ...(why === undefined ? [] : [`why = ${JSON.stringify(why)}`]),
      `symbolic = []`,
      "",
      ...this.tables(),
      ...this.threads.flatMap((column, i) => this.thread(column, i)),
      "",
      "[final]",
      ...(quantifier === "forall" ? [`kind = "forall"`] : quantifier === "~exists" ? [`expect = "unsat"`] : []),
      `assertion = "${assertion}"`,
      "",
    ].join("\n");
  }

  private unsupported(what: string, line: number): never {
    throw new UnsupportedInTest(`${what}, which isla's form cannot say`, this.test.file, line);
  }

  private traceOf(thread: number): Trace {
    const { columns, asked, file } = this.test;
    const column = columns.find((one) => one.thread === thread && !one.handler);
    const own = columns.some((one) => one.thread === thread && one.handler);
    if (own || asked.onFault !== "fatal")
      this.unsupported("faults of a thread that goes on after them", column?.line ?? 0);
    const text = columns.map((one) => (one.thread === thread ? one.text : "")).join("\n");
    const { proposition, filter, first } = this.test;
    const used = new Set([...text.matchAll(/\b[XW](\d+)\b/gi)].map(([, digits]) => Number(digits)));
    for (const { place } of first)
      if (place.kind === "register" && place.thread === thread) used.add(Number(place.name.slice(1)));
    const asks = JSON.stringify([proposition, filter], (_, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    for (const [, digits] of asks.matchAll(/"name":"[XW](\d+)"/g)) used.add(Number(digits));
    const [elr, page, status] = [28, 27, 26, 25, 24, 23, 22, 21, 20].filter((reg) => !used.has(reg));
    if (status === undefined)
      throw new UnsupportedInTest("a thread without three free registers", file, column?.line ?? 0);
    return { elr: elr!, page: page!, status };
  }

  /** The only table, its descriptors, and what memory holds at first. */
  private tables(): string[] {
    const { first } = this.test;
    const [mapped, named] = namesOf(this.test);
    const said = new Map(
      first.flatMap(({ place, value }) => (place.kind === "pte" ? [[place.name, value] as const] : [])),
    );
    const mappings = mapped.map((name) => {
      const value = said.get(name);
      if (value === undefined) return `        ${name} |-> ${pa(name)};`;
      return `        ${name} |-> raw(${this.value(value, name, 0)});`;
    });
    return [
      `page_table_setup = """`,
      "    option default_tables = false;",
      ...(named.length > 0 ? [`    physical ${named.map(pa).join(" ")};`] : []),
      ...(mapped.length > 0 ? [`    virtual ${mapped.join(" ")};`] : []),
      `    s1table ${TABLE} 0x300000 {`,
      ...mappings,
      "    }",
      ...first.flatMap((one) => this.stores(one)),
      `"""`,
    ];
  }

  private stores({ place, value, type, length, line }: First): string[] {
    if (place.kind !== "variable" || value === undefined) return [];
    if (length !== undefined || value.kind === "array" || (type !== undefined && /8|16|char|short/.test(type)))
      this.unsupported("values of less than a word, or more than one", line);
    return [`    *${pa(place.name)} = ${this.value(value, undefined, line)};`];
  }

  private value(value: Value, own: string | undefined, line: number): string {
    switch (value.kind) {
      case "number":
        return hex(value.value);
      case "address":
        if (value.index !== undefined) this.unsupported("an element of an array", line);
        return value.of === "pte" ? `pte3(${value.name}, ${TABLE})` : value.name;
      case "descriptor":
        return this.descriptor(value, own);
      case "label": {
        const column = this.threads.findIndex(({ thread }) => thread === value.thread);
        return hex(this.addressOf(column, value.name, line));
      }
      case "array":
        return this.unsupported("an array", line);
    }
  }

  private descriptor(descriptor: Descriptor, own: string | undefined): string {
    const { of, name } = descriptor.oa ?? { of: "pa", name: own };
    if (of === "pte") this.unsupported("a mapping of the tables", descriptor.line);
    const { valid, af, db, dbm, el0 } = descriptorFields(descriptor);
    const text = `mkdesc3(oa=${name === undefined ? "0x0" : pa(name)}, AP=0b${1 - db}${el0}, AF=0b${af}, DBM=0b${dbm})`;
    return valid === 1 ? text : `bvsub(${text}, 0x1)`;
  }

  private addressOf(column: number, label: string, line: number): number {
    const at = labelsOf({ ...this.threads[column]!, file: this.test.file }, entryOf(column)).get(label);
    return at ?? this.unsupported(`the label ${label}`, line);
  }

  private thread(column: Column, i: number): string[] {
    const { first, columns, asked } = this.test;
    const el0 = asked.el0.has(column.thread);
    const registers = first.flatMap(({ place, value, line }): string[] => {
      if (place.kind !== "register" || place.thread !== column.thread || value === undefined) return [];
      const name = /^[XW]\d+$/i.test(place.name) ? `R${place.name.slice(1)}` : place.name;
      return [`${name} = "${this.value(value, undefined, line)}"`];
    });
    const sysregs = Object.entries(sysregsOf(asked, column.thread, i)).map(
      ([name, value]) => `${name} = "${hex(value)}"`,
    );
    const handler = columns.find((one) => one.thread === column.thread && one.handler);
    const trace = this.traces.get(column.thread);
    const code = handler?.text ?? (trace ? recording(trace) : AFTER_FAULT[asked.onFault]);
    const lines = linesOf(column.text);
    return [
      "",
      `[thread.${i}]`,
      `code = """`,
      ...(lines.length > 0 ? lines : ["    NOP"]),
      `"""`,
      "",
      `[thread.${i}.reset]`,
      ...registers,
      ...sysregs,
      `"PSTATE.EL" = "0b0${el0 ? 0 : 1}"`,
      `"PSTATE.SP" = "0b1"`,
      ...(code === ""
        ? []
        : [
            "",
            `[section.thread${i}_el1_handler]`,
            `address = "${hex(vectorsOf(i) + (el0 ? FROM_EL0 : FROM_EL1))}"`,
            `code = """`,
            ...linesOf(code),
            `"""`,
          ]),
    ];
  }

  private condition(proposition: Proposition): string {
    switch (proposition.kind) {
      case "true":
      case "false":
        return proposition.kind;
      case "and":
      case "or":
        return proposition.of.map((one) => `(${this.condition(one)})`).join(proposition.kind === "and" ? " & " : " | ");
      case "not":
        return `~(${this.condition(proposition.of)})`;
      case "implies":
        return `~(${this.condition(proposition.of[0])}) | (${this.condition(proposition.of[1])})`;
      case "equals":
        return this.equality(proposition.place, proposition.value, proposition.line);
      case "fault":
        return this.fault(proposition.fault, proposition.line);
    }
  }

  private equality(place: Place, value: Value, line: number): string {
    const own = place.kind === "pte" ? place.name : undefined;
    const held = this.value(value, own, line);
    if (place.kind === "register") return `${this.indexOf(place.thread)}:X${place.name.slice(1)} = ${held}`;
    if (place.kind === "variable" && place.index !== undefined) this.unsupported("an element of an array", line);
    return place.kind === "pte" ? `*pte3(${place.name}, ${TABLE}) = ${held}` : `*${pa(place.name)} = ${held}`;
  }

  private indexOf = (thread: number): number => this.threads.findIndex((column) => column.thread === thread);

  private fault({ thread, label, at, type }: FaultAt, line: number): string {
    const { elr, page, status } = this.traces.get(thread)!;
    const i = this.indexOf(thread);
    if (at?.kind === "pte") this.unsupported("a fault at a descriptor", line);
    const parts = [
      label === undefined ? `~(${i}:X${elr} = 0)` : `${i}:X${elr} = ${hex(this.addressOf(i, label, line))}`,
      ...(at === undefined ? [] : [`${i}:X${page} = page(${at.name})`]),
      ...(type === undefined ? [] : [`${i}:X${status} = ${hex(STATUS[type])}`]),
    ];
    return `(${parts.join(" & ")})`;
  }
}

/** A handler that leaves what the fault was, and ends. */
const recording = ({ elr, page, status }: Trace): string =>
  [
    `MRS X${elr},ELR_EL1`,
    `MRS X${page},FAR_EL1`,
    `LSR X${page},X${page},#12`,
    `MRS X${status},ESR_EL1`,
    `AND X${status},X${status},#0x3f`,
  ].join("\n");

const linesOf = (text: string): string[] =>
  text
    .split(/[\n;]/)
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => `    ${line.replace(/^([A-Za-z_.$][\w.$]*:)\s*(?=\S)/, "$1\n    ")}`);

function faultsIn(proposition: Proposition): FaultAt[] {
  if (proposition.kind === "fault") return [proposition.fault];
  if (proposition.kind === "not") return faultsIn(proposition.of);
  return proposition.kind === "and" || proposition.kind === "or" || proposition.kind === "implies"
    ? proposition.of.flatMap(faultsIn)
    : [];
}
