/** Searches for tests: a space, and the prover that judges it. */
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { decideTask, type Finding, type ProvedOccasion, type Task } from "../prove/index.js";
import { proofsOf } from "./candidate.js";
import { instructionsOn } from "./instruction.js";
import { Judge } from "./judge.js";
import type { Space } from "./space.js";

export const decide = (task: Task): Finding => decideTask(task, { maxStates: 1_000_000, timeoutMs: 60_000 });

/** A space over some instructions, by their code. */
export function spaceOf(occasion: ProvedOccasion, cpu: string, length: number, codes: readonly string[]): Space {
  const cpus = [builtInCpu(cpu)];
  const instructions = codes.map((code) => {
    const [line, over] = code.split(" for ");
    return instructionsOn(cpus).find((one) => one.code === line && (over === undefined || one.over === over))!;
  });
  return { base: builtInPolicy("xen-today"), occasion, cpus, setting: { fb: true }, length, instructions };
}

export const judgeOf = ({ occasion, cpus, setting }: Space): Judge =>
  new Judge({ occasions: proofsOf(occasion), cpus, setting }, decide);
