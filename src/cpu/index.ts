/** CPUs as files: which features and errata a CPU has, each with its source. */
export { parseCpu } from "./cpu-file.js";
