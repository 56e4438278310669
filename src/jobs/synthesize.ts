/** A search for the cheapest sound sequence, in worker threads: piece by piece, then the prices of what is sound. */
import type { CompareRow } from "../compare/index.js";
import type { Host } from "../host/index.js";
import type { Scenario } from "../hypervisor/index.js";
import { missingFeature, type Policy, parsePolicy, policyOn } from "../policy/index.js";
import { Inquiry, Question, type SignOff } from "../prove/index.js";
import {
  addTally,
  emptyTally,
  type Learnt,
  type Piece,
  type PieceResult,
  piecesOf,
  policyText,
  proofsOf,
  Searcher,
  type Sequence,
  type Space,
  sectionOf,
  sizeOf,
  type Tally,
  wordsOf,
} from "../synth/index.js";
import { compareInThreads, type KeptFor, keptFor } from "./compare.js";
import { decide } from "./decide.js";
import { handsOf } from "./hands.js";
import type { PieceJob } from "./synthesize-worker.js";
import type { Bounds } from "./verdicts.js";

/** What is known of a search that may not have come to its end: pieces by their index. */
export interface Done {
  readonly piece: number;
  readonly result: PieceResult;
}

/** A sound sequence with its prices, one for each host. */
export interface Priced {
  readonly words: string;
  readonly length: number;
  /** the policy file */
  readonly file: string;
  readonly policy: Policy;
  readonly rows: readonly CompareRow[];
  /** microseconds on the first host */
  readonly price: number;
}

/** A known policy with its code for the occasion, beside what was found. */
export interface Beside {
  readonly policy: string;
  readonly verdict: SignOff["verdict"];
  readonly length: number;
  readonly rows: readonly CompareRow[];
}

/** What was found. */
export interface Synthesis {
  readonly space: Space;
  /** sequences in the space */
  readonly size: number;
  readonly tally: Tally;
  readonly seconds: number;
  /** sound sequences of which no weaker one is sound */
  readonly weakest: readonly Sequence[];
  /** by price, the cheapest first */
  readonly priced: readonly Priced[];
  /** of these the ones that no other is shorter than and as cheap, nor cheaper and as short */
  readonly front: readonly Priced[];
  readonly beside: readonly Beside[];
}

/** What to price on. */
interface Pricing {
  readonly scenario: Scenario;
  readonly hosts: readonly Host[];
  readonly ipaBits: number;
  readonly cpuOf: (host: Host) => Space["cpus"][number];
  /** policies to show beside what is found */
  readonly beside: readonly Policy[];
}

let searches = 0;

/** Searches all pieces that are not `done`; `found` hears of each as it comes. */
export async function searchInThreads(
  space: Space,
  limits: Bounds,
  done: readonly Done[],
  signal: AbortSignal,
  found: (one: Done) => void,
): Promise<{ readonly tally: Tally; readonly learnt: readonly Learnt[] }> {
  const tally = emptyTally();
  const learnt: Learnt[] = [];
  const take = ({ result }: Done): void => {
    addTally(tally, result.tally);
    learnt.push(...result.learnt);
  };
  done.forEach(take);
  const pieces = piecesOf(space);
  const known = new Set(done.map(({ piece }) => piece));
  const search = ++searches;
  const jobs = pieces.flatMap((piece, i) => (known.has(i) ? [] : [{ search, space, limits, piece, at: i, learnt }]));
  const size = (list: readonly Piece[]): number => list.reduce((n, piece) => n + piece.size, 0);
  const all = size(pieces);
  const begun = performance.now();
  let searched = size(pieces.filter((_, i) => known.has(i)));
  const before = searched;
  const threads = handsOf(limits.queue, ["./synthesize-worker.js"], "pieces", jobs.length, () =>
    progressText(searched, all, (searched - before) / ((performance.now() - begun) / 1000), tally),
  );
  try {
    await threads.answers<PieceJob, PieceResult>("./synthesize-worker.js", jobs, signal, (result, job) => {
      const one = { piece: job.at, result };
      searched += job.piece.size;
      take(one);
      found(one);
    });
  } finally {
    await threads.end();
  }
  return { tally, learnt };
}

const brief = (n: number): string =>
  n < 1e6 ? Math.round(n).toLocaleString("en") : n.toExponential(1).replace("e+", "e");

function progressText(done: number, all: number, rate: number, { judged }: Tally): string {
  const left = rate > 0 ? (all - done) / rate : Number.POSITIVE_INFINITY;
  const time = Number.isFinite(left) ? `${Math.ceil(left).toLocaleString("en")} s left` : "time left unknown";
  return `${brief(done)} of ${brief(all)} candidates, ${brief(rate)}/s, ${judged.toLocaleString("en")} judged, ${time}`;
}

