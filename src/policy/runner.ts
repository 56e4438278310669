/**
 * How a program runs. One walk serves everybody: the simulator runs it into a trace, and {@link unroll} into a flat list for
 * a concrete case (which is what a prover wants).
 */
import {
  addressOperand,
  BARRIERS,
  type CpuProfile,
  type GranuleBits,
  largestRange,
  operandHalves,
  RANGE_TTL,
  rangeOperand,
  TLBI_OPS,
  ttlOf,
} from "../arch/index.js";
import { InputError } from "../input/index.js";
import {
  type Case,
  type Condition,
  type Executor,
  type LoopOver,
  type Pes,
  type Sequence,
  type Statement,
  specialise,
} from "./program.js";

const ISB = BARRIERS.findIndex((b) => b.kind === "ISB");

enum Do {
  barrier,
  tlbi,
  tlbiOfLoop,
  tlbiOfAsid,
  vttbrOwner,
  vttbrCurrent,
  withOwner,
  onEveryPe,
  onVmidPes,
  unknown,
  choose,
  eachVmid,
  eachPage,
  eachEntry,
  eachRange,
}

/** A statement as the runner wants it: all of one shape, so that the engine's property look-ups stay fast. */
interface Compiled {
  readonly does: Do;
  /** barrier, or TLBI */
  readonly a: number;
  /** the single-address form of a range TLBI, -1 = none; for loops 1 = over guest VAs */
  readonly b: number;
  readonly body: readonly Compiled[];
  readonly otherwise: readonly Compiled[];
  readonly condition: Condition | undefined;
  readonly loop: LoopOver | undefined;
  /** the operand gives the level of the loop's entries */
  readonly ttl: boolean;
  readonly line: number;
}

const LOOPS: Readonly<Record<LoopOver, readonly [Do, number]>> = {
  vmid: [Do.eachVmid, 0],
  page: [Do.eachPage, 0],
  entry: [Do.eachEntry, 0],
  range: [Do.eachRange, 0],
  "va-page": [Do.eachPage, 1],
  "va-range": [Do.eachRange, 1],
};

const TLBIS = { none: Do.tlbi, zero: Do.tlbi, loop: Do.tlbiOfLoop, asid: Do.tlbiOfAsid } as const;

const stepsOf = (program: Sequence): Compiled[] => program.map(stepOf);

function step(does: Do, rest: Partial<Compiled> = {}): Compiled {
  return {
    does,
    a: rest.a ?? 0,
    b: rest.b ?? 0,
    body: rest.body ?? [],
    otherwise: rest.otherwise ?? [],
    condition: rest.condition,
    loop: rest.loop,
    ttl: rest.ttl ?? false,
    line: rest.line ?? 0,
  };
}

function stepOf(s: Statement): Compiled {
  switch (s.kind) {
    case "barrier":
      return step(Do.barrier, { a: s.barrier, line: s.line });
    case "tlbi":
      return step(TLBIS[s.operand], { a: s.op, b: s.single, ttl: s.ttl, line: s.line });
    case "msr-vttbr":
      return step(s.value === "owner" ? Do.vttbrOwner : Do.vttbrCurrent, { line: s.line });
    case "with-owner":
      return step(Do.withOwner, { body: stepsOf(s.body), line: s.line });
    case "on":
      return step(s.pes === "every-pe" ? Do.onEveryPe : Do.onVmidPes, { body: stepsOf(s.body), line: s.line });
    case "unknown":
      return step(Do.unknown, { line: s.line });
    case "if":
      return step(Do.choose, { condition: s.condition, body: stepsOf(s.body), otherwise: stepsOf(s.otherwise) });
    case "for": {
      const [does, byVa] = LOOPS[s.over];
      return step(does, { b: byVa, body: stepsOf(s.body), loop: s.over, line: s.line });
    }
  }
}

/** The granule of the tables, and that which the code counts pages in and writes into operands. Logarithms of their bytes. */
export interface Granules {
  readonly tables: GranuleBits;
  readonly operands: GranuleBits;
}

const OF_4K: Granules = { tables: 12, operands: 12 };

/** What TTL adds to bits [47:0] of an operand, by level; 0 = no hint. */
const singleHints = (granule: GranuleBits): readonly number[] => [
  0,
  ...([1, 2, 3] as const).map((level) => addressOperand(0, ttlOf(level, granule))),
];
const RANGE_HINTS = [0, 1, 2, 3].map((level) => level * RANGE_TTL);

const UNKNOWN_CODE =
  "the policy says that it is unknown what is executed here: put code in its place, or ask for what does not come here (another --cpu, another scenario)";

