/**
 * The marks of a trace, read in one place: what a mark's name says, and which phase an event is in.
 *
 * Phases are the machine's, whichever pCPU marks them. An end closes the innermost open mark of its name, wherever that
 * was begun; what was begun within it stays open until its own end. An event is in the phase that was begun last of those
 * that are open: after `begin a; begin b; end a` that is b. An end without a begin is refused; a begin without an end is
 * not, for a record may stop anywhere.
 */
import { EventError } from "./buffer.js";
import { Kind, MARKS, type MarkClass, type Names } from "./event.js";

/** The name under which events outside any phase are summed up; no phase may have it. */
export const OUTSIDE = "other";
/** The name under which the whole of a trace stands beside its phases; no phase may have it. */
export const TOTAL = "total";

/** Most phases by name, and most phases that are open at once: who sums up by phase keeps counts of each. */
const MAX_PHASES = 1024;

/** The name of a mark: "class:what". */
export const markName = (of: MarkClass, what: string): string => `${of}:${what}`;

/** The class and the rest of a mark's name; undefined for any other name. */
export function parseMark(name: string): { readonly of: MarkClass; readonly what: string } | undefined {
  const colon = name.indexOf(":");
  const of = name.slice(0, Math.max(colon, 0));
  return Object.hasOwn(MARKS, of) ? { of: of as MarkClass, what: name.slice(colon + 1) } : undefined;
}

/** Follows the marks of a trace. Its methods throw an EventError for a mark that cannot be. */
export class MarkReader {
  /** by id of a name: the class of the mark; undefined for what is no mark */
  readonly classes: (MarkClass | undefined)[] = [];
  /** id of the mark of the phase in force; 0 outside any */
  phase = 0;
  private readonly whats: string[] = [];
  /** by id: marks begun and not ended */
  private readonly open = new Uint32Array(0x1_0000);
  /** the phases among them, in the order in which they began */
  private readonly phases: number[] = [];
  private readonly seen = new Set<number>();

  /** To be called with the names of each block before its events. */
  learn(names: Names): void {
    for (let id = this.classes.length; id < names.list.length; id++) {
      const mark = parseMark(names.list[id]!);
      this.classes.push(mark?.of);
      this.whats.push(mark?.what ?? "");
    }
  }

  /** What stands after the colon of a mark's name; of id 0, which no mark has, {@link OUTSIDE}. */
  what(mark: number): string {
    return mark === 0 ? OUTSIDE : this.whats[mark]!;
  }

  /** Event `i` of a block, if it is a mark. True when it is a phase's: {@link phase} may have changed. */
  event(kind: number, mark: number, i: number): boolean {
    if (kind === Kind.begin) return this.begin(mark, i);
    return kind === Kind.end && this.end(mark, i);
  }

  private begin(mark: number, i: number): boolean {
    this.open[mark]!++;
    if (this.classes[mark] !== "phase") return false;
    this.check(mark, i);
    this.phases.push(mark);
    this.phase = mark;
    return true;
  }

  private check(mark: number, i: number): void {
    const what = this.whats[mark]!;
    if (what === OUTSIDE || what === TOTAL)
      throw new EventError(i, `a phase cannot be named '${what}', which stands for ${RESERVED[what]}`);
    if (this.seen.size === MAX_PHASES && !this.seen.has(mark))
      throw new EventError(i, `more than ${MAX_PHASES} different phases in one trace`);
    if (this.phases.length === MAX_PHASES)
      throw new EventError(i, `more than ${MAX_PHASES} phases begun and not ended`);
    this.seen.add(mark);
  }

  private end(mark: number, i: number): boolean {
    if (this.open[mark] === 0)
      throw new EventError(i, `the end of '${this.classes[mark]}:${this.whats[mark]}', which was not begun`);
    this.open[mark]!--;
    if (this.classes[mark] !== "phase") return false;
    this.phases.splice(this.phases.lastIndexOf(mark), 1);
    this.phase = this.phases.at(-1) ?? 0;
    return true;
  }
}

const RESERVED = {
  [OUTSIDE]: "what is outside any phase",
  [TOTAL]: "the whole trace",
} as const;

/**
 * The value of a name that a trace gave; undefined where there is none. Names such as "constructor" are in every object
 * of JavaScript's: a plain look-up would find them.
 */
export const named = <T>(of: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  of !== undefined && Object.hasOwn(of, name) ? of[name] : undefined;
