// Searches of `shootdown synthesize`, kept in docs/searches.json, and the tables of docs that are made of them.
//
//   node scripts/searches.mjs run OCCASION CPU LENGTH [SECONDS]   searches, for so long at most (3600), and keeps what came of it
//   node scripts/searches.mjs table                               what was found, as a table
//   node scripts/searches.mjs front OCCASION CPU LENGTH           the best by price and length, and all of which no weaker one is sound
//   node scripts/searches.mjs left                                what was not searched to as many instructions as kvm-ipa has, with its size
//   node scripts/searches.mjs scaling                             what longer ones would take, on how many cores
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { builtInCpu, builtInPolicy } from "../dist/builtin/index.js";
import { lengthOn } from "../dist/jobs/index.js";
import { alphabet, sizeOf } from "../dist/synth/index.js";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const FILE = fileURLToPath(new URL("../docs/searches.json", import.meta.url));
const CORES = [2, 10, 100, 1000];

const kept = () => (existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : []);
const number = (n) => (n < 1e12 ? Math.round(n).toLocaleString("en") : n.toExponential(1).replace("e+", "e"));

/** What is kept of a search: `text` is what --json printed; processor seconds and MiB are those of the process. */
export function result(text, cpuSeconds, mebibytes) {
  const { space, certificate, front, weakest, made } = JSON.parse(text);
  return {
    ...{ occasion: space.occasion, cpu: space.cpus.join(), length: space.length },
    ...{ instructions: space.instructions.length, sequences: space.sequences },
    ...{ sound: certificate.sound, unknown: certificate.unknown, judged: certificate.judged },
    ...{ scenarios: certificate.scenarios, seconds: certificate.seconds, cpuSeconds, mebibytes },
    front: front.map(({ sequence, length, prices }) => ({ sequence, length, prices })),
    weakest,
    version: made.version,
  };
}

/** Keeps a result in place of an older one of the same search. */
export function keep(one) {
  const key = ({ occasion, cpu, length }) => `${occasion} ${cpu} ${length}`;
  const all = [...kept().filter((other) => key(other) !== key(one)), one];
  all.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  writeFileSync(FILE, `[\n${all.map((entry) => JSON.stringify(entry)).join(",\n")}\n]\n`);
}

