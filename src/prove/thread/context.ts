/**
 * From the values of system registers to the context of a regime (DDI 0487, D19): which of their fields count here, and which
 * are refused by name, as they would change what a walk does.
 */
import type { GranuleBits } from "../../arch/index.js";
import { Unsupported } from "../program.js";
import type { Model } from "../rules.js";
import { COMMON, COMMON_STAGE2, type Context, type ContextParts, EL2, EL10, EL20 } from "../tlb/index.js";

/** The registers that make an EL1&0 context, and one of EL2 or EL2&0. */
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
export const EL2_REGISTERS = ["TTBR0_EL2", "SCTLR_EL2", "MAIR_EL2", "TTBR1_EL2", "TCR_EL2", "HCR_EL2"] as const;

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
  /** the modelled values with 16 and 64 KiB granules, where they are others */
  readonly others?: readonly [number, number];
}
const field = (name: string, low: number, width = 1, modelled = 0, means?: string): Field => ({
  name,
  low,
  width,
  modelled,
  ...(means === undefined ? {} : { means }),
});
/** A field with one value for each granule: 4, 16 and 64 KiB. */
const ofGranule = (name: string, low: number, width: number, [of4, ...others]: readonly [number, number, number]): Field => ({ name, low, width, modelled: of4, others }); // biome-ignore format: one row
const tg0 = ofGranule("TG0", 14, 2, [0, 2, 1]);

const FIELDS: Readonly<Partial<Record<string, readonly Field[]>>> = {
  HCR_EL2: [
    field("DC", 12),
    field("TTLB", 25),
    field("TVM", 26),
    field("NV", 42),
    field("TTLBIS", 54),
    field("TTLBOS", 55),
  ],
  SCTLR_EL1: [field("EE", 25)],
  SCTLR_EL2: [field("EE", 25)],
  TCR_EL1: [
    field("T0SZ", 0, 6, 16),
    field("EPD0", 7),
    tg0,
    field("T1SZ", 16, 6, 16),
    field("EPD1", 23),
    ofGranule("TG1", 30, 2, [2, 1, 3]),
    field("DS", 59),
  ],
  VTCR_EL2: [
    ofGranule("T0SZ", 0, 6, [16, 17, 16]),
    field("SL0", 6, 2, 2),
    tg0,
    field("HA", 21),
    field("HD", 22),
    field("DS", 32),
  ],
  // With HCR_EL2.E2H = 1 it is laid out as TCR_EL1.
  TCR_EL2: [field("T0SZ", 0, 6, 16), tg0],
};
const TCR_EL2_ALONE = [field("HA", 21), field("HD", 22), field("DS", 32)];
const TCR_EL2_WITH_E2H = [
  field("EPD0", 7),
  field("T1SZ", 16, 6, 16),
  field("EPD1", 23),
  ofGranule("TG1", 30, 2, [2, 1, 3]),
  field("HA", 39),
  field("HD", 40),
  field("DS", 59),
];
/** HCR_EL2.E2H: EL2 is the host's, and its regime EL2&0; TGE: EL0 is in it. */
const E2H = bit(34);
const TGE = bit(27);
export const hasE2h = (hcr: bigint): boolean => (hcr & E2H) !== 0n;
export const hasTge = (hcr: bigint): boolean => (hcr & TGE) !== 0n;

/**
 * Throws {@link Unsupported} when a value of a register says what is not modelled: at the beginning, or where an MSR writes it.
 */
export function refuseFields(register: string, value: bigint, granuleBits: GranuleBits, e2h: boolean): void {
  if (register === "HCR_EL2" && hasE2h(value) !== e2h) throw new Unsupported("HCR_EL2.E2H written by an MSR");
  if (register === "HCR_EL2" && hasTge(value) && !e2h) throw new Unsupported("HCR_EL2.TGE = 1 with E2H = 0");
  const fields = FIELDS[register] ?? [];
  const more = register === "TCR_EL2" ? (e2h ? TCR_EL2_WITH_E2H : TCR_EL2_ALONE) : [];
  for (const { name, low, width, modelled, means, others } of [...fields, ...more]) {
    const found = Number((value >> BigInt(low)) & ((1n << BigInt(width)) - 1n));
    const wanted = granuleBits === 12 ? modelled : (others?.[granuleBits === 14 ? 0 : 1] ?? modelled);
    if (found !== wanted) throw new Unsupported(`${register}.${name} = ${found}${means ? `: ${means}` : ""}`);
  }
}

