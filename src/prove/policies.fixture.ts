/** Built-in policies, for the tests of a room that has no catalog below it. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Policy, parsePolicy } from "../policy/index.js";

function root(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** The text of a built-in policy. */
export const builtinPolicyText = (name: string): string =>
  readFileSync(join(root(), "policies", `${name}.toml`), "utf8");

/** A built-in policy. */
export const builtinPolicy = (name: string): Policy =>
  parsePolicy(builtinPolicyText(name), `${name}.toml`, builtinPolicy);
