/** What the Arm manual says, and nothing else (DDI 0487). */
export {
  type A64,
  type A64Condition,
  type Assignment,
  type Comparison,
  decodeA64,
  type Formula,
  type FormulaOp,
} from "./a64.js";
export { type Halves, halvesOf, hex, PAGE_SHIFT, pageHi, pageLo, pageOf, TWO32 } from "./address.js";
export { type AssembledWord, Assembler, SP, XZR } from "./assembler.js";
export {
  BARRIERS,
  type Barrier,
  type BarrierDomain,
  barrierFromWord,
  barrierIndex,
  completes,
  completesInside,
  completesTlbi,
} from "./barrier.js";
export { type Cover, type CoverStep, coverRange, explainCover, parseRange, usualForm, type Wanted } from "./cover.js";
export { type CpuProfile, hasErratum, needs, withErratum, withWorkaround } from "./cpu.js";
export {
  AF,
  AP_EL0,
  AP_RO,
  CONTIG_HI,
  descriptorKind,
  leafHi,
  leafLo,
  NG,
  outputPage,
  pagesAtLevel,
  S2_MEMATTR_DEVICE,
  S2_MEMATTR_WB,
  S2AP_R,
  S2AP_W,
  SH_INNER,
  SOFTWARE_SHIFT_HI,
  TABLE_OR_PAGE,
  VALID,
  XN_HI,
} from "./descriptor.js";
export { disassemble } from "./disassemble.js";
export {
  type Erratum,
  isWorkaround,
  SYMPTOM_WORDS,
  SYMPTOMS,
  type Symptom,
  WORKAROUND_WORDS,
  WORKAROUNDS,
  type Workaround,
} from "./errata.js";
export { ERRATA, erratumOf } from "./errata-table.js";
export { type Explanation, explainTlbi, type Removal } from "./explain.js";
export type { ExplainedOperand, OperandField } from "./explain-operand.js";
export { FEATURES, type Feature, isFeature } from "./features.js";
export {
  bitsPerLevel,
  ipaFeature,
  levelShift,
  minBlockLevel,
  type Stage2Geometry,
  stage2Geometry,
} from "./geometry.js";
export { GRANULE_WORDS, GRANULES, type Granule, type GranuleWord, granuleWord } from "./granule.js";
export { type Branch, decodeAtS12, decodeBranch, decodeMsr, decodeReadPar, endsInException } from "./instruction.js";
export {
  addressOperand,
  decodeOperand,
  encodeOperand,
  type GranuleBits,
  largestRange,
  low48,
  type OperandFields,
  operandHalves,
  RANGE_TTL,
  rangeOperand,
  singleFormOf,
  ttlOf,
} from "./operand.js";
export type { Intent, Lint } from "./operand-lint.js";
export { lintOperand } from "./operand-lint.js";
export { type AddressRange, GRANULE_NAME, operandRange } from "./operand-range.js";
export {
  type CachedEntry,
  type EntryKind,
  GLOBAL_ASID,
  isBroadcast,
  matchesAddress,
  matchesAsid,
  matchesHint,
  matchesLevel,
  matchesVmid,
  mustGo,
  removesKind,
} from "./reach.js";
export { accessesMemory, accessesStack, decodeStores, type Store, storesPerhaps } from "./store.js";
export { idOf, SYSREGS, type Sysreg, sysregIndex, vttbr } from "./sysreg.js";
export {
  decodeTlbi,
  encodeTlbi,
  type OperandKind,
  type Reach,
  TLBI_OPS,
  type TlbiOp,
  tlbiIndex,
  tlbiOp,
} from "./tlbi.js";
export { decodeSysreg, nameOtherWord } from "./word.js";
