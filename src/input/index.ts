/** What users give: files they edit, read by a schema, and the one kind of error that speaks of them. */
export { fileError, fileReason, InputError } from "./error.js";
export { didYouMean } from "./near.js";
export { numberKeys, withNumbers } from "./numbers.js";
export { checkValue, type KeyPath, parseToml, type TomlFile } from "./toml.js";
export { visibleJson, visibleLine, visibleText } from "./visible.js";
