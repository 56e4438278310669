/** Files that a user names, read and written on Node: what may be read, how much of it, and what may be written over. */
export { inputHashes, noteBytes, noteStandardInput, oneCommand, STANDARD_INPUT } from "./command.js";
export { GzipPieces } from "./gzip.js";
export { noteInput, openSeekable, openStream, readBytes, readText } from "./read.js";
export { isStream, OutputFile, writeAll, writeWhole } from "./write.js";
