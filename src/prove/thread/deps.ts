/**
 * What values depend on, as views: the data that went into a value, and what its choice depended on besides. A pick dependency
 * (CSEL, CAS; DDI 0487, B2.3) orders writes, TLBIs and context synchronisation, but no loads.
 */

/** Two views in one number: of the data in bits [7:0], and above them that of data and choice, which is never less. */
export type Deps = number;

export const depsOf = (data: number, pick: number): Deps => data | (Math.max(data, pick) << 8);
/** What depends on one view in both manners. */
export const allOf = (view: number): Deps => view * 0x101;
export const dataView = (deps: Deps): number => deps & 0xff;
export const pickView = (deps: Deps): number => deps >> 8;
export const joined = (a: Deps, b: Deps): Deps =>
  depsOf(Math.max(dataView(a), dataView(b)), Math.max(pickView(a), pickView(b)));
/** The first, whose choice depends on the second besides. */
export const picked = (a: Deps, by: Deps): Deps => depsOf(dataView(a), Math.max(pickView(a), pickView(by)));
