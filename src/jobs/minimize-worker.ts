/** Looks at the code of one occasion of a policy in a worker thread. */
import type { Occasion, Policy } from "../policy/index.js";
import { type Minimal, type Minimized, minimizeOccasion } from "../synth/index.js";
import { type Bounds, decided } from "./verdicts.js";

/** What a worker looks at. */
export interface MinimizeJob {
  readonly policy: Policy;
  readonly occasion: Occasion;
  readonly asked: Minimized;
  readonly limits: Bounds;
}

/** Takes its instructions out, one after the other. */
export default function work({ policy, occasion, asked, limits }: MinimizeJob): Minimal {
  return minimizeOccasion(policy, occasion, asked, (task) => decided(task, limits));
}
