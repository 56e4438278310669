/** A policy's code in a scenario: its protocol says when it runs, and on what; here it becomes assembly, with names for addresses. */
import { type CpuProfile, type GranuleBits, TLBI_OPS } from "../../arch/index.js";
import {
  allocatorFlush,
  Case,
  type Entry,
  type Granules,
  type Pes,
  type Policy,
  Protocol,
  type RunCode,
  type Unrolled,
  unroll,
} from "../../policy/index.js";
import { ASID, HEIR_VMID, OTHER_VMID } from "./domains.js";
import { sends, waits } from "./ipi.js";
import { originRemark } from "./origin.js";
import type { Pcpu, Scenario } from "./scenario.js";
import { asidOperand, granuleOfAddress, pageOf, plus, type Term, termText } from "./terms.js";

/** Page numbers that stand for page 0, and for the VA that the owner has for it, while a policy is unrolled. */
const GFN = 2 ** 30;
const VPN = 2 ** 31;

/** Where the ASID stands in Xt. */
const ASID_BITS = 48n;

/** Where a policy says that it is unknown what is executed: no instruction, so that nothing takes the scenario for whole. */
const UNKNOWN_LINE = "UNKNOWN";

/** Where a scenario comes to such a place: the line, with the policy's in its remark; undefined where it comes to none. */
export const unknownIn = ({ pcpus }: Scenario): string | undefined =>
  pcpus.flatMap(({ lines, hypervisor }) => [...lines, ...hypervisor]).find((line) => line.startsWith(UNKNOWN_LINE));

/** Who flushes, and for whom. */
interface Flusher {
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  /** VMIDs of the owner, and the one in VTTBR_EL2 */
  readonly ownerVmids: readonly number[];
  readonly currentVmid: number;
  /** VTTBR_EL2 of a VMID */
  readonly vttbr: (vmid: number) => Term;
  /** the pages that it is about; undefined for an occasion about a whole VMID */
  readonly range?: Range;
}

/** Pages of the tables' granule. */
export interface Range {
  /** address of page 0 */
  readonly ipa: Term;
  /** the VA that the owner has for it, if somebody told the hypervisor */
  readonly va: Term | undefined;
  readonly pages: number;
  /** pages of one entry: 1, or those of a block of level 2 */
  readonly step: number;
  /** a table goes with its entries, so that their level is not known */
  readonly table?: boolean;
  /** how many pages from page 0 on the story looks at: code for other pages only changes nothing there, and is left out */
  readonly looked: number;
}

/** An entry of a range: `pages` from the page `first` on. */
export const entryOf = ({ va, step, table }: Range, first: number, pages: number): Entry => ({
  gfn: GFN + first,
  pages,
  va: va === undefined ? -1 : VPN + first,
  step,
  level: table ? 0 : step > 1 ? 2 : 3,
});

/** The table of a range, whose entries are of one page at least. */
export const tableOf = (range: Range): Entry => ({ ...entryOf(range, 0, range.pages), step: 1, level: 0 });

/** Lines on a pCPU: those of the policy's code come where `drive` tells the protocol what happens. */
export function policyLines(
  flusher: Flusher,
  pcpu: Pcpu,
  drive: (protocol: Protocol, lines: string[]) => void,
): string[] {
  const { policy, cpu, range } = flusher;
  const lines: string[] = [];
  const run: RunCode = (_, occasion, on) => {
    if (range !== undefined && on.base[0]! >= GFN + range.looked) return;
    on.currentVmid = flusher.currentVmid;
    const place = policy.places[occasion];
    const linesOn = (pcpu: Pcpu, list: readonly Unrolled[]): string[] =>
      list.flatMap((one) => {
        const remark = place ? originRemark({ policy: place.policy, occasion, line: one.line }) : "";
        if (one.kind !== "on") return codeLine(one, flusher, pcpu).map((line) => line + remark);
        const n = pcpu.sendIpi({ body: (other) => bodyOn(other, one) });
        const own = isOne(pcpu, one.pes, flusher) ? linesOn(pcpu, one.own) : [];
        return [sends(n) + remark, ...own, waits(n) + remark];
      });
    const bodyOn = (other: Pcpu, one: Extract<Unrolled, { kind: "on" }>): string[] | undefined =>
      isOne(other, one.pes, flusher) ? linesOn(other, one.elsewhere.get(vmidIn(other, flusher))!) : undefined;
    const vmids = [...flusher.ownerVmids, OTHER_VMID, HEIR_VMID];
    lines.push(
      ...linesOn(
        pcpu,
        unroll(policy.code[occasion], on, cpu, policy.file, {
          looked: range?.looked,
          vmids,
          granules: granulesOf(flusher, pcpu),
        }),
      ),
    );
  };
  drive(new Protocol([policy], { vmids: flusher.ownerVmids, asid: ASID }, run), lines);
  return lines;
}

