/** A simulation that nobody priced, as a table of one row. */
import { type Table, tableOf } from "./table.js";

interface Simulated {
  readonly trace: string;
  readonly scenario: string;
  readonly policy: string;
  readonly cpu: string;
  readonly events: number;
}

/** What was simulated, and where its trace is. */
export const simulationTable = (simulated: Simulated): Table =>
  tableOf<Simulated>(
    [
      { head: "trace", kind: "words", of: (row) => row.trace },
      { head: "scenario", kind: "words", of: (row) => row.scenario },
      { head: "policy", kind: "words", of: (row) => row.policy },
      { head: "CPU", kind: "words", of: (row) => row.cpu },
      { head: "events", kind: "count", of: (row) => row.events },
    ],
    [simulated],
  );
