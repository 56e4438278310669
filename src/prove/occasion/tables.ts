/** Names, tables and first values of a scenario, and the statements of the litmus form that say the same. */
import { type GranuleBits, levelShift } from "../../arch/index.js";
import type { Expression } from "../litmus/expression.js";
import type { Space, Statement } from "../litmus/setup-syntax.js";
import { expressionOf, type Fields, type Term } from "./terms.js";

export interface Declaration {
  readonly kind: "declare";
  readonly space: Space;
  readonly names: readonly string[];
  /** they are blocks: of level 2, whatever that is with the granule */
  readonly aligned?: "block";
}

/** The page of `name` comes right behind that of `after`. */
interface Neighbour {
  readonly kind: "neighbour";
  readonly name: string;
  readonly after: string;
}

interface Mapping {
  readonly kind: "mapping";
  readonly from: string;
  /** what the descriptor maps, "invalid", or the address of a table */
  readonly to: string | { readonly table: string };
  /** true: it may come to hold this; else it does at first */
  readonly later?: true;
  /** 3 where there is none */
  readonly level?: number;
  /** fields that are not as the default has them */
  readonly fields?: Fields;
}

/** A table, or where another one's pages are mapped in this one. */
export interface Table {
  readonly kind: "table";
  readonly stage: 1 | 2;
  readonly name: string;
  /** the root's address as it is written; absent: the table stands elsewhere */
  readonly base?: string;
  readonly body: readonly Inside[];
}

interface Store {
  readonly kind: "store";
  readonly at: string;
  readonly value: number;
}

export type Inside = Mapping | Table;
export type Item = Declaration | Neighbour | Inside | Store;

export const declare = (space: Space, ...names: readonly string[]): Declaration => ({ kind: "declare", space, names });
/** Names of blocks of level 2. */
export const blocks = (space: Space, ...names: readonly string[]): Declaration => ({
  ...declare(space, ...names),
  aligned: "block",
});
export const neighbour = (name: string, after: string): Item => ({ kind: "neighbour", name, after });
export const maps = (from: string, to: Mapping["to"], more: Pick<Mapping, "level" | "fields"> = {}): Mapping => ({
  kind: "mapping",
  from,
  to,
  ...more,
});
/** What a descriptor may come to hold. */
export const mayMap = (from: string, to: Mapping["to"], more: Pick<Mapping, "level" | "fields"> = {}): Mapping => ({
  ...maps(from, to, more),
  later: true,
});
export const s1table = (name: string, base: string, ...body: readonly Inside[]): Table => ({ kind: "table", stage: 1, name, base, body }); // biome-ignore format: one row
export const s2table = (name: string, base: string, ...body: readonly Inside[]): Table => ({ kind: "table", stage: 2, name, base, body }); // biome-ignore format: one row
/** The pages of a table that stands elsewhere. */
export const pagesOfTable = (stage: 1 | 2, name: string): Table => ({ kind: "table", stage, name, body: [] });
export const store = (at: string, value: number): Item => ({ kind: "store", at, value });

/** nG = 0. */
export const GLOBAL: Fields = { nG: "0b0" };

/** Bytes of a block of level 2. */
const blockBytes = (granule: GranuleBits): number => 2 ** levelShift(2, granule);

/** The options and statements in the litmus form, one a line. */
export function tablesText(items: readonly Item[], granule: GranuleBits): string {
  const indent = "    ";
  const options = ["default_tables = false", ...(granule === 12 ? [] : [`granule = ${kib(granule)}`])];
  return [
    ...options.map((option) => `${indent}option ${option};`),
    ...items.map((item) => itemText(item, indent, granule)),
  ].join("\n");
}

const kib = (granule: GranuleBits): string => String(2 ** (granule - 10));

function itemText(item: Item, indent: string, granule: GranuleBits): string {
  switch (item.kind) {
    case "declare":
      return `${indent}${item.aligned === undefined ? "" : `aligned ${blockBytes(granule)} `}${item.space} ${item.names.join(" ")};`;
    case "neighbour":
      return `${indent}assert ${item.name}[48..${granule}] == add_bits_int(${item.after}[48..${granule}], 1);`;
    case "store":
      return `${indent}*${item.at} = ${item.value};`;
    case "mapping": {
      const to = typeof item.to === "string" ? item.to : `table(${item.to.table})`;
      const fields = Object.entries(item.fields ?? {}).map(([name, value]) => `${name} = ${value}`);
      const clauses = `${fields.length > 0 ? ` with [${fields.join(", ")}] and default` : ""}${item.level === undefined ? "" : ` at level ${item.level}`}`;
      return `${indent}${item.from} ${item.later ? "?->" : "|->"} ${to}${clauses};`;
    }
    case "table": {
      const head = `${indent}s${item.stage}table ${item.name}`;
      if (item.base === undefined) return `${head};`;
      const body = item.body.map((inner) => `${itemText(inner, `${indent}    `, granule)}\n`).join("");
      return `${head} ${item.base} {\n${body}${indent}}`;
    }
  }
}

/** The statements as the litmus form has them once they are read. */
export const statementsOf = (items: readonly Item[], granule: GranuleBits): readonly Statement[] => [
  { kind: "option", name: "default_tables", value: "false", line: 0 },
  ...(granule === 12 ? [] : [{ kind: "option", name: "granule", value: kib(granule), line: 0 } as const]),
  ...items.map((item) => statementOf(item, granule)),
];

const line = 0;
const expression = (term: Term): Expression => expressionOf(term);

function statementOf(item: Item, granule: GranuleBits): Statement {
  switch (item.kind) {
    case "declare": {
      const aligned = item.aligned === undefined ? undefined : expression(String(blockBytes(granule)));
      return { kind: "declare", space: item.space, names: item.names, aligned, line };
    }
    case "neighbour": {
      const number = (name: string): Expression => ({
        kind: "slice",
        of: expression(name),
        high: 48,
        low: granule,
        line,
      });
      const args = [number(item.after), expression("1")];
      const right: Expression = { kind: "call", name: "add_bits_int", args, named: new Map(), line };
      return { kind: "assert", that: { kind: "binary", op: "==", left: number(item.name), right, line }, line };
    }
    case "store":
      return { kind: "store", at: expression(item.at), value: expression(String(item.value)), line };
    case "mapping":
      return mappingOf(item);
    case "table": {
      const { name, stage, base } = item;
      if (base === undefined) return { kind: "reference", name, stage, line };
      return {
        kind: "table",
        name,
        stage,
        base: expression(base),
        body: item.body.map((inner) => statementOf(inner, granule)),
        line,
      };
    }
  }
}

function mappingOf({ from, to, later, level = 3, fields: own = {} }: Mapping): Statement {
  const target =
    to === "invalid"
      ? ({ kind: "invalid" } as const)
      : typeof to === "string"
        ? ({ kind: "address", value: expression(to) } as const)
        : ({ kind: "table", value: expression(to.table) } as const);
  const fields = Object.entries(own).map(([name, value]) => ({ name, value: expression(value), line }));
  const attributes = { set: "default", fields } as const;
  return { kind: "mapping", from: expression(from), target, initial: !later, level, attributes, walk: undefined, line };
}