/** Runs one program, specialised for a CPU, on case after case. `file` names the policy in errors. */
export class Runner {
  private readonly steps: readonly Compiled[];
  /** of operands; how many of these a page of the case has, and how many pages of 4 KiB each of them has */
  private readonly granule: GranuleBits;
  private readonly each: number;
  private readonly unit: number;
  private readonly hints: readonly number[];
  private on!: Case;
  /** VMID of the owner that `with owner-vmid` means, and the VMID in VTTBR_EL2 */
  private owner = 0;
  private held = 0;
  /** what the loop around offers as operand: bits [47:0], ASID; 1 = an odd page, for the single-address form */
  private operand = 0;
  private asid = 0;
  private single = 0;
  /** what TTL adds to the operand for the level of the loop's entries; 0 where that is not known */
  private hint = 0;
  /** line of the file on which the instruction stands that the executor is given */
  line = 0;
  /** pages of each range, from its first one on, that loops over single pages and entries go over; the others are left out */
  looked = Number.POSITIVE_INFINITY;

  constructor(
    program: Sequence,
    private readonly executor: Executor,
    private readonly file: string,
    { tables, operands }: Granules = OF_4K,
  ) {
    this.steps = stepsOf(program);
    this.granule = operands;
    this.each = 2 ** (tables - operands);
    this.unit = 2 ** (operands - 12);
    this.hints = singleHints(operands);
  }

  /** Runs it. Throws an InputError when the code asks for a guest VA that nobody knows. */
  run(on: Case): void {
    if (this.steps.length === 0) return;
    this.on = on;
    this.owner = on.ownerVmids[0]!;
    this.held = on.currentVmid;
    this.body(this.steps);
  }

  private body(steps: readonly Compiled[]): void {
    const { executor } = this;
    for (let i = 0; i < steps.length; i++) {
      const s = steps[i]!;
      this.line = s.line;
      switch (s.does) {
        case Do.barrier:
          executor.barrier(s.a);
          break;
        case Do.tlbi:
          executor.tlbi(s.a, 0, 0);
          break;
        case Do.tlbiOfLoop:
          executor.tlbi(
            this.single === 1 && s.b >= 0 ? s.b : s.a,
            s.ttl ? this.operand + this.hint : this.operand,
            this.asid,
          );
          break;
        case Do.tlbiOfAsid:
          executor.tlbi(s.a, 0, this.knownAsid(s));
          break;
        case Do.vttbrOwner:
          this.vttbr(this.owner);
          break;
        case Do.vttbrCurrent:
          this.vttbr(this.on.currentVmid);
          break;
        case Do.withOwner:
          this.withOwner(s);
          break;
        case Do.onEveryPe:
        case Do.onVmidPes:
          executor.on(s.does === Do.onEveryPe ? "every-pe" : "vmid-pes", (elsewhere) =>
            elsewhere === undefined ? this.body(s.body) : this.elsewhere(s, elsewhere),
          );
          break;
        case Do.unknown:
          if (executor.unknown === undefined) throw InputError.at(this.file, s.line, UNKNOWN_CODE);
          executor.unknown();
          break;
        case Do.choose:
          this.body(this.holds(s.condition!) ? s.body : s.otherwise);
          break;
        case Do.eachVmid: {
          const around = this.owner;
          for (const vmid of this.on.ownerVmids) {
            this.owner = vmid;
            this.body(s.body);
          }
          this.owner = around;
          break;
        }
        default:
          for (let r = 0; r < this.on.count; r++) this.range(s, r);
      }
    }
  }

  private vttbr(vmid: number): void {
    this.executor.vttbr(vmid);
    this.held = vmid;
  }

  private withOwner(s: Compiled): void {
    const before = this.held;
    const elsewhere = before !== this.owner;
    if (elsewhere) {
      this.vttbr(this.owner);
      this.executor.barrier(ISB);
    }
    this.body(s.body);
    if (elsewhere) {
      this.line = s.line;
      this.vttbr(before);
      this.executor.barrier(ISB);
    }
  }

  /** The body as a PE executes it on which another VMID is in force. */
  private elsewhere(s: Compiled, vmid: number): void {
    const { on, held } = this;
    const current = on.currentVmid;
    on.currentVmid = vmid;
    this.held = vmid;
    this.body(s.body);
    on.currentVmid = current;
    this.held = held;
  }

  private holds(c: Condition): boolean {
    const { on } = this;
    switch (c.test) {
      case "owner-current":
        return (on.currentVmid === this.owner) !== c.not;
      case "pages":
        return on.pages * this.each > c.above !== c.not;
      case "old":
        return !on.young !== c.not;
      case "va-known":
        return on.va.subarray(0, on.count).every((va) => va >= 0) !== c.not;
      default:
        throw new Error(`condition '${c.test}' must be specialised for a CPU before it runs`);
    }
  }

