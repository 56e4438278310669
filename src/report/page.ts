/** The second door: what shows results in a browser. Nothing behind it needs Node. */
export { checkTable, isGrave, verdictOf } from "./check-view.js";
export { count, duration, list } from "./format.js";
export { DataTable } from "./html/data-table.js";
export { proofReport } from "./html/proof.js";
export { type Place, Story, Timeline } from "./html/story-section.js";
export { STYLE } from "./html/style.js";
export { signOffJson } from "./json.js";
export { type Failure, failuresOf, lookedAt, reasonsOf } from "./proof-view.js";
