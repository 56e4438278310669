/**
 * A policy line by line, for people: what each instruction reaches, removes and waits for, out of what the architecture says of it
 * (the arch room) and where it stands in the code; nothing is written for single policies.
 */
import {
  BARRIERS,
  type Barrier,
  type CpuProfile,
  completes,
  explainTlbi,
  FEATURES,
  type Feature,
  needs,
  type Removal,
  SYMPTOMS,
  TLBI_OPS,
  type TlbiOp,
  WORKAROUNDS,
  type Workaround,
} from "../arch/index.js";
import { OCCASIONS, type Occasion, type Policy, withoutCode } from "./policy.js";
import { conditionCode, tlbiCode } from "./print.js";
import type { Condition, LoopOver, Pes, Sequence, Statement } from "./program.js";

/** A line of the code as it is parsed: `depth` blocks stand around it; an `end` and an `else` may say nothing. */
interface ExplainedLine {
  readonly depth: number;
  readonly code: string;
  readonly says: readonly string[];
}

/** The code of an occasion. */
interface ExplainedOccasion {
  readonly occasion: Occasion;
  /** when that is */
  readonly when: string;
  /** what is executed where there are no lines: "nothing is executed", "the revoke code is executed" */
  readonly without: string;
  readonly lines: readonly ExplainedLine[];
}

/** All occasions of a policy; those without code have no lines. `cpus`: of which it is said on which side of a condition they are. */
export const explainPolicy = (policy: Policy, cpus: readonly CpuProfile[]): ExplainedOccasion[] =>
  (Object.keys(OCCASIONS) as Occasion[]).map((occasion) => {
    const lines: ExplainedLine[] = [];
    new Explaining(lines, cpus).body(policy.code[occasion], 0, new Set());
    return { occasion, when: OCCASIONS[occasion].when, without: withoutLines(policy, occasion), lines };
  });

/** What a policy executes on an occasion for which it has no lines. */
function withoutLines({ own }: Policy, occasion: Occasion): string {
  if (own.includes(occasion)) return "nothing is executed";
  switch (withoutCode(occasion)) {
    case "other code":
      return `no code of its own: ${occasion === "block-merged" ? "the split code" : "the revoke and batch-end code, when that is due,"} is executed`;
    case "not stated":
      return "not stated";
    default:
      return "nothing is executed";
  }
}

/** TLBIs before a place that no DSB has completed yet, by their index in TLBI_OPS. */
type Pending = ReadonlySet<number>;

class Explaining {
  constructor(
    private readonly lines: ExplainedLine[],
    private readonly cpus: readonly CpuProfile[],
  ) {}

  private say(depth: number, code: string, ...says: string[]): void {
    this.lines.push({ depth, code, says });
  }

  /** Explains a body, and tells what is pending behind it. */
  body(program: Sequence, depth: number, before: Pending): Pending {
    return program.reduce((pending, s) => this.statement(s, depth, pending), before);
  }

  private statement(s: Statement, depth: number, pending: Pending): Pending {
    switch (s.kind) {
      case "barrier": {
        const barrier = BARRIERS[s.barrier]!;
        this.say(depth, barrier.name.toLowerCase(), ...barrierSays(barrier, pending));
        return new Set([...pending].filter((op) => !completes(barrier, TLBI_OPS[op]!)));
      }
      case "tlbi":
        this.say(depth, tlbiCode(s), ...tlbiSays(s, this.cpus));
        return new Set([...pending, s.op, ...(s.single >= 0 ? [s.single] : [])]);
      case "msr-vttbr":
        this.say(
          depth,
          `msr vttbr_el2, ${s.value}`,
          s.value === "owner"
            ? "VTTBR_EL2 := the owner's table and VMID; certain to count only after an ISB"
            : "VTTBR_EL2 := what was in force before; certain to count only after an ISB",
        );
        return pending;
      case "unknown":
        this.say(depth, "unknown", "nobody has said what is executed here");
        return pending;
      case "with-owner":
        return this.block(
          depth,
          "with owner-vmid",
          "where the owner is not current: VTTBR_EL2 := its table and VMID, ISB; and after the end back again, ISB",
          s.body,
          pending,
        );
      case "on":
        return this.block(depth, `on ${s.pes}`, ON[s.pes], s.body, pending);
      case "for":
        return new Set([...pending, ...this.block(depth, `for ${s.over}`, LOOPS[s.over], s.body, pending)]);
      case "if":
        return this.choice(s, depth, pending);
    }
  }

