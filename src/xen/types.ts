/** Xen's p2m types and the stage-2 entries that carry them (xen/arch/arm/include/asm/p2m.h, mmu/p2m.c: mfn_to_p2m_entry). */
import {
  AF,
  leafHi,
  leafLo,
  S2_MEMATTR_DEVICE,
  S2_MEMATTR_WB,
  S2AP_R,
  S2AP_W,
  SH_INNER,
  SOFTWARE_SHIFT_HI,
  TABLE_OR_PAGE,
  VALID,
  XN_HI,
} from "../arch/index.js";

/** p2m_type_t, as kept in bits [58:55] of an entry. */
export const P2m = {
  invalid: 0,
  ram_rw: 1,
  ram_ro: 2,
  mmio_direct: 3,
  map_foreign_rw: 6,
  map_foreign_ro: 7,
  grant_map_rw: 8,
  grant_map_ro: 9,
} as const;
export type P2mType = (typeof P2m)[keyof typeof P2m];

/** What mfn_to_p2m_entry puts into the attributes of a type: [low half, high half]. */
const ATTRIBUTES: Readonly<Record<P2mType, readonly [number, number]>> = {
  [P2m.invalid]: [0, 0],
  [P2m.ram_rw]: [S2_MEMATTR_WB | SH_INNER | S2AP_R | S2AP_W | AF, 0],
  [P2m.ram_ro]: [S2_MEMATTR_WB | SH_INNER | S2AP_R | AF, 0],
  [P2m.mmio_direct]: [S2_MEMATTR_DEVICE | S2AP_R | S2AP_W | AF, XN_HI],
  [P2m.map_foreign_rw]: [S2_MEMATTR_WB | SH_INNER | S2AP_R | S2AP_W | AF, XN_HI],
  [P2m.map_foreign_ro]: [S2_MEMATTR_WB | SH_INNER | S2AP_R | AF, XN_HI],
  [P2m.grant_map_rw]: [S2_MEMATTR_WB | SH_INNER | S2AP_R | S2AP_W | AF, XN_HI],
  [P2m.grant_map_ro]: [S2_MEMATTR_WB | SH_INNER | S2AP_R | AF, XN_HI],
};

/** Halves of a leaf entry that maps `page` with a type at a level. */
export const entryLo = (page: number, level: number, type: P2mType): number => leafLo(page, level, ATTRIBUTES[type][0]);
export const entryHi = (page: number, type: P2mType): number =>
  leafHi(page, ATTRIBUTES[type][1] | (type << SOFTWARE_SHIFT_HI));

/** The type in an entry's software bits (valid to Xen when not P2m.invalid). */
export const typeOf = (hi: number): P2mType => ((hi >>> SOFTWARE_SHIFT_HI) & 0xf) as P2mType;

/** True for the types that hold a reference on a page of another domain (p2m_is_foreign). */
export const isForeign = (type: P2mType): boolean => type === P2m.map_foreign_rw || type === P2m.map_foreign_ro;

/** True when bit 0 is set: valid to the hardware. */
export const isValid = (lo: number): boolean => (lo & VALID) !== 0;

/** True when the entry is valid to Xen (p2m_is_valid): its type says so, whatever bit 0 says. */
export const isPresent = (hi: number): boolean => typeOf(hi) !== P2m.invalid;

/** True for an entry that points to a table, valid to the hardware or only to Xen. */
export const isTable = (lo: number, hi: number, level: number): boolean =>
  level < 3 && (lo & TABLE_OR_PAGE) !== 0 && isPresent(hi);

/** A table entry as page_to_p2m_table makes it: with type ram_rw, so that it stays valid to Xen when bit 0 goes. */
export const tableEntryLo = (page: number): number => (entryLo(page, 3, P2m.ram_rw) | TABLE_OR_PAGE) >>> 0;
export const tableEntryHi = (page: number): number => entryHi(page, P2m.ram_rw);
