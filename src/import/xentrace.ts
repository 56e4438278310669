/**
 * What xentrace_format makes of Xen's trace buffers (xen/tools/xentrace/formats), of which the scheduler's switches are read: who
 * comes in on which pCPU. Samples, in our own words; the second is an older Xen's:
 *
 *   CPU1  163840000 (+    1200)  switch_infnext    [ new_dom:vcpu = 0x00010000, time = 4100, r_time = 30000000 ]
 *   CPU0  163850000 (+      80)  switch_infnext    [ new_domid = 0x00000001, time = 4100, r_time = 30000000 ]
 *   CPU0  163850100 (+     100)  __enter_scheduler [ prev<dom:vcpu> = 0x00000000, next<dom:vcpu> = 0x7fff0000 ]
 *
 * dom:vcpu are 16 bits each. Xen's p2m has no trace points on Arm, so that a switch's VMID is unknown, and nothing says what was
 * flushed at it. Times are ticks of a counter whose frequency is not said: they are left out. An idle vCPU runs no guest.
 */
import type { StreamForm } from "../trace/file.js";
import { incomplete, Kind, Unknown } from "../trace/index.js";
import { eachLine, Rows } from "./lines.js";

/** CPU, ticks, the event's name, what it says. */
const EVENT = /^CPU(\d+)\s+(\d+)\s+\(\+\s*\d+\)\s+(\S+)\s*(?:\[(.*)\])?\s*$/;
const KNOWN =
  /^(?:switch_inf(?:prev|next|cont)|__enter_scheduler|\w+_to_\w+|continue_running|sched_\w+|domain_\w+|VM\w+|csched\w*:\w+)$/;
const NEXT = /\b(?:new_dom:vcpu|next<dom:vcpu>)\s*=\s*0x([0-9a-f]{8})\b/i;
const NEXT_DOMAIN = /\bnew_domid\s*=\s*0x([0-9a-f]{1,8})\b/i;
/** Domain ids from here on are Xen's own (DOMID_FIRST_RESERVED). */
const FIRST_RESERVED = 0x7ff0;

export const XENTRACE: StreamForm = {
  begins: (first) =>
    new TextDecoder()
      .decode(first)
      .split("\n")
      .some((line) => KNOWN.test(EVENT.exec(line)?.[3] ?? "")),
  async stream(source, path, sinks, part) {
    const rows = new Rows(path, sinks, part);
    const log = new XenTrace(rows);
    await eachLine(source, rows, part, (line) => log.line(line));
    return rows.result(log.finish());
  },
};

class XenTrace {
  /** by pCPU: who runs, as domain * 2^16 + vCPU */
  private readonly running = new Map<number, number>();
  private events = 0;
  private lost = 0;
  private withoutVcpu = 0;

  constructor(private readonly rows: Rows) {}

  line(text: string): void {
    const [, cpu, , name, says = ""] = EVENT.exec(text) ?? [];
    if (name === undefined) return;
    this.events++;
    if (name === "lost_records") this.lost++;
    if (name !== "switch_infnext" && name !== "__enter_scheduler") return;
    const pcpu = Number(cpu);
    if (pcpu > 255) throw this.rows.error(`CPU${cpu}, expected 0 to 255`);
    const next = NEXT.exec(says)?.[1];
    const domain = NEXT_DOMAIN.exec(says)?.[1];
    if (next !== undefined) this.comesIn(pcpu, Number.parseInt(next, 16));
    else if (domain !== undefined) this.withoutVcpu++;
    else throw this.rows.error(`${name}: expected 'new_dom:vcpu = 0x...' or 'next<dom:vcpu> = 0x...'`);
  }

  private comesIn(pcpu: number, who: number): void {
    // Both events tell of one switch.
    if (this.running.get(pcpu) === who) return;
    this.running.set(pcpu, who);
    const domain = who >>> 16;
    if (domain >= FIRST_RESERVED) return;
    const mark = this.rows.name(`vcpu-switch:d${domain}`);
    for (const kind of [Kind.begin, Kind.end]) {
      const i = this.rows.put(kind, pcpu, mark);
      const b = this.rows.buffer;
      b.domain[i] = domain;
      b.unknown[i] = Unknown.vmid;
      if (kind === Kind.begin) b.to[2 * i] = who & 0xffff;
    }
  }

  /** The producer's words, with what the log lacks. */
  finish(): string {
    if (this.events === 0)
      throw this.rows.error("no line of xentrace_format's in it, such as 'CPU0  1200 (+ 80)  switch_infnext [ ... ]'");
    return incomplete("xentrace", [
      ...(this.lost > 0 ? [`events: the tracer lost some ${this.lost} times`] : []),
      ...(this.withoutVcpu > 0
        ? [`${this.withoutVcpu} switches that name a domain and no vCPU, as Xen's before 4.15 do, are left out`]
        : []),
    ]);
  }
}
