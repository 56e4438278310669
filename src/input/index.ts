/** What users give: files they edit, read by a schema, and the one kind of error that speaks of them. */
export { fileError, fileReason, InputError } from "./error.js";
export { didYouMean } from "./near.js";
export { type KeyPath, parseToml, type TomlFile } from "./toml.js";
export { visibleJson, visibleLine, visibleText } from "./visible.js";
