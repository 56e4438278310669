/**
 * Hardware management of the access flag and the dirty state (FEAT_HAFDBS; DDI 0487, D8.5): the walk of an access writes to the
 * leaf descriptor that it read, as an event of its own.
 */
import type { Instruction } from "../program.js";
import { byWalk, type Update, WRITE } from "../tlb/index.js";
import type { Run } from "./run.js";
import { raise, type State, VHU, VSPEC } from "./state.js";

/**
 * Places what the walk of an access writes: after the walk of time `walked`, with no other write of the descriptor between what
 * the walk read and this one. The access itself may come before it, and only a DSB of loads and stores waits for it. The dirty
 * state is for writes that are certain: branches and addresses before are decided, its own is `address`.
 */
export function placeUpdate(
  run: Run,
  s: State,
  at: Instruction,
  { cell, read, value, dirty }: Update,
  walked: number,
  address: number,
  then: (next: State) => boolean,
): boolean {
  const { world } = run;
  const { timeline, model, cache } = world;
  cache.constants.write(cell);
  const decided = dirty && model["dirty-decided"] ? Math.max(s[VSPEC]!, address) : 0;
  const pe = byWalk(run.index);
  const event = {
    at,
    kind: WRITE,
    pe,
    what: cell,
    value,
    after: Math.max(walked, decided),
    before: Number.POSITIVE_INFINITY,
  };
  return run.placeEvent(s, event, (next, time) => {
    // Own writes behind the base stand there for a try: they may yet come after this.
    const until = time > run.base && read <= run.base ? run.base : time - 1;
    if (model["update-atomic"] && timeline.lastWrite(cell, until) !== read) return false;
    raise(next, VHU, time);
    return then(next);
  });
}
