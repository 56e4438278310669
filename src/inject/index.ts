/** A policy's own text, put into a real Xen without its source: found by symbols and decoding, built, read again, undone. */
export { inject } from "./inject.js";
export type { InjectedWord, Injection } from "./injection.js";
