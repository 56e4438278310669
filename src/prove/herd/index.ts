/** Litmus tests in herd's form. */

export { herdForm, islaForm } from "./convert.js";
export { isHerdForm } from "./split.js";
export { herdTest } from "./test.js";
