/** Descriptors from fields that have names (DDI 0487, D8.3.1 and D8.3.2), as the tests write them: AP = 0b11. */
import { type GranuleBits, levelShift } from "../../arch/index.js";

/** Which table a descriptor stands in. */
export type Stage = 1 | 2;

interface Field {
  readonly low: number;
  readonly width: number;
}

const bits = (low: number, width = 1): Field => ({ low, width });

const STAGE_1: Readonly<Record<string, Field>> = {
  ATTRINDX: bits(2, 3),
  NS: bits(5),
  AP: bits(6, 2),
  SH: bits(8, 2),
  AF: bits(10),
  NG: bits(11),
  DBM: bits(51),
  CONTIGUOUS: bits(52),
  PXN: bits(53),
  UXN: bits(54),
  XN: bits(54),
};

const STAGE_2: Readonly<Record<string, Field>> = {
  MEMATTR: bits(2, 4),
  S2AP: bits(6, 2),
  AP: bits(6, 2), // the tests write AP in both stages
  SH: bits(8, 2),
  AF: bits(10),
  FNXS: bits(11),
  DBM: bits(51),
  CONTIGUOUS: bits(52),
  XN: bits(53, 2),
};

const TABLE: Readonly<Record<string, Field>> = {
  PXNTABLE: bits(59),
  UXNTABLE: bits(60),
  XNTABLE: bits(60),
  APTABLE: bits(61, 2),
  NSTABLE: bits(63),
};

const AF = 1n << 10n;
const SH_INNER = 3n << 8n;
const NG = 1n << 11n;

/** Attributes that have a name of their own: "with default", "with code". EL0 and EL1 may read and write, or read. */
export const ATTRIBUTES: Readonly<Record<"default" | "code", Readonly<Record<Stage, bigint>>>> = {
  default: { 1: (0b01n << 6n) | SH_INNER | AF | NG, 2: (0b11n << 6n) | SH_INNER | AF | (0xfn << 2n) },
  code: { 1: (0b11n << 6n) | SH_INNER | AF | NG, 2: (0b01n << 6n) | SH_INNER | AF | (0xfn << 2n) },
};

const ADDRESS = 0xffff_ffff_f000n;

/** A field of a leaf or table descriptor by its name in any case; undefined when there is none. */
export function fieldOf(name: string, of: Stage | "table"): Field | undefined {
  const fields = of === "table" ? TABLE : of === 1 ? STAGE_1 : STAGE_2;
  const key = name.toUpperCase();
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/** `descriptor` with one field set; undefined when the value does not fit the field. */
export function withField(descriptor: bigint, { low, width }: Field, value: bigint): bigint | undefined {
  if (value >= 1n << BigInt(width)) return undefined;
  const mask = ((1n << BigInt(width)) - 1n) << BigInt(low);
  return (descriptor & ~mask) | (value << BigInt(low));
}

/** A block or page descriptor: the output address down to what its level maps, with these attributes. */
export function leaf(address: bigint, level: number, attributes: bigint, granuleBits: GranuleBits = 12): bigint {
  const size = 1n << BigInt(levelShift(level, granuleBits));
  return (address & ADDRESS & ~(size - 1n)) | attributes | (level === 3 ? 3n : 1n);
}

/** A table descriptor. */
export const table = (address: bigint): bigint => (address & ADDRESS) | 3n;

/** True for a descriptor at `level` that leads to a next table. */
export const isTable = (descriptor: bigint, level: number): boolean => level < 3 && (descriptor & 3n) === 3n;

/** True for a descriptor at `level` that maps memory. */
export const isLeaf = (descriptor: bigint, level: number): boolean =>
  level === 3 ? (descriptor & 3n) === 3n : level > 0 && (descriptor & 3n) === 1n;

/** Address bits [47:12] of a descriptor. */
export const addressOf = (descriptor: bigint): number => Number(descriptor & ADDRESS);

/** Bytes that a descriptor of a level covers. */
export const coverage = (level: number, granuleBits: GranuleBits = 12): number => 2 ** levelShift(level, granuleBits);

/** A leaf with the Contiguous bit. */
export const isContiguous = (descriptor: bigint, level: number): boolean =>
  isLeaf(descriptor, level) && (descriptor & (1n << 52n)) !== 0n;
