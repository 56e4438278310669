/** Searches for sequences of maintenance instructions that are sound, and for what can be left out of one. Pure. */
export { codeOf, type Place, policyOf, policyText, proofsOf, type Sequence, sectionOf, wordsOf } from "./candidate.js";
export { type Instruction, instructionsOn, usualInstructions } from "./instruction.js";
export { type Asked, Judge, type Judgement, type Refutation } from "./judge.js";
export type { Refuted } from "./known.js";
export {
  type Accounted,
  type Minimal,
  type Minimized,
  minimizedOccasions,
  minimizeOccasion,
  type Need,
} from "./minimize.js";
export { Order, type SetId, type Word } from "./order.js";
export { addTally, emptyTally, refutationKey, Search, type Tally } from "./search.js";
export {
  alphabet,
  type Learnt,
  type Piece,
  type PieceResult,
  piecesOf,
  Searcher,
  type Space,
  sizeOf,
} from "./space.js";
