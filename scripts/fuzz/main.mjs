// `npm run fuzz -- [--seconds N] [--seed N] [--kind KIND,...] [--case KIND:SEED:INDEX]`: damaged inputs of every kind, the same
// for the same seed. Found is: an error that is no sentence, a wrong answer, no end within two minutes, a process that dies.
// Findings are kept under out/fuzz; exit status 1 when there is one.
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const STALL_MS = 120_000;

if (isMainThread) await main();
else await worker(workerData);

/** Runs cases of one kind until told to stop; tells the main thread of each before and after. */
async function worker({ kind, seed, from, only }) {
  const { KINDS } = await import("./kinds.mjs");
  const { random } = await import("./mutate.mjs");
  for (let index = from; ; index++) {
    const r = random(seed * 1_000_003 + index);
    const input = KINDS[kind].make(r);
    parentPort.postMessage({ begun: index });
    try {
      await KINDS[kind].try(input, r);
    } catch (error) {
      const kept =
        typeof input === "string" || Buffer.isBuffer(input)
          ? input
          : JSON.stringify(input, (_, v) => (typeof v === "bigint" ? String(v) : v), 1);
      parentPort.postMessage({ found: `${error?.stack ?? error}`, index, kept });
    }
    if (only) break;
    await new Promise((resolve) => setImmediate(resolve)); // messages go out
  }
  parentPort.postMessage({ done: true });
}

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: "1" },
      kind: { type: "string" },
      case: { type: "string" },
    },
  });
  const { KINDS } = await import("./kinds.mjs");
  const [oneKind, oneSeed, oneIndex] = values.case?.split(":") ?? [];
  const kinds = (oneKind ?? values.kind ?? Object.keys(KINDS).join()).split(",");
  for (const kind of kinds)
    if (!Object.hasOwn(KINDS, kind)) throw new Error(`no kind ${kind}: ${Object.keys(KINDS).join(", ")}`);
  const seed = Number(oneSeed ?? values.seed);
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seed) || !(seconds > 0)) throw new Error("expected --seed INTEGER and --seconds above 0");
  let findings = 0;
  for (const [i, kind] of kinds.entries()) {
    const count = { cases: 0, found: 0, likes: new Map() };
    const until = performance.now() + (seconds * 1000) / kinds.length;
    let from = Number(oneIndex ?? 0);
    while (from !== undefined) from = await run(kind, seed, from, until, oneIndex !== undefined, count);
    findings += count.found;
    console.log(
      `${kind.padEnd(10)} ${String(count.cases).padStart(9)} cases, ${count.found} found${i === kinds.length - 1 ? `; seed ${seed}` : ""}`,
    );
  }
  process.exitCode = findings > 0 ? 1 : 0;
}

/** One worker until time is up, it dies or hangs; then the index to go on from. */
function run(kind, seed, from, until, only, count) {
  return new Promise((resolve) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: { kind, seed, from, only } });
    let index = from;
    let stall;
    const found = (what, kept = "") => {
      count.found++;
      // The same fault again and again says nothing new.
      const like = what.split("\n")[0].replaceAll(/\d+/g, "N");
      const times = (count.likes.get(like) ?? 0) + 1;
      count.likes.set(like, times);
      if (times > 3) return;
      mkdirSync("out/fuzz", { recursive: true });
      const name = `out/fuzz/${kind}-${seed}-${index}`;
      if (kept !== "") writeFileSync(`${name}.input`, kept);
      writeFileSync(`${name}.txt`, `npm run fuzz -- --case ${kind}:${seed}:${index}\n${what}\n`);
      console.error(`${name}: ${what.split("\n")[0].slice(0, 200)}`);
    };
    const end = async (next) => {
      clearTimeout(stall);
      thread.removeAllListeners();
      thread.on("error", () => {});
      await thread.terminate();
      resolve(next);
    };
    const watch = () => {
      clearTimeout(stall);
      stall = setTimeout(() => {
        found(`no end within ${STALL_MS / 1000} s`);
        void end(only ? undefined : index + 1);
      }, STALL_MS);
    };
    watch();
    thread.on("message", (message) => {
      if (message.found !== undefined) found(message.found, message.kept);
      else if (message.done) void end(undefined);
      else {
        index = message.begun;
        count.cases++;
        watch();
        if (performance.now() > until && !only) void end(undefined);
      }
    });
    thread.on("error", (error) => {
      found(`the thread died: ${error?.stack ?? error}`);
      void end(only || performance.now() > until ? undefined : index + 1);
    });
  });
}
