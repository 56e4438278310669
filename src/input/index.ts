/** What users give: files they edit, read by a schema, and the one kind of error that speaks of them. */
export * from "./error.js";
export * from "./toml.js";
export * from "./visible.js";
