/** Hypercalls of a trace, counted by their begin marks. */
import { type Names, parseMark } from "../trace/index.js";

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
    const counts: [string, number][] = [];
    this.names?.list.forEach((name, id) => {
      const mark = this.begins[id]! > 0 ? parseMark(name) : undefined;
      if (mark?.of === "hypercall") counts.push([mark.what, this.begins[id]!]);
    });
    return Object.fromEntries(counts);
  }
}
