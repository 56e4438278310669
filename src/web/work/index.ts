/** What can be asked of a worker, by name. */
import decideLitmus from "../../jobs/litmus-worker.js";
import { made, reportOf } from "./made.js";
import { comparePolicies, policyFacts, prove, story } from "./policies.js";
import { meaning } from "./words.js";

export const WORKS = {
  policyFacts,
  prove,
  story,
  comparePolicies,
  meaning,
  made,
  proofReport: reportOf,
  litmus: decideLitmus,
};
export type Works = typeof WORKS;