/** The granules of the tables, and of the code's operands. */
const granulesOf = ({ policy }: Pick<Flusher, "policy">, { granule }: Pcpu): Granules => ({
  tables: granule,
  operands: policy.granule ?? granule,
});

/** The VMID in a pCPU's VTTBR_EL2 at the story's begin. */
const vmidIn = ({ sysregs }: Pcpu, { ownerVmids, vttbr }: Flusher): number =>
  [...ownerVmids, HEIR_VMID].find((vmid) => termText(vttbr(vmid)) === termText(sysregs.VTTBR_EL2!)) ?? OTHER_VMID;

/** Whether a pCPU is one of those to which an IPI goes. */
const isOne = (pcpu: Pcpu, pes: Pes, flusher: Flusher): boolean =>
  pes === "every-pe" || flusher.ownerVmids.includes(vmidIn(pcpu, flusher));

/** The page allocator's flush. */
export const allocatorLines = (cpu: CpuProfile): string[] =>
  unroll(allocatorFlush(true), new Case(), cpu).flatMap((one) => (one.kind === "on" ? [] : codeLine(one)));

/** An instruction's line; none for one about a single page that the story does not look at. */
function codeLine(one: Exclude<Unrolled, { kind: "on" }>, flusher?: Flusher, pcpu?: Pcpu): string[] {
  if (one.kind === "unknown") return [UNKNOWN_LINE];
  if (one.kind === "barrier") return [one.text.toUpperCase()];
  if (one.kind === "vttbr") return [`MSR VTTBR_EL2,${pcpu!.constant(flusher!.vttbr(one.vmid))}`];
  const { name, operand } = TLBI_OPS[one.op]!;
  if (operand === "none") return [`TLBI ${name}`];
  if (one.operand === 0n) return [`TLBI ${name},XZR`];
  if (operand === "asid") return [`TLBI ${name},${pcpu!.constant(asidOperand(Number(one.operand >> ASID_BITS)))}`];
  const term = operandOf(one.operand, flusher!.range!, !operand.endsWith("-range"), granulesOf(flusher!, pcpu!));
  return term === undefined ? [] : [`TLBI ${name},${pcpu!.constant(term)}`];
}

/** What Xt holds; undefined when it is about a single page that the story does not look at, or does again what others do. */
function operandOf(operand: bigint, range: Range, single: boolean, granules: Granules): Term | undefined {
  const counted: GranuleBits = single ? 12 : granules.operands;
  /** what the operand counts in a page of the tables */
  const each = 2 ** (granules.tables - counted);
  const base = Number(operand & ((1n << 37n) - 1n));
  const byVa = base >= VPN * each;
  const at = base - (byVa ? VPN : GFN) * each;
  const fields = operand - BigInt(base);
  // Of several that name one page of the tables the first and the last do what all of them do, a repetition included.
  if (single && (at >= range.looked * each || (at % each !== 0 && at % each !== each - 1))) return undefined;
  const address = byVa ? range.va! : range.ipa;
  return plus(single ? pageOf(address) : granuleOfAddress(address, counted), fields + BigInt(at));
}
