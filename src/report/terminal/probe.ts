/** What `shootdown probe` prints, and `shootdown diff` of two probes. */
import { ELEMENTARY, type Elementary, type ProbeResult, STATES } from "../../stack/index.js";
import { count } from "../format.js";
import { type ProbeChange, probeChangeTable, probeTable } from "../probe-view.js";
import { right, wordTable } from "../table.js";
import { tableText, wrapped } from "./text.js";

const machineWords = ({ kernel, qemu, cpu, paBits, pageSize, hostPages, erratum }: ProbeResult): string =>
  `Linux ${kernel} as the host, on QEMU ${qemu}: CPU ${cpu}, ${paBits} bits of PA, ${pageSize} pages, ${hostPages} host pages, ${erratum ? "with" : "without"} the repeat-TLBI erratum`;

export function probeText(probe: ProbeResult, width: number): string {
  const { cells, elementary, unknown, host } = probe;
  const states = STATES.filter(({ name }) => cells.some(({ state }) => state === name));
  const steps = wordTable(
    ["beside TLBIs", right("instructions"), right("exits")],
    Object.entries(elementary).map(([name, { instructions, exits }]) => [
      ELEMENTARY[name as Elementary],
      count(instructions),
      count(exits),
    ]),
  );
  const differing = cells.filter(({ differences }) => differences.length > 0).length;
  const verdict =
    differing === 0
      ? `Host ${host} predicts the TLBIs and leaves of every cell, and its instructions within 15 %.`
      : `Host ${host} predicts ${differing} of ${cells.length} cells differently.`;
  return [
    wrapped(`${machineWords(probe)}. Counts, not times: an emulator has no TLBI latency.`, width),
    tableText(probeTable(probe), width),
    tableText(
      wordTable(
        ["state", "is"],
        states.map(({ name, title }) => [name, title]),
      ),
      width,
    ),
    tableText(steps, width),
    wrapped(verdict, width),
    ...unknown.map((sentence) => wrapped(`Unknown: ${sentence}.`, width)),
  ].join("\n");
}

export function probeChangesText(
  before: ProbeResult,
  after: ProbeResult,
  changes: readonly ProbeChange[],
  width: number,
): string {
  const head = [`before: ${machineWords(before)}`, `after: ${machineWords(after)}`].map((line) => wrapped(line, width));
  const body = changes.length > 0 ? tableText(probeChangeTable(changes), width) : "No count differs.\n";
  return [head.join(""), body].join("\n");
}
