/**
 * What KVM's own tracing says of a guest hypervisor (Linux, arch/arm64/kvm/trace_arm.h and trace_handle_exit.h): ftrace's trace and
 * trace_pipe, trace-cmd report, perf script, and function_graph. Samples, in our own words:
 *
 *   CPU 0/KVM-812   [003] .....   512.345678: kvm_exit: TRAP: HSR_EC: 0x0018 (SYS64), PC: 0x00000a0000265f40
 *   CPU 0/KVM-812   [003] .....   512.345701: kvm_sys_access: PC: a0000265f40 TLBI VMALLS12E1IS (1,4,8,3,6) write
 *   CPU 0/KVM   812 [003]   512.345701:   kvm:kvm_sys_access: PC: a0000265f40 TLBI IPAS2E1IS (1,4,8,0,1) write
 *   CPU 0/KVM-812   [003] .....   512.345702: tlbi: (handle_ipas2e1is+0x0/0x1a8) regval=0x40405 vttbr=0x1000013ffcc000
 *   CPU 0/KVM-812   [003] .....   513.810120: kvm_entry: PC: 0x00000a0000265f44
 *    3) $ 1464441 us  |  handle_vmalls12e1is();
 *
 * Which TLBI it is, the five numbers (op0,op1,CRn,CRm,op2) say; names vary from kernel to kernel. No tracepoint prints the operand
 * or the VMID: they are marked unknown, unless a probe at the handler says `regval=` (and `vttbr=`), as
 *   perf probe 'handle_ipas2e1is p->regval'
 * A thread of the VMM is a vCPU of the guest hypervisor, so a pCPU of the trace: by QEMU's names, or as they come. A TLBI took from
 * the exit to the next entry. Handlers of function_graph alone say what took how long, not on which operand; of handle_tlbi_el1
 * and handle_tlbi_el2 not even which TLBI it was: these are counted and left out.
 */
import { TLBI_OPS, tlbiIndex } from "../arch/index.js";
import type { StreamForm } from "../trace/file.js";
import { codeOf, incomplete, Kind, Unknown } from "../trace/index.js";
import { eachLine, Rows } from "./lines.js";