  private block(depth: number, code: string, says: string, body: Sequence, pending: Pending): Pending {
    this.say(depth, code, says);
    const after = this.body(body, depth + 1, pending);
    this.say(depth, "end");
    return after;
  }

  /** What is pending behind it may come by either way. */
  private choice(s: Extract<Statement, { kind: "if" }>, depth: number, pending: Pending): Pending {
    const { code, says, otherwise } = conditionSays(s.condition, this.cpus);
    this.say(depth, `if ${code}`, says);
    const held = this.body(s.body, depth + 1, pending);
    if (s.otherwise.length > 0) this.say(depth, "else", otherwise);
    const not = this.body(s.otherwise, depth + 1, pending);
    this.say(depth, "end");
    return new Set([...held, ...not]);
  }
}

const ON: Readonly<Record<Pes, string>> = {
  "every-pe": "on every PE, told by an IPI; and it is waited until each has executed it",
  "vmid-pes":
    "on every PE on which a VMID of the owner has run, told by an IPI; and it is waited until each has executed it",
};

const LOOPS: Readonly<Record<LoopOver, string>> = {
  page: "once for each 4 KiB page that was removed: ipa is its address",
  entry: "once for each descriptor that was removed, a block once: ipa is its first address",
  range:
    "once for each piece of the removed pages that an operand of a range form can say: ipa is the piece; an odd page is given to the single form",
  "va-page": "once for each page that was removed, by the guest's VA, where the hypervisor knows it",
  "va-range": "once for each piece that a range form can say, by the guest's VA, where the hypervisor knows it",
  vmid: "once for each VMID of the owner, one for each vCPU; `with owner-vmid` inside means that one",
};

const nameOf = (op: number): string => `TLBI ${TLBI_OPS[op]!.name}`;
const WHOSE = {
  NSH: "this PE",
  ISH: "the Inner Shareable domain",
  OSH: "the Outer Shareable domain",
  SY: "the whole system",
};

function barrierSays(barrier: Barrier, pending: Pending): string[] {
  const { kind, domain, type } = barrier;
  if (kind === "ISB" || domain === undefined)
    return ["context synchronisation: what follows is fetched and translated anew, under VTTBR_EL2 as it is now"];
  const whose = WHOSE[domain];
  if (kind === "DMB") return [`orders accesses before and after it, as ${whose} sees them; completes no TLBI`];
  const accesses = type === "ST" ? "writes" : type === "LD" ? "reads" : "reads and writes";
  const waits = `waits until the ${accesses} before it are there for ${whose}${type === "LD" ? "" : ", descriptors for walks too"}`;
  const done = [...pending].filter((op) => completes(barrier, TLBI_OPS[op]!));
  const left = [...pending].filter((op) => !done.includes(op));
  return [
    waits,
    ...(done.length > 0
      ? [
          `completes ${done.map(nameOf).join(", ")}: the entries are gone wherever it reaches, and accesses by way of them are over`,
        ]
      : []),
    ...(left.length > 0 ? [`does not complete ${left.map(nameOf).join(", ")}: ${whyNot(barrier)}`] : []),
  ];
}

const whyNot = ({ type, nXS }: Barrier): string => {
  if (type !== "full") return "that takes a DSB of reads and writes";
  return nXS ? "a DSB nXS waits for TLBIs with nXS only" : "that reaches farther than this barrier";
};

type TlbiStatement = Extract<Statement, { kind: "tlbi" }>;

