/**
 * Whether a machine gets on, judged by what it does and never by the clock: what it logs, prints and computes. On a slow or
 * busy computer everything takes longer, but a QEMU that has work uses CPU time or waits for it.
 */
import { readdirSync, readFileSync } from "node:fs";

/** A process with all its threads and descendants, at one moment. */
export interface ProcessState {
  /** CPU time used so far, in seconds: of those that have ended too */
  readonly cpu: number;
  /** every thread sleeps, or is stopped: none runs, wants to run, or waits for a disk */
  readonly asleep: boolean;
  /** a thread is stopped (SIGSTOP, a debugger) */
  readonly stopped: boolean;
}

/** Clock ticks a second in /proc (USER_HZ, the same on every Linux). */
const TICKS = 100;

/** Reads a process's state from Linux's /proc; undefined where there is none, or it has ended. */
export function processState(pid: number, proc = "/proc"): ProcessState | undefined {
  try {
    const { cpu } = readStat(`${proc}/${pid}/stat`);
    let state: ProcessState = { cpu, asleep: true, stopped: false };
    for (const thread of readdirSync(`${proc}/${pid}/task`)) {
      const task = `${proc}/${pid}/task/${thread}`;
      state = joined(state, { cpu: 0, ...threadState(readStat(`${task}/stat`).state) });
      for (const child of readFileSync(`${task}/children`, "latin1").split(" "))
        if (child.trim() !== "") state = joined(state, processState(Number(child), proc) ?? NOTHING);
    }
    return state;
  } catch {
    return undefined;
  }
}

const NOTHING: ProcessState = { cpu: 0, asleep: true, stopped: false };

const joined = (a: ProcessState, b: ProcessState): ProcessState => ({
  cpu: a.cpu + b.cpu,
  asleep: a.asleep && b.asleep,
  stopped: a.stopped || b.stopped,
});

/** States of proc(5): S sleeps, T and t are stopped, Z and X have ended; R runs or wants to, D waits for a disk. */
const threadState = (state: string): { asleep: boolean; stopped: boolean } => ({
  asleep: /[STtZX]/.test(state),
  stopped: /[Tt]/.test(state),
});

/** State, and utime + stime + cutime + cstime, of a line of /proc/PID/stat; the name in parentheses may hold anything. */
function readStat(path: string): { state: string; cpu: number } {
  const text = readFileSync(path, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0]!, cpu: fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS };
}

/** How long a machine may log and print nothing while it computes, in seconds of its CPU time, before it is taken for hung. */
export const STALL = 60;
/** The same for one that has done neither since it started: Xen prints and flushes within its first second. */
export const SILENCE = 20;
/** Seconds of CPU time that a capture may take unless told, for which the two above are: who allows more has more patience with each step. */
export const USUAL_LIMIT = 600;
const patience = (seconds: number, limit: number): number => Math.round(seconds * Math.max(1, limit / USUAL_LIMIT));
/** How many times in a row a machine may be found asleep with nothing done since the time before. */
const ASLEEP = 100;

/** Why a machine is taken for hung, or has run for too long. */
type Ailment = "silent" | "stalled" | "asleep" | "stopped" | "late";

export class Vitals {
  private done = 0;
  /** CPU time when something was done last, and when looked at last */
  private doneAt = 0;
  private cpu = 0;
  private answers = 0;
  private asleep = 0;

  /**
   * `limit`: most CPU time that the machine may use, in seconds; `silence`: until it does anything, and `stall`: without anything
   * done, where the limit is the usual one.
   */
  constructor(
    private readonly limit: number,
    private readonly silence: number = SILENCE,
    private readonly stall: number = STALL,
  ) {}

  /**
   * To be told from time to time what the machine has done so far: a count of anything that it brings forth, of the answers
   * of its GDB stub, and the state of its process where that can be read. What is wrong with it, or undefined.
   */
  check(done: number, answers: number, state: ProcessState | undefined): Ailment | undefined {
    if (state === undefined) return undefined;
    const { cpu, asleep, stopped } = state;
    // An answer takes less than a tick of CPU time: it is a sign of life of its own.
    const still = asleep && cpu === this.cpu && done === this.done && answers === this.answers;
    this.asleep = still ? this.asleep + 1 : 0;
    this.cpu = cpu;
    this.answers = answers;
    if (done !== this.done) {
      this.done = done;
      this.doneAt = cpu;
    }
    if (this.asleep >= ASLEEP) return stopped ? "stopped" : "asleep";
    if (cpu > this.limit) return "late";
    if (cpu - this.doneAt > patience(done === 0 ? this.silence : this.stall, this.limit))
      return done === 0 ? "silent" : "stalled";
    return undefined;
  }
}

/** What is wrong, in words. `silence` and `limit` as of {@link Vitals}; `silent`: what to look at when nothing came; `phase`: of the machine. */
export function ailmentText(
  ailment: Ailment,
  { limit, silence, silent, phase }: { limit: number; silence: number; silent: string; phase: string },
): string {
  switch (ailment) {
    case "silent":
      return `Xen has printed nothing in ${patience(silence, limit)} s of QEMU's CPU time: ${silent}`;
    case "stalled":
      return `the machine hangs: it has done nothing for ${patience(STALL, limit)} s of QEMU's CPU time in the phase ${phase}`;
    case "asleep":
      return `QEMU hangs: it sleeps and has nothing to do, in the phase ${phase}`;
    case "stopped":
      return `QEMU is stopped (by a signal or a debugger), in the phase ${phase}`;
    case "late":
      return `the machine did not finish within ${limit} s of QEMU's CPU time`;
  }
}
