/** The numbers of a policy: from how many pages on its code does something else. */
import { OCCASIONS, type Occasion, type Policy } from "./policy.js";
import type { Sequence } from "./program.js";

/** The thresholds of a program in the order of its code, each once. */
function thresholdsIn(program: Sequence): number[] {
  const all = program.flatMap((s): number[] => {
    if (s.kind === "if")
      return [
        ...(s.condition.test === "pages" ? [s.condition.above] : []),
        ...thresholdsIn(s.body),
        ...thresholdsIn(s.otherwise),
      ];
    return s.kind === "for" || s.kind === "with-owner" || s.kind === "on" ? thresholdsIn(s.body) : [];
  });
  return [...new Set(all)];
}

/**
 * The pages of "if pages > N" and "if pages <= N", by occasion: "revoke.pages"; where the code has several N, "revoke.pages.1" is
 * the first of them.
 */
export function thresholdsOf({
  code,
}: Policy): ReadonlyMap<string, { readonly occasion: Occasion; readonly pages: number }> {
  const found = new Map<string, { occasion: Occasion; pages: number }>();
  for (const occasion of Object.keys(OCCASIONS) as Occasion[]) {
    const all = thresholdsIn(code[occasion]);
    all.forEach((pages, i) => {
      found.set(all.length === 1 ? `${occasion}.pages` : `${occasion}.pages.${i + 1}`, { occasion, pages });
    });
  }
  return found;
}

/** The policy with other thresholds under keys of {@link thresholdsOf}; whole numbers from 0 on. */
export function withThresholds(policy: Policy, numbers: Readonly<Record<string, number>>): Policy {
  const known = thresholdsOf(policy);
  const code = { ...policy.code };
  for (const occasion of Object.keys(OCCASIONS) as Occasion[]) {
    const changed = new Map<number, number>();
    for (const [key, to] of Object.entries(numbers)) {
      const one = known.get(key);
      if (one?.occasion === occasion) changed.set(one.pages, to);
    }
    if (changed.size > 0) code[occasion] = withPages(code[occasion], changed);
  }
  return { ...policy, code };
}

function withPages(program: Sequence, changed: ReadonlyMap<number, number>): Sequence {
  return program.map((s) => {
    if (s.kind === "if") {
      const { condition: c } = s;
      const condition = c.test === "pages" ? { ...c, above: changed.get(c.above) ?? c.above } : c;
      return { ...s, condition, body: withPages(s.body, changed), otherwise: withPages(s.otherwise, changed) };
    }
    return s.kind === "for" || s.kind === "with-owner" || s.kind === "on"
      ? { ...s, body: withPages(s.body, changed) }
      : s;
  });
}
