/** Barriers, and which of them completes what (DDI 0487, B2.3, and D8 "TLB maintenance"). */

import type { Reach, TlbiOp } from "./tlbi.js";

export type BarrierDomain = "NSH" | "ISH" | "OSH" | "SY";
type BarrierType = "full" | "ST" | "LD";

export interface Barrier {
  /** as the assembler spells it, upper case: "DSB ISHST", "ISB" */
  readonly name: string;
  readonly kind: "DSB" | "DMB" | "ISB";
  /** absent for ISB */
  readonly domain?: BarrierDomain;
  readonly type?: BarrierType;
  /** a DSB with the nXS qualifier (FEAT_XS) */
  readonly nXS: boolean;
  /** the instruction word */
  readonly word: number;
}

const CRM_DOMAIN: Record<BarrierDomain, number> = { OSH: 0, NSH: 4, ISH: 8, SY: 12 };
const CRM_TYPE: Record<BarrierType, number> = { LD: 1, ST: 2, full: 3 };

function build(): Barrier[] {
  const list: Barrier[] = [{ name: "ISB", kind: "ISB", nXS: false, word: 0xd5033fdf }];
  for (const [kind, op2] of [
    ["DSB", 4],
    ["DMB", 5],
  ] as const)
    for (const domain of ["SY", "ISH", "NSH", "OSH"] as const)
      for (const type of ["full", "ST", "LD"] as const) {
        // SY's partial forms are written DSB ST / DSB LD; the others append to the domain's name.
        const option = domain === "SY" ? (type === "full" ? "SY" : type) : domain + (type === "full" ? "" : type);
        const word = (0xd503301f | ((CRM_DOMAIN[domain] | CRM_TYPE[type]) << 8) | (op2 << 5)) >>> 0;
        list.push({ name: `${kind} ${option}`, kind, domain, type, nXS: false, word });
      }
  // DSB nXS (FEAT_XS) has full access type only; imm2 stands in CRm[3:2].
  for (const [domain, imm2] of [
    ["OSH", 0],
    ["NSH", 1],
    ["ISH", 2],
    ["SY", 3],
  ] as const) {
    const word = (0xd503323f | (imm2 << 10)) >>> 0;
    list.push({ name: `DSB ${domain}nXS`, kind: "DSB", domain, type: "full", nXS: true, word });
  }
  return list;
}

/** Every barrier; the index in this list is the barrier's code in a trace. */
export const BARRIERS: readonly Barrier[] = build();
const byName = new Map(BARRIERS.map((b, i) => [b.name.toUpperCase(), i]));
const byWord = new Map(BARRIERS.map((b, i) => [b.word, i]));

/** Index in {@link BARRIERS} of "dsb ish", "ISB", ...; undefined when there is no such barrier. Case and blanks do not matter. */
export function barrierIndex(text: string): number | undefined {
  const name = text.trim().replace(/\s+/g, " ").toUpperCase();
  return byName.get(name === "ISB SY" ? "ISB" : name === "DSB" || name === "DMB" ? `${name} SY` : name);
}

/** Index in {@link BARRIERS} of an instruction word, or undefined. */
export function barrierFromWord(word: number): number | undefined {
  return byWord.get(word >>> 0);
}

/**
 * How far the barrier completes this PE's earlier TLBIs: "none" (not a DSB of both access types), "own" (DSB NSH: what
 * concerns the executing PE only) or "all" (Inner Shareable and wider: every PE that an IS TLBI reached). Of TLBIs with their own
 * reach and nXS, see {@link completes}.
 */
export function completesTlbi(b: Barrier): "none" | "own" | "all" {
  if (b.kind !== "DSB" || b.type !== "full") return "none";
  return b.domain === "NSH" ? "own" : "all";
}

const COMPLETING_DOMAINS: Record<Reach, readonly BarrierDomain[]> = {
  local: ["NSH", "ISH", "OSH", "SY"],
  inner: ["ISH", "OSH", "SY"],
  outer: ["OSH", "SY"],
};

/**
 * True when the barrier completes an earlier TLBI of this PE on every PE that the TLBI reaches: both access types, a domain
 * that covers those PEs, and no nXS unless the TLBI has it too (a DSB nXS does not wait for a TLBI without it; D8, FEAT_XS).
 */
export function completes(b: Barrier, op: Pick<TlbiOp, "reach" | "nXS">): boolean {
  if (completesTlbi(b) === "none" || (b.nXS && !op.nXS)) return false;
  return b.domain !== undefined && COMPLETING_DOMAINS[op.reach].includes(b.domain);
}

/**
 * True when the barrier completes an earlier TLBI on every PE of the executing PE's own Inner Shareable domain. What an OS TLBI
 * does there is complete with a DSB ISH already (B2.3): widening IS to OS makes no sequence weaker.
 */
export function completesInside(b: Barrier, op: Pick<TlbiOp, "reach" | "nXS">): boolean {
  if (op.reach !== "outer") return completes(b, op);
  return completesTlbi(b) === "all" && (!b.nXS || op.nXS);
}
