/**
 * What each TLBI of Xen's made the host do, joined with the trace: the plugin has a window for each TLBI, from it to the
 * instruction behind it, in the order in which they were executed; so has the trace, with phase and way of calls.
 */
import * as v from "valibot";
import { TLBI_OPS } from "../arch/index.js";
import { type EventBuffer, Kind, MarkReader, type Names, type TraceSink } from "../trace/index.js";
import { type Count, countOf, parseLine } from "./probe.js";

/** One window of the plugin's. */
interface Window extends Count {
  readonly op: number;
  readonly operand: bigint;
  /** instructions of the host's kernel before it */
  readonly at: number;
}

/** Sums over TLBIs of one kind, in one phase, of one way of calls. */
export interface CostRow {
  readonly phase: string;
  readonly op: string;
  readonly caller: string;
  readonly count: number;
  /** of these, with a window: the others are not known */
  readonly counted: number;
  readonly tlbi: Readonly<Record<string, number>>;
  readonly instructions: number;
  /** of the middle one */
  readonly median: number;
}

/** All that the host did from one mark of dom0's script to the next. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly tlbi: Readonly<Record<string, number>>;
  readonly instructions: number;
  readonly exits: number;
  readonly faults: number;
  /** of the TLBIs in it: what is left is between them, round trips and faults */
  readonly inHandlers: number;
}

const windowSchema = v.looseObject({ tlbi: v.string(), operand: v.string(), at: v.number() });
const phaseSchema = v.looseObject({ phase: v.number() });
const BY_WORD = new Map(TLBI_OPS.map((op, i) => [op.word, i]));

/** The plugin's lines: windows, and what was summed up to each mark. */
export class HostCounts {
  readonly windows: Window[] = [];
  private readonly marks: { readonly mark: number; readonly count: Count; readonly windows: number }[] = [];

  constructor(lines: readonly string[]) {
    for (const text of lines) {
      const line = parseLine(text);
      const phase = v.safeParse(phaseSchema, line);
      if (phase.success)
        this.marks.push({ mark: phase.output.phase, count: countOf(line), windows: this.windows.length });
      const window = v.safeParse(windowSchema, line);
      if (!window.success) continue;
      const { tlbi, operand, at } = window.output;
      const op = BY_WORD.get(Number.parseInt(tlbi, 16)) ?? -1;
      this.windows.push({ ...countOf(line), op, operand: BigInt(`0x${operand}`), at });
    }
  }

  /** From each mark to the next. */
  spans(): Span[] {
    return this.marks.slice(1).map(({ mark, count, windows }, i) => {
      const before = this.marks[i]!;
      const inside = this.windows.slice(before.windows, windows);
      return {
        from: before.mark,
        to: mark,
        tlbi: minus(count.tlbi, before.count.tlbi),
        instructions: count.instructions - before.count.instructions,
        exits: count.exits - before.count.exits,
        faults: count.faults - before.count.faults,
        inHandlers: inside.reduce((sum, { instructions }) => sum + instructions, 0),
      };
    });
  }
}

function minus(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const rows = Object.entries(a).map(([name, n]) => [name, n - (b[name] ?? 0)] as const);
  return Object.fromEntries(rows.filter(([, n]) => n !== 0));
}

/** The sink that joins a trace, from its begin on, with the windows. */
export class Costs implements TraceSink {
  private readonly marks = new MarkReader();
  private readonly groups = new Map<
    string,
    { phase: number; op: number; site: number; windows: Window[]; count: number }
  >();
  private names: Names | undefined;
  private next = 0;

  constructor(private readonly counts: HostCounts) {}

  events(b: EventBuffer, names: Names): void {
    this.names = names;
    this.marks.learn(names);
    for (let i = 0; i < b.length; i++) {
      const kind = b.kind[i]!;
      const code = b.code[i]!;
      if (kind === Kind.tlbi) this.tlbi(code, b.site[i]!, operandOf(b, i));
      else this.marks.event(kind, code, i);
    }
  }

  private tlbi(op: number, site: number, operand: bigint): void {
    const { phase } = this.marks;
    const key = `${phase} ${op} ${site}`;
    let group = this.groups.get(key);
    if (!group) {
      group = { phase, op, site, windows: [], count: 0 };
      this.groups.set(key, group);
    }
    group.count++;
    const window = this.counts.windows[this.next];
    // A TLBI before Xen's MMU is on has no window, for it runs at another address.
    if (window?.op !== op || (TLBI_OPS[op]!.operand !== "none" && window.operand !== operand)) return;
    this.next++;
    group.windows.push(window);
  }

  /** TLBIs that have no window, of all that there are. */
  get unjoined(): number {
    return this.counts.windows.length - this.next;
  }

  /** The most expensive first. */
  rows(): CostRow[] {
    const rows = [...this.groups.values()].map(({ phase, op, site, windows, count }) => {
      const sorted = windows.map(({ instructions }) => instructions).sort((a, b) => a - b);
      return {
        phase: this.marks.what(phase),
        op: TLBI_OPS[op]!.name,
        caller: this.names?.list[site] ?? "",
        count,
        counted: windows.length,
        tlbi: sumOf(windows),
        instructions: sorted.reduce((sum, n) => sum + n, 0),
        median: sorted[Math.floor(sorted.length / 2)] ?? 0,
      };
    });
    return rows.sort((a, b) => b.instructions - a.instructions);
  }
}

function sumOf(windows: readonly Window[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { tlbi } of windows) for (const [name, n] of Object.entries(tlbi)) sum[name] = (sum[name] ?? 0) + n;
  return sum;
}

const operandOf = (b: EventBuffer, i: number): bigint => (BigInt(b.to[2 * i + 1]!) << 32n) | BigInt(b.to[2 * i]!);
