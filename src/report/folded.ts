/** A trace's TLBIs as folded stacks, for flame-graph tools: the phase, the call path from the outermost, the TLBI; and a weight. */
import type { Summary } from "../trace/index.js";

/** What separates frames, and a stack from its weight: not in a frame. */
const frame = (text: string): string => text.replace(/[;\s]+/g, "_");

/** One line a stack. `weigh` gives the weight of one TLBI by name; 1 where it is absent. */
export function foldedText({ phases }: Summary, weigh: (op: string) => number = () => 1): string {
  const stacks = new Map<string, number>();
  for (const [phase, { byCaller }] of Object.entries(phases))
    for (const { op, caller, count } of byCaller) {
      const path = caller === "" ? ["unknown"] : caller.split(" < ").reverse();
      const stack = [phase, ...path, op].map(frame).join(";");
      stacks.set(stack, (stacks.get(stack) ?? 0) + count * weigh(op));
    }
  return [...stacks].map(([stack, weight]) => `${stack} ${Math.round(weight)}\n`).join("");
}
