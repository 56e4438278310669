/**
 * From the values of system registers to the context of a regime (DDI 0487, D19): which of their fields count here, and which
 * are refused by name, as they would change what a walk does.
 */
import { Unsupported } from "../program.js";
import type { Model } from "../rules.js";
import { type Context, EL2, EL10 } from "../tlb/index.js";

/** The registers that make an EL1&0 context, and an EL2 one. */
export const EL10_REGISTERS = [
  "TTBR0_EL1",
  "TTBR1_EL1",
  "VTTBR_EL2",
  "HCR_EL2",
  "SCTLR_EL1",
  "TCR_EL1",
  "VTCR_EL2",
  "MAIR_EL1",
] as const;
export const EL2_REGISTERS = ["TTBR0_EL2", "SCTLR_EL2", "MAIR_EL2"] as const;

const bit = (n: number): bigint => 1n << BigInt(n);
/** HCR_EL2.VM; SCTLR_ELx.M; TCR_EL1.A1, AS, HA and HD; VTCR_EL2.VS. */
const VM = bit(0);
const M = bit(0);
const A1 = bit(22);
const AS = bit(36);
const HA = bit(39);
const HD = bit(40);
const VS = bit(19);

/** A field of a register that counts for regimes, traps or walks, and the one value of it that is modelled. */
interface Field {
  readonly name: string;
  readonly low: number;
  readonly width: number;
  readonly modelled: number;
  /** what another value would mean */
  readonly means?: string;
}
const field = (name: string, low: number, width = 1, modelled = 0, means?: string): Field => ({
  name,
  low,
  width,
  modelled,
  ...(means === undefined ? {} : { means }),
});
const CNP = field("CnP", 0, 1, 0, "PEs share TLB entries");

const FIELDS: Readonly<Partial<Record<string, readonly Field[]>>> = {
  HCR_EL2: [
    field("DC", 12),
    field("TTLB", 25),
    field("TVM", 26),
    field("TGE", 27),
    field("E2H", 34),
    field("NV", 42),
    field("TTLBIS", 54),
    field("TTLBOS", 55),
  ],
  SCTLR_EL1: [field("EE", 25)],
  SCTLR_EL2: [field("EE", 25)],
  TCR_EL1: [
    field("T0SZ", 0, 6, 16),
    field("EPD0", 7),
    field("TG0", 14, 2),
    field("T1SZ", 16, 6, 16),
    field("EPD1", 23),
    field("TG1", 30, 2, 2),
    field("DS", 59),
  ],
  VTCR_EL2: [
    field("T0SZ", 0, 6, 16),
    field("SL0", 6, 2, 2),
    field("TG0", 14, 2),
    field("HA", 21),
    field("HD", 22),
    field("DS", 32),
  ],
  TCR_EL2: [field("T0SZ", 0, 6, 16), field("TG0", 14, 2), field("HA", 21), field("HD", 22), field("DS", 32)],
  VTTBR_EL2: [CNP],
  TTBR0_EL2: [CNP],
};

/**
 * Throws {@link Unsupported} when a value of a register says what is not modelled: at the beginning, or where an MSR writes it.
 */
export function refuseFields(register: string, value: bigint): void {
  for (const { name, low, width, modelled, means } of FIELDS[register] ?? []) {
    const found = Number((value >> BigInt(low)) & ((1n << BigInt(width)) - 1n));
    if (found !== modelled) throw new Unsupported(`${register}.${name} = ${found}${means ? `: ${means}` : ""}`);
  }
}

/** True when a register and its value let the PE share entries of stage 1 with every other PE that has CnP = 1 there. */
export const sharesEntries = (register: string, value: bigint): boolean =>
  (register === "TTBR0_EL1" || register === "TTBR1_EL1") && (value & 1n) !== 0n;

/** The page of a TTBR's or VTTBR's table. */
const pageOfTable = (ttbr: bigint): number => Number((ttbr & 0xffff_ffff_ffffn) >> 12n);

/** The ASID or VMID of a TTBR: 16 bits where the regime has as many, else 8, and the upper ones say nothing. */
const idField = (ttbr: bigint, wide: boolean): number => Number(ttbr >> 48n) & (wide ? 0xffff : 0xff);

/** The VMID that VTTBR_EL2 holds under VTCR_EL2. */
export function vmidOf(model: Model, vttbr: bigint, vtcr: bigint): number {
  return model["vmid-match"] ? idField(vttbr, (vtcr & VS) !== 0n || !model["id-size"]) : 0;
}

/** Fields of MAIR_ELx that are memory with XS = 0 besides Write-Back: Non-cacheable and Write-Through made for it, Tagged Normal. */
const NO_XS = new Set([0x40, 0xa0, 0xf0]);
/** Write-Back of a half of a field of MAIR_ELx: 0b01RW with RW not 0, 0b11RW. */
const isWriteBack = (half: number): boolean => (half & 4) !== 0 && half !== 4;

/** The XS attribute of a field of MAIR_ELx (D19, MAIR_EL1): of Device memory 0b0000dd01 is without it. */
function attributeHasXs(field: number): boolean {
  if (field < 0x10) return (field & 1) === 0;
  return !NO_XS.has(field) && !(isWriteBack(field >> 4) && isWriteBack(field & 15));
}

/** The eight memory types, and which of them have the XS attribute, as bits; where stage 1 is off all is Device memory (D8.2). */
function memoryOf(mair: bigint, stage1: boolean): Pick<Context, "mair" | "xs"> {
  if (!stage1) return { mair: 0n, xs: 0xff };
  let xs = 0;
  for (let n = 0; n < 8; n++) if (attributeHasXs(Number((mair >> BigInt(8 * n)) & 0xffn))) xs |= 1 << n;
  return { mair, xs };
}

/** What the registers of the EL1&0 regime say; `value` gives each. */
export function el10Context(
  model: Model,
  value: (register: (typeof EL10_REGISTERS)[number]) => bigint,
): Omit<Context, "id"> {
  const ttbr0 = value("TTBR0_EL1");
  const ttbr1 = value("TTBR1_EL1");
  const vttbr = value("VTTBR_EL2");
  const tcr = value("TCR_EL1");
  const stage1 = (value("SCTLR_EL1") & M) !== 0n;
  const second = (tcr & A1) !== 0n && model["asid-select"];
  return {
    regime: EL10,
    stage1,
    stage2: (value("HCR_EL2") & VM) !== 0n,
    root0: pageOfTable(ttbr0),
    root1: pageOfTable(ttbr1),
    asid: idField(second ? ttbr1 : ttbr0, (tcr & AS) !== 0n || !model["id-size"]),
    stage2Root: pageOfTable(vttbr),
    vmid: vmidOf(model, vttbr, value("VTCR_EL2")),
    ha: (tcr & HA) !== 0n && model["hardware-flag"],
    hd: (tcr & HA) !== 0n && (tcr & HD) !== 0n && model["hardware-dirty"],
    ...memoryOf(value("MAIR_EL1"), stage1),
  };
}

/** What the registers of the EL2 regime say. */
export function el2Context(value: (register: (typeof EL2_REGISTERS)[number]) => bigint): Omit<Context, "id"> {
  const root = pageOfTable(value("TTBR0_EL2"));
  const roots = { root0: root, root1: root, stage2Root: 0 };
  const stage1 = (value("SCTLR_EL2") & M) !== 0n;
  return {
    regime: EL2,
    stage1,
    stage2: false,
    asid: 0,
    vmid: 0,
    ha: false,
    hd: false,
    ...memoryOf(value("MAIR_EL2"), stage1),
    ...roots,
  };
}
