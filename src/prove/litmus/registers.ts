/** Registers by the names that a litmus file gives them, and what system registers hold at first. */
import { type GranuleBits, SYSREGS } from "../../arch/index.js";
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

/** TG0 and TG1 of a granule (D19, TCR_EL1). */
const TG0: Readonly<Record<GranuleBits, bigint>> = { 12: 0n, 14: 2n, 16: 1n };
const TG1: Readonly<Record<GranuleBits, bigint>> = { 12: 2n, 14: 1n, 16: 3n };

/** 48-bit addresses (47-bit IPAs with 16 KiB), all levels that the granule has for them, both stages on, EL1 in AArch64. */
const startWith = (granule: GranuleBits): Readonly<Partial<Record<ThreadSysreg, bigint>>> => ({
  HCR_EL2: (1n << 31n) | 1n,
  // T0SZ = 16, SL0 = 2: start level 0 with 4 KiB, else 1
  VTCR_EL2: (TG0[granule] << 14n) | (2n << 6n) | (granule === 14 ? 17n : 16n),
  // T1SZ = T0SZ = 16
  TCR_EL1: (TG1[granule] << 30n) | (16n << 16n) | (TG0[granule] << 14n) | 16n,
  TCR_EL2: (TG0[granule] << 14n) | 16n,
  SCTLR_EL1: 1n,
  SCTLR_EL2: 1n,
});

/** System registers of a thread whose translation registers hold these tables, as far as nothing else is said. */
export function sysregsAtStart(
  stage1: number,
  stage2: number,
  granule: GranuleBits = 12,
): Partial<Record<ThreadSysreg, bigint>> {
  const ttbr = BigInt(stage1);
  const roots = { TTBR0_EL1: ttbr, TTBR1_EL1: ttbr, TTBR0_EL2: ttbr, TTBR1_EL2: ttbr, VTTBR_EL2: BigInt(stage2) };
  return { ...startWith(granule), ...roots };
}
