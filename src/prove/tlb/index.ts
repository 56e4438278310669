/** What a PE may hold of translations, and when: the timeline, the entries in play, and the set that a PE may hold of them. */

export { Catalogue } from "./catalogue.js";
export { Cells } from "./cells.js";
export { type Conflict, type Difference, isPermitted } from "./conflict.js";
export {
  C_LEAF,
  C_STEP,
  COMMON,
  COMMON_STAGE2,
  type Context,
  type ContextParts,
  EL2,
  EL10,
  EL20,
  type Entry,
  type Invalidation,
  isStep,
  KINDS,
  type Leaf,
  NO_STAGE1,
  outputOf,
  type Regime,
  regimeOf,
  S2_LEAF,
  type Update,
  type WalkFault,
} from "./entry.js";
export { Knowledge, Learned, peKey } from "./knowledge.js";
export { MayCache } from "./maycache.js";
export { byWalk, CONTEXT, INVALIDATE, MAX_EVENTS, NOBODY, Timeline, WRITE } from "./timeline.js";
export { holds, Values } from "./values.js";
