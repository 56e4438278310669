/**
 * The timeline: the global order of what all PEs can observe. An event's position is its time, from 1; time 0 is the initial
 * state. A broadcast TLBI is one event for each PE that it reaches.
 */
export const WRITE = 1;
/** an invalidation arrives at one PE */
export const INVALIDATE = 2;
/** from now on a PE may walk for these EL1&0 contexts */
export const CONTEXT = 3;

/** The thread of an event that no instruction is behind: a walk ahead of any access. */
export const NOBODY = -1;
/** What stands for a PE with the WRITEs of its walks. */
export const byWalk = (pe: number): number => pe + 1;

/** More events than this are not explored: the answer is `unknown`. */
export const MAX_EVENTS = 60;

/** One order of events; grows and shrinks at its end. `thread` is -1 at time 0. */
export class Timeline {
  /** number of events */
  n = 0;
  readonly kind = new Int8Array(MAX_EVENTS + 1);
  readonly thread = new Int8Array(MAX_EVENTS + 1);
  /** PE of an INVALIDATE or a CONTEXT; of a WRITE 0, or {@link byWalk} of the PE whose walk it was */
  readonly pe = new Int8Array(MAX_EVENTS + 1);
  /** WRITE: cell; INVALIDATE: id of the invalidation; CONTEXT: id of the live set */
  readonly what = new Int32Array(MAX_EVENTS + 1);
  /** WRITE: value id; INVALIDATE: the issuer's count of DSBs that complete broadcasts; CONTEXT: 0 */
  readonly value = new Int32Array(MAX_EVENTS + 1);
  /** index of the instruction that issued it, in its thread's code */
  readonly origin = new Int32Array(MAX_EVENTS + 1);

  push(kind: number, thread: number, pe: number, what: number, value: number, origin: number): void {
    const t = ++this.n;
    this.kind[t] = kind;
    this.thread[t] = thread;
    this.pe[t] = pe;
    this.what[t] = what;
    this.value[t] = value;
    this.origin[t] = origin;
  }

  /** Time of the last write to a cell at or before `t`; 0 = the initial value. */
  lastWrite(cell: number, t: number): number {
    for (let i = t; i > 0; i--) if (this.kind[i] === WRITE && this.what[i] === cell) return i;
    return 0;
  }

  /** The same, passing over the writes of one thread after a time. */
  lastWriteBut(cell: number, t: number, thread: number, after: number): number {
    for (let i = t; i > 0; i--)
      if (this.kind[i] === WRITE && this.what[i] === cell && !(this.thread[i] === thread && i > after)) return i;
    return 0;
  }
}
