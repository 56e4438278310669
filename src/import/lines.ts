/** What importers of text have in common: lines out of bytes, and events into blocks. */
import { TWO32 } from "../arch/index.js";
import { InputError } from "../input/index.js";
import type { ReadResult } from "../trace/file.js";
import {
  BLOCK_EVENTS,
  EventBuffer,
  EventError,
  Names,
  NO_DOMAIN,
  type ReadPart,
  type TraceSink,
} from "../trace/index.js";

/** Longest line, in characters. */
const MAX_LINE = 65_536;

/** Events on their way to the sinks. A row is put with what an event without anything has; the caller fills it in. */
export class Rows {
  readonly buffer = new EventBuffer(BLOCK_EVENTS);
  readonly names = new Names();
  /** events handed on */
  private done = 0;
  /** the line at hand, from 1 */
  line = 0;

  constructor(
    readonly path: string,
    private readonly sinks: readonly TraceSink[],
    private readonly part: ReadPart,
  ) {}

  /** A new row of this kind; its index in {@link Rows.buffer}. */
  put(kind: number, pcpu: number, code: number): number {
    const b = this.buffer;
    if (b.length === b.capacity) this.flush();
    const i = b.length++;
    b.kind[i] = kind;
    b.pcpu[i] = pcpu;
    b.code[i] = code;
    b.vmid[i] = 0;
    b.site[i] = 0;
    b.domain[i] = NO_DOMAIN;
    return i;
  }

  /** When row `i` happened, and how long it took, in nanoseconds. */
  times(i: number, time: number, took = 0): void {
    const b = this.buffer;
    b.time[2 * i] = time % TWO32;
    b.time[2 * i + 1] = Math.floor(time / TWO32);
    b.took[2 * i] = took % TWO32;
    b.took[2 * i + 1] = Math.floor(took / TWO32);
  }

  /** The id of a mark or site. */
  name(text: string): number {
    try {
      return this.names.id(text);
    } catch (error) {
      throw error instanceof RangeError ? this.error(error.message) : error;
    }
  }

  /** What is wrong with the line at hand. */
  error(message: string): InputError {
    return InputError.at(this.path, this.line, message);
  }

  flush(): void {
    const { buffer, names } = this;
    if (buffer.length === 0) return;
    try {
      for (const sink of this.sinks) sink.events(buffer, names);
    } catch (error) {
      throw error instanceof EventError ? this.error(`event ${this.done + error.index}: ${error.message}`) : error;
    }
    this.done += buffer.length;
    buffer.clear();
    this.part.progress?.(this.done, undefined);
  }

  /** What came of reading: a foreign log says nothing of how many events it has. */
  result(producer: string): ReadResult {
    this.flush();
    return {
      info: { events: this.done, integrity: "unchecked", producer, recording: undefined },
      read: this.done,
    };
  }
}

/** Calls `each` with each line, without its newline. */
export async function eachLine(
  source: AsyncIterable<Uint8Array>,
  rows: Rows,
  part: ReadPart,
  each: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  const line = (text: string): void => {
    rows.line++;
    if (text.length > MAX_LINE) throw rows.error(`a line of more than ${MAX_LINE} characters`);
    each(text.endsWith("\r") ? text.slice(0, -1) : text);
  };
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch {
      rows.line++;
      throw rows.error("not UTF-8 text");
    }
  };
  for await (const bytes of source) {
    part.signal?.throwIfAborted();
    const text = rest + decode(bytes);
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      line(text.slice(start, end));
      start = end + 1;
    }
    rest = text.slice(start);
    if (rest.length > MAX_LINE) {
      rows.line++;
      throw rows.error(`a line of more than ${MAX_LINE} characters`);
    }
  }
  rest += decode();
  if (rest !== "") line(rest);
}
