/** Does the jobs of a comparison in a worker thread. */
export { runJob as default } from "../compare/index.js";
