/**
 * What the plugin of a capture has written, in the order in which it happened: for each TLBI of Xen's its window, from it to the
 * instruction behind it; for everything else an exit, from one entry of a guest to the next; and the marks of dom0's script.
 */
import * as v from "valibot";
import { TLBI_OPS } from "../arch/index.js";
import type { ExitName } from "../trace/index.js";
import { type Count, countOf, type Line, parseLine } from "./probe.js";

/** A TLBI's window. */
export interface Window extends Count {
  readonly what: "tlbi";
  /** index in TLBI_OPS; -1 for none */
  readonly op: number;
  readonly operand: bigint;
}

/** An exit, and the leaf that was mapped in it. */
export interface Exit extends Count {
  readonly what: "exit";
  readonly name: ExitName;
  readonly vmid: number;
  /** ESR_EL2; 0 where there is none */
  readonly syndrome: number;
  readonly leaf?: { readonly address: number; readonly bytes: number; readonly level: number };
}

/** A point of dom0's script, with all that was counted up to it. */
interface ScriptMark {
  readonly what: "mark";
  readonly mark: number;
  readonly count: Count;
}

export type CountedItem = Window | Exit | ScriptMark;

/** All that the host did from one mark of dom0's script to the next. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly tlbi: Readonly<Record<string, number>>;
  readonly instructions: number;
  /** entries of a guest */
  readonly exits: number;
  /** leaves of shadows that were mapped */
  readonly faults: number;
  /** instructions in the windows of the TLBIs in it */
  readonly inHandlers: number;
  /** the rest, by what it was */
  readonly between: Readonly<Partial<Record<ExitName, { readonly count: number; readonly instructions: number }>>>;
}

const windowSchema = v.looseObject({ tlbi: v.string(), operand: v.string() });
const exitSchema = v.looseObject({
  exit: v.string(),
  vttbr: v.string(),
  address: v.optional(v.string()),
  bytes: v.optional(v.number()),
  prot: v.optional(v.string()),
});
const markSchema = v.looseObject({ phase: v.number() });
const BY_WORD = new Map(TLBI_OPS.map((op, i) => [op.word, i]));

/** The items of the plugin's lines; an InputError where one has another form. */
export function countedItems(lines: readonly string[]): CountedItem[] {
  return lines.flatMap((text): CountedItem[] => {
    const line = parseLine(text);
    if ("exit" in line) return [exitOf(line, v.parse(exitSchema, line))];
    if ("tlbi" in line) {
      const { tlbi, operand } = v.parse(windowSchema, line);
      const op = BY_WORD.get(Number.parseInt(tlbi, 16)) ?? -1;
      return [{ what: "tlbi", ...countOf(line), op, operand: BigInt(`0x${operand}`) }];
    }
    if ("phase" in line) return [{ what: "mark", mark: v.parse(markSchema, line).phase, count: countOf(line) }];
    return [];
  });
}

/** Names of functions of KVM that the host's kernel has not: what is counted by their calls is not known. */
export const missingOf = (lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : (parseLine(lines[0]!).missing ?? []);

/** Where KVM keeps the guest hypervisor's level in the attributes of a shadow's leaf (KVM_NV_GUEST_MAP_SZ). */
const GUEST_LEVEL = { shift: 55n, mask: 3n } as const;
const VMID_SHIFT = 48n;

function exitOf(line: Line, { exit, vttbr, address, bytes, prot }: v.InferOutput<typeof exitSchema>): Exit {
  const syndrome = Number.parseInt(exit, 16);
  const leaf =
    address === undefined || bytes === undefined
      ? {}
      : {
          leaf: {
            address: Number.parseInt(address, 16),
            bytes,
            level: Number((BigInt(`0x${prot ?? "0"}`) >> GUEST_LEVEL.shift) & GUEST_LEVEL.mask),
          },
        };
  const name = exitName(line.calls ?? {}, syndrome, "leaf" in leaf);
  return {
    what: "exit",
    ...countOf(line),
    faults: name === "shadow-fault" ? 1 : 0,
    name,
    vmid: Number(BigInt(`0x${vttbr}`) >> VMID_SHIFT),
    syndrome,
    ...leaf,
  };
}

/** Exception classes (ESR_EL2.EC) of aborts of a guest, and of a trapped system instruction. */
const ABORTS: readonly number[] = [0x20, 0x24];
const SYSTEM = 0x18;
/**
 * AT S1E1*, S1E0* and S12E* by ESR_EL2.ISS: SYS with CRn 7, CRm 8 or 9. What the hypervisor looks up of its own (AT S1E2*: Op1 4
 * with Op2 0 or 1) the host has no tables to walk for.
 */
function isTranslation(syndrome: number): boolean {
  const [op0, op2, op1, crn] = [20, 17, 14, 10].map((shift) => (syndrome >>> shift) & 15);
  return (op0! & 3) === 1 && crn === 7 && !((op1! & 7) === 4 && (op2! & 7) < 2);
}

/** What an exit was, by its syndrome and by which functions KVM called. */
function exitName(calls: Readonly<Record<string, number>>, syndrome: number, mapped: boolean): ExitName {
  const called = (name: string): boolean => (calls[name] ?? 0) > 0;
  const reason = Math.floor(syndrome / 2 ** 26) & 0x3f;
  if (called("kvm_inject_nested_sync") || called("kvm_inject_nested_irq")) return "to-hypervisor";
  if (called("kvm_emulate_nested_eret")) return "to-guest";
  if (called("io_mem_abort")) return "device";
  if (ABORTS.includes(reason)) return mapped && called("kvm_walk_nested_s2") ? "shadow-fault" : "host-fault";
  if (reason === SYSTEM) return isTranslation(syndrome) ? "translate" : "register";
  return syndrome === 0 && called("gic_handle_irq") ? "interrupt" : "other";
}

/** From each mark to the next. */
export function spansOf(items: readonly CountedItem[]): Span[] {
  const spans: Span[] = [];
  let before: ScriptMark | undefined;
  let inside: (Window | Exit)[] = [];
  for (const item of items) {
    if (item.what !== "mark") {
      inside.push(item);
      continue;
    }
    if (before) spans.push(spanOf(before, item, inside));
    before = item;
    inside = [];
  }
  return spans;
}

function spanOf(from: ScriptMark, to: ScriptMark, inside: readonly (Window | Exit)[]): Span {
  const between: Partial<Record<ExitName, { count: number; instructions: number }>> = {};
  let [inHandlers, faults] = [0, 0];
  for (const item of inside)
    if (item.what === "tlbi") inHandlers += item.instructions;
    else {
      between[item.name] ??= { count: 0, instructions: 0 };
      const sum = between[item.name]!;
      sum.count++;
      sum.instructions += item.instructions;
      faults += item.faults;
    }
  return {
    from: from.mark,
    to: to.mark,
    tlbi: minus(to.count.tlbi, from.count.tlbi),
    instructions: to.count.instructions - from.count.instructions,
    exits: to.count.exits - from.count.exits,
    faults,
    inHandlers,
    between,
  };
}

function minus(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const rows = Object.entries(a).map(([name, n]) => [name, n - (b[name] ?? 0)] as const);
  return Object.fromEntries(rows.filter(([, n]) => n !== 0));
}
