/** How a user describes the shadow stage-2 that a TLBI finds: `--shadow-leaves` or `--shadow`. */

import type { TouchedPages } from "../host/index.js";
import { InputError } from "../input/index.js";

/** The options, as given. */
export interface ShadowOptions {
  readonly shadowLeaves?: string;
  readonly shadow?: string;
}

const LEVEL = { "4k": 3, "2m": 2, "1g": 1 } as const;

/**
 * The shadow described: a number of leaves, ranges of pages, or undefined when no shadow matches the VMID. Without any
 * option it is valid but empty. Throws an InputError that says what was expected.
 */
export function shadowOf({ shadowLeaves, shadow }: ShadowOptions): number | readonly TouchedPages[] | undefined {
  if (shadow !== undefined && shadowLeaves !== undefined)
    throw new InputError("--shadow and --shadow-leaves describe the same thing: expected one of them");
  if (shadow !== undefined) return shadow.split(",").map(range);
  if (shadowLeaves === undefined) return 0;
  if (shadowLeaves === "none") return undefined;
  const leaves = Number(shadowLeaves);
  if (!/^\d+$/.test(shadowLeaves) || !Number.isSafeInteger(leaves))
    throw new InputError(`--shadow-leaves: expected a number of leaves or none, found '${shadowLeaves}'`);
  return leaves;
}

/** "0x40000+512@2M": pages from a gfn, mapped by the guest hypervisor at a size (4K, 2M or 1G; 4K when not said). */
function range(text: string): TouchedPages {
  const match = /^\s*(0x[0-9a-f]+|\d+)\+(0x[0-9a-f]+|\d+)(?:@(4k|2m|1g))?\s*$/i.exec(text);
  if (!match) throw new InputError(`--shadow: expected GFN+PAGES or GFN+PAGES@4K|2M|1G, found '${text}'`);
  const [first, pages] = [Number(match[1]), Number(match[2])];
  if (!Number.isSafeInteger(first + pages) || pages === 0)
    throw new InputError(`--shadow: '${text}' is not a range of pages`);
  return { first, pages, level: LEVEL[(match[3]?.toLowerCase() ?? "4k") as keyof typeof LEVEL] };
}