  /** One range of the case, page by page, entry by entry, or in encodable pieces. */
  private range(s: Compiled, r: number): void {
    const { on } = this;
    const { each, unit } = this;
    const base = (s.b === 1 ? this.knownVa(s, r) : on.base[r]!) * each;
    this.asid = s.b === 1 ? on.asid : 0;
    const length = on.length[r]! * each;
    const level = on.level[r]!;
    this.single = 0;
    if (s.does === Do.eachRange) {
      for (let at = 0; at < length; ) {
        const range = largestRange(length - at);
        this.single = range === undefined ? 1 : 0;
        this.hint = range === undefined ? this.hints[level]! : RANGE_HINTS[level]!;
        this.operand =
          range === undefined
            ? addressOperand((base + at) * unit)
            : rangeOperand(base + at, range.scale, range.num, this.granule);
        this.body(s.body);
        at += range === undefined ? 1 : range.granules;
      }
      return;
    }
    this.hint = this.hints[level]!;
    const step = s.does === Do.eachEntry ? on.step[r]! * each : 1;
    const end = Math.min(length, this.looked * each);
    for (let at = 0; at < end; at += step) {
      this.operand = addressOperand((base + at) * unit);
      this.body(s.body);
    }
  }

  /** The ASID of the case's mappings: who knows of one at which VA it is, knows it too. */
  private knownAsid(s: Compiled): number {
    const { on } = this;
    for (let r = 0; r < on.count; r++)
      if (on.va[r]! < 0)
        throw InputError.at(
          this.file,
          s.line,
          `'asid' is that of the guest's mappings, which the hypervisor does not know here of gfn 0x${on.base[r]!.toString(16)} (test it with 'if va-known')`,
        );
    return on.asid;
  }

  private knownVa(s: Compiled, r: number): number {
    const va = this.on.va[r]!;
    if (va >= 0) return va;
    throw InputError.at(
      this.file,
      s.line,
      `'for ${s.loop}' needs the guest's virtual address of gfn 0x${this.on.base[r]!.toString(16)}, which the hypervisor does not know here (test it with 'if va-known')`,
    );
  }
}

/** One instruction of an unrolled program (or the place where it is unknown), and the line of the policy's file that it comes from. */
export type Unrolled = { readonly line: number } & UnrolledKind;
type UnrolledKind =
  | { readonly kind: "barrier"; readonly barrier: number; readonly text: string }
  | { readonly kind: "tlbi"; readonly op: number; readonly operand: bigint; readonly text: string }
  | { readonly kind: "vttbr"; readonly vmid: number; readonly text: string }
  /** IPIs to these PEs: what stands in `own` is executed here, if this is one of them, and in `elsewhere` by VMID in force */
  | {
      readonly kind: "on";
      readonly pes: Pes;
      readonly own: readonly Unrolled[];
      readonly elsewhere: ReadonlyMap<number, readonly Unrolled[]>;
      readonly text: string;
    }
  | { readonly kind: "unknown"; readonly text: string };

/**
 * The flat list of instructions that a program executes on a CPU in a concrete case. `looked`: pages of a range that single
 * operands are wanted for. What a loop does for these stands first; that it does the same for others behind them changes nothing.
 * `vmids`: those that may be in force on other PEs that get IPIs. `granules`: 4 KiB each where nothing is said.
 */
export function unroll(
  program: Sequence,
  on: Case,
  cpu: CpuProfile,
  file = "policy",
  {
    looked = Number.POSITIVE_INFINITY,
    vmids = [],
    granules,
  }: {
    readonly looked?: number | undefined;
    readonly vmids?: readonly number[];
    readonly granules?: Granules;
  } = {},
): Unrolled[] {
  let list: Unrolled[] = [];
  const apart = (body: () => void): Unrolled[] => {
    const around = list;
    const own: Unrolled[] = [];
    list = own;
    body();
    list = around;
    return own;
  };
  const runner: Runner = new Runner(
    specialise(program, cpu),
    {
      barrier: (barrier) =>
        list.push({ kind: "barrier", barrier, text: BARRIERS[barrier]!.name.toLowerCase(), line: runner.line }),
      tlbi(op, low, asid) {
        const { lo, hi } = operandHalves(low, asid);
        const operand = (BigInt(hi) << 32n) | BigInt(lo);
        const name = TLBI_OPS[op]!.name.toLowerCase();
        const text = TLBI_OPS[op]!.operand === "none" ? `tlbi ${name}` : `tlbi ${name}, 0x${operand.toString(16)}`;
        list.push({ kind: "tlbi", op, operand, text, line: runner.line });
      },
      unknown: () => list.push({ kind: "unknown", text: "unknown", line: runner.line }),
      vttbr: (vmid) => list.push({ kind: "vttbr", vmid, text: `msr vttbr_el2, vmid ${vmid}`, line: runner.line }),
      on(pes, body) {
        const { line } = runner;
        const own = apart(body);
        const elsewhere = new Map(vmids.map((vmid) => [vmid, apart(() => body(vmid))]));
        const inside = own.map(({ text }) => text).join("; ");
        list.push({ kind: "on", pes, own, elsewhere, text: `on ${pes}: ${inside}`, line });
      },
    },
    file,
    granules,
  );
  runner.looked = looked;
  runner.run(on);
  return list;
}
