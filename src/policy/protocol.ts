/**
 * When a policy's code runs. Who changes tables says what happens to them, one thing after the other; the protocol says which
 * occasion's code runs then and on which case, and whether what a removal freed may go back yet. Xen's model drives it with
 * what its p2m does, the prover with the changes that a scenario is about: what is proved is what is priced.
 */
import { type Due, type Occasion, type Policy, withoutCode } from "./policy.js";
import { Case } from "./program.js";

/** What of a policy says when its code runs. */
type Timing = Pick<Policy, "due" | "batch" | "own">;

/** What happens to entries that were valid to the hardware; but for the first, an occasion that a policy may have code for. */
type Change = "removed" | "domain-dies" | "table-freed" | Kept;
/** What happens to entries that stay in the table. */
type Kept = "write-protected" | "permission-relaxed" | "access-flag-cleared" | "stage1-edited";

/**
 * Occasions whose code runs at a moment of a change, in order. Code that a policy has for a change other than a removal takes the
 * place of all other, when the lock is released. Without such, a change is a removal like any other, or nothing to be flushed for.
 */
function codeAt({ due, batch, own }: Timing, moment: Due, change: Change): readonly Occasion[] {
  if (change !== "removed" && own.includes(change)) return moment === "unlock" ? [change] : [];
  if (change !== "removed" && withoutCode(change) !== "other code") return [];
  const revoke: readonly Occasion[] = due === moment ? ["revoke"] : [];
  return moment === "batch-end" && batch ? [...revoke, "batch-end"] : revoke;
}

/** The moments that come when the p2m's lock is released, one right behind the other: outside a batch a removal is a batch of one. */
const AT_UNLOCK: Readonly<Record<"alone" | "inBatch", readonly Due[]>> = {
  alone: ["unlock", "batch-end"],
  inBatch: ["unlock"],
};

/**
 * The occasions whose code runs in one piece for a change, that which the policy has in place of all other or the revoke code
 * among it: what a trace shows as one flush.
 */
export function runTogether(policy: Timing, change: Change, inBatch: boolean): readonly Occasion[] {
  const together = [["at-once"], AT_UNLOCK[inBatch ? "inBatch" : "alone"], ["batch-end"]] as const;
  const runs = together.map((moments) => moments.flatMap((moment) => codeAt(policy, moment, change)));
  return runs.find((run) => run.some((occasion) => occasion !== "batch-end"))!;
}

const NOTHING = new Case();

/** A moment of changes of one kind: whose code runs, and what was changed since the last such moment. */
class Moment {
  /** false: no policy has code for it, and nobody need know what was removed */
  readonly used: boolean;
  readonly removed: Case;

  /** `codes`: by policy */
  constructor(readonly codes: readonly (readonly Occasion[])[]) {
    this.used = codes.some((code) => code.length > 0);
    this.removed = this.used ? new Case() : NOTHING;
  }
}

/** Which code a policy executes in place of what is due; undefined: no other. */
type Instead = (policy: number) => readonly Occasion[] | undefined;

/** Changes of one kind. What one lock covers is of one kind: Xen's need_flush would be one flush for several. */
class Changes {
  private readonly moments: Readonly<Record<Due, Moment>>;
  private readonly used: readonly Moment[];

  constructor(policies: readonly Timing[], change: Change) {
    const at = (due: Due): Moment => new Moment(policies.map((policy) => codeAt(policy, due, change)));
    this.moments = { "at-once": at("at-once"), unlock: at("unlock"), "batch-end": at("batch-end") };
    this.used = Object.values(this.moments).filter(({ used }) => used);
  }

  /** One more. Arguments as Case.add's. */
  add(gfn: number, pages: number, va: number, step?: number, level?: number, old?: boolean): void {
    for (const moment of this.used) moment.removed.add(gfn, pages, va, step, level, old);
  }

  /** A moment has come. `instead`: which code a policy executes in place of what is due. */
  pass(due: Due, owner: Owner, run: RunCode, instead?: Instead): void {
    const { codes, removed } = this.moments[due];
    if (removed.count === 0) return;
    removed.ownerVmids = owner.vmids;
    removed.asid = owner.asid;
    for (let policy = 0; policy < codes.length; policy++) {
      const due = codes[policy]!;
      for (const occasion of (due.length > 0 && instead?.(policy)) || due) run(policy, occasion, removed);
    }
    removed.clear();
  }
}

/** Whose mappings they are: the domain's VMIDs, and the ASID of its guest's mappings. Both may change. */
interface Owner {
  readonly vmids: readonly number[];
  readonly asid: number;
}

/** Executes the code that the policy of that number has for an occasion; the case is the protocol's again afterwards. */
export type RunCode = (policy: number, occasion: Occasion, on: Case) => void;

/**
 * The flushes of one p2m, under several policies at once that all have batches or all have none, and all or none have code of
 * their own for tables that go.
 */
export class Protocol {
  private removals: Changes;
  private readonly kept = new Map<Change, Changes>();
  private readonly one = new Case();
  private batch = false;
  private fails = false;
  /** tables are no removals like others */
  private readonly tablesApart: boolean;
  private readonly flushesMoved: boolean;

  constructor(
    private readonly policies: readonly Timing[],
    private readonly owner: Owner,
    private readonly run: RunCode,
  ) {
    this.removals = new Changes(policies, "removed");
    this.tablesApart = policies[0]!.own.includes("table-freed");
    this.flushesMoved = policies.some(({ own }) => own.includes("vcpu-moved"));
  }

  /** A VMID is given to the domain (again), or the root of its table was cleared or invalidated. */
  assigned(): void {
    this.one.clear();
    this.forAll(() => "vmid-assigned", this.owner.vmids);
  }

