/** Litmus tests in the isla TOML form. */
export { type LitmusTest, type Look, parseLitmus } from "./litmus.js";
