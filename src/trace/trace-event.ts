/**
 * A trace in the Trace Event Format, for Perfetto's UI and Chrome's (chrome://tracing): each pCPU is a process, marks are nested
 * slices, TLBIs, faults and notes are instants with their arguments. Time is the trace's, else one microsecond an event.
 */
import { TLBI_OPS } from "../arch/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import { describeEvent } from "./describe.js";
import { Kind, type Names, NO_DOMAIN } from "./event.js";

/** Something to be shown at an event: a finding, say. */
export interface EventNote {
  readonly name: string;
  readonly args: Readonly<Record<string, string | number>>;
}

/** Phases are the machine's, not a pCPU's: a process of their own, first in the list. */
const MACHINE = 1000;
/** Text is handed on in pieces of about this many characters. */
const PIECE = 65_536;

/** Writes JSON to `out`, piece by piece; {@link TraceEvents.finish} at the end. */
export class TraceEvents implements TraceSink {
  private text = '{"displayTimeUnit":"ns","traceEvents":[';
  private first = true;
  private row = 0;
  private last = 0;
  private readonly seen = new Set<number>();
  /** by mark: where it was begun and not ended */
  private readonly open = new Map<number, number[]>();

  /** `notes` by event number. */
  constructor(
    private readonly out: (text: string) => void,
    private readonly notes: ReadonlyMap<number, readonly EventNote[]> = new Map(),
  ) {}

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++) this.event(b, i, names);
    this.row += b.length;
  }

  private event(b: EventBuffer, i: number, names: Names): void {
    const number = this.row + i;
    const time = (b.time[2 * i]! + b.time[2 * i + 1]! * 2 ** 32) / 1000;
    const ts = time === 0 ? number : time;
    this.last = Math.max(this.last, ts);
    const pid = b.pcpu[i]!;
    const kind = b.kind[i]!;
    if (kind === Kind.begin) this.begin(b, i, names, ts, pid);
    else if (kind === Kind.end) this.end(b.code[i]!, ts);
    else if (kind === Kind.tlbi || kind === Kind.fault) this.instant(b, i, names, number, ts, pid);
    for (const note of this.notes.get(number) ?? [])
      this.put({
        name: note.name,
        cat: "finding",
        ph: "i",
        s: "p",
        ts,
        pid: this.process(pid),
        tid: 0,
        args: note.args,
      });
  }

  private begin(b: EventBuffer, i: number, names: Names, ts: number, pcpu: number): void {
    const name = names.list[b.code[i]!]!;
    const pid = this.process(name.startsWith("phase:") ? MACHINE : pcpu);
    const list = this.open.get(b.code[i]!);
    if (list === undefined) this.open.set(b.code[i]!, [pid]);
    else list.push(pid);
    this.put({ name, ph: "B", ts, pid, tid: 0, args: domainOf(b.domain[i]!) });
  }

  private end(mark: number, ts: number): void {
    const pid = this.open.get(mark)?.pop();
    if (pid !== undefined) this.put({ ph: "E", ts, pid, tid: 0 });
  }

  private instant(b: EventBuffer, i: number, names: Names, number: number, ts: number, pcpu: number): void {
    const took = (b.took[2 * i]! + b.took[2 * i + 1]! * 2 ** 32) / 1000;
    const name = b.kind[i] === Kind.tlbi ? TLBI_OPS[b.code[i]!]!.name : "fault";
    const site = names.list[b.site[i]!]!;
    const args = {
      event: number,
      what: describeEvent(b, i, names),
      vmid: b.vmid[i]!,
      ...domainOf(b.domain[i]!),
      ...(site === "" ? {} : { site }),
    };
    const how = took > 0 ? { ph: "X", dur: took } : { ph: "i", s: "t" };
    this.put({ name, cat: "tlbi", ...how, ts, pid: this.process(pcpu), tid: 0, args });
  }

  /** The process of a pCPU; its name goes out when it comes up. */
  private process(pid: number): number {
    if (this.seen.has(pid)) return pid;
    this.seen.add(pid);
    const name = pid === MACHINE ? "phases" : `pCPU ${pid}`;
    this.put({ name: "process_name", ph: "M", pid, tid: 0, args: { name } });
    this.put({ name: "process_sort_index", ph: "M", pid, tid: 0, args: { sort_index: pid === MACHINE ? -1 : pid } });
    return pid;
  }

  private put(event: object): void {
    this.text += `${this.first ? "" : ","}\n${JSON.stringify(event)}`;
    this.first = false;
    if (this.text.length < PIECE) return;
    this.out(this.text);
    this.text = "";
  }

  /** Ends what is open, and the text. */
  finish(): void {
    for (const pids of this.open.values()) for (const pid of pids) this.put({ ph: "E", ts: this.last, pid, tid: 0 });
    this.out(`${this.text}\n]}\n`);
    this.text = "";
  }
}

const domainOf = (domain: number): { domain?: number } => (domain === NO_DOMAIN ? {} : { domain });
