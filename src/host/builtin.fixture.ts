/** The built-in host files, for tests. */
import { existsSync, readFileSync } from "node:fs";
import type { Host } from "./host.js";
import { parseHost } from "./host-file.js";

/** Names of the built-in hosts. */
export const BUILT_IN = [
  "bare-metal",
  "kvm-nested-7.2",
  "kvm-nested-unmap-all",
  "kvm-nested-skip-holes",
  "kvm-nested-7.3",
] as const;

/** The text of a built-in host file, wherever below the project's folder this runs from. */
export function builtInText(name: string): string {
  let folder = new URL("./", import.meta.url);
  while (!existsSync(new URL("package.json", folder))) folder = new URL("../", folder);
  return readFileSync(new URL(`hosts/${name}.toml`, folder), "utf8");
}

export const builtInHost = (name: string): Host => parseHost(builtInText(name), `${name}.toml`, builtInHost);
