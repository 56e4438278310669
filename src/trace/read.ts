/** What reading a trace is, in whichever form the file is. */

import type { ColumnName } from "./columns.js";
import { KINDS, Kind } from "./event.js";
import type { TraceRecording } from "./recording.js";

/** Which part of a trace to read. */
export interface ReadPart {
  /** columns to fill in; the others hold what an event without them has. All of them when absent. */
  readonly columns?: readonly ColumnName[];
  /** first row, from 0 */
  readonly from?: number;
  /** at most so many rows */
  readonly count?: number;
  /** takes an NDJSON trace without its end line, which may be cut off, as far as it goes */
  readonly partial?: boolean;
  /** aborts between blocks with the signal's reason */
  readonly signal?: AbortSignal;
  /** called after each block with the rows read so far, and of how many where that is known */
  readonly progress?: (read: number, of: number | undefined) => void;
}

/**
 * How far a trace that was read vouches for itself:
 * - checked: all that was read agrees with the digests in the Parquet file, or with NDJSON's end line
 * - unchecked: a Parquet file without digests, as other tools write them; counts and checksums agree
 * - partial: NDJSON without an end line; it may be cut off
 * - unread: NDJSON that was not read to its end, for no more of it was asked for
 */
export type Integrity = "checked" | "unchecked" | "partial" | "unread";

/** What a trace file says about itself. */
export interface TraceInfo {
  /** events in the file; undefined where NDJSON was not read to its end */
  readonly events: number | undefined;
  readonly integrity: Integrity;
  /** what made it; "" when it does not say */
  readonly producer: string;
  /** what it says about its run; of NDJSON only when it was read to the end. Undefined: nothing */
  readonly recording: TraceRecording | undefined;
}

/** The sentence about a name that a kind does not have. */
export function unknownName(kind: number, name: string): string {
  const marks = kind === Kind.begin || kind === Kind.end;
  const example = marks ? "a mark, such as 'phase:create' or 'hypercall:XENMEM_remove_from_physmap'" : EXAMPLES[kind];
  return `'${name}' is no name of the kind '${KINDS[kind]}', expected ${example}`;
}

const EXAMPLES: Readonly<Record<number, string>> = {
  [Kind.write]: "'PTE' or 'PTE release'",
  [Kind.lock]: "'lock', 'trylock' or 'unlock'",
  [Kind.hint]: "a hint, such as 'set_root_lock'",
  [Kind.exit]: "an exit, such as 'shadow-fault'",
  [Kind.tlbi]: "a TLBI, such as 'VMALLS12E1IS'",
  [Kind.barrier]: "a barrier, such as 'DSB ISH'",
  [Kind.sysreg]: "a system register, such as 'VTTBR_EL2'",
  [Kind.access]: "'read', 'write' or 'execute'",
  [Kind.owner]: "'owner'",
  [Kind.fault]: "'translation', 'access-flag', 'permission' or 'address-size'",
};
