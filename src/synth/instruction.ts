/** The instructions that sequences are made of, as a policy spells them, and which of two is the stronger. */
import { BARRIERS, type CpuProfile, type Feature, needs, type Reach, TLBI_OPS, type TlbiOp } from "../arch/index.js";
import type { LoopOver } from "../policy/index.js";

/** An instruction, with the loop that it needs around it. */
export interface Instruction {
  /** its line in a policy, which names it: "tlbi ipas2e1is, ipa, ttl" */
  readonly code: string;
  /** index in BARRIERS; -1 for a TLBI */
  readonly barrier: number;
  /** index in TLBI_OPS; -1 for a barrier */
  readonly op: number;
  /** where its operand comes from; "zero" is XZR, absent: it has none */
  readonly over?: LoopOver | "zero";
  readonly ttl: boolean;
  readonly needs: readonly Feature[];
}

/** How a TLBI can be written: over which loop, with the level or without. */
type Form = Pick<Instruction, "over" | "ttl">;

function formsOf({ operand, regime }: TlbiOp): readonly Form[] {
  const over = (loop: LoopOver | "zero", ttl = false): Form => ({ over: loop, ttl });
  if (operand === "none") return [{ ttl: false }];
  // Of the hypervisor's own regime nothing is to go: what counts is that a TLBI is broadcast.
  if (regime === "EL2") return operand === "va" ? [over("zero")] : [];
  switch (operand) {
    case "va":
      return [over("va-page")];
    case "va-range":
      return [over("va-range")];
    case "ipa":
      return [over("page"), over("entry"), over("entry", true)];
    case "ipa-range":
      return [over("range"), over("range", true)];
    case "asid":
      // Where the ASID is known so is the VA, by which less goes.
      return [];
  }
}

function tlbi(op: number, { over, ttl }: Form): Instruction {
  const { name, operand, needs } = TLBI_OPS[op]!;
  const word = over === undefined ? "" : over === "zero" ? ", xzr" : operand.startsWith("va") ? ", va" : ", ipa";
  const code = `tlbi ${name.toLowerCase()}${word}${ttl ? ", ttl" : ""}`;
  const all: readonly Feature[] = ttl ? [...needs, "FEAT_TTL"] : needs;
  return { code, barrier: -1, op, ...(over === undefined ? {} : { over }), ttl, needs: all };
}

const barrier = (index: number): Instruction => ({
  code: BARRIERS[index]!.name.toLowerCase(),
  ...{ barrier: index, op: -1, ttl: false },
  needs: BARRIERS[index]!.nXS ? ["FEAT_XS"] : [],
});

/** Everything that can be written: each barrier but DMBs, which wait for no TLBI, and each TLBI in each form. */
const INSTRUCTIONS: readonly Instruction[] = [
  ...BARRIERS.flatMap(({ kind }, i) => (kind === "DMB" ? [] : [barrier(i)])),
  ...TLBI_OPS.flatMap((op, i) => formsOf(op).map((form) => tlbi(i, form))),
];

/** EL2 operations that stand for all that only count as being broadcast. */
const EL2_OPS = new Set(["VALE2"]);

/** What is searched unless a user says otherwise; all that exists is too much of the same. */
function isUsual(one: Instruction): boolean {
  if (one.barrier >= 0) {
    const { kind, domain, nXS } = BARRIERS[one.barrier]!;
    return kind === "ISB" || (!nXS && (domain === "NSH" || domain === "ISH"));
  }
  const { regime, base, nXS } = TLBI_OPS[one.op]!;
  return !nXS && (regime === "EL1&0" || EL2_OPS.has(base));
}

/** What is searched by default on these CPUs: all that each of them has, and of EL2's TLBIs one where an erratum wants TLBIs repeated. */
export function usualInstructions(cpus: readonly CpuProfile[]): Instruction[] {
  const repeat = cpus.some((cpu) => needs(cpu, "repeat-tlbi"));
  return INSTRUCTIONS.filter((one) => isUsual(one) && runsOn(one, cpus) && (repeat || !isOfEl2(one)));
}

