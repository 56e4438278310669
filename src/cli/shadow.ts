/** How a user describes the shadow stage-2 that a TLBI finds: `--shadow-leaves` or `--shadow`. */

import { levelShift, PAGE_SHIFT } from "../arch/index.js";
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
  if (shadow !== undefined) return apart(shadow.split(",").map(range));
  if (shadowLeaves === undefined) return 0;
  if (shadowLeaves === "none") return undefined;
  const leaves = Number(shadowLeaves);
  if (!/^\d+$/.test(shadowLeaves) || !Number.isSafeInteger(leaves))
    throw new InputError(`--shadow-leaves: expected a number of leaves or none, found '${shadowLeaves}'`);
  return leaves;
}

/** The ranges, none of which may touch a page twice, nor a page within a larger leaf of another one. */
function apart(ranges: readonly TouchedPages[]): readonly TouchedPages[] {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  sorted.forEach((range, i) => {
    // What ends last begins somewhere before: all those between would have been refused.
    const before = sorted[i - 1];
    if (before === undefined) return;
    const pages = 2 ** (levelShift(Math.min(before.level, range.level)) - PAGE_SHIFT);
    const unit = before.level === range.level ? 1 : pages;
    const end = Math.ceil((before.first + before.pages) / unit);
    if (end > Math.floor(range.first / unit))
      throw new InputError(
        `--shadow: the ranges at 0x${before.first.toString(16)} and 0x${range.first.toString(16)} overlap, expected ${unit === 1 ? "pages" : "leaves"} of their own`,
      );
  });
  return ranges;
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
