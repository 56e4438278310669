/** How much a policy's code can tell apart, and so must be asked about. */
import type { GranuleBits } from "../../arch/index.js";
import { type Occasion, type Policy, type Sequence, withoutCode } from "../../policy/index.js";
import { type Extent, extent } from "./removal.js";

/** Page counts above which the policy's code does something else. */
function thresholds(program: Sequence): number[] {
  return program.flatMap((s) => {
    if (s.kind === "if")
      return [
        ...(s.condition.test === "pages" ? [s.condition.above] : []),
        ...thresholds(s.body),
        ...thresholds(s.otherwise),
      ];
    return s.kind === "for" || s.kind === "with-owner" || s.kind === "on" ? thresholds(s.body) : [];
  });
}

/** True when the code asks whether the hypervisor knows the guest's VA. */
export const asksForVa = (program: Sequence): boolean =>
  program.some((s) => {
    if (s.kind === "if") return s.condition.test === "va-known" || asksForVa(s.body) || asksForVa(s.otherwise);
    return (s.kind === "for" || s.kind === "with-owner" || s.kind === "on") && asksForVa(s.body);
  });

/** Code as it runs where the hypervisor does not know the guest's VA. */
export const withoutVa = (program: Sequence): Sequence =>
  program.flatMap((s): Sequence => {
    if (s.kind === "for" || s.kind === "with-owner" || s.kind === "on") return [{ ...s, body: withoutVa(s.body) }];
    if (s.kind !== "if") return [s];
    const [body, otherwise] = [withoutVa(s.body), withoutVa(s.otherwise)];
    if (s.condition.test === "va-known") return s.condition.not ? body : otherwise;
    return [{ ...s, body, otherwise }];
  });

/** Extents of single pages above each page count that the code of these occasions tells apart. */
export function longExtents(policy: Policy, occasions: readonly Occasion[], granule: GranuleBits = 12): Extent[] {
  /** the code counts pages of its own granule, the extents are of the tables' */
  const each = 2 ** (granule - (policy.granule ?? granule));
  const all = occasions.flatMap((occasion) => thresholds(policy.code[occasion]));
  return [...new Set(all.map((n) => Math.floor(n / each)))]
    .filter((n) => n > 2)
    .map((n) => extent(`above-${n}`, `${(n + 1).toLocaleString("en")} pages`, n + 1, 1));
}

/** The occasions whose code a policy executes on an occasion like a removal: its own, or that of a removal. */
export const codeOf = (policy: Policy, occasion: Occasion): readonly Occasion[] =>
  policy.own.includes(occasion) || withoutCode(occasion) !== "other code" ? [occasion] : ["revoke", "batch-end"];
