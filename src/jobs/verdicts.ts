/**
 * Verdicts on scenarios, kept on disk: a file each, named by all that a verdict depends on, and written whole, so that several processes
 * may share them. What is there is believed only if it is what was written: else it is decided again.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decideTask, type Finding, type Limits, type Task } from "../prove/index.js";
import { io } from "./io.js";

/** Where verdicts are kept, and by which rules they were decided. Plain data, so that threads may have it. */
export interface Verdicts {
  readonly folder: string;
  /** hash of the prover's own code: another one decides anew */
  readonly rules: string;
}

/** Bounds, and whether verdicts are kept. */
export interface Bounds extends Limits {
  readonly verdicts?: Verdicts | undefined;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

let rules: string | undefined;

/** Rooms whose code a verdict on a scenario depends on. */
const ROOMS = ["arch", "input", "prove"];

function rulesHash(): string {
  const dist = join(dirname(fileURLToPath(import.meta.url)), "..");
  const hash = createHash("sha256");
  for (const room of ROOMS)
    for (const file of readdirSync(join(dist, room), { recursive: true }).map(String).sort())
      if (/\.js$/.test(file) && !/\.(test|fixture|testing)\.js$/.test(file))
        hash.update(`${room}/${file}\n`).update(readFileSync(join(dist, room, file)));
  return hash.digest("hex");
}

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
  rules ??= rulesHash();
  return { folder, rules };
}

/** Decides a task, or takes what is kept of it. What is kept took the time that it took then. */
export function decided(task: Task, { verdicts, ...limits }: Bounds): Finding {
  if (verdicts === undefined) return decideTask(task, limits);
  const { scenario, cpu, name } = task;
  const path = pathOf(verdicts, JSON.stringify([name, scenario, cpu, [...(limits.without ?? [])].sort()]));
  const kept = read(path);
  // What took more than is allowed now would not have been decided.
  if (kept !== undefined && (limits.maxStates <= 0 || kept.states <= limits.maxStates)) return kept;
  const finding = decideTask(task, limits);
  if (finding.verdict === "allowed" || finding.verdict === "forbidden") write(path, finding);
  return finding;
}

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
