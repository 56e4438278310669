/**
 * Durations of KVM's handlers of TLBIs in a text of ftrace's function_graph tracer (`trace`, `trace-cmd report`), or of
 * probes on their entry and return (`perf script`, kprobe events): one list of microseconds for each TLBI.
 */

/** KVM's handlers, and the TLBI that each stands for (arch/arm64/kvm/sys_regs.c). */
const HANDLERS: Readonly<Record<string, string>> = {
  handle_vmalls12e1is: "VMALLS12E1IS",
  handle_alle1is: "ALLE1IS",
  handle_ipas2e1is: "IPAS2E1IS",
  handle_ripas2e1is: "RIPAS2E1IS",
  handle_tlbi_el1: "VMALLE1IS",
};
export const HANDLER_NAMES = Object.keys(HANDLERS);
const NAMES = HANDLER_NAMES.join("|");

/** "3)  @ 1464441 us |  handle_vmalls12e1is();", or the duration at the closing brace, which function_graph-tail names. */
const GRAPH = new RegExp(`([\\d.]+) us\\s*\\|[\\s|]*(?:(${NAMES})(?: \\[kvm\\])?\\(\\);|\\} /\\* (${NAMES})\\b)`);
/** "qemu-123 [002] ... 456.789012: handle_vmalls12e1is: (ffff...)" and "..._ret", "..__return", "myretprobe". */
const PROBE = new RegExp(`\\[(\\d+)\\].*?\\s(\\d+\\.\\d{6,9}):\\s+(?:\\w+:)?\\w*?(${NAMES})(\\w*):`);
const RETURN = /ret/;

/** Microseconds by TLBI, and lines that speak of a handler but not of its duration. */
interface HandlerTimes {
  readonly times: ReadonlyMap<string, readonly number[]>;
  readonly unpaired: number;
}

export function handlerTimes(text: string): HandlerTimes {
  const times = new Map<string, number[]>();
  const entered = new Map<string, number>();
  let unpaired = 0;
  const take = (handler: string, microseconds: number): void => {
    const op = HANDLERS[handler]!;
    times.set(op, [...(times.get(op) ?? []), microseconds]);
  };
  for (const line of text.split("\n")) {
    const graph = GRAPH.exec(line);
    if (graph) {
      take((graph[2] ?? graph[3])!, Number(graph[1]));
      continue;
    }
    const probe = PROBE.exec(line);
    if (!probe) continue;
    const key = `${probe[1]} ${probe[3]}`;
    const at = Number(probe[2]) * 1e6;
    const begun = entered.get(key);
    if (!RETURN.test(probe[4]!)) {
      if (begun !== undefined) unpaired++;
      entered.set(key, at);
    } else if (begun === undefined) unpaired++;
    else {
      take(probe[3]!, at - begun);
      entered.delete(key);
    }
  }
  return { times, unpaired: unpaired + entered.size };
}