function tlbiSays({ op: index, operand, ttl, single }: TlbiStatement, cpus: readonly CpuProfile[]): string[] {
  const op: TlbiOp = TLBI_OPS[index]!;
  const { reach, removes, completedBy, needs } = explainTlbi(op, operand === "none" ? 31 : 0);
  const kinds = [
    ["stage-1", removes.stage1],
    ["stage-2", removes.stage2],
    ["combined", removes.combined],
  ] as const;
  return [
    `reaches ${reach}`,
    ...(op.regime === "EL2" ? ["of the hypervisor's own regime (EL2), no guest's"] : []),
    ...removedSays(kinds),
    ...(operand === "zero" ? ["its operand is 0: of what it removes nothing is wanted"] : []),
    ...(operand === "asid" ? ["its operand is the ASID of the guest's mappings, known where their VA is"] : []),
    ...(single >= 0 ? [`an odd page by ${TLBI_OPS[single]!.name}`] : []),
    ...(ttl
      ? [
          `on a CPU with FEAT_TTL the operand tells the level of the entry, where no table went with it; ${withAndWithout(cpus, hasFeature("FEAT_TTL"))}`,
        ]
      : []),
    ...(needs.length > 0 ? [`needs ${needs.join(", ")}`] : []),
    `complete after ${completedBy.filter((name) => !name.includes("nXS") || op.nXS).join(", or ")}`,
  ];
}

/** Kinds of entries with equal lots in one sentence. */
function removedSays(kinds: readonly (readonly [string, Removal])[]): string[] {
  const there = kinds.filter(([, { status }]) => status !== "absent");
  const lots = new Map<string, string[]>();
  for (const [name, { status, matches }] of there) {
    const lot =
      status === "yes"
        ? `removed: ${matches}`
        : status === "not required"
          ? "may stay (not required to apply to them)"
          : "may stay";
    lots.set(lot, [...(lots.get(lot) ?? []), name]);
  }
  return [...lots].map(([lot, names]) => `${names.join(" and ")} entries ${lot}`);
}

/** Which CPUs that is, which not, and of which nobody knows (`undefined`). */
function withAndWithout(cpus: readonly CpuProfile[], has: (cpu: CpuProfile) => boolean | undefined): string {
  const list = (which: boolean | undefined): string =>
    cpus
      .filter((cpu) => has(cpu) === which)
      .map(({ name }) => name)
      .join(", ");
  const unknown = list(undefined);
  return `with it: ${list(true) || "no CPU here"}; without: ${list(false) || "no CPU here"}${unknown && `; unknown: ${unknown}`}`;
}

const hasFeature =
  (feature: Feature) =>
  ({ features, unknown }: CpuProfile): boolean | undefined =>
    unknown.has(feature) ? undefined : features.has(feature);

/** What a workaround is for, as a sentence says it: the errata that are best known, and what they do. */
function workaroundSays(workaround: Workaround): string {
  const of = Object.values(SYMPTOMS).filter((row) => row.workaround === workaround);
  const ids = of.map(({ id }) => id).join(", ");
  return `the ${WORKAROUNDS[workaround].title} erratum (${ids}): ${of.map(({ symptom }) => symptom).join(", or ")}`;
}

function conditionSays(
  c: Condition,
  cpus: readonly CpuProfile[],
): { readonly code: string; readonly says: string; readonly otherwise: string } {
  const code = conditionCode(c);
  switch (c.test) {
    case "feature":
      return {
        code,
        says: `only on CPUs ${c.not ? "without" : "with"} ${c.feature}, ${FEATURES[c.feature]}; ${withAndWithout(cpus, hasFeature(c.feature))}`,
        otherwise: `on CPUs ${c.not ? "with" : "without"} ${c.feature}`,
      };
    case "erratum":
      return {
        code,
        says: `only on CPUs ${c.not ? "without" : "with"} ${workaroundSays(c.workaround)}; ${withAndWithout(cpus, (cpu) => needs(cpu, c.workaround))}`,
        otherwise: `on CPUs ${c.not ? "with" : "without"} the erratum`,
      };
    case "owner-current":
      return {
        code,
        says: `only where the owner's VMID is ${c.not ? "not " : ""}the one in VTTBR_EL2`,
        otherwise: `where it is${c.not ? "" : " not"}`,
      };
    case "va-known":
      return {
        code,
        says: `only where the hypervisor ${c.not ? "does not know" : "knows"} the guest's VA of every removed page`,
        otherwise: `where it does${c.not ? "" : " not"}`,
      };
    case "old":
      return {
        code,
        says: c.not
          ? "only where the access flag of some removed entry was set"
          : "only where the access flag of every removed entry was clear (its page was not used since)",
        otherwise: `where it was${c.not ? " not" : ""}`,
      };
    case "pages":
      return {
        code,
        says: `only for ${c.not ? "at most" : "more than"} ${c.above} pages of 4 KiB`,
        otherwise: `for ${c.not ? "more" : "no more"} than that`,
      };
  }
}
