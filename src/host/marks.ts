/** Hypercalls of a trace, counted by their begin marks. */
import type { Names } from "../trace/index.js";

const CLASS = "hypercall:";

export class HypercallMarks {
  /** names of the trace, to be set with every block */
  names: Names | undefined;
  private readonly begins = new Float64Array(0x1_0000);

  /** A begin mark of any class (an id of `names`). */
  begin(mark: number): void {
    this.begins[mark]!++;
  }

  /** How often each hypercall began, in the order in which their names came up. */
  byName(): Record<string, number> {
    const counts: Record<string, number> = {};
    this.names?.list.forEach((name, mark) => {
      if (this.begins[mark]! > 0 && name.startsWith(CLASS)) counts[name.slice(CLASS.length)] = this.begins[mark]!;
    });
    return counts;
  }
}
