/**
 * The columns of a trace, each in one place: what it holds, in which typed array, and what an event without it has. The
 * buffer, both forms of file and the digest go through this table; event.ts says what the columns mean.
 */
import { Kind, NO_DOMAIN, NO_LEVEL } from "./event.js";

/** What a column holds: text (in the buffer its code or id), a whole number from `min` to `max`, or 64 bits. */
type Column =
  | (InBuffer<Uint8ArrayConstructor | Uint16ArrayConstructor> & { readonly holds: "text" })
  | (InBuffer<Uint8ArrayConstructor | Uint16ArrayConstructor | Int8ArrayConstructor> & {
      readonly holds: "small";
      readonly min: number;
      readonly max: number;
    })
  /** interleaved halves: [2i] = bits [31:0], [2i+1] = bits [63:32] */
  | (InBuffer<Uint32ArrayConstructor> & { readonly holds: "wide" });

interface InBuffer<T> {
  /** the array of the buffer, which bears the column's name but where `field` says another */
  readonly array: T;
  readonly field?: string;
  /** its name in files of version 1, which are read as well */
  readonly former?: string;
  /** what an event without it has; NDJSON leaves it out then */
  readonly absent: number;
  /** every source writes it for every event: a buffer is emptied without it */
  readonly always: boolean;
  /**
   * Kinds of event of which `absent` too is a value (a descriptor of 0, slot 0). Where it says nothing a Parquet file has null;
   * without this list the column is never null. Of `after` saysTo (event.ts) has the last word.
   */
  readonly of?: readonly number[];
  /** a file may be without it, as older ones are */
  readonly optional?: boolean;
  /**
   * A count of what a host did for the event. Most traces have none: a buffer says whether one of its events does
   * (`counted` in buffer.ts), and in a Parquet file such a column is null where `host_instructions` is 0 and it too.
   */
  readonly count?: boolean;
}

const small = <T extends Uint8ArrayConstructor | Uint16ArrayConstructor | Int8ArrayConstructor>(
  array: T,
  always: boolean,
  max: number,
  { min = 0, absent = 0 } = {},
) => ({ holds: "small", array, absent, always, min, max }) as const;
const text = <T extends Uint8ArrayConstructor | Uint16ArrayConstructor>(array: T) =>
  ({ holds: "text", array, absent: 0, always: true }) as const;
const WIDE = { holds: "wide", array: Uint32Array, absent: 0, always: false } as const;
/** A host's count: 0 in an event of which nothing was counted. */
const COUNT = { ...WIDE, optional: true, of: [], count: true } as const;
const { write, tlbi, sysreg, access, owner, fault, begin, end, lock, hint } = Kind;

/**
 * The table; its order is that of a file's columns. A name is no reserved word of SQL, which would have to be quoted in each
 * query: so `before` and `after` for what the buffer calls `from` and `to`, as version 1 did.
 */
export const COLUMN_TABLE = {
  kind: text(Uint8Array),
  pcpu: small(Uint8Array, true, 0xff),
  name: { ...text(Uint16Array), field: "code" },
  domain: { ...small(Uint16Array, true, 0xffff, { absent: NO_DOMAIN }), of: [] },
  vmid: small(Uint16Array, true, 0xffff),
  stage: { ...small(Uint8Array, false, 2), of: [] },
  level: { ...small(Int8Array, false, 3, { min: -1, absent: NO_LEVEL }), of: [] },
  slot: { ...small(Uint16Array, false, 0xffff), of: [write] },
  site: { ...text(Uint16Array), of: [] },
  address: { ...WIDE, of: [write, access, owner, fault, lock, hint] },
  before: { ...WIDE, field: "from", former: "from", of: [write, sysreg, access, owner, fault] },
  after: { ...WIDE, field: "to", former: "to", of: [write, tlbi, sysreg, access, owner, begin, end, hint] },
  unknown: { ...small(Uint8Array, false, 3), optional: true },
  time: { ...WIDE, optional: true, of: [] },
  took: { ...WIDE, optional: true, of: [] },
  host_instructions: { ...COUNT, field: "hostInstructions" },
  host_ripas2: { ...COUNT, field: "hostRipas2" },
  host_ipas2: { ...COUNT, field: "hostIpas2" },
  host_vmalle1: { ...COUNT, field: "hostVmalle1" },
  host_other_tlbi: { ...COUNT, field: "hostOtherTlbi" },
  host_entries: { ...COUNT, field: "hostEntries" },
  host_faults: { ...COUNT, field: "hostFaults" },
} as const satisfies Readonly<Record<string, Column>>;

export type ColumnName = keyof typeof COLUMN_TABLE;
type Holding<H> = { [C in ColumnName]: (typeof COLUMN_TABLE)[C] extends { holds: H } ? C : never }[ColumnName];
export type TextColumn = Holding<"text">;
export type SmallColumnName = Holding<"small">;
type WideColumnName = Holding<"wide">;

/** The name of a column's array in the buffer. */
type FieldOf<C extends ColumnName> = C extends ColumnName
  ? (typeof COLUMN_TABLE)[C] extends { field: infer F extends string }
    ? F
    : C
  : never;
type Field = FieldOf<ColumnName>;
/** The arrays of a buffer, by field. */
export type ColumnArrays = {
  readonly [C in ColumnName as FieldOf<C>]: InstanceType<(typeof COLUMN_TABLE)[C]["array"]>;
};

/** The columns of a trace, in the file's order. */
export const COLUMNS = Object.keys(COLUMN_TABLE) as readonly ColumnName[];

/** A column by name. */
export const columnOf = (name: ColumnName): Column => COLUMN_TABLE[name];
const BY_NAME = new Map(COLUMNS.flatMap((name) => [name, columnOf(name).former ?? name].map((known) => [known, name])));
/** The column of that name, also by its former one; undefined where there is none. */
export const columnNamed = (name: string): ColumnName | undefined => BY_NAME.get(name);
export const fieldOf = <C extends ColumnName>(name: C): FieldOf<C> => (columnOf(name).field ?? name) as FieldOf<C>;
/** Elements of the array for each event, and 32-bit words for each row of a file. */
export const wordsOf = (name: ColumnName): 1 | 2 => (columnOf(name).holds === "wide" ? 2 : 1);

/** The columns that hold this, in the file's order. */
const holding = <N extends ColumnName>(holds: Column["holds"]): readonly N[] =>
  COLUMNS.filter((name): name is N => columnOf(name).holds === holds);
export const SMALL_COLUMNS = holding<SmallColumnName>("small");
export const WIDE_COLUMNS = holding<WideColumnName>("wide");

/** A column as it stands in a buffer, for loops over all of them. */
interface FieldColumn {
  readonly name: ColumnName;
  readonly field: Field;
  readonly words: 1 | 2;
  readonly absent: number;
  readonly always: boolean;
  readonly count: boolean;
  readonly array: Column["array"];
}
export const FIELDS: readonly FieldColumn[] = COLUMNS.map((name) => {
  const { array, absent, always, count = false } = columnOf(name);
  return { name, field: fieldOf(name), words: wordsOf(name), absent, always, count, array };
});
/** Those of a host's counts. */
export const COUNT_FIELDS = FIELDS.filter(({ count }) => count);
export const COUNT_COLUMNS: readonly ColumnName[] = COUNT_FIELDS.map(({ name }) => name);
