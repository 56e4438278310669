/** What this command's results are made from. */
import { readFileSync } from "node:fs";
import { inputHashes } from "../files/index.js";
import { argv } from "../jobs/index.js";
import type { Made } from "../report/index.js";
import { shellWord } from "./output.js";

/** The package's version. */
export function version(): string {
  return (JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string })
    .version;
}

/** Version, command line, and the files that were read until now. */
export const made = (): Made => ({
  version: version(),
  command: ["shootdown", ...argv().map(shellWord)].join(" "),
  inputs: inputHashes(),
});
