/** Searches for sequences of maintenance instructions that are sound, and for what can be left out of one. Pure. */
export { policyText, proofsOf, type Sequence, sectionOf, wordsOf } from "./candidate.js";
export { type Distinction, distinguish } from "./distinguish.js";
export { instructionsOn } from "./instruction.js";
export {
  type Accounted,
  type Minimal,
  type Minimized,
  minimizedOccasions,
  minimizeOccasion,
  type Need,
} from "./minimize.js";
export { addTally, emptyTally, type Tally } from "./search.js";
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
