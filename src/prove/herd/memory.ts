/**
 * The memory of a test in herd's form. Each variable has a page of its own, mapped by a level-3 descriptor of its own; the
 * levels above are herd's no matter, and here tables that nobody writes. There is no stage 2.
 */
import { InputError } from "../../input/index.js";
import { layOut } from "../litmus/layout.js";
import { DEFAULT_BASES, Setup } from "../litmus/setup.js";
import type { Statement } from "../litmus/setup-syntax.js";
import { UnsupportedInTest } from "../litmus/unsupported.js";
import type { InitialMemory, Names } from "../program.js";
import type { Descriptor, Field, First, HerdTest, Output, Place, Proposition, Value } from "./syntax.js";

const PAGE = 0x1000;
const TABLE = "page_table_base";
/** The physical page of a variable, as herd writes it. */
const physical = (name: string): string => `PA(${name})`;

/** Variables of a test: each has two pages. */
const MAX_VARIABLES = 1_000;

/** Bytes of a C type; herd's own type for what has none is int. */
const SIZES: Readonly<Record<string, number>> = {
  ...{ int8_t: 1, uint8_t: 1, char: 1, int16_t: 2, uint16_t: 2, short: 2 },
  ...{ int: 4, int32_t: 4, uint32_t: 4, unsigned: 4, atomic_t: 4 },
  ...{ int64_t: 8, uint64_t: 8, long: 8, intptr_t: 8, uintptr_t: 8, pteval_t: 8, parel1_t: 8 },
};

/** Where everything lies, and what the memory holds at first. */
export interface Memory {
  readonly memory: InitialMemory;
  readonly names: Names;
  /** the root of the only table */
  readonly root: number;
  /** a variable's address; its physical address; that of its descriptor */
  va(name: string): number;
  pa(name: string): number;
  pte(name: string): number;
  /** bytes of a variable, or of an element of it, as its type says; undefined where it has none */
  sizeOf(name: string): number | undefined;
  /** elements of an array; undefined of other variables */
  lengthOf(name: string): number | undefined;
  /** the bits of a descriptor; `own` is the variable that it maps where it does not say */
  descriptor(descriptor: Descriptor, own: string | undefined): bigint;
  /** what lies in a physical page */
  outputAt(page: number): Output | undefined;
  /** "x", "x+4", "PTE(x)": what has an address */
  nameAt(address: number): string | undefined;
}

/** Lays out, and fills. `label` is the address of a label. Throws an InputError or UnsupportedInTest with the line. */
export function memoryOf(test: HerdTest, toBits: (value: Value, memory: Memory) => bigint): Memory {
  const { file, first } = test;
  const { virtual, all } = variablesOf(test);
  if (all.size > MAX_VARIABLES) throw InputError.at(file, 1, `more than ${MAX_VARIABLES} variables, expected fewer`);
  const setup = setupOf(virtual, all, file);
  const address = (name: string): number => Number(setup.scope.name(name)!.value);
  const pte = (name: string): number =>
    Number(setup.scope.walk!({ address: address(name), base: DEFAULT_BASES[1], line: 0 }, 3, "pte"));
  const sizes = new Map(first.flatMap((one) => sizeOfFirst(one, file)));
  const lengths = new Map(
    first.flatMap(({ place, length }) =>
      place.kind === "variable" && length !== undefined ? [[place.name, length]] : [],
    ),
  );
  const words = new Map<number, bigint>();
  const { memory, names } = setup.finish();
  const made: Memory = {
    memory: { read: (pa) => words.get(pa) ?? memory.read(pa), describe: memory.describe },
    names,
    root: DEFAULT_BASES[1],
    va: address,
    pa: (name) => address(physical(name)),
    pte,
    sizeOf: (name) => sizes.get(name),
    lengthOf: (name) => lengths.get(name),
    outputAt: (page) => {
      const name = [...all].find((one) => address(physical(one)) === page);
      const mapped = [...virtual].find((one) => pte(one) - (pte(one) % PAGE) === page);
      return name !== undefined ? { of: "pa", name } : mapped === undefined ? undefined : { of: "pte", name: mapped };
    },
    nameAt: (at) => {
      const name = [...virtual].find((one) => at >= address(one) && at < address(one) + PAGE);
      if (name !== undefined) return at === address(name) ? name : `${name}+${at - address(name)}`;
      const mapped = [...virtual].find((one) => pte(one) === at);
      return mapped && `PTE(${mapped})`;
    },
    descriptor: (descriptor, own) => {
      const { of, name } = descriptor.oa ?? { of: "pa", name: own };
      const output = name === undefined ? 0 : of === "pa" ? address(physical(name)) : pte(name) - (pte(name) % PAGE);
      return bitsOf(descriptor, BigInt(output));
    },
  };
  for (const one of first) fill(one, made, words, toBits);
  return made;
}

function fill(one: First, memory: Memory, words: Map<number, bigint>, toBits: (v: Value, m: Memory) => bigint): void {
  const { place, value } = one;
  if (place.kind === "register" || value === undefined) return;
  if (place.kind === "pte") {
    const held = value.kind === "descriptor" ? memory.descriptor(value, place.name) : toBits(value, memory);
    words.set(memory.pte(place.name), held);
    return;
  }
  const size = memory.sizeOf(place.name) ?? (value.kind === "number" ? 4 : 8);
  const values = value.kind === "array" ? value.values : [value];
  values.forEach((element, i) => {
    const at = memory.pa(place.name) + size * i;
    const shift = BigInt(8 * (at % 8));
    const word = words.get(at - (at % 8)) ?? 0n;
    // A number that an int has no room for says that it is none.
    const held = toBits(element, memory);
    const bits = value.kind === "array" || memory.sizeOf(place.name) !== undefined ? 8 * size : 64;
    words.set(at - (at % 8), word | (BigInt.asUintN(bits, held) << shift));
  });
}

