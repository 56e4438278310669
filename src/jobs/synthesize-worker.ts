/** Searches pieces of a space in a worker thread, which keeps what it has learnt from one to the next. */
import { type Learnt, type Piece, type PieceResult, Searcher, type Space } from "../synth/index.js";
import { type Bounds, decided } from "./verdicts.js";

/** A piece to be searched; equal `search` for pieces of one search. */
export interface PieceJob {
  readonly search: number;
  readonly space: Space;
  readonly limits: Bounds;
  readonly piece: Piece;
  /** its number among all pieces */
  readonly at: number;
  /** all that has been learnt so far, which only grows */
  readonly learnt: readonly Learnt[];
}

/** Bounds for a question whose answer only saves work. */
const QUICK = { maxStates: 20_000, timeoutMs: 1_000 };

/** Searches that a thread keeps what it has learnt of; a worker of a queue comes by many. */
const KEPT = 4;

const searchers = new Map<number, { readonly searcher: Searcher; taken: number }>();

/** Searches a piece. */
export default function work({ search, space, limits, piece, learnt }: PieceJob): PieceResult {
  let known = searchers.get(search);
  if (known === undefined) {
    const bounded = {
      ...limits,
      maxStates: Math.min(limits.maxStates, QUICK.maxStates),
      timeoutMs: QUICK.timeoutMs,
    };
    const searcher = new Searcher(
      space,
      (task) => decided(task, limits),
      (task) => decided(task, bounded),
    );
    known = { searcher, taken: 0 };
    for (const old of [...searchers.keys()].slice(0, searchers.size + 1 - KEPT)) searchers.delete(old);
    searchers.set(search, known);
  }
  known.searcher.learn(learnt.slice(known.taken));
  known.taken = learnt.length;
  return known.searcher.search(piece);
}
