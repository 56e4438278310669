/** A litmus test in herd's form, as it is written: the names of its parts are those of herd's own manual. */

/** One of the settings between a test's name and its first values: "TTHM=HA", "Variant=vmsa,fatal". */
export interface Setting {
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** A place that has a value: a register of a thread, a variable or an element of it, or the descriptor of one. */
export type Place =
  | { readonly kind: "register"; readonly thread: number; readonly name: string }
  | { readonly kind: "variable"; readonly name: string; readonly index?: number }
  | { readonly kind: "pte"; readonly name: string };

/** The physical page of a variable, or that in which a variable's descriptor lies. */
export type Output = { readonly of: "pa" | "pte"; readonly name: string };

/** "(oa:PA(y), valid:0, af:0, db:0, dbm:1, el0:0)": a level-3 descriptor; what is not said has its default. */
export interface Descriptor {
  readonly kind: "descriptor";
  readonly oa?: Output;
  readonly fields: ReadonlyMap<Field, number>;
  /** names of memory attributes */
  readonly attributes: readonly string[];
  readonly line: number;
}

/** Fields of a descriptor: VALID, the access flag, writable ("dirty"), the dirty bit modifier, EL0 may access. */
export const FIELDS = ["valid", "af", "db", "dbm", "el0"] as const;
export type Field = (typeof FIELDS)[number];

export type Value =
  | { readonly kind: "number"; readonly value: bigint }
  /** the address of a variable (or of an element), of its descriptor */
  | { readonly kind: "address"; readonly of: "variable" | "pte"; readonly name: string; readonly index?: number }
  | Descriptor
  | { readonly kind: "label"; readonly thread: number; readonly name: string }
  | { readonly kind: "array"; readonly values: readonly Value[] };

/** "int64_t x=1;" */
export interface First {
  readonly place: Place;
  /** the C type, where one is given */
  readonly type?: string;
  /** elements, of an array */
  readonly length?: number;
  readonly value: Value | undefined;
  readonly line: number;
}

/** The kinds of faults of herd that a translation gives. */
export const FAULT_KINDS = ["MMU:Translation", "MMU:AccessFlag", "MMU:Permission"] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** "fault(P0:L0,x,MMU:Translation)": what is not said may be anything. */
export interface FaultAt {
  readonly thread: number;
  readonly label?: string;
  readonly at?: { readonly kind: "variable" | "pte"; readonly name: string };
  readonly type?: FaultKind;
}

export type Proposition =
  | { readonly kind: "true" | "false" }
  | { readonly kind: "and" | "or"; readonly of: readonly Proposition[] }
  | { readonly kind: "implies"; readonly of: readonly [Proposition, Proposition] }
  | { readonly kind: "not"; readonly of: Proposition }
  | { readonly kind: "equals"; readonly place: Place; readonly value: Value; readonly line: number }
  | { readonly kind: "fault"; readonly fault: FaultAt; readonly line: number };

export type Quantifier = "exists" | "~exists" | "forall";

/** What the final states show besides what the proposition speaks of. */
export type Shown =
  | { readonly kind: "place"; readonly place: Place }
  | { readonly kind: "fault"; readonly fault: FaultAt; readonly line: number };

/** The code of a thread, or of its handler of faults, as it stands in its column. */
export interface Column {
  readonly thread: number;
  readonly handler: boolean;
  /** one line for each line of the file from `line` on */
  readonly text: string;
  readonly line: number;
}

/** What a thread does after a fault for which it has no handler of its own. */
export type OnFault = "fatal" | "handled" | "skip";

/** What a test's settings say. */
export interface Asked {
  /** "fatal": the thread ends; "handled": it executes the instruction again; "skip": it goes on behind it */
  readonly onFault: OnFault;
  /** a CPU with FEAT_ETS2, whatever CPU was asked for */
  readonly ets2: boolean;
  /** hardware management of the access flag, and of dirty state with it (FEAT_HAFDBS), by thread */
  readonly ha: (thread: number) => boolean;
  readonly hd: (thread: number) => boolean;
  /** threads at EL0 */
  readonly el0: ReadonlySet<number>;
}

/** A whole test. */
export interface HerdTest {
  readonly file: string;
  readonly name: string;
  /** the text in quotation marks below the name */
  readonly about?: string;
  readonly settings: readonly Setting[];
  /** what the settings come to */
  readonly asked: Asked;
  readonly first: readonly First[];
  readonly columns: readonly Column[];
  readonly shown: readonly Shown[];
  readonly filter?: Proposition;
  readonly quantifier: Quantifier;
  readonly proposition: Proposition;
}