function sizeOfFirst({ place, type, length, line }: First, file: string): [string, number][] {
  if (place.kind !== "variable" || (type === undefined && length === undefined)) return [];
  const size = SIZES[type ?? "int"];
  if (size === undefined) throw new UnsupportedInTest(`the type '${type}'`, file, line);
  if (size * (length ?? 1) > PAGE) throw InputError.at(file, line, `an array of more than ${PAGE} bytes`);
  return [[place.name, size]];
}

function setupOf(virtual: ReadonlySet<string>, all: ReadonlySet<string>, file: string): Setup {
  const declare = (space: "virtual" | "physical", names: readonly string[]): Statement => {
    return { kind: "declare", space, names, aligned: undefined, line: 0 };
  };
  const declared = [declare("virtual", [...virtual]), declare("physical", [...all].map(physical))];
  const symbols = layOut([], declared, file);
  const body = [...virtual].map((name): Statement => {
    const target = { kind: "address", value: { kind: "name", name: physical(name), line: 0 } } as const;
    const attributes = { set: "default", fields: [] } as const;
    const from = { kind: "name", name, line: 0 } as const;
    return { kind: "mapping", from, target, initial: true, level: 3, attributes, walk: undefined, line: 0 };
  });
  const base = { kind: "number", value: BigInt(DEFAULT_BASES[1]), width: 64, line: 0 } as const;
  const table: Statement = { kind: "table", name: TABLE, stage: 1, base, body, line: 0 };
  const option: Statement = { kind: "option", name: "default_tables", value: "false", line: 0 };
  return new Setup([], [option, ...declared, table], file, undefined, symbols);
}

/** Attributes of memory as it is here anyway. */
const ORDINARY = new Set(["Normal", "Inner-shareable", "Inner-write-back", "Outer-write-back"]);

/** Names with a virtual page, and all names, in the order in which they are met. */
export function namesOf(test: HerdTest): readonly [virtual: readonly string[], all: readonly string[]] {
  const { virtual, all } = variablesOf(test);
  return [[...virtual], [...all]];
}

/** Names with a virtual page, and those with a physical one: what only an output address names has no virtual one. */
function variablesOf({ file, first, proposition, filter, shown }: HerdTest): {
  virtual: Set<string>;
  all: Set<string>;
} {
  const virtual = new Set<string>();
  const all = new Set<string>();
  const named = (name: string): void => {
    virtual.add(name);
    all.add(name);
  };
  const inPlace = (place: Place): void => {
    if (place.kind !== "register") named(place.name);
  };
  const inValue = (value: Value | undefined): void => {
    if (value?.kind === "descriptor") {
      const other = value.attributes.find((name) => !ORDINARY.has(name));
      if (other !== undefined) throw new UnsupportedInTest(`the memory attribute '${other}'`, file, value.line);
    }
    if (value?.kind === "address") named(value.name);
    if (value?.kind === "array") value.values.forEach(inValue);
    if (value?.kind === "descriptor" && value.oa) (value.oa.of === "pa" ? all : virtual).add(value.oa.name);
  };
  const inProposition = (p: Proposition): void => {
    if (p.kind === "and" || p.kind === "or" || p.kind === "implies") p.of.forEach(inProposition);
    else if (p.kind === "not") inProposition(p.of);
    else if (p.kind === "fault" && p.fault.at) named(p.fault.at.name);
    else if (p.kind === "equals") {
      inPlace(p.place);
      inValue(p.value);
    }
  };
  for (const { place, value } of first) {
    inPlace(place);
    inValue(value);
  }
  inProposition(proposition);
  if (filter) inProposition(filter);
  for (const one of shown)
    if (one.kind === "place") inPlace(one.place);
    else if (one.fault.at) named(one.fault.at.name);
  for (const name of virtual) all.add(name);
  return { virtual, all };
}

/** The fields of a descriptor, those that are not said with herd's default. */
export const descriptorFields = ({ fields }: Pick<Descriptor, "fields">): Readonly<Record<Field, number>> => ({
  ...{ valid: 1, af: 1, db: 1, dbm: 0, el0: 1 },
  ...Object.fromEntries(fields),
});

const bit = (value: number, at: number): bigint => BigInt(value) << BigInt(at);

/**
 * The level-3 descriptor (DDI 0487, D8.3.1.2): VALID, AP[1] for EL0, AP[2] clear where it is writable, AF, DBM. Normal memory,
 * Inner Shareable, of one ASID.
 */
function bitsOf(descriptor: Descriptor, output: bigint): bigint {
  const { valid, el0, db, af, dbm } = descriptorFields(descriptor);
  const flags =
    bit(valid, 0) | bit(1, 1) | bit(el0, 6) | bit(1 - db, 7) | bit(3, 8) | bit(af, 10) | bit(1, 11) | bit(dbm, 51);
  return output | flags;
}
