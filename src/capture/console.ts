/** The serial console of the machine, read as it grows: what dom0 says to the host, what Xen and the toolstack print. */
import { closeSync, copyFileSync, openSync, readSync, renameSync, rmSync } from "node:fs";
import { DOMU_SAYS, SAYS } from "./scenario.js";

/** An image segment of the domU, as the toolstack logs it (xc_dom_alloc_segment). */
export interface Segment {
  readonly name: string;
  /** first gfn */
  readonly gfn: number;
  /** 4 KiB pages */
  readonly pages: number;
}

const SEGMENT = /xc_dom_alloc_segment:\s+(\S+)\s*: .*\(pfn 0x([0-9a-f]+) \+ 0x([0-9a-f]+) pages\)/;
/** xen/drivers/char/console.c, console_init_preirq: the format in xen-image.ts. */
const BANNER = /^(?:\(XEN\) )+Xen version (.{1,255})/;
/** Lines kept for error messages. */
const LAST_LINES = 12;

export class ConsoleLog {
  readonly segments: Segment[] = [];
  /** what dom0 said last, without the prefix */
  said = "";
  /** why it gave up, as dom0's script or Xen's panic says */
  failure: string | undefined;
  /** the first line that Xen prints: "4.20.4 (Debian ...) (gcc ...) ..."; "" before */
  banner = "";
  private rest = "";
  /** bytes read so far */
  bytes = 0;
  private readonly last: string[] = [];

  constructor(private readonly path: string) {}

  /** Reads what has come since the last time. */
  poll(): void {
    let fd: number;
    try {
      fd = openSync(this.path, "r");
    } catch {
      return; // not there yet
    }
    try {
      const piece = Buffer.alloc(65_536);
      for (let n = readSync(fd, piece, 0, piece.length, this.bytes); n > 0; ) {
        this.bytes += n;
        this.take(piece.toString("latin1", 0, n));
        n = readSync(fd, piece, 0, piece.length, this.bytes);
      }
    } finally {
      closeSync(fd);
    }
  }

  private take(text: string): void {
    const lines = (this.rest + text).split(/\r*\n/);
    this.rest = lines.pop()!;
    for (const line of lines) this.line(line);
  }

  private line(line: string): void {
    if (line.trim() === "") return;
    this.last.push(line.trimEnd());
    if (this.last.length > LAST_LINES) this.last.shift();
    const saying = line.indexOf(`${SAYS} `);
    if (saying >= 0) {
      this.said = line.slice(saying + SAYS.length + 1).trim();
      if (this.said.startsWith("failed: ")) this.failure ??= this.said.slice("failed: ".length);
    }
    const segment = SEGMENT.exec(line);
    if (segment)
      this.segments.push({
        name: segment[1]!,
        gfn: Number.parseInt(segment[2]!, 16),
        pages: Number.parseInt(segment[3]!, 16),
      });
    if (this.banner === "")
      this.banner =
        BANNER.exec(line)?.[1]
          ?.replace(/\p{Cc}/gu, " ")
          .trim() ?? "";
    const panic = /^(?:\(XEN\) )+(Could not .*|Unable to .*|.*[Pp]anic on CPU.*)/.exec(line);
    if (panic && !/^\*/.test(panic[1]!)) this.failure ??= `Xen says: ${panic[1]!.trim()}`;
    const linux = /Kernel panic - not syncing: (.*)/.exec(line);
    if (linux && !line.startsWith(DOMU_SAYS)) this.failure ??= `dom0's kernel panics: ${linux[1]!.trim()}`;
  }

  /** The last lines, for an error message. */
  get tail(): string {
    return this.last.join("\n  ");
  }
}

/** Where the log of a capture that fails goes, beside the one of the last that did not: NAME.failed.console.log. */
export const failedLog = (path: string): string => path.replace(/(\.console\.log)?$/, ".failed.console.log");

/** Copies a console's log to where it is kept, whole or not at all. The path; undefined when it could not be kept. */
export function keepLog(from: string, to: string): string | undefined {
  const partial = `${to}.partial-${process.pid}`;
  try {
    copyFileSync(from, partial);
    renameSync(partial, to);
    return to;
  } catch {
    rmSync(partial, { force: true });
    return undefined;
  }
}