function run(occasion, cpu, length, seconds = "3600") {
  const watch = `process.on("exit", () => { const { userCPUTime, maxRSS } = process.resourceUsage(); process.stderr.write(\`\\n\${userCPUTime / 1e6} \${maxRSS / 1024}\`); });`;
  const args = ["synthesize", "--occasion", occasion, "--cpu", cpu, "--length", length, "--json", "--no-cache"];
  const done = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(watch)}`, MAIN, ...args],
    { encoding: "utf8", maxBuffer: 1 << 28, timeout: 1000 * Number(seconds), stdio: ["ignore", "pipe", "pipe"] },
  );
  const usage = done.stderr.split("\n").at(-1).split(" ").map(Number);
  if (done.status === 0) return keep(result(done.stdout, ...usage));
  if (done.error?.code !== "ETIMEDOUT" && done.status !== 130) throw new Error(done.stderr);
  const cpus = [builtInCpu(cpu)];
  const instructions = alphabet(occasion, cpus);
  const sequences = sizeOf({ instructions, length: Number(length) });
  keep({ occasion, cpu, length: Number(length), instructions: instructions.length, sequences, given: Number(seconds) });
}

function table() {
  // Of each the longest: shorter ones are kept for what they say of longer ones.
  const longest = [...grouped(kept()).values()].map((list) => list.reduce((a, b) => (b.length > a.length ? b : a)));
  const rows = longest.map((one) => {
    const [best] = one.front ?? [];
    const found =
      one.sound === undefined
        ? ["?", "?", `> ${number(one.given)} s`, "?", "not searched to the end"]
        : [
            `${number(one.sound)}${one.unknown > 0 ? ` + ${number(one.unknown)}?` : ""}`,
            number(one.judged),
            `${number(one.cpuSeconds)} s`,
            `${number(one.mebibytes)} MiB`,
            best === undefined ? "none is sound" : best.sequence,
          ];
    return [one.occasion, one.cpu, number(one.length), number(one.sequences), ...found];
  });
  print([["occasion", "CPU", "length", "sequences", "sound", "judged", "time", "memory", "cheapest"], ...rows], 2, 8);
}

/** What came of one search. */
function front(occasion, cpu, length) {
  const one = kept().find((other) => other.occasion === occasion && other.cpu === cpu && `${other.length}` === length);
  if (one?.front === undefined) throw new Error(`no search of ${occasion} on ${cpu} up to ${length} was kept`);
  const hosts = one.front[0]?.prices.map(({ host }) => host) ?? [];
  const rows = one.front.map(({ sequence, length: n, prices }) => [
    `${n}`,
    ...prices.map(({ microseconds }) => time(microseconds / 1e6)),
    sequence,
  ]);
  print([["length", ...hosts, "sequence"], ...rows], 0, 1 + hosts.length);
  console.log("\nsound, and no weaker one is");
  for (const sequence of one.weakest) console.log(`  ${sequence}`);
}

/** What was not searched to the end: to as many instructions as Linux's own sequence has. */
function left() {
  const rows = [...grouped(kept())].flatMap(([, searches]) => {
    const [{ occasion, cpu }] = searches;
    const cpus = [builtInCpu(cpu)];
    const length = lengthOn(builtInPolicy("kvm-ipa"), { occasion, cpus });
    const longest = Math.max(0, ...searches.flatMap((one) => (one.sound === undefined ? [] : [one.length])));
    if (longest >= length) return [];
    const instructions = alphabet(occasion, cpus);
    const size = (n) => number(sizeOf({ instructions, length: n }));
    return [[occasion, cpu, `${longest}`, `${longest + 1}`, size(longest + 1), `${length}`, size(length)]];
  });
  print([["occasion", "CPU", "searched", "next", "sequences", "kvm-ipa's", "sequences"], ...rows], 2, 7);
}

/** In columns; those from `left` to `right` are numbers. */
function print(rows, left, right) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const cell = (text, i) => (i >= left && i < right ? text.padStart(widths[i]) : text.padEnd(widths[i]));
  for (const row of rows) console.log(row.map(cell).join("  ").trimEnd());
}

/**
 * Processor time of a search of some length, from those of shorter ones (length to seconds): the least and the most. A search of one
 * instruction is a start and a price, and no work. What a longer one takes beyond it is as much as the one before took, at least; and at
 * most it grows as the sequences do, by the number of `instructions`. Undefined where nothing shorter is known that works.
 */
export function expected(took, length, instructions) {
  const start = took.get(1);
  const last = Math.max(...[...took.keys()].filter((known) => known < length));
  const work = took.get(last) - start;
  return work > 0 ? { start, least: work, most: work * instructions ** (length - last) } : undefined;
}

/** What the searches said of the next length before that was searched, and what they say of the next ones. */
function scaling() {
  const rows = [["search", "length", "expected", "took", ...CORES.map((n) => `${number(n)} cores`)]];
  for (const [name, searches] of grouped(kept().filter(({ cpuSeconds }) => cpuSeconds !== undefined))) {
    const took = new Map(searches.map(({ length, cpuSeconds }) => [length, cpuSeconds]));
    const longest = Math.max(...took.keys());
    const own = [];
    for (let length = 2; length <= longest + 2; length++) {
      const said = expected(new Map([...took].filter(([known]) => known < length)), length, searches[0].instructions);
      if (said === undefined) continue;
      const { start, least, most } = said;
      const cells = length <= longest ? [] : CORES.map((n) => range(start + least / n, start + most / n));
      own.push([
        `${length}`,
        range(start + least, start + most),
        took.has(length) ? time(took.get(length)) : "",
        ...cells,
      ]);
    }
    for (const [i, row] of own.entries())
      rows.push([i === 0 ? name : "", ...row, ...CORES.map(() => "").slice(row.length - 3)]);
  }
  print(rows, 1, rows[0].length);
}

/** From the least to the most, once where they look the same. */
const range = (least, most) => (time(least) === time(most) ? time(least) : `${time(least)} to ${time(most)}`);

function grouped(list) {
  const groups = new Map();
  for (const one of list) {
    const name = `${one.occasion} on ${one.cpu}`;
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return groups;
}

const time = (seconds) =>
  seconds < 1
    ? `${(1000 * seconds).toPrecision(3)} ms`
    : seconds < 120
      ? `${seconds.toFixed(1)} s`
      : seconds < 7200
        ? `${(seconds / 60).toFixed(0)} min`
        : `${(seconds / 3600).toFixed(1)} h`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, ...words] = process.argv.slice(2);
  const does = { run, table, front, left, scaling }[what];
  if (does === undefined) throw new Error(`expected run, table, front, left or scaling, not ${what}`);
  does(...words);
}