  /** A vCPU has come in, under this VMID, where another one of the domain ran last: VTTBR_EL2 is written, behind it an ISB. */
  switched(vmid: number): void {
    this.one.clear();
    this.forAll(() => "switch", [vmid]);
  }

  /** A vCPU has come in, under this VMID, which ran on another pCPU last: behind {@link switched}, where that is due too. */
  moved(vmid: number): void {
    if (!this.flushesMoved) return;
    this.one.clear();
    this.forAll(() => "vcpu-moved", [vmid]);
  }

  /** The middle of break-before-make: the entry is invalid, its successor not yet written. Arguments as Case.add's. */
  broken(gfn: number, pages: number, va: number, step?: number, level?: number): void {
    this.one.clear();
    this.one.add(gfn, pages, va, step, level);
    this.forAll(() => "split", this.owner.vmids);
  }

  /** The same where a table of entries, the smallest of `step` pages, makes room for a block. */
  merged(gfn: number, pages: number, va: number, step: number): void {
    this.one.clear();
    this.one.add(gfn, pages, va, step);
    this.forAll(({ own }) => (own.includes("block-merged") ? "block-merged" : "split"), this.owner.vmids);
  }

  private forAll(occasion: (policy: Timing) => Occasion, vmids: readonly number[]): void {
    this.one.ownerVmids = vmids;
    this.one.asid = this.owner.asid;
    for (let policy = 0; policy < this.policies.length; policy++)
      this.run(policy, occasion(this.policies[policy]!), this.one);
  }

  /** An entry that was valid to the hardware was removed. Arguments as Case.add's; a table has no `level`, or several pages a step. */
  removed(gfn: number, pages: number, va: number, step?: number, level?: number, old?: boolean): void {
    if (this.tablesApart && (level === 0 || (step !== undefined && step !== pages)))
      this.changesOf("table-freed").add(gfn, pages, va, step, level);
    else {
      this.removals.add(gfn, pages, va, step, level, old);
      this.removals.pass("at-once", this.owner, this.run);
    }
  }

  /**
   * An entry that stays was changed in nothing but that. Of permissions: it is invalid, its successor not yet written; of the
   * others: it is written. The others as Case.add's.
   */
  changed(change: Kept, gfn: number, pages: number, va: number, step?: number): void {
    const changes = this.changesOf(change);
    changes.add(gfn, pages, va, step);
    changes.pass("at-once", this.owner, this.run);
  }

  private changesOf(change: Change): Changes {
    const changes = this.kept.get(change) ?? new Changes(this.policies, change);
    this.kept.set(change, changes);
    return changes;
  }

  /** What is done under the lock, or in the batch, will not be finished: an error. What was changed until here stays so. */
  failing(): void {
    this.fails = true;
  }

  /** The p2m's lock is about to be released. */
  unlocking(): void {
    this.passAll(AT_UNLOCK[this.batch ? "inBatch" : "alone"]);
    if (!this.batch) this.fails = false;
  }

  /** A table is about to go back to the heap, which the walk caches may hold. In a batch it is kept instead. */
  freeing(): void {
    if (!this.batch) this.passAll(AT_UNLOCK.alone);
  }

  /** A batch of removals begins. */
  beginBatch(): void {
    this.batch = true;
  }

  /** What removals have freed must be kept: until the batch has ended, or given way. */
  get keeps(): boolean {
    return this.batch;
  }

  /** The batch ends or gives way. */
  endBatch(): void {
    this.batch = false;
    this.passAll(["batch-end"]);
    this.fails = false;
  }

  /** From now on every removal is one of a dying domain. Nothing may wait for a flush. */
  beginDying(): void {
    this.removals = new Changes(this.policies, "domain-dies");
  }

  private passAll(moments: readonly Due[]): void {
    const instead = this.fails ? this.failsMidway() : undefined;
    for (const due of moments) {
      this.removals.pass(due, this.owner, this.run, instead);
      for (const changes of this.kept.values()) changes.pass(due, this.owner, this.run);
    }
  }

  /** What policies with code for an error execute, once each, in place of all that is due. */
  private failsMidway(): Instead {
    const done = new Set<number>();
    return (policy) => {
      if (!this.policies[policy]!.own.includes("fails-midway")) return undefined;
      if (done.has(policy)) return [];
      done.add(policy);
      return ["fails-midway"];
    };
  }
}

/** An entry to be removed; see Case.add. */
export interface Entry {
  readonly gfn: number;
  readonly pages: number;
  readonly va: number;
  readonly step: number;
  readonly level: number;
  readonly old?: boolean;
}

/** What is done around a policy's code. */
interface RemovalSteps<E extends Entry> {
  /** the entry's descriptor is cleared */
  write(entry: E): void;
  /** what the entries held goes back to the heap */
  free(entries: readonly E[]): void;
}

/**
 * Removals, call after call, each with the p2m's lock held for all its entries: the descriptors that go, the code that runs, the
 * pages that go back, in order. `batch`: the calls make one batch. `early`: one that frees when a call ends, and leaves it to
 * the page allocator to flush before the page has its next owner.
 */
export function removal<E extends Entry>(
  protocol: Protocol,
  calls: readonly (readonly E[])[],
  steps: RemovalSteps<E>,
  { batch, early = false }: { readonly batch: boolean; readonly early?: boolean },
): void {
  const kept: E[] = [];
  if (batch) protocol.beginBatch();
  for (const entries of calls) {
    for (const entry of entries) {
      steps.write(entry);
      protocol.removed(entry.gfn, entry.pages, entry.va, entry.step, entry.level, entry.old);
    }
    protocol.unlocking();
    if (protocol.keeps && !early) kept.push(...entries);
    else steps.free(entries);
  }
  if (!batch) return;
  protocol.endBatch();
  if (kept.length > 0) steps.free(kept);
}
