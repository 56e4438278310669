/**
 * Verdicts on scenarios, kept on disk: a file each, named by all that a verdict depends on, and written whole, so that several processes
 * may share them. What is there is believed only if it is what was written: else it is decided again.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { decideTask, type Finding, type Limits, type Task } from "../prove/index.js";
import { codeHash } from "./build.js";
import { io } from "./io.js";

/** Where verdicts are kept, and by which rules they were decided. Plain data, so that threads may have it. */
export interface Verdicts {
  readonly folder: string;
  /** hash of the prover's own code: another one decides anew */
  readonly rules: string;
}

/** Bounds, whether verdicts are kept, and who decides. */
export interface Bounds extends Limits {
  readonly verdicts?: Verdicts | undefined;
  /** address of a queue whose workers decide; absent: this machine */
  readonly queue?: string | undefined;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

let rules: string | undefined;

/** Rooms whose code a verdict on a scenario depends on. */
const ROOMS = ["arch", "input", "prove"];

/**
 * The user's own verdicts: in SHOOTDOWN_VERDICTS, or in `verdicts` of the cache folder that a capture has too; none where the environment
 * has no place for them.
 */
export function userVerdicts(): Verdicts | undefined {
  const { SHOOTDOWN_VERDICTS, SHOOTDOWN_CACHE, XDG_CACHE_HOME, HOME } = io().env;
  const cache =
    SHOOTDOWN_CACHE || (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? join(XDG_CACHE_HOME, "shootdown") : undefined);
  const home = HOME && isAbsolute(HOME) ? join(HOME, ".cache", "shootdown") : undefined;
  const folder = SHOOTDOWN_VERDICTS || ((cache ?? home) && join((cache ?? home)!, "verdicts"));
  if (!folder) return undefined;
  rules ??= codeHash(ROOMS);
  return { folder, rules };
}

/** Decides a task, or takes what is kept of it. What is kept took the time that it took then. */
export function decided(task: Task, bounds: Bounds): Finding {
  const kept = recalled(task, bounds);
  if (kept !== undefined) return kept;
  const { verdicts: _, queue: _queue, ...limits } = bounds;
  const finding = decideTask(task, limits);
  keep(task, bounds, finding);
  return finding;
}

/** What is kept of a task, if it may be used. */
export function recalled(task: Task, { verdicts, ...limits }: Bounds): Finding | undefined {
  const kept = verdicts && read(pathOf(verdicts, questionOf(task, limits)));
  // What took more than is allowed now would not have been decided.
  return kept !== undefined && (limits.maxStates <= 0 || kept.states <= limits.maxStates) ? kept : undefined;
}

/** Keeps what was found of a task, if that is a verdict. */
export function keep(task: Task, { verdicts, ...limits }: Bounds, finding: Finding): void {
  if (verdicts !== undefined && (finding.verdict === "allowed" || finding.verdict === "forbidden"))
    write(pathOf(verdicts, questionOf(task, limits)), finding);
}

const questionOf = ({ scenario, cpu, name }: Task, { without }: Limits): string =>
  JSON.stringify([name, scenario, cpu, [...(without ?? [])].sort()]);

function pathOf({ folder, rules: by }: Verdicts, question: string): string {
  const key = sha256(`${by}\n${question}`);
  return join(folder, by.slice(0, 12), key.slice(0, 2), `${key.slice(2)}.json`);
}

/** What stands in a file, if it is whole. */
function read(path: string): Finding | undefined {
  try {
    const text = readFileSync(path, "utf8");
    const end = text.indexOf("\n");
    const body = text.slice(end + 1);
    return end > 0 && text.slice(0, end) === sha256(body) ? (JSON.parse(body) as Finding) : undefined;
  } catch {
    return undefined;
  }
}

/** Written beside and then renamed; where that cannot be, nothing is kept. */
function write(path: string, finding: Finding): void {
  const beside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const body = JSON.stringify(finding);
    writeFileSync(beside, `${sha256(body)}\n${body}`);
    renameSync(beside, path);
  } catch {
    try {
      rmSync(beside, { force: true });
    } catch {} // it never was
  }
}