/** Searches a space to its end, and prices what is sound. */
export async function synthesizeInThreads(
  space: Space,
  limits: Bounds,
  pricing: Pricing,
  done: readonly Done[],
  signal: AbortSignal,
  found: (one: Done) => void,
): Promise<Synthesis> {
  const begun = performance.now();
  const { tally, learnt } = await searchInThreads(space, limits, done, signal, found);
  const seconds = (performance.now() - begun) / 1000;
  const never = (): never => {
    throw new Error("everything has been decided");
  };
  const searcher = new Searcher(space, never, never);
  searcher.learn(learnt);
  const weakest = searcher.weakest();
  const priced = await pricesOf(
    searcher.worthPricing(),
    weakest,
    space,
    pricing,
    keptFor(limits.verdicts !== undefined),
    signal,
  );
  return {
    ...{ space, size: sizeOf(space), tally, seconds, priced },
    weakest,
    front: priced.filter(
      (one, i) => !priced.some((other, k) => k < i && other.price <= one.price && other.length <= one.length),
    ),
    beside: await besides(space, limits, pricing, signal),
  };
}

async function rowsOf(
  policies: readonly Policy[],
  { scenario, hosts, ipaBits, cpuOf }: Pricing,
  kept: KeptFor,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, CompareRow[]>> {
  const rows = new Map<string, CompareRow[]>();
  if (policies.length === 0) return rows;
  const comparison = { scenarios: [scenario], policies, hosts, ipaBits: [ipaBits], cpuOf };
  for (const row of (await compareInThreads(comparison, false, signal, kept)).rows)
    rows.set(row.policy, [...(rows.get(row.policy) ?? []), row]);
  return rows;
}

async function pricesOf(
  list: readonly Sequence[],
  weakest: readonly Sequence[],
  space: Space,
  pricing: Pricing,
  kept: KeptFor,
  signal: AbortSignal,
): Promise<Priced[]> {
  const { hosts } = pricing;
  // Of two that cost the same, the one that does less.
  const least = new Set(weakest.map(wordsOf));
  const plain = ({ words }: Priced): number => (least.has(words) ? 0 : 2) + (words.startsWith("with") ? 1 : 0);
  const sequences = list.map((sequence, i) => {
    const name = `synthesized-${i + 1}`;
    const file = policyText(sequence, space, {
      name,
      title: wordsOf(sequence),
      source: `found by shootdown synthesize --occasion ${space.occasion} on ${space.cpus.map((cpu) => cpu.name).join(", ")}; everything else as ${space.base.name}`,
    });
    return { sequence, file, policy: parsePolicy(file, `${name}.toml`, () => space.base) };
  });
  const rows = await rowsOf(
    sequences.map(({ policy }) => policy),
    pricing,
    kept,
    signal,
  );
  return sequences
    .map(({ sequence, file, policy }): Priced => {
      const own = rows.get(policy.name) ?? [];
      const price = own.find(({ host }) => host === hosts[0]!.name)?.microseconds ?? Number.POSITIVE_INFINITY;
      return { words: wordsOf(sequence), length: sequence.instructions.length, file, policy, rows: own, price };
    })
    .sort((a, b) => a.price - b.price || a.length - b.length || plain(a) - plain(b) || (a.words < b.words ? -1 : 1));
}

/** Known policies' code for the occasion, in the base: verdicts and prices. */
async function besides(space: Space, limits: Bounds, pricing: Pricing, signal: AbortSignal): Promise<Beside[]> {
  const { occasion, cpus, base, setting } = space;
  const section = sectionOf(occasion);
  const policies = pricing.beside
    .filter((policy) => cpus.every((cpu) => missingFeature(policy, cpu) === undefined))
    .map((policy): Policy => {
      const { due } = section === "revoke" ? policy : base;
      const { requires, places } = policy;
      return {
        ...base,
        name: policy.name,
        requires,
        due,
        code: { ...base.code, [section]: policy.code[section] },
        places,
      };
    });
  const rows = await rowsOf(policies, pricing, keptFor(limits.verdicts !== undefined), signal);
  const questions = policies.flatMap((policy) =>
    cpus.flatMap((cpu) => proofsOf(occasion).map((proof) => new Question(policy, proof, cpu, setting))),
  );
  const verdicts = await decide(new Inquiry(questions, false), limits, signal);
  return policies.map((policy) => {
    const own = verdicts.filter((one) => one.policy === policy.name).map(({ verdict }) => verdict);
    const verdict = own.includes("unsound") ? "unsound" : own.includes("unknown") ? "unknown" : "sound";
    return { policy: policy.name, verdict, length: lengthOn(policy, space), rows: rows.get(policy.name) ?? [] };
  });
}

/** Instructions of a policy's code for the occasion, as the CPU runs it that runs most; `with owner-vmid` is none. */
export function lengthOn(policy: Policy, { occasion, cpus }: Pick<Space, "occasion" | "cpus">): number {
  type Code = Policy["code"]["revoke"];
  const lengthOf = (code: Code): number =>
    code.reduce((n, s) => {
      if (s.kind === "if") return n + Math.max(lengthOf(s.body), lengthOf(s.otherwise));
      return n + (s.kind === "for" || s.kind === "with-owner" ? lengthOf(s.body) : 1);
    }, 0);
  return Math.max(...cpus.map((cpu) => lengthOf(policyOn(policy, cpu).code[sectionOf(occasion)])));
}
