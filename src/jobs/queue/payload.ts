/** Jobs of the worker files as a queue has them: in parts as small as may be, each plain data that its reader looks at first. */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { InputError } from "../../input/index.js";
import type { Finding } from "../../prove/index.js";
import {
  instructionsOn,
  type Learnt,
  type Minimal,
  type Piece,
  type PieceResult,
  piecesOf,
  type Space,
} from "../../synth/index.js";
import type { Shelf } from "../kept.js";
import type { LitmusAnswer, LitmusJob } from "../litmus-worker.js";
import type { MinimizeJob } from "../minimize-worker.js";
import { plain, revived } from "../plain.js";
import type { ProveJob } from "../prove-worker.js";
import type { PieceJob } from "../synthesize-worker.js";
import { type Bounds, keep, recalled } from "../verdicts.js";
import {
  ANSWERS,
  learntSchema,
  litmusSchema,
  minimizeSchema,
  pieceSchema,
  scenarioSchema,
  searchSchema,
  taskSchema,
} from "./payload-schema.js";

/** Worker files, by the name under which a queue has their jobs. */
const FILES = {
  task: "./prove-worker.js",
  litmus: "./litmus-worker.js",
  minimize: "./minimize-worker.js",
  piece: "./synthesize-worker.js",
} as const;
type Kind = keyof typeof FILES;
export const WORKER_FILES: readonly string[] = Object.values(FILES);

/** A part of a job, for the queue. */
export interface Part {
  readonly kind: Kind;
  /** plain data */
  readonly data: unknown;
  /** of a search: what all its pieces share, and what it has learnt, which only grows */
  readonly search?: { readonly id: string; readonly shared: unknown; readonly learnt: readonly Learnt[] };
  /** its answer, where it is known already */
  readonly known?: unknown;
  /** hears the answer; false where it is none that may be used again, as a bound was reached */
  readonly heard: (answer: unknown) => boolean;
}

/** A job in parts, and what its answer is made of theirs. */
interface Parts {
  readonly parts: readonly Part[];
  join(answers: readonly unknown[]): unknown;
}

const one = (part: Part): Parts => ({ parts: [part], join: ([answer]) => answer });
const boundsOf = ({ maxStates, timeoutMs, without, verdicts }: Bounds) => ({
  ...{ maxStates, timeoutMs, without },
  cache: verdicts !== undefined,
});
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A job of a worker file in parts. */
export function partsOf(file: string, job: unknown): Parts {
  switch (file) {
    case FILES.task:
      return tasks(job as ProveJob);
    case FILES.litmus:
      return one({ ...part("litmus", job), heard: (answer) => isDecided(answer as LitmusAnswer) });
    case FILES.minimize: {
      const { limits, ...rest } = job as MinimizeJob;
      const heard = (answer: unknown): boolean =>
        (answer as Minimal).instructions.every(({ need }) => need !== "unknown");
      return one({ ...part("minimize", { ...rest, limits: boundsOf(limits) }), heard });
    }
    case FILES.piece:
      return one(piece(job as PieceJob));
    default:
      throw new Error(`no jobs of ${file} go over a queue`);
  }
}

const part = (kind: Kind, data: unknown): Pick<Part, "kind" | "data"> => ({ kind, data: plain(data) });

const isDecided = (answer: LitmusAnswer): boolean => "refused" in answer || answer.verdict !== "unknown";

function tasks({ tasks, limits }: ProveJob): Parts {
  const parts = tasks.map((task): Part => {
    const known = recalled(task, limits);
    const heard = (answer: unknown): boolean => {
      const [finding] = answer as [Finding];
      keep(task, limits, finding);
      return finding.verdict !== "unknown";
    };
    return {
      ...part("task", { task, limits: boundsOf(limits) }),
      ...(known !== undefined && { known: [known] }),
      heard,
    };
  });
  return { parts, join: (answers) => answers.flat() };
}

const shared = new WeakMap<Space, { readonly id: string; readonly shared: unknown }>();

function piece({ space, limits, at, learnt }: PieceJob): Part {
  let of = shared.get(space);
  if (of === undefined) {
    const instructions = space.instructions.map(({ code, over }) => ({ code, over }));
    const value = plain({ ...space, instructions, limits: boundsOf(limits) });
    of = { id: sha256(JSON.stringify(value)), shared: value };
    shared.set(space, of);
  }
  return {
    ...part("piece", { search: of.id, piece: at }),
    search: { ...of, learnt },
    heard: (answer) => (answer as PieceResult).tally.unknown === 0,
  };
}

/** A part's answer, as a worker gave it. Throws an InputError for what is none. */
export const answered = ({ kind }: Part, answer: unknown): unknown =>
  checked(ANSWERS[kind], answer, "an answer of a worker that cannot be used");

/** Bounds of a worker: a job that asks for more is refused. */
export interface Most {
  readonly maxStates: number;
  readonly timeoutMs: number;
  /** where its own verdicts are kept */
  readonly verdicts: Shelf | undefined;
}

