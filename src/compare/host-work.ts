/** What a host of the model does for a trace, in the terms in which a counted host's work stands in it. */
import { type Amounts, addAmounts, instructionsOf } from "../host/index.js";
import type { HostRow } from "../trace/index.js";
import type { PhasePrices } from "./phases.js";

/** Of a phase, or of a part of dom0's script, on a host at an IPA size. */
export interface ModelWork {
  readonly phase: string;
  readonly host: string;
  readonly ipaBits: number;
  readonly hardwareTlbi: Readonly<Record<string, number>>;
  /** leaves of shadows that are mapped */
  readonly faults: number;
  /** exits by KVM's function */
  readonly exits: Readonly<Record<string, number>>;
  /** host instructions for TLBIs, for shadow faults, and for everything else that the trace tells; and all of them */
  readonly instructions: {
    readonly tlbi: number;
    readonly faults: number;
    readonly rest: number;
    readonly all: number;
  };
}

/** A row for each phase of a sink, on each of its hosts. */
export const modelWork = (prices: PhasePrices): ModelWork[] =>
  prices.phases().map(({ phase, host, ipaBits, counts }) => {
    const { trap, walk, refault } = counts.parts;
    const { "shadow-fault": first = 0, ...rest } = (counts.rest ?? {}) as Amounts<string>;
    const of = (...amounts: Amounts[]): number => Math.round(instructionsOf(addAmounts(amounts), host));
    const [tlbi, faults] = [of(trap, walk), of(refault, { "shadow-fault": first })];
    const others = of(rest);
    return {
      phase,
      host: host.name,
      ipaBits,
      hardwareTlbi: counts.hardwareTlbi,
      faults: counts.refaults + counts.firstFaults,
      exits: counts.exitKinds,
      instructions: { tlbi, faults, rest: others, all: tlbi + faults + others },
    };
  });

/** What a host did in one trace and in another, of one thing. */
export interface HostChange {
  readonly phase: string;
  readonly kind: HostRow["kind"];
  readonly name: string;
  readonly caller: string;
  readonly count: { readonly before: number; readonly after: number };
  readonly instructions: { readonly before: number; readonly after: number; readonly difference: number };
}

/** Rows of both by phase, name and way of calls, the largest difference in instructions first. */
export function hostChanges(before: readonly HostRow[], after: readonly HostRow[]): HostChange[] {
  const key = ({ phase, kind, name, caller }: HostRow): string => [phase, kind, name, caller].join("\0");
  const later = new Map(after.map((row) => [key(row), row]));
  const known = new Set(before.map(key));
  const change = (row: HostRow, a: HostRow | undefined, b: HostRow | undefined): HostChange => {
    const [from, to] = [a?.instructions ?? 0, b?.instructions ?? 0];
    const { phase, kind, name, caller } = row;
    return {
      ...{ phase, kind, name, caller },
      count: { before: a?.count ?? 0, after: b?.count ?? 0 },
      instructions: { before: from, after: to, difference: to - from },
    };
  };
  return [
    ...before.map((row) => change(row, row, later.get(key(row)))),
    ...after.filter((row) => !known.has(key(row))).map((row) => change(row, undefined, row)),
  ].sort((a, b) => Math.abs(b.instructions.difference) - Math.abs(a.instructions.difference));
}

/** A figure that was counted, and what the model has; null: one of them has none. */
export interface BesideRow {
  readonly phase: string;
  readonly what: string;
  readonly counted: number | null;
  readonly model: number | null;
}

const INSTRUCTIONS = "instructions";

/** Counts of each phase or part of the script that both have, beside the model's. */
export function besideRows(rows: readonly HostRow[], models: readonly ModelWork[]): BesideRow[] {
  return models.flatMap((model) => {
    const of = rows.filter(({ phase }) => phase === model.phase);
    if (of.length === 0) return [];
    const sum = (wanted: readonly HostRow[], value: (row: HostRow) => number): number =>
      wanted.reduce((total, row) => total + value(row), 0);
    const tlbis = of.filter(({ kind }) => kind === "tlbi");
    const faults = of.filter(({ kind, name }) => kind === "exit" && name === "shadow-fault");
    const row = (what: string, counted: number, predicted: number): BesideRow => ({
      phase: model.phase,
      ...{ what, counted, model: predicted },
    });
    const { instructions } = model;
    const [inTlbis, inFaults, all] = [tlbis, faults, of].map((list) => sum(list, (one) => one.instructions));
    return [
      ...["RIPAS2E1IS", "IPAS2E1IS", "VMALLE1IS"].map((name) =>
        row(
          name,
          sum(of, ({ tlbi }) => tlbi[name] ?? 0),
          model.hardwareTlbi[name] ?? 0,
        ),
      ),
      row(
        "shadow faults",
        sum(of, (one) => one.faults),
        model.faults,
      ),
      row(`${INSTRUCTIONS} in TLBIs`, inTlbis!, instructions.tlbi),
      row(`${INSTRUCTIONS} in shadow faults`, inFaults!, instructions.faults),
      row(`${INSTRUCTIONS} in other exits`, all! - inTlbis! - inFaults!, instructions.rest),
      row(`all ${INSTRUCTIONS}`, all!, instructions.all),
    ];
  });
}
