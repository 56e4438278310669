/** What a host did for a trace, where it was counted (capture --nested): sums of the columns of counts, by what they are of. */
import { TLBI_OPS } from "../arch/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import type { ColumnName } from "./columns.js";
import { COUNT_COLUMNS } from "./columns.js";
import { EXIT_NAMES, Kind, type Names } from "./event.js";
import { MarkReader } from "./marks.js";

/** Sums over events of one name: TLBIs of one way of calls, or exits. */
export interface HostRow {
  /** a phase, or a part of dom0's script */
  readonly phase: string;
  readonly kind: "tlbi" | "exit";
  /** the TLBI, or the exit: see EXITS */
  readonly name: string;
  /** the `site` of TLBIs */
  readonly caller: string;
  readonly count: number;
  /** of these, those that were counted: the others are not known */
  readonly counted: number;
  /** TLBIs that the host executed, by name; "other": what is neither of the three of a flush by IPA */
  readonly tlbi: Readonly<Record<string, number>>;
  /** instructions of the host's kernel */
  readonly instructions: number;
  /** those of the middle one */
  readonly median: number;
  /** entries of a guest */
  readonly entries: number;
  /** leaves of shadows that were mapped */
  readonly faults: number;
}

/** Columns that {@link HostSumming} reads. */
export const HOST_WORK_COLUMNS: readonly ColumnName[] = ["kind", "name", "site", ...COUNT_COLUMNS];

const TWO32 = 2 ** 32;
const at = (words: Uint32Array, i: number): number => words[2 * i]! + words[2 * i + 1]! * TWO32;
const SCRIPT = "script";

/** The sink. Traces without counts cost nothing but the marks. */
export class HostSumming implements TraceSink {
  private readonly marks = new MarkReader();
  private readonly phases = new Map<string, Group>();
  private readonly scripts = new Map<string, Group>();
  private names: Names | undefined;
  private script = 0;
  private found = false;

  events(b: EventBuffer, names: Names): void {
    this.names = names;
    this.marks.learn(names);
    for (let i = 0; i < b.length; i++) {
      const kind = b.kind[i]!;
      const code = b.code[i]!;
      if (kind === Kind.begin || kind === Kind.end) {
        this.marks.event(kind, code, i);
        if (this.marks.classes[code] === SCRIPT) this.script = kind === Kind.begin ? code : 0;
      } else if (kind === Kind.tlbi || kind === Kind.exit) {
        this.add(this.phases, this.marks.phase, b, i);
        if (this.script !== 0) this.add(this.scripts, this.script, b, i);
      }
    }
  }

  private add(groups: Map<string, Group>, mark: number, b: EventBuffer, i: number): void {
    const [kind, code, site] = [b.kind[i]!, b.code[i]!, b.site[i]!];
    const key = `${mark} ${kind} ${code} ${site}`;
    let group = groups.get(key);
    if (!group) {
      group = new Group(mark, kind, code, site);
      groups.set(key, group);
    }
    group.count++;
    if (!b.counted) return;
    const instructions = at(b.hostInstructions, i);
    if (instructions === 0) return;
    this.found = true;
    group.instructions.push(instructions);
    group.ranges += at(b.hostRipas2, i);
    group.singles += at(b.hostIpas2, i);
    group.all += at(b.hostVmalle1, i);
    group.others += at(b.hostOtherTlbi, i);
    group.entries += at(b.hostEntries, i);
    group.faults += at(b.hostFaults, i);
  }

  /** By phase, the most instructions first in each; none where nothing was counted. */
  rows(): HostRow[] {
    return this.rowsOf(this.phases);
  }

  /** The same by the marked parts of dom0's script. */
  scriptRows(): HostRow[] {
    return this.rowsOf(this.scripts);
  }

  private rowsOf(groups: ReadonlyMap<string, Group>): HostRow[] {
    if (!this.found) return [];
    const order = [...new Set([...groups.values()].map(({ mark }) => mark))];
    return [...groups.values()]
      .map((group) => ({ mark: group.mark, row: group.row(this.marks.what(group.mark), this.names!) }))
      .sort((a, b) => order.indexOf(a.mark) - order.indexOf(b.mark) || b.row.instructions - a.row.instructions)
      .map(({ row }) => row);
  }
}

class Group {
  count = 0;
  ranges = 0;
  singles = 0;
  all = 0;
  others = 0;
  entries = 0;
  faults = 0;
  readonly instructions: number[] = [];

  constructor(
    readonly mark: number,
    private readonly kind: number,
    private readonly code: number,
    private readonly site: number,
  ) {}

  row(phase: string, names: Names): HostRow {
    const sorted = [...this.instructions].sort((a, b) => a - b);
    const tlbi = { RIPAS2E1IS: this.ranges, IPAS2E1IS: this.singles, VMALLE1IS: this.all, other: this.others };
    return {
      phase,
      kind: this.kind === Kind.tlbi ? "tlbi" : "exit",
      name: this.kind === Kind.tlbi ? TLBI_OPS[this.code]!.name : EXIT_NAMES[this.code]!,
      caller: names.list[this.site] ?? "",
      count: this.count,
      counted: sorted.length,
      tlbi: Object.fromEntries(Object.entries(tlbi).filter(([, n]) => n > 0)),
      instructions: sorted.reduce((sum, n) => sum + n, 0),
      median: sorted[Math.floor(sorted.length / 2)] ?? 0,
      entries: this.entries,
      faults: this.faults,
    };
  }
}
