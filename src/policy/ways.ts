/** A CPU of which nobody knows all: what code does on it hangs on what it has. */
import type { CpuProfile, Feature } from "../arch/index.js";
import type { Policy } from "./policy.js";
import type { Sequence } from "./program.js";

/** The features that a policy asks for, in conditions, in what it requires and where an operand has a level hint. */
function askedBy(policy: Policy): ReadonlySet<Feature> {
  const asked = new Set<Feature>(policy.requires);
  const visit = (program: Sequence): void => {
    for (const s of program) {
      if (s.kind === "tlbi" && s.ttl) asked.add("FEAT_TTL");
      if (s.kind === "if") {
        if (s.condition.test === "feature") asked.add(s.condition.feature);
        visit(s.otherwise);
      }
      if (s.kind === "if" || s.kind === "for" || s.kind === "with-owner") visit(s.body);
    }
  };
  for (const program of Object.values(policy.code)) visit(program);
  return asked;
}

/** Unknown features of a CPU that a policy asks for: neither way is the worse, as the code is another. */
export const openOn = (policy: Policy, cpu: CpuProfile): Feature[] =>
  [...askedBy(policy)].filter((feature) => cpu.unknown.has(feature)).sort();

/**
 * The CPU each way that matters to a policy: with and without every unknown feature that it asks for. Other unknown features it
 * is taken not to have: a feature only takes freedom away.
 */
export const waysOf = (policy: Policy, cpu: CpuProfile): CpuProfile[] =>
  openOn(policy, cpu).reduce<CpuProfile[]>(
    (ways, feature) =>
      ways.flatMap((way) => {
        const unknown = new Set([...way.unknown].filter((other) => other !== feature));
        return [
          { ...way, unknown },
          { ...way, unknown, features: new Set([...way.features, feature]) },
        ];
      }),
    [cpu],
  );
