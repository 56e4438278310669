/** Loads, stores, exclusives and atomics (DDI 0487, C3.2): their mnemonics are put together from parts. */
import type { Action, Reg } from "../program.js";
import type { InstructionContext, Operands, Register } from "./operands.js";

const ZR: Reg = 31;

/** Suffix B or H: 1 or 2 bytes; otherwise the register's name says 4 or 8. */
const sizeOf = (suffix: string | undefined, { word }: Register): number =>
  suffix === "B" ? 1 : suffix === "H" ? 2 : word ? 4 : 8;

const LOAD = /^LD(R|UR|AR|APR|XR|AXR|LAR)(B|H)?$/;
const STORE = /^ST(R|UR|LR|XR|LXR|LLR)(B|H)?$/;
const ATOMIC = /^(CAS|SWP|LD(?:ADD|SET|CLR|EOR|[SU]MAX|[SU]MIN))(AL|A|L)?(B|H)?$/;
const ATOMIC_STORE = /^ST(ADD|SET|CLR|EOR|[SU]MAX|[SU]MIN)(L)?(B|H)?$/;

type AtomicKind = Extract<Action, { op: "atomic" }>["kind"];
const KIND: Readonly<Record<string, AtomicKind>> = {
  CAS: "cas",
  SWP: "swp",
  LDADD: "add",
  LDSET: "set",
  LDCLR: "clr",
  LDEOR: "eor",
  LDSMAX: "smax",
  LDSMIN: "smin",
  LDUMAX: "umax",
  LDUMIN: "umin",
};

/** An access to memory; undefined when the mnemonic is none. */
export function memoryAction(mnemonic: string, o: Operands, context: InstructionContext): Action | undefined {
  const load = LOAD.exec(mnemonic);
  if (load) return loadAction(load[1]!, load[2], o, context);
  const store = STORE.exec(mnemonic);
  if (store) return storeAction(store[1]!, store[2], o, context);
  const atomic = ATOMIC.exec(mnemonic);
  if (atomic) {
    const rs = o.register();
    const rt = o.register();
    return atomicAction(KIND[atomic[1]!]!, atomic[2] ?? "", sizeOf(atomic[3], rt), rs.reg, rt.reg, o, context);
  }
  const kept = ATOMIC_STORE.exec(mnemonic);
  if (!kept) return undefined;
  const rs = o.register();
  return atomicAction(KIND[`LD${kept[1]}`]!, kept[2] ?? "", sizeOf(kept[3], rs), rs.reg, ZR, o, context);
}

function loadAction(kind: string, suffix: string | undefined, o: Operands, context: InstructionContext): Action {
  if (kind === "LAR") context.unsupported("LDLAR");
  const rt = o.register();
  const { rn, offset } = o.address();
  const acquire = kind === "AR" || kind === "AXR" ? "acquire" : kind === "APR" ? "acquire-pc" : "none";
  const exclusive = kind.endsWith("XR");
  if (kind !== "R" && kind !== "UR") plainBase(offset, context);
  return { op: "load", rt: rt.reg, rn, offset, size: sizeOf(suffix, rt), acquire, exclusive };
}

function storeAction(kind: string, suffix: string | undefined, o: Operands, context: InstructionContext): Action {
  if (kind === "LLR") context.unsupported("STLLR");
  const exclusive = kind === "XR" || kind === "LXR";
  const status = exclusive ? o.register().reg : undefined;
  const rt = o.register();
  const { rn, offset } = o.address();
  if (kind !== "R" && kind !== "UR") plainBase(offset, context);
  const made = {
    op: "store",
    rt: rt.reg,
    rn,
    offset,
    size: sizeOf(suffix, rt),
    release: kind.startsWith("L"),
  } as const;
  return status === undefined ? made : { ...made, status };
}

function atomicAction(
  kind: AtomicKind,
  order: string,
  size: number,
  rs: Reg,
  rt: Reg,
  o: Operands,
  context: InstructionContext,
): Action {
  const { rn, offset } = o.address();
  plainBase(offset, context);
  // An atomic whose old value goes to the zero register does not acquire (DDI 0487, C6.2, LDADD, SWP and CAS).
  const acquire = order.startsWith("A") && (kind === "cas" ? rs : rt) !== ZR;
  return { op: "atomic", kind, rs, rt, rn, size, acquire, release: order.endsWith("L") };
}

function plainBase(offset: { imm: bigint } | object, context: InstructionContext): void {
  if (!("imm" in offset) || offset.imm !== 0n) context.fail("this instruction takes an address without an offset");
}
