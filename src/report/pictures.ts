/** The third door: what draws. It is large, so that a page loads it later. Nothing behind it needs Node. */
export { Occasions } from "./html/occasions-section.js";
export { Drawing } from "./html/picture.js";
export { Scenario } from "./html/scenario-section.js";
export { scenarioViews } from "./view.js";
