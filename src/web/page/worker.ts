/** The worker: the engine, asked by the page. */
import { serve } from "../protocol.js";
import { WORKS } from "../work/index.js";

serve(globalThis as unknown as Parameters<typeof serve>[0], WORKS);
