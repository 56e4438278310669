/** All final states of litmus tests, as herd prints them: other people's scripts read that. */
import type { LitmusResult } from "../../jobs/index.js";
import type { FinalStates } from "../../prove/index.js";

/** What herd calls a test with this quantifier. */
const KINDS = { exists: "Allowed", "~exists": "Forbidden", forall: "Required" } as const;

/**
 * A block for each test whose final states are there. Counts are of final states, where herd's are of executions: whether there
 * are none, some, or nothing but such is the same.
 */
export const finalStatesText = (results: readonly LitmusResult[]): string =>
  results.flatMap(({ name, finals }) => (finals ? [blockOf(name, finals)] : [])).join("\n");

function blockOf(name: string, finals: FinalStates): string {
  const { states, positive, negative, observation, holds, quantifier, condition } = finals;
  // Under "~exists" the witnesses are those without it.
  const [witnesses, others] = quantifier === "~exists" ? [negative, positive] : [positive, negative];
  return [
    `Test ${name} ${KINDS[quantifier]}`,
    `States ${states.length}`,
    ...states.map(({ places }) => Object.entries(places).map(placeText).join(" ")),
    holds ? "Ok" : "No",
    "Witnesses",
    `Positive: ${witnesses} Negative: ${others}`,
    `Condition ${condition}`,
    `Observation ${name} ${observation} ${positive} ${negative}`,
    "",
  ].join("\n");
}

const placeText = ([name, text]: [string, string]): string =>
  name.startsWith("fault(") ? `${text === "taken" ? "F" : "~F"}${name.slice(1)};` : `${name}=${text};`;
