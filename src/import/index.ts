/** Logs of other tools, read as traces. An importer is a file here, and a line in the table. */
import type { Readable } from "node:stream";
import { type ReadResult, readTrace } from "../trace/file.js";
import type { ReadPart, TraceSink } from "../trace/index.js";
import { FORMS, IMPORTERS } from "./forms.js";

export { HANDLER_NAMES, handlerTimes } from "./handler-times.js";

/** Names of the forms that can be imported. */
export const IMPORT_FORMATS = Object.keys(FORMS);

/**
 * As readTrace of the trace room, of Shootdown's own traces and of whatever can be imported. `format` (of
 * {@link IMPORT_FORMATS}) takes the file for that tool's log, whatever its first bytes are.
 */
export const readAnyTrace = (
  path: string,
  sinks: readonly TraceSink[],
  part: ReadPart = {},
  stdin?: () => Readable,
  format?: string,
): Promise<ReadResult> => {
  const form = format === undefined ? undefined : FORMS[format];
  return readTrace(path, sinks, part, form === undefined ? IMPORTERS : [{ ...form, begins: () => true }], stdin);
};
