/** Registers by the names that a litmus file gives them, and what system registers hold at first. */
import { SYSREGS } from "../../arch/index.js";
import { THREAD_SYSREGS, type ThreadSysreg } from "../program.js";

const BY_NAME: ReadonlyMap<string, ThreadSysreg> = new Map(
  [...THREAD_SYSREGS, ...SYSREGS].map((name) => [name as string, name]),
);

/** A system register that a thread may use, by its name in any case; ".bits" behind it means the whole register. */
export function threadSysreg(name: string): ThreadSysreg | undefined {
  return BY_NAME.get(
    name
      .trim()
      .toUpperCase()
      .replace(/\.BITS$/, ""),
  );
}

/** R0, X0 or W0 to 30; undefined for other names. */
export function generalRegister(name: string): number | undefined {
  const match = /^[RXW](\d{1,2})$/i.exec(name.trim());
  return match && Number(match[1]) <= 30 ? Number(match[1]) : undefined;
}

/** 48-bit addresses, 4 KiB granule, four levels (start level 0), both stages on, EL1 in AArch64. */
const SYSREGS_AT_START: Readonly<Partial<Record<ThreadSysreg, bigint>>> = {
  HCR_EL2: (1n << 31n) | 1n,
  // T0SZ = 16, SL0 = 2 (start level 0), TG0 = 0 (4 KiB)
  VTCR_EL2: (2n << 6n) | 16n,
  // T1SZ = T0SZ = 16, TG1 = 2 and TG0 = 0 (4 KiB)
  TCR_EL1: (2n << 30n) | (16n << 16n) | 16n,
  TCR_EL2: 16n,
  SCTLR_EL1: 1n,
  SCTLR_EL2: 1n,
};

/** System registers of a thread whose translation registers hold these tables, as far as nothing else is said. */
export function sysregsAtStart(stage1: number, stage2: number): Partial<Record<ThreadSysreg, bigint>> {
  const ttbr = BigInt(stage1);
  const roots = { TTBR0_EL1: ttbr, TTBR1_EL1: ttbr, TTBR0_EL2: ttbr, VTTBR_EL2: BigInt(stage2) };
  return { ...SYSREGS_AT_START, ...roots };
}
