/** What can be asked of a worker, by name. */
import litmus from "../../jobs/litmus-worker.js";
import { made, reportOf } from "./made.js";
import { comparePolicies, occasionPrices, policyFacts, prove, story } from "./policies.js";
import { compareTraces, openTrace, traceEvents } from "./traces.js";
import { meaning } from "./words.js";

export const WORKS = {
  ...{ policyFacts, prove, story, proofReport: reportOf, made },
  ...{ comparePolicies, occasionPrices, litmus, meaning },
  ...{ openTrace, traceEvents, compareTraces },
};
export type Works = typeof WORKS;