const isOfEl2 = ({ op }: Instruction): boolean => op >= 0 && TLBI_OPS[op]!.regime === "EL2";

/** Instructions that all of these CPUs have. */
export const instructionsOn = (cpus: readonly CpuProfile[]): Instruction[] =>
  INSTRUCTIONS.filter((one) => runsOn(one, cpus));

const runsOn = ({ needs }: Instruction, cpus: readonly CpuProfile[]): boolean =>
  cpus.every((cpu) => needs.every((feature) => cpu.features.has(feature)));

/** The instruction's lines in a policy, with its loop; a VA is not always known. */
export function linesOf({ code, over }: Instruction): readonly string[] {
  if (over === undefined || over === "zero") return [code];
  const loop = [`for ${over}`, `  ${code}`, "end"];
  return over.startsWith("va") ? ["if va-known", ...loop.map((line) => `  ${line}`), "end"] : loop;
}

const REACHES: readonly Reach[] = ["local", "inner", "outer"];
const ASIDS: readonly TlbiOp["matchesAsid"][] = ["exact", "exact-or-global", "any"];

/**
 * What `b` does, `a` does too, wherever either may stand: a wider DSB, a TLBI that removes more from more PEs. Hints of the level and nXS
 * are not ordered. `repeat`: a CPU with CVE-2025-10263, on which a local TLBI is not affected and a broadcast one is, so that neither
 * is the stronger.
 */
export function atLeast(a: Instruction, b: Instruction, repeat: boolean): boolean {
  if (a.code === b.code) return true;
  if (a.barrier >= 0 || b.barrier >= 0)
    return a.barrier >= 0 && b.barrier >= 0 && strongerBarrier(a.barrier, b.barrier);
  return strongerTlbi(a, b, repeat);
}

function strongerBarrier(a: number, b: number): boolean {
  const [x, y] = [BARRIERS[a]!, BARRIERS[b]!];
  if (x.kind !== "DSB" || y.kind !== "DSB" || x.nXS !== y.nXS) return false;
  const wider = DOMAINS.indexOf(x.domain!) >= DOMAINS.indexOf(y.domain!);
  return wider && (x.type === "full" || x.type === y.type);
}
const DOMAINS = ["NSH", "ISH", "OSH", "SY"];

function strongerTlbi(a: Instruction, b: Instruction, repeat: boolean): boolean {
  const [x, y] = [TLBI_OPS[a.op]!, TLBI_OPS[b.op]!];
  if (x.regime !== y.regime || x.nXS !== y.nXS) return false;
  if (REACHES.indexOf(x.reach) < REACHES.indexOf(y.reach)) return false;
  if (repeat && (x.reach === "local") !== (y.reach === "local")) return false;
  if ((y.stage1 && !x.stage1) || (y.stage2 && !x.stage2) || (y.combined && !x.combined)) return false;
  if (x.matchesVmid && !y.matchesVmid) return false;
  if (x.lastLevel && !y.lastLevel) return false;
  if (ASIDS.indexOf(x.matchesAsid) < ASIDS.indexOf(y.matchesAsid)) return false;
  return a.over === undefined || (b.over !== undefined && a.ttl === b.ttl && coversAs(a.over, b.over));
}

/** Loops by what they cover: a page loop every page, as a range does; an entry loop the first page of each entry. */
const COVERS: Readonly<Record<NonNullable<Instruction["over"]>, readonly string[]>> = {
  page: ["page", "range", "entry"],
  range: ["page", "range", "entry"],
  entry: ["entry"],
  "va-page": ["va-page", "va-range"],
  "va-range": ["va-page", "va-range"],
  vmid: [],
  zero: ["zero"],
};
const coversAs = (a: NonNullable<Instruction["over"]>, b: NonNullable<Instruction["over"]>): boolean =>
  COVERS[a].includes(b);
