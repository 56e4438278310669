/**
 * What a function of people's own code does about translation, as a policy: its code followed in symbols, its ways told apart, and
 * what was taken for granted, left out or not understood, by name. Files in, values out; nothing runs.
 */
export { parseCapability } from "./capabilities.js";
export { type CodeSetting, functionOf, type Lifted, liftFunction } from "./function.js";
export { type LiftedWay, OPERAND_MEANINGS, type OperandMeaning } from "./lift.js";
export { policyText } from "./policy-text.js";
