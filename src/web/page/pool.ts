/** The page's workers. */
import { Pool, type WorkerLike } from "../protocol.js";
import type { Works } from "../work/index.js";

/** One core is the page's own. */
const SIZE = Math.max(2, Math.min(8, (navigator.hardwareConcurrency ?? 2) - 1));

export const pool = new Pool<Works>(
  () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }) as unknown as WorkerLike,
  SIZE,
);
