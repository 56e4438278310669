/** What `shootdown show --events` prints: events, one a line. */
import { visibleLine } from "../../input/index.js";
import {
  describeEvent,
  type EventBuffer,
  Kind,
  type Names,
  NdjsonTrace,
  NO_DOMAIN,
  type TraceSink,
} from "../../trace/index.js";

/** How events are printed, each as it comes. */
interface EventForm {
  /** Event `i` of a block, row `row` of its trace. */
  event(b: EventBuffer, i: number, row: number, names: Names): void;
  /** To be called after each block of the trace. */
  blockEnd(): void;
  /** To be called after the last. */
  finish(): void;
}

/** A page of events: takes rows until it is full. */
export class EventPage implements TraceSink {
  /** the row at which the next page begins; undefined when the trace ends before */
  next: number | undefined;
  private row: number;
  private left: number;
  private readonly stop = new AbortController();

  /** `kinds`: codes of those to show; all where undefined. */
  constructor(
    skip: number,
    limit: number,
    private readonly kinds: ReadonlySet<number> | undefined,
    private readonly form: EventForm,
  ) {
    this.row = skip;
    this.left = limit;
  }

  /** Aborted when there is a next page. */
  get full(): AbortSignal {
    return this.stop.signal;
  }

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length && this.next === undefined; i++, this.row++) {
      if (this.kinds !== undefined && !this.kinds.has(b.kind[i]!)) continue;
      if (this.left === 0) {
        this.next = this.row;
        this.stop.abort();
        break;
      }
      this.left--;
      this.form.event(b, i, this.row, names);
    }
    this.form.blockEnd();
  }

  /** Hands on what is left. */
  finish(): void {
    this.form.finish();
  }
}

/** Events as NDJSON, without a head. */
export class EventJson implements EventForm {
  private readonly json: NdjsonTrace;

  constructor(print: (text: string) => void) {
    const decoder = new TextDecoder();
    this.json = new NdjsonTrace((bytes) => print(decoder.decode(bytes)), "");
  }

  event(b: EventBuffer, i: number, _row: number, names: Names): void {
    this.json.event(b, i, names);
  }

  blockEnd(): void {}

  finish(): void {
    this.json.finish();
  }
}

/** Events as lines: what stands within a mark is indented. */
export class EventLines implements EventForm {
  private text = "";
  /** by pCPU, how deep in marks the events stand, from the first that was given */
  private readonly depth = new Uint8Array(256);

  /** `width`: columns of the terminal, if there is one. */
  constructor(
    private readonly print: (text: string) => void,
    private readonly width: number | undefined,
  ) {}

  event(b: EventBuffer, i: number, row: number, names: Names): void {
    this.text += this.line(b, i, row, names);
  }

  blockEnd(): void {
    if (this.text !== "") this.print(this.text);
    this.text = "";
  }

  finish(): void {}

  private line(b: EventBuffer, i: number, row: number, names: Names): string {
    const pcpu = b.pcpu[i]!;
    const kind = b.kind[i]!;
    if (kind === Kind.end && this.depth[pcpu]! > 0) this.depth[pcpu]!--;
    const indent = "  ".repeat(Math.min(this.depth[pcpu]!, 8));
    if (kind === Kind.begin && this.depth[pcpu]! < 255) this.depth[pcpu]!++;
    const domain = b.domain[i] === NO_DOMAIN ? "-" : `d${b.domain[i]!}`;
    const context = `${String(row).padStart(8)} p${String(pcpu).padEnd(3)} ${domain.padEnd(5)} v${String(b.vmid[i]!).padEnd(4)}`;
    const site = visibleLine(names.list[b.site[i]!]!);
    const line = `${context} ${indent}${visibleLine(describeEvent(b, i, names))}`;
    const margin = context.length + 1;
    if (site === "") return fit(line, this.width, margin);
    if (this.width === undefined || line.length + site.length + 4 <= this.width) return `${line}  @ ${site}\n`;
    return fit(line, this.width, margin) + fit(`${" ".repeat(margin + 4)}@ ${site}`, this.width, margin);
  }
}

/** One line; on a terminal that is narrower, broken at blanks (or within words that fill a line) and set in by `margin`. */
function fit(line: string, width: number | undefined, margin: number): string {
  if (width === undefined || line.length <= width || width < margin + 20) return `${line}\n`;
  const blank = line.lastIndexOf(" ", width);
  const at = blank > margin + 8 ? blank : width;
  const rest = line.slice(at).trimStart();
  return `${line.slice(0, at).trimEnd()}\n${fit(" ".repeat(margin + 4) + rest, width, margin)}`;
}
