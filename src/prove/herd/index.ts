/** Litmus tests in herd's form. */

export { isHerdForm } from "./split.js";
export { herdTest } from "./test.js";
