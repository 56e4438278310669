/**
 * What a test of this project says about its own verdict: `verdict` is that of a CPU with no optional feature and without
 * the erratum, `verdict-ets2`, `verdict-nTLBPA` and `verdict-repeat-tlbi` those of a CPU with that one property besides, where they
 * differ. `why` says in words what makes it so.
 */
import * as v from "valibot";
import type { Cpu } from "../cpu.js";

const verdict = v.optional(v.picklist(["allowed", "forbidden"]));

/** The keys as they stand at the top of a file. */
export const verdictKeys = {
  why: v.optional(v.string()),
  verdict,
  "verdict-ets2": verdict,
  "verdict-nTLBPA": verdict,
  "verdict-repeat-tlbi": verdict,
};

const KEYS = { ets2: "verdict-ets2", nTlbpa: "verdict-nTLBPA", repeatTlbi: "verdict-repeat-tlbi" } as const;

/** Which key speaks of which property of a CPU. */
type Keys = {
  readonly [key in (typeof KEYS)[keyof typeof KEYS] | "verdict"]?: "allowed" | "forbidden" | undefined;
};

/** The verdict that a file gives for a CPU; undefined where it gives none, or two. */
export function verdictFor(file: Keys, cpu: Cpu): "allowed" | "forbidden" | undefined {
  const differing = (["ets2", "nTlbpa", "repeatTlbi"] as const).flatMap((property) =>
    cpu[property] ? (file[KEYS[property]] ?? []) : [],
  );
  const [first = file.verdict] = differing;
  return differing.every((one) => one === first) ? first : undefined;
}