/** comm-pid or comm pid, [cpu], flags, time, event, what it prints. */
const EVENT =
  /^\s*(.*?)[-\s]+(\d+)\s+(?:\(\s*[\d-]+\)\s+)?\[(\d+)\]\s+(?:[A-Za-z.#0-9]{3,7}\s+)?(\d+\.\d+):\s+(?:[a-z][\w-]*:)?([a-z]\w*):\s*(.*)$/;
/** [time |] cpu) sign duration us | function */
const GRAPH = /^\s*(?:(\d+\.\d+)\s+\|\s*)?(\d+)\)\s+(?:[+!#*@$]\s*)?(?:([\d.]+)\s+us)?\s*\|\s*(.*)$/;
const KNOWN =
  /\bkvm_(?:exit|entry|sys_access|handle_sys_reg|guest_fault)\b|\bhandle_(?:alle1is|vmalls12e1is|r?ipas2e1is|tlbi_el[12])\b/;
const FIVE = /\((\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\)/;
/** What function_graph's handlers were for; the reach is not told. */
const HANDLERS: Readonly<Record<string, string>> = {
  handle_alle1is: "ALLE1IS",
  handle_vmalls12e1is: "VMALLS12E1IS",
  handle_ripas2e1is: "RIPAS2E1IS",
  handle_ipas2e1is: "IPAS2E1IS",
};
const BY_FIVE = new Map(TLBI_OPS.map(({ op1, crn, crm, op2 }, i) => [`1,${op1},${crn},${crm},${op2}`, i]));
/** Fault status of ESR_ELx, bits [5:2]: what KVM's stage-2 fault is. */
const FAULTS: Readonly<Record<number, string>> = {
  0: "address-size",
  1: "translation",
  2: "access-flag",
  3: "permission",
};

export const KVM_TRACE: StreamForm = {
  begins(first) {
    const lines = new TextDecoder().decode(first).split("\n");
    return lines.some((line) => (EVENT.test(line) || GRAPH.test(line)) && KNOWN.test(line));
  },
  async stream(source, path, sinks, part) {
    const rows = new Rows(path, sinks, part);
    const log = new KvmLog(rows);
    await eachLine(source, rows, part, (line) => log.line(line));
    return rows.result(log.finish());
  },
};

/** A TLBI that waits for its operand and for how long it took. */
interface Waiting {
  readonly code: number;
  readonly pc: string;
  readonly began: number;
  operand: bigint | undefined;
  vttbr: bigint | undefined;
}

const MAX_THREADS = 256;

class KvmLog {
  private readonly waiting = new Map<number, Waiting>();
  private readonly exits = new Map<number, number>();
  private readonly threads = new Map<string, number>();
  /** function_graph lines of handlers are taken where no tracepoint says the same */
  private tracepoints = false;
  private known = 0;
  private leftOut = 0;
  private lost = 0;

  constructor(private readonly rows: Rows) {}

  line(text: string): void {
    if (/^\s*(?:#|cpus=|version =|$)/.test(text)) return;
    if (/LOST .* EVENTS/.test(text)) {
      this.lost++;
      return;
    }
    const event = EVENT.exec(text);
    if (event !== null) {
      const [, comm, pid, , time, name, rest] = event as unknown as string[];
      this.event(this.thread(comm!, pid!), nanoseconds(time!), name!, rest!);
      return;
    }
    const graph = GRAPH.exec(text);
    if (graph !== null) this.graph(Number(graph[2]), graph[1], graph[3], graph[4]!);
  }

  /** The vCPU that a thread runs. */
  private thread(comm: string, pid: string): number {
    const named = /^CPU (\d+)\/KVM/.exec(comm.trim())?.[1];
    const known = this.threads.get(pid);
    if (known !== undefined) return known;
    const n = named === undefined ? this.threads.size : Number(named);
    if (n >= MAX_THREADS) throw this.rows.error(`more than ${MAX_THREADS} vCPUs`);
    this.threads.set(pid, n);
    return n;
  }

  private event(vcpu: number, time: number, name: string, rest: string): void {
    switch (name) {
      case "kvm_exit":
        this.known++;
        this.put(vcpu, time);
        this.exits.set(vcpu, time);
        break;
      case "kvm_entry":
        this.known++;
        this.put(vcpu, time);
        break;
      case "kvm_sys_access":
        this.access(vcpu, time, rest);
        break;
      case "kvm_guest_fault":
        this.fault(vcpu, time, rest);
        break;
      case "funcgraph_entry":
      case "funcgraph_exit": {
        const [, took, what] = /^(?:[+!#*@$]\s*)?(?:([\d.]+)\s+us)?\s*\|\s*(.*)$/.exec(rest) ?? [];
        this.graph(vcpu, String(time / 1e9), took, what ?? "");
        break;
      }
      default:
        this.probe(vcpu, rest);
    }
  }

  private access(vcpu: number, time: number, rest: string): void {
    const five = FIVE.exec(rest);
    if (five === null) throw this.rows.error("kvm_sys_access: expected five numbers, such as (1,4,8,3,6)");
    this.known++;
    this.tracepoints = true;
    this.put(vcpu, time);
    const code = BY_FIVE.get(five.slice(1).map(Number).join(","));
    if (code === undefined) return; // another register
    const pc = /PC: (?:0x)?([0-9a-f]+)/i.exec(rest)?.[1] ?? "";
    const began = this.exits.get(vcpu) ?? time;
    this.waiting.set(vcpu, { code, pc, began, operand: undefined, vttbr: undefined });
  }

  /** A probe at a handler: what it says of the TLBI at hand. */
  private probe(vcpu: number, rest: string): void {
    const waiting = this.waiting.get(vcpu);
    if (waiting === undefined) return;
    const value = (name: string): bigint | undefined => {
      const text = new RegExp(String.raw`\b${name}=(0x[0-9a-f]{1,16}|\d{1,20})\b`, "i").exec(rest)?.[1];
      return text === undefined ? undefined : BigInt.asUintN(64, BigInt(text));
    };
    waiting.operand = value("regval") ?? waiting.operand;
    waiting.vttbr = value("vttbr(?:_el2)?") ?? waiting.vttbr;
  }

  /** What waits on a vCPU has ended: it becomes a row. */
  private put(vcpu: number, time: number): void {
    const waiting = this.waiting.get(vcpu);
    if (waiting === undefined) return;
    this.waiting.delete(vcpu);
    const { code, pc, began, operand, vttbr } = waiting;
    const i = this.rows.put(Kind.tlbi, vcpu, code);
    const b = this.rows.buffer;
    b.site[i] = pc === "" ? 0 : this.rows.name(`0x${pc.toLowerCase()}`);
    if (operand !== undefined) {
      b.to[2 * i] = Number(operand & 0xffff_ffffn);
      b.to[2 * i + 1] = Number(operand >> 32n);
    }
    if (vttbr !== undefined) b.vmid[i] = Number(vttbr >> 48n);
    const needsOperand = TLBI_OPS[code]!.operand !== "none";
    b.unknown[i] =
      (operand === undefined && needsOperand ? Unknown.operand : 0) | (vttbr === undefined ? Unknown.vmid : 0);
    this.rows.times(i, began, Math.max(0, time - began));
  }

  /** A stage-2 fault: of a nested guest one of its shadow. */
  private fault(vcpu: number, time: number, rest: string): void {
    const ipa = /ipa (?:0x)?([0-9a-f]{1,16})/i.exec(rest)?.[1];
    const hsr = /hsr (?:0x)?([0-9a-f]{1,8})/i.exec(rest)?.[1];
    if (ipa === undefined || hsr === undefined) throw this.rows.error("kvm_guest_fault: expected 'ipa ..., hsr ...'");
    this.known++;
    const status = Number.parseInt(hsr, 16) & 0x3f;
    const name = FAULTS[status >> 2];
    if (name === undefined) return;
    const i = this.rows.put(Kind.fault, vcpu, codeOf(Kind.fault, name, this.rows.names)!);
    const b = this.rows.buffer;
    b.stage[i] = 2;
    b.level[i] = status & 3;
    b.from[2 * i] = Number.parseInt(ipa.slice(-8), 16);
    b.from[2 * i + 1] = ipa.length > 8 ? Number.parseInt(ipa.slice(0, -8), 16) : 0;
    b.unknown[i] = Unknown.vmid;
    this.rows.times(i, time);
  }

  private graph(cpu: number, time: string | undefined, took: string | undefined, what: string): void {
    const name = /^\s*(?:\}\s*\/\*\s*)?(handle_\w+)/.exec(what)?.[1];
    if (name === undefined || took === undefined || this.tracepoints) return;
    this.known++;
    const op = HANDLERS[name];
    if (op === undefined) {
      if (/^handle_tlbi_el[12]$/.test(name)) this.leftOut++;
      return;
    }
    const i = this.rows.put(Kind.tlbi, cpu & 0xff, tlbiIndex(op)!);
    const b = this.rows.buffer;
    b.site[i] = this.rows.name(name);
    b.unknown[i] = Unknown.vmid | (TLBI_OPS[b.code[i]!]!.operand === "none" ? 0 : Unknown.operand);
    this.rows.times(i, time === undefined ? 0 : nanoseconds(time), Math.round(Number(took) * 1000));
  }

  /** What waits at the end; the producer's words, with what the log lacks. */
  finish(): string {
    for (const [vcpu, { began }] of this.waiting) this.put(vcpu, began);
    if (this.known === 0)
      throw this.rows.error(
        "no event of KVM's in it, expected kvm_sys_access or a handler such as handle_vmalls12e1is",
      );
    const lacks = [
      ...(this.lost > 0 ? [`the tracer lost events ${this.lost} times`] : []),
      ...(this.leftOut > 0 ? [`${this.leftOut} handle_tlbi_el1 or _el2, which do not say the TLBI, are left out`] : []),
    ];
    return incomplete("KVM trace", lacks);
  }
}

const nanoseconds = (seconds: string): number => {
  const [whole = "0", part = ""] = seconds.split(".");
  return Number(whole) * 1e9 + Number(part.slice(0, 9).padEnd(9, "0"));
};
