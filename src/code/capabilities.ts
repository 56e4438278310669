/**
 * What the capabilities of a build (asm/cpucaps.h of Linux, asm/cpufeature.h of Xen: numbers that each build gives anew) mean to
 * a CPU profile, by the titles that the build's own tables have.
 */

import { isFeature, isWorkaround, WORKAROUND_WORDS } from "../arch/index.js";
import type { Alternative } from "../binary/index.js";
import { InputError } from "../input/index.js";

/** A capability: asked of the CPU profile, the same on every CPU, or not known. */
export type Capability =
  | { readonly kind: "cpu"; readonly word: string }
  | { readonly kind: "fixed"; readonly has: boolean; readonly why: string }
  | { readonly kind: "unknown" };

const CPU: readonly (readonly [RegExp, string])[] = [
  // Linux: ARM64_WORKAROUND_REPEAT_TLBI; Xen has each erratum's own title.
  [/Broken broadcast TLBI|\b1286807\b|\b2441009\b|repeat.tlbi|CVE-2025-10263/i, "repeat-tlbi"],
  [/Translation Table Level/i, "FEAT_TTL"],
  [/TLB range maintenance/i, "FEAT_TLBIRANGE"],
  [/Common not Private/i, "FEAT_TTCNP"],
  [/Stage-2 Force Write-Back/i, "FEAT_S2FWB"],
];

/** What the user says of capabilities: by number, a feature, an erratum, "yes" or "no". */
export type Said = ReadonlyMap<number, string>;

/** Reads `N=FEAT_X`, `N=repeat-tlbi`, `N=yes`, `N=no`. Throws an InputError. */
export function parseCapability(text: string): [number, string] {
  const match = /^(\d{1,5})=(\S+)$/.exec(text);
  const word = match?.[2] ?? "";
  if (!match || !(isFeature(word) || isWorkaround(word) || word === "yes" || word === "no"))
    throw new InputError(
      `--capability ${text}: expected NUMBER=FEAT_..., NUMBER=${WORKAROUND_WORDS[0]}, NUMBER=yes or NUMBER=no`,
    );
  return [Number(match[1]), word];
}

/** What a capability is, for a hypervisor with or without VHE. */
export function capabilityOf({ capability, title }: Alternative, said: Said, vhe: boolean): Capability {
  const word = said.get(capability);
  if (word === "yes" || word === "no") return { kind: "fixed", has: word === "yes", why: "as --capability says" };
  if (word !== undefined) return { kind: "cpu", word };
  if (title === undefined) return { kind: "unknown" };
  const known = CPU.find(([pattern]) => pattern.test(title));
  if (known) return { kind: "cpu", word: known[1] };
  if (/Virtualization Host Extensions/i.test(title))
    return { kind: "fixed", has: vhe, why: vhe ? "the function is VHE's" : "the function is not VHE's" };
  if (/errat/i.test(title)) return { kind: "fixed", has: false, why: "no CPU profile has it" };
  if (/LPA2/i.test(title)) return { kind: "fixed", has: false, why: "addresses have 48 bits here" };
  return { kind: "unknown" };
}