/** A search whose pieces a worker does. */
export class OpenedSearch {
  private readonly space: Space;
  private readonly limits: Bounds;
  private readonly pieces: readonly Piece[];
  private readonly learnt: Learnt[] = [];

  /** `number` tells threads which search it is. Throws an InputError for what is no search, or asks for more than a worker gives. */
  constructor(
    data: unknown,
    most: Most,
    private readonly number: number,
  ) {
    const { limits, ...search } = checked(searchSchema, data);
    const all = instructionsOn(search.cpus);
    const instructions = search.instructions.map(({ code, over }) => {
      const found = all.find((own) => own.code === code && own.over === over);
      if (found === undefined) throw new InputError(`no instruction '${code}' on the CPUs of its search`);
      return found;
    });
    this.space = { ...search, instructions };
    this.limits = within(limits, most);
    this.pieces = piecesOf(this.space);
  }

  /** How much it has been told of. */
  get taken(): number {
    return this.learnt.length;
  }

  /** Hears what else has been learnt. Throws an InputError. */
  learn(entries: readonly unknown[]): void {
    for (const entry of entries) {
      const one = checked(learntSchema, entry);
      const words = "sound" in one ? one.sound : one.refuted.word;
      if (words.some((index) => index >= this.space.instructions.length))
        throw new InputError("what its search has learnt is damaged");
      this.learnt.push(one);
    }
  }

  piece(at: number): PieceJob {
    const { number, space, limits, learnt } = this;
    const piece = this.pieces[at];
    if (piece === undefined) throw new InputError(`its search has no piece ${at}`);
    return { search: number, space, limits, piece, at, learnt };
  }
}

/** The search that a piece is of, by its name on the queue; undefined for any other job. Throws an InputError. */
export const searchOf = (kind: unknown, data: unknown): string | undefined =>
  kind === "piece" ? checked(pieceSchema, data).search : undefined;

/** A job for a thread. */
interface Opened {
  readonly file: string;
  readonly job: unknown;
}

/**
 * A part as a thread takes it: all of it has been looked at, and nothing of it is code. Throws an InputError for what is no part, or
 * asks for more than a worker gives.
 */
export function opened(kind: unknown, data: unknown, most: Most, search?: OpenedSearch): Opened {
  if (typeof kind !== "string" || !Object.hasOwn(FILES, kind)) throw new InputError("no job of this product");
  return { file: FILES[kind as Kind], job: JOBS[kind as Kind](data, most, search) };
}

type Opens = (data: unknown, most: Most, search: OpenedSearch | undefined) => unknown;

const JOBS: Readonly<Record<Kind, Opens>> = {
  task(data, most): ProveJob {
    const { task, limits } = checked(taskSchema, data);
    checked(scenarioSchema, parsed(task.scenario));
    return { tasks: [task], limits: within(limits, most) };
  },
  litmus(data, most): LitmusJob {
    const test = checked(litmusSchema, data);
    refuseMore(test.options, most);
    return test;
  },
  minimize(data, most): MinimizeJob {
    const { limits, ...asked } = checked(minimizeSchema, data);
    return { ...asked, limits: within(limits, most) };
  },
  piece(data, _, search): PieceJob {
    if (search === undefined) throw new InputError("its search is not on the queue any more");
    return search.piece(checked(pieceSchema, data).piece);
  },
};

type Asked = Pick<Bounds, "maxStates" | "timeoutMs">;

function refuseMore({ maxStates, timeoutMs }: Asked, most: Most): void {
  const limit = (option: string, asked: number, given: number): void => {
    if (asked > given)
      throw new InputError(
        `a job asks for ${option} ${asked.toLocaleString("en")}, the worker gives ${given.toLocaleString("en")}: start workers with ${option} ${asked}, or ask for less`,
      );
  };
  limit("--max-states", maxStates, most.maxStates);
  limit("--timeout", timeoutMs / 1000, most.timeoutMs / 1000);
}

function within({ cache, ...limits }: Omit<Bounds, "verdicts" | "queue"> & { cache: boolean }, most: Most): Bounds {
  refuseMore(limits, most);
  return { ...limits, verdicts: cache ? most.verdicts : undefined };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError("a job's scenario is no JSON");
  }
}

/** Throws an InputError that names the place. */
function checked<S extends v.GenericSchema>(
  schema: S,
  data: unknown,
  what = "a job that cannot be used",
): v.InferOutput<S> {
  let result: v.SafeParseResult<S>;
  try {
    result = v.safeParse(schema, revived(data), { abortEarly: true });
  } catch (error) {
    // Nested too deep, or a mark before no list.
    throw new InputError(`${what}: ${(error as Error).message}`);
  }
  if (result.success) return result.output;
  const [{ path = [], message }] = result.issues;
  // Members of a set have no key.
  const place = path.flatMap(({ key }) => (key === null ? [] : [String(key).slice(0, 100)])).join(".");
  throw new InputError(`${what}: ${place || "it"}: ${message.length > 200 ? `${message.slice(0, 200)}...` : message}`);
}
