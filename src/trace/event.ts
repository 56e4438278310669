/**
 * The events of a trace: what matters to translation, and the marks that say why it happened. One row is one event; the
 * columns mean the same for every event, except `address`, `from` and `to` (64 bits each; in files `before` and `after`), whose
 * use the table says:
 *
 * | kind    | name (code)                       | address              | from            | to               |
 * |---------|-----------------------------------|----------------------|-----------------|------------------|
 * | write   | "PTE", "PTE release" (STLR)       | PA of the descriptor | old descriptor  | new descriptor   |
 * | tlbi    | the TLBI (index in TLBI_OPS)      | -                    | -               | operand Xt       |
 * | barrier | the barrier (index in BARRIERS)   | -                    | -               | -                |
 * | sysreg  | the register (index in SYSREGS)   | -                    | old value       | new value        |
 * | access  | "read", "write", "execute"        | VA                   | IPA             | PA               |
 * | owner   | "owner"                           | PA of the page       | domain before   | domain after     |
 * | fault   | "translation", "permission", ...  | VA                   | IPA             | -                |
 * | begin   | a mark: "class:what"              | -                    | -               | a number: see MARKS |
 * | end     | the same mark                     | -                    | -               | a result         |
 * | lock    | "lock", "trylock", "unlock"       | of the lock          | -               | -                |
 * | hint    | what the code says: see HINTS     | of a page, a table   | -               | a value          |
 * | exit    | what the host had to do: see EXITS | bytes of a leaf     | IPA of it       | ESR_EL2          |
 *
 * `stage` and `level` say which table (writes) or at which stage-2 level the page was mapped (accesses); `slot` is the
 * descriptor's index in its table; `unknown` says what a row does not know (see Unknown), `time` when it happened and `took` how
 * long it took, in nanoseconds, of logs that say so; the columns of columns.ts that begin with `host` what a host did for a TLBI
 * or an exit, where one was counted. `vmid` is the VMID in force (VTTBR_EL2) on the pCPU; `domain` the domain whose vCPU or
 * hypercall runs there; `site` the function that issued it, of a recorded trace as far as it is certain with those that
 * called it, innermost first: "p2m_force_tlb_flush_sync < p2m_set_entry < do_memory_op".
 */
import { BARRIERS, SYSREGS, TLBI_OPS } from "../arch/index.js";

export const KINDS = [
  "write",
  "tlbi",
  "barrier",
  "sysreg",
  "access",
  "owner",
  "fault",
  "begin",
  "end",
  "lock",
  "hint",
  "exit",
] as const;

/** Codes of the kinds: indexes in {@link KINDS}. */
export const Kind = {
  write: 0,
  tlbi: 1,
  barrier: 2,
  sysreg: 3,
  access: 4,
  owner: 5,
  fault: 6,
  begin: 7,
  end: 8,
  lock: 9,
  hint: 10,
  exit: 11,
} as const;

/** Codes of descriptor writes: a plain store, or one that is a release. */
const WRITES = ["PTE", "PTE release"] as const;
/** Codes of what is done with a lock; a "trylock" is one that succeeded. */
const LOCKS = ["lock", "trylock", "unlock"] as const;
/** What the code says about its tables and memory, and the use of `to`; the names are casemate's, but for the last. */
const HINTS = {
  set_root_lock: "the lock of the root at `address`",
  set_owner_root: "the root of the tree that the page at `address` is to be in",
  release_table: "the table at `address`, and all below it, is in no tree any more",
  set_pte_thread_owner: "the thread that alone may write the descriptor at `address`",
  "mem-init": "bytes of zeroed memory from `address` on",
  "mem-free": "bytes from `address` on that are given back",
  put_page: "the page at `address`, of which a mapping's reference is dropped (Xen's put_page)",
} as const;
/**
 * What the host of a guest hypervisor had to do beside its TLBIs, counted from one entry of a guest to the next. `level` of a leaf
 * that was mapped is what the hypervisor maps there (0: not known), `vmid` that of its VTTBR_EL2.
 */
const EXITS = {
  "shadow-fault": "a leaf of a shadow stage-2 is mapped, for a guest of the hypervisor's",
  "host-fault": "a fault that the host handles by itself: the hypervisor's own memory",
  "to-hypervisor":
    "a guest of the hypervisor's gives way to it: a call, a trap, a fault or an interrupt that is the hypervisor's",
  "to-guest": "the hypervisor's ERET to its guest",
  translate: "an AT instruction of the hypervisor's on its guest's tables (AT S12*, AT S1E1*)",
  register: "a trapped access to a system register, or an AT or TLBI of which nothing else is known",
  device: "an access to a device that the host's VMM has",
  interrupt: "an interrupt of the host's, and nothing else",
  other: "anything else, as what the host handles before its exit is one",
} as const;
export type ExitName = keyof typeof EXITS;
/** Codes of exits: indexes of their names here. */
export const EXIT_NAMES = Object.keys(EXITS) as readonly ExitName[];
export const exitCode = (name: ExitName): number => EXIT_NAMES.indexOf(name);

/** Bits of the column `unknown`: what the row does not know, and therefore holds 0 for. */
export const Unknown = { operand: 1, vmid: 2 } as const;

/** Codes of accesses. */
export const ACCESSES = ["read", "write", "execute"] as const;
export const Access = { read: 0, write: 1, execute: 2 } as const;
/** Codes of faults. */
export const FAULTS = ["translation", "access-flag", "permission", "address-size"] as const;

