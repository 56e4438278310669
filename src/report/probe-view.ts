/** Probes as tables: a row for each TLBI in each state, what was counted beside what was predicted; and two probes side by side. */
import type { Count, ProbeCell, ProbeResult } from "../stack/index.js";
import { signed } from "./format.js";
import { type ColumnOf, type Table, tableOf } from "./table.js";

const operation = ({ op, operand }: ProbeCell): string => (operand === "" ? op : `${op}, ${operand}`);

const CELLS: readonly ColumnOf<ProbeCell>[] = [
  { head: "state", kind: "words", once: true, of: (cell) => cell.state },
  { head: "instruction", kind: "words", of: operation },
  { head: "host TLBIs", kind: "tally", of: ({ counted }) => counted?.tlbi ?? null },
  { head: "instructions", kind: "count", of: ({ counted }) => counted?.instructions ?? null },
  { head: "predicted", kind: "count", of: (cell) => cell.predicted.instructions },
  { head: "leaves", kind: "count", of: ({ counted }) => counted?.leavesDropped ?? null },
  { head: "exits", kind: "count", of: ({ counted }) => counted?.exits ?? null },
  {
    ...{ head: "differs", kind: "names" },
    of: ({ differences }) => (differences.length > 0 ? differences : null),
    text: ({ counted, differences }) => (counted ? differences.join("; ") : "undefined on this CPU"),
  },
];

/** All cells of a probe, state by state. */
export const probeTable = (probe: ProbeResult): Table => tableOf(CELLS, probe.cells);

/** One count that two probes have; null where one has it not. */
export interface ProbeChange {
  readonly state: string;
  readonly op: string;
  readonly operand: string;
  readonly what: string;
  readonly before: number | null;
  readonly after: number | null;
}

const changed = ({ before, after }: ProbeChange): boolean => before !== after;

/** Every count of two probes that is in one of them; `all`: also what is equal. */
export function probeChanges(before: ProbeResult, after: ProbeResult, all: boolean): ProbeChange[] {
  const key = (cell: ProbeCell): string => `${cell.state} ${cell.op} ${cell.xt}`;
  const [a, b] = [before, after].map(({ cells }) => new Map(cells.map((cell) => [key(cell), cell])));
  const changes = [...new Set([...a!.keys(), ...b!.keys()])].flatMap((name) => {
    const [one, other] = [a!.get(name), b!.get(name)];
    const { state, op, operand } = (one ?? other)!;
    return countsOfBoth(one?.counted ?? undefined, other?.counted ?? undefined).map((row) => ({
      state,
      op,
      operand,
      ...row,
    }));
  });
  const steps = Object.keys(before.elementary) as (keyof ProbeResult["elementary"])[];
  const elementary = steps.flatMap((name) =>
    countsOfBoth(before.elementary[name], after.elementary[name]).map((row) => ({
      state: "",
      op: name,
      operand: "",
      ...row,
    })),
  );
  return [...changes, ...elementary].filter((row) => all || changed(row));
}

type Counted = Count & { readonly leavesDropped?: number | null };

function countsOfBoth(a: Counted | undefined, b: Counted | undefined) {
  const kinds = [...new Set([a, b].flatMap((one) => Object.keys(one?.tlbi ?? {})))].sort();
  const row = (what: string, of: (count: Counted) => number | null | undefined) => ({
    what,
    before: (a && of(a)) ?? null,
    after: (b && of(b)) ?? null,
  });
  return [
    ...kinds.map((kind) => row(kind, ({ tlbi }) => tlbi[kind] ?? 0)),
    row("instructions", ({ instructions }) => instructions),
    row("leaves", ({ leavesDropped }) => leavesDropped),
    row("exits", ({ exits }) => exits),
  ];
}

export const probeChangeTable = (changes: readonly ProbeChange[]): Table =>
  tableOf<ProbeChange>(
    [
      { head: "state", kind: "words", once: true, of: (row) => row.state },
      { head: "instruction", kind: "words", of: ({ op, operand }) => (operand === "" ? op : `${op}, ${operand}`) },
      { head: "what", kind: "words", of: (row) => row.what },
      { head: "before", kind: "count", of: (row) => row.before },
      { head: "after", kind: "count", of: (row) => row.after },
      {
        ...{ head: "difference", kind: "count" },
        of: ({ before, after }) => (before === null || after === null ? null : after - before),
        text: ({ before, after }) => (before === null || after === null ? "-" : signed(after - before)),
      },
    ],
    changes,
  );
