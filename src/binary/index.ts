/**
 * What a build of Xen says of itself: its ELF file, its functions and who calls whom, and the places where it flushes and writes
 * tables, with the barriers beside them. Files in, values out; nothing runs.
 */
export { type BlindSite, blindSites } from "./blind.js";
export { beginsWay, type CALLS, holdsMappings } from "./calls.js";
export { CodeFile, codeOf, fullAddress, openCode } from "./code-file.js";
export { Directmap, type DirectmapValues, directmapVariables } from "./directmap.js";
export { Elf, type ElfSymbol, isElf } from "./elf.js";
export { FrameTable, type FrameTableShape, frameTableOf } from "./frametable.js";
export type { Alternative } from "./patch-sites.js";
export type { Barriers } from "./site-barriers.js";
export {
  findSites,
  pageOf,
  type Site,
  type Sites,
  type StoreSite,
  type SysregSite,
  type TlbiSite,
  type TranslationSite,
} from "./sites.js";
export { isP2m, type StorePlaces } from "./stores.js";
export { type InjectedPart, type Stretch, type XenFunction, XenText } from "./text.js";
export { openXenSyms, readImage, readInput, readKernel } from "./xen-image.js";