/** CnP of TTBRs and VTTBR_EL2. */
const CNP = 1n;

/**
 * What of a regime a PE may share: entries of stage 1, and combined ones, only where CnP is 1 in both stages (RZVRZW). One TTBR with CnP = 1 counts for
 * both halves.
 */
function commonOf(model: Model, ttbrs: readonly bigint[], vttbr: bigint | undefined): Context["common"] {
  if (!model.cnp) return 0;
  const stage2 = vttbr === undefined || (vttbr & CNP) !== 0n;
  if (stage2 && ttbrs.some((ttbr) => (ttbr & CNP) !== 0n)) return COMMON;
  return stage2 && vttbr !== undefined ? COMMON_STAGE2 : 0;
}

/** The page of a TTBR's or VTTBR's table. */
const pageOfTable = (ttbr: bigint): number => Number((ttbr & 0xffff_ffff_ffffn) >> 12n);

/** The ASID or VMID of a TTBR: 16 bits where the regime has as many, else 8, and the upper ones say nothing. */
const idField = (ttbr: bigint, wide: boolean): number => Number(ttbr >> 48n) & (wide ? 0xffff : 0xff);

/** The ASID of a regime with two TTBRs. */
function asidOf(model: Model, ttbr0: bigint, ttbr1: bigint, tcr: bigint): number {
  const second = (tcr & A1) !== 0n && model["asid-select"];
  return idField(second ? ttbr1 : ttbr0, (tcr & AS) !== 0n || !model["id-size"]);
}

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
export function el10Context(model: Model, value: (register: (typeof EL10_REGISTERS)[number]) => bigint): ContextParts {
  const ttbr0 = value("TTBR0_EL1");
  const ttbr1 = value("TTBR1_EL1");
  const vttbr = value("VTTBR_EL2");
  const tcr = value("TCR_EL1");
  const stage1 = (value("SCTLR_EL1") & M) !== 0n;
  const stage2 = (value("HCR_EL2") & VM) !== 0n;
  return {
    regime: EL10,
    stage1,
    stage2,
    common: commonOf(model, [ttbr0, ttbr1], stage2 ? vttbr : undefined),
    root0: pageOfTable(ttbr0),
    root1: pageOfTable(ttbr1),
    asid: asidOf(model, ttbr0, ttbr1, tcr),
    stage2Root: pageOfTable(vttbr),
    vmid: vmidOf(model, vttbr, value("VTCR_EL2")),
    ha: (tcr & HA) !== 0n && model["hardware-flag"],
    hd: (tcr & HA) !== 0n && (tcr & HD) !== 0n && model["hardware-dirty"],
    ...memoryOf(value("MAIR_EL1"), stage1),
  };
}

/** What the registers of EL2's regime say: EL2, or EL2&0. */
export function el2Context(model: Model, value: (register: (typeof EL2_REGISTERS)[number]) => bigint): ContextParts {
  const ttbr0 = value("TTBR0_EL2");
  const ttbr1 = value("TTBR1_EL2");
  const tcr = value("TCR_EL2");
  const e2h = hasE2h(value("HCR_EL2"));
  const stage1 = (value("SCTLR_EL2") & M) !== 0n;
  const root0 = pageOfTable(ttbr0);
  return {
    regime: e2h ? EL20 : EL2,
    stage1,
    stage2: false,
    root0,
    root1: e2h ? pageOfTable(ttbr1) : root0,
    asid: e2h ? asidOf(model, ttbr0, ttbr1, tcr) : 0,
    stage2Root: 0,
    vmid: 0,
    ha: false,
    hd: false,
    common: commonOf(model, e2h ? [ttbr0, ttbr1] : [ttbr0], undefined),
    ...memoryOf(value("MAIR_EL2"), stage1),
  };
}
