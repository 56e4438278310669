/** The second door: what shows results in a browser. Nothing behind it needs Node. */
export { verdictOf } from "./check-view.js";
export { differenceTable } from "./diff-view.js";
export { count, duration } from "./format.js";
export { Trial } from "./html/check.js";
export { DataTable } from "./html/data-table.js";
export type { Later } from "./html/picture.js";
export { proofReport } from "./html/proof.js";
export { Scroll } from "./html/scroll.js";
export { Story, Timeline } from "./html/story-section.js";
export { DARK, LIGHT, STYLE } from "./html/style.js";
export { signOffJson } from "./json.js";
export type { PricedOccasions } from "./occasion-view.js";
export { priceTable } from "./price-view.js";
export { failuresOf, verdictWord } from "./proof-view.js";
export { summaryTable } from "./show-view.js";
