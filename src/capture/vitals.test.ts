import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ailmentText, type ProcessState, processState, Vitals } from "./vitals.js";

const running = (cpu: number): ProcessState => ({ cpu, asleep: false, stopped: false });
const asleep = (cpu: number, stopped = false): ProcessState => ({ cpu, asleep: true, stopped });

/** The first verdict of so many looks, with the look at which it came. */
function verdict(looks: number, check: (i: number) => string | undefined): [string, number] | undefined {
  for (let i = 0; i < looks; i++) {
    const ailment = check(i);
    if (ailment !== undefined) return [ailment, i];
  }
  return undefined;
}

test("a machine that gets on is never ended, however rarely it is given a CPU", () => {
  const vitals = new Vitals(1000);
  // Nothing comes for ten thousand looks: it waits for a CPU, or is given a hundredth of a second now and then.
  assert.equal(
    verdict(10_000, () => vitals.check(7, 0, running(3))),
    undefined,
  );
  assert.equal(
    verdict(10_000, (i) => vitals.check(7, 0, asleep(3 + Math.floor(i / 90) / 100))),
    undefined,
  );
  // It sleeps when it is looked at, but has logged or answered since.
  assert.equal(
    verdict(10_000, (i) => vitals.check(8 + Math.floor(i / 90), 0, asleep(5))),
    undefined,
  );
  assert.equal(
    verdict(10_000, (i) => vitals.check(9, Math.floor(i / 90), asleep(5))),
    undefined,
  );
});

test("a machine that sleeps with nothing to do is ended, and one that was stopped, with what it is", () => {
  for (const stopped of [false, true]) {
    const vitals = new Vitals(1000);
    vitals.check(5, 0, running(2));
    assert.deepEqual(
      verdict(500, () => vitals.check(5, 0, asleep(2, stopped))),
      [stopped ? "stopped" : "asleep", 99],
    );
  }
});

test("a machine that computes and brings nothing forth is ended by its CPU time, sooner before its first word", () => {
  const silent = new Vitals(600);
  assert.deepEqual(
    verdict(500, (i) => silent.check(0, 3, running(i))),
    ["silent", 21],
  );
  const stalled = new Vitals(600);
  assert.deepEqual(
    verdict(500, (i) => stalled.check(Math.min(i, 10), 0, running(i))),
    ["stalled", 71],
  );
});

test("who allows a machine more CPU time in all allows it more for each step, and is told how much that was", () => {
  const patient = new Vitals(6000);
  assert.deepEqual(
    verdict(5000, (i) => patient.check(0, 0, running(i))),
    ["silent", 201],
  );
  const stalled = new Vitals(6000);
  assert.deepEqual(
    verdict(5000, (i) => stalled.check(Math.min(i, 10), 0, running(i))),
    ["stalled", 611],
  );
  const text = (ailment: "silent" | "stalled", limit: number): string =>
    ailmentText(ailment, { limit, silence: 20, silent: "is it a CPU?", phase: "create" });
  assert.equal(text("silent", 6000), "Xen has printed nothing in 200 s of QEMU's CPU time: is it a CPU?");
  assert.match(text("stalled", 60), /nothing for 60 s .* in the phase create$/);
});

test("the limit is one of CPU time", () => {
  const vitals = new Vitals(30);
  assert.deepEqual(
    verdict(500, (i) => vitals.check(i, 0, running(i / 2))),
    ["late", 61],
  );
});

test("where a process's state cannot be read, nothing is said of it", () => {
  const vitals = new Vitals(1);
  assert.equal(
    verdict(500, () => vitals.check(0, 0, undefined)),
    undefined,
  );
  assert.equal(processState(process.pid, "/no-such-proc"), undefined);
});

const folder = mkdtempSync(join(tmpdir(), "shootdown-vitals-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

/** A process in a made-up /proc: its threads by state, and its children. */
function proc(pid: number, ticks: readonly number[], threads: readonly string[], forked: readonly number[] = []): void {
  const line = (state: string): string =>
    `${pid} (a) b (c) ${state} 1 1 1 0 -1 4194304 1 0 0 0 ${ticks.join(" ")} 20 0 1 0 5 6 7\n`;
  threads.forEach((state, i) => {
    const task = join(folder, String(pid), "task", String(pid + i));
    mkdirSync(task, { recursive: true });
    writeFileSync(join(task, "stat"), line(state));
    writeFileSync(join(task, "children"), i === 0 ? forked.map((child) => `${child} `).join("") : "");
  });
  writeFileSync(join(folder, String(pid), "stat"), line(threads[0]!));
}

test("CPU time is that of all threads and descendants; one that runs or waits for a disk keeps the whole awake", () => {
  proc(100, [100, 50, 20, 30], ["S", "S"], [200]);
  proc(200, [7, 0, 0, 0], ["S"]);
  assert.deepEqual(processState(100, folder), { cpu: 2.07, asleep: true, stopped: false });
  for (const awake of ["R", "D"]) {
    proc(200, [7, 0, 0, 0], ["S", awake]);
    assert.equal(processState(100, folder)!.asleep, false, awake);
  }
  proc(200, [7, 0, 0, 0], ["S", "T"]);
  assert.deepEqual(processState(100, folder), { cpu: 2.07, asleep: true, stopped: true });
});

test("a real process is found running, asleep and stopped, behind a wrapper too", {
  skip: process.platform === "linux" ? false : "SKIPPED: needs Linux's /proc",
}, async () => {
  const until = async (pid: number, what: (state: ProcessState) => boolean): Promise<void> => {
    for (let state = processState(pid); state === undefined || !what(state); state = processState(pid))
      await setTimeout(20);
  };
  const start = (script: string): ChildProcess => {
    const child = spawn("sh", ["-c", script], { stdio: "ignore" });
    children.push(child);
    return child;
  };
  await until(start("sleep 1000 & wait").pid!, ({ asleep }) => asleep);
  const busy = start("while :; do :; done");
  await until(busy.pid!, ({ asleep, cpu }) => !asleep && cpu > 0);
  busy.kill("SIGSTOP");
  await until(busy.pid!, ({ asleep, stopped }) => asleep && stopped);
  busy.kill("SIGCONT");
  await until(busy.pid!, ({ stopped }) => !stopped);
});
