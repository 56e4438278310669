/** Jobs that end in every way that a worker thread can. */
export type FixtureJob = number | "memory" | "exit" | "wrong" | "forever";

/** Doubles numbers. */
export default function work(job: FixtureJob): number {
  if (typeof job === "number") return 2 * job;
  if (job === "exit") process.exit(7);
  if (job === "wrong") throw new RangeError("a fault of the worker's own");
  const kept: number[][] = [];
  for (;;) if (job === "memory") kept.push(new Array(1 << 14).fill(kept.length));
}
