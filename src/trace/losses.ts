/**
 * What a trace of a real hypervisor lacks though it should be there: descriptor writes that its recorder did not find. A
 * trace without them prices the flushes for them as if no shadow held anything, so whoever reads one must be told.
 */
import { TLBI_OPS } from "../arch/index.js";
import type { EventBuffer, TraceSink } from "./buffer.js";
import { Kind, type Names, NO_LEVEL, Unknown } from "./event.js";

/** Counts over the whole trace. */
export interface TraceLosses {
  /** XENMEM_remove_from_physmap that succeeded, begin and end in the trace; and those without a descriptor made invalid */
  readonly removals: number;
  readonly removalsWithoutWrite: number;
  /** broadcast TLBIs by VMID or IPA; and those with no stage-2 write on their pCPU since the mark before (a new VMID's, say) */
  readonly flushes: number;
  readonly flushesWithoutWrite: number;
  /** stage-2 writes; and those into what no known table links to */
  readonly writes: number;
  readonly writesWithoutTable: number;
  /** TLBIs whose operand, or whose VMID, the log does not say */
  readonly withoutOperand: number;
  readonly withoutVmid: number;
}

/** Columns that {@link Losses} reads. */
export const LOSS_COLUMNS = ["kind", "pcpu", "name", "stage", "level", "after", "unknown"] as const;

const REMOVAL = "hypercall:XENMEM_remove_from_physmap";
const PCPUS = 256;
/** By code: a broadcast TLBI of stage 2, by VMID or IPA. ALLE1IS is none: the page allocator's follows no descriptor. */
const FLUSHES = TLBI_OPS.map(({ reach, base }) => reach !== "local" && /^(VMALLS12E1|R?IPAS2L?E1)$/.test(base));

/** The sink. Nothing is allocated per event. */
export class Losses implements TraceSink {
  readonly wants = [Kind.write, Kind.tlbi, Kind.begin, Kind.end];
  private removals = 0;
  private removalsWithoutWrite = 0;
  private flushes = 0;
  private flushesWithoutWrite = 0;
  private writes = 0;
  private writesWithoutTable = 0;
  private withoutOperand = 0;
  private withoutVmid = 0;
  /** by pCPU: in a removal (1), in which a descriptor was made invalid (2); a descriptor was written since the last mark */
  private readonly removing = new Uint8Array(PCPUS);
  private readonly wrote = new Uint8Array(PCPUS);
  /** by mark: 0 not seen yet, 1 something else, 2 a removal */
  private readonly known = new Uint8Array(0x1_0000);

  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++) {
      const pcpu = b.pcpu[i]!;
      switch (b.kind[i]) {
        case Kind.write:
          if (b.stage[i] !== 2) break;
          this.writes++;
          if (b.level[i] === NO_LEVEL) this.writesWithoutTable++;
          this.wrote[pcpu] = 1;
          if (this.removing[pcpu] !== 0 && (b.to[2 * i]! & 1) === 0) this.removing[pcpu] = 2;
          break;
        case Kind.tlbi:
          if ((b.unknown[i]! & Unknown.operand) !== 0) this.withoutOperand++;
          if ((b.unknown[i]! & Unknown.vmid) !== 0) this.withoutVmid++;
          if (!FLUSHES[b.code[i]!]) break;
          this.flushes++;
          if (this.wrote[pcpu] === 0) this.flushesWithoutWrite++;
          break;
        case Kind.begin:
          this.wrote[pcpu] = 0;
          if (this.isRemoval(b.code[i]!, names)) this.removing[pcpu] = 1;
          break;
        case Kind.end:
          this.wrote[pcpu] = 0;
          if (this.isRemoval(b.code[i]!, names)) this.removed(pcpu, b.to[2 * i]! === 0 && b.to[2 * i + 1]! === 0);
      }
    }
  }

  private isRemoval(mark: number, names: Names): boolean {
    this.known[mark] ||= names.list[mark] === REMOVAL ? 2 : 1;
    return this.known[mark] === 2;
  }

  private removed(pcpu: number, succeeded: boolean): void {
    const state = this.removing[pcpu]!;
    this.removing[pcpu] = 0;
    if (state === 0 || !succeeded) return;
    this.removals++;
    if (state === 1) this.removalsWithoutWrite++;
  }

  losses(): TraceLosses {
    const { removals, removalsWithoutWrite, flushes, flushesWithoutWrite, writes, writesWithoutTable } = this;
    const { withoutOperand, withoutVmid } = this;
    const tlbis = { flushes, flushesWithoutWrite, withoutOperand, withoutVmid };
    return { removals, removalsWithoutWrite, writes, writesWithoutTable, ...tlbis };
  }
}

/** Stands in the producer of a trace before the sentences about what its recorder could not find. */
const INCOMPLETE = "; incomplete: ";

/** The producer of a trace that lacks what these sentences say; the producer alone where there are none. */
export const incomplete = (producer: string, sentences: readonly string[]): string =>
  sentences.length === 0 ? producer : `${producer}${INCOMPLETE}${sentences.join("; ")}`;

/** What a reader of a trace must be told before its figures are believed, in sentences; none where nothing is amiss. */
export function traceWarnings(producer: string, losses: TraceLosses): string[] {
  const told = producer.indexOf(INCOMPLETE);
  return [
    ...(told < 0 ? [] : [`the recorder of this trace says: ${producer.slice(told + INCOMPLETE.length)}`]),
    ...lossWarnings(losses),
  ];
}

const count = (n: number): string => n.toLocaleString("en");

/** The part of {@link traceWarnings} that the events themselves tell. */
export function lossWarnings(losses: TraceLosses): string[] {
  const { removals, removalsWithoutWrite, flushes, flushesWithoutWrite, writes, writesWithoutTable } = losses;
  const list: string[] = [];
  if (removalsWithoutWrite > 0)
    list.push(
      `${count(removalsWithoutWrite)} of ${count(removals)} XENMEM_remove_from_physmap have no descriptor write in the trace, and ${count(flushesWithoutWrite)} of ${count(flushes)} broadcast stage-2 TLBIs follow none: their writes were not recorded, and prices are far too low`,
    );
  if (writesWithoutTable > 0)
    list.push(
      `${count(writesWithoutTable)} of ${count(writes)} stage-2 descriptor writes are into no known table: their level is unknown`,
    );
  const { withoutOperand, withoutVmid } = losses;
  if (withoutOperand > 0)
    list.push(`${count(withoutOperand)} TLBIs have no operand in the log: a price takes the page 0 for theirs`);
  if (withoutVmid > 0) list.push(`${count(withoutVmid)} TLBIs have no VMID in the log: they stand under VMID 0`);
  return list;
}
