/** A timeline and its executions, told in time: who walked, what was held, what was written, which TLBI reached whom. */
import type { AccessTrail, Trail, World } from "../thread/index.js";
import { Events } from "./events.js";
import { type Step, Steps } from "./step.js";
import { Records } from "./trails.js";
import { Translations } from "./translations.js";
import { Words } from "./words.js";

/** Tells what the threads did, `records`, in program order each, over the world's present timeline. */
export function tell(world: World, records: readonly (readonly Trail[])[]): Step[] {
  const words = new Words(world);
  const steps = new Steps(words);
  const translations = new Translations(world, words, steps);
  const events = new Events(world, words, steps, translations, records);
  const done = new Records(world, words, steps, translations, records);
  const writes = new Map<number, AccessTrail>();
  for (const list of records) for (const r of list) if (r.kind === "access" && !r.read) writes.set(r.time, r);
  for (let t = 1; t <= world.timeline.n; t++) events.tell(t, writes.get(t));
  records.forEach((list, pe) => {
    for (const record of list) done.tell(pe, record);
  });
  return steps.inTime();
}