/** The classes of marks: what stands before the colon in a mark's name. */
export const MARKS = {
  phase: "a phase of the run: boot, create, run, destroy",
  hypercall: "a hypercall, by Xen's name; `to` of the end is its result (0, or -errno)",
  domain: "a domain operation: create, unpause, destroy; `to` of the begin is the domain id",
  "vcpu-switch": "a pCPU switches vCPUs; `to` of the begin is the vCPU id that comes in",
  fault: "the handling of a fault by the hypervisor",
  script: "a part of dom0's script that a capture on a counted host marks: xl-create",
} as const;
export type MarkClass = keyof typeof MARKS;
/** Which of a mark's two events has a value in `to`, as MARKS says. */
const MARK_VALUES: Readonly<Partial<Record<string, number>>> = {
  hypercall: Kind.end,
  domain: Kind.begin,
  "vcpu-switch": Kind.begin,
};

/** No domain (the hypervisor itself, the idle domain), in the `domain` column: Xen's DOMID_INVALID. */
export const NO_DOMAIN = 0x7ff4;
/** The hypervisor itself, as the owner of a page: Xen's DOMID_XEN. */
export const HYPERVISOR = 0x7ff2;
/** No level, in the `level` column. */
export const NO_LEVEL = -1;

/** Most characters of a trace's strings, each counted once: they are kept in memory. */
const MAX_NAME_CHARACTERS = 1 << 24;

/** Strings of a trace: marks and sites, each once; an id is its index. Id 0 is "". At most 65,536. */
export class Names {
  readonly list: string[] = [""];
  private readonly ids = new Map<string, number>([["", 0]]);
  private characters = 0;

  /**
   * The id of a string, new or known; throws a RangeError when a trace has more than 65,536 different ones, or
   * {@link MAX_NAME_CHARACTERS} in them.
   */
  id(name: string): number {
    let id = this.ids.get(name);
    if (id === undefined) {
      id = this.list.length;
      if (id > 0xffff) throw new RangeError("more than 65,536 different names and sites in one trace");
      this.characters += name.length;
      if (this.characters > MAX_NAME_CHARACTERS) throw new RangeError(TOO_LONG_NAMES);
      this.list.push(name);
      this.ids.set(name, id);
    }
    return id;
  }
}

const TOO_LONG_NAMES = `names and sites of more than ${MAX_NAME_CHARACTERS} characters in one trace`;

/** The text of an event's `code` in the file's `name` column; inverse: {@link codeOf}. */
export function nameOf(kind: number, code: number, names: Names): string {
  switch (kind) {
    case Kind.tlbi:
      return TLBI_OPS[code]!.name;
    case Kind.barrier:
      return BARRIERS[code]!.name;
    case Kind.sysreg:
      return SYSREGS[code]!;
    case Kind.access:
      return ACCESSES[code]!;
    case Kind.fault:
      return FAULTS[code]!;
    case Kind.begin:
    case Kind.end:
      return names.list[code]!;
    case Kind.owner:
      return "owner";
    case Kind.lock:
      return LOCKS[code]!;
    case Kind.hint:
      return HINT_NAMES[code]!;
    case Kind.exit:
      return EXIT_NAMES[code]!;
    default:
      return WRITES[code]!;
  }
}

/** False where `to` says nothing at events of this kind and name: a TLBI without operand, a mark without a number. */
export function saysTo(kind: number, code: number, names: Names): boolean {
  if (kind === Kind.tlbi) return TLBI_OPS[code]!.operand !== "none";
  if (kind !== Kind.begin && kind !== Kind.end) return true;
  const name = names.list[code]!;
  return MARK_VALUES[name.slice(0, name.indexOf(":"))] === kind;
}

const HINT_NAMES = Object.keys(HINTS) as readonly (keyof typeof HINTS)[];
export type Hint = keyof typeof HINTS;
/** The code of a hint. */
export const hintCode = (hint: Hint): number => HINT_NAMES.indexOf(hint);

const codes: Partial<Record<number, ReadonlyMap<string, number>>> = {
  [Kind.tlbi]: new Map(TLBI_OPS.map((op, i) => [op.name, i])),
  [Kind.barrier]: new Map(BARRIERS.map((b, i) => [b.name, i])),
  [Kind.sysreg]: new Map(SYSREGS.map((r, i) => [r, i])),
  [Kind.access]: new Map(ACCESSES.map((a, i) => [a, i])),
  [Kind.fault]: new Map(FAULTS.map((f, i) => [f, i])),
  [Kind.owner]: new Map([["owner", 0]]),
  [Kind.write]: new Map(WRITES.map((w, i) => [w, i])),
  [Kind.lock]: new Map(LOCKS.map((l, i) => [l, i])),
  [Kind.hint]: new Map(HINT_NAMES.map((h, i) => [h, i])),
  [Kind.exit]: new Map(EXIT_NAMES.map((x, i) => [x, i])),
};

/** The code of a name for a kind; undefined when that kind has no such name (any "class:what" is a mark's). */
export function codeOf(kind: number, name: string, names: Names): number | undefined {
  if (kind !== Kind.begin && kind !== Kind.end) return codes[kind]?.get(name);
  const colon = name.indexOf(":");
  return colon > 0 && Object.hasOwn(MARKS, name.slice(0, colon)) ? names.id(name) : undefined;
}
