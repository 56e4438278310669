/** Work of some milliseconds each, one after the other with turns of the event loop between, so that keys are heard. */
import type { Later } from "../../report/page.js";

const waiting: (() => void)[] = [];

function turn(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setTimeout(turn);
}

export const later: Later = (work) => {
  if (waiting.push(work) === 1) setTimeout(turn);
  return () => {
    const at = waiting.indexOf(work);
    if (at >= 0) waiting.splice(at, 1);
  };
};
