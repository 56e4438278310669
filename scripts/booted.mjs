// Prints the rows of docs/inject.md's table of booted policies: node scripts/booted.mjs RUN.json..., each of which is what
// `shootdown capture --inject POLICY ... --json` said. Ends with 1 where a figure of a run is unexplained.
import { readFileSync } from "node:fs";

/** Causes for which a run differs from the model, by their first words, as the table has them. */
const CAUSES = { replace_grant_host_mapping: "a ring less", relinquish_p2m_mapping: "gave way" };
const PHASES = ["create", "run", "destroy"];
const number = (n) => n.toLocaleString("en");

/** Rows of a run's comparison about TLBIs of a guest's translations, in a phase. */
const rowsOf = ({ comparison }, phase) =>
  comparison.filter((row) => row.phase === phase && /^(VMALL|IPAS|RIPAS)/.test(row.what));

const counted = (run, phase) => {
  const cells = rowsOf(run, phase)
    .filter(({ recorded }) => recorded > 0)
    .map(({ what, recorded }) => `${what} ${number(recorded)}`);
  return cells.join(", ") || "nothing";
};

const cause = ({ because, count }) =>
  `${CAUSES[because.split("(")[0]] ?? because.slice(0, 60)} ${count > 0 ? "+" : "−"}${Math.abs(count)}`;

const differing = (run) => {
  const cells = PHASES.flatMap((phase) => rowsOf(run, phase))
    .filter(({ recorded, predicted, causes }) => recorded !== predicted || causes.length > 0)
    .map(({ what, predicted, causes }) => `${what} ${number(predicted)}: ${causes.map(cause).join(", ")}`);
  return cells.join("; ") || "nothing";
};

/** What a capture said; ends with 1, in a sentence, where a file is something else. */
function runOf(file) {
  try {
    const run = JSON.parse(readFileSync(file, "utf8"));
    if (Array.isArray(run?.comparison) && run.recording?.injected?.policy && run.recording.cpu) return run;
  } catch (error) {
    if (error.code !== undefined) fail(1, `${file}: ${error.code === "ENOENT" ? "no such file" : error.message}`);
  }
  return fail(1, `${file}: is not what 'shootdown capture --inject POLICY --json' says, expected that`);
}

function fail(status, why) {
  console.error(why);
  process.exit(status);
}

const files = process.argv.slice(2);
if (files.length === 0) fail(2, "usage: node scripts/booted.mjs RUN.json...");
for (const file of files) {
  const run = runOf(file);
  const { injected, cpu } = run.recording;
  const operands = injected.operands ? number(injected.operands) : "none";
  const cells = [`\`${injected.policy}\`, ${cpu.profile}`, ...PHASES.map((phase) => counted(run, phase))];
  console.log(`| ${[...cells, differing(run), operands].join(" | ")} |`);
  if (run.comparison.some(({ unexplained }) => unexplained !== 0)) {
    console.error(`${file}: a figure is unexplained`);
    process.exitCode = 1;
  }
}
