/** The sign-off of policies for a terminal: a table of verdicts, stories of the unsound ones, and what was assumed. */
import type { Proof, ProvedOccasion, SignOff } from "../prove/index.js";
import { count, duration } from "./format.js";
import { textTable, wrapped } from "./text.js";

/** The whole text; `witness` = with the stories. */
export function proofText(
  proof: Proof,
  { width, witness }: { readonly width: number; readonly witness: boolean },
): string {
  const parts = [verdictTable(proof, width)];
  const reasons = reasonsOf(proof);
  if (reasons.length > 0) parts.push(reasons.map((reason) => wrapped(reason, width, "  ")).join(""));
  const unsound = groupsOf(proof).filter(({ result }) => result.verdict === "unsound");
  if (witness) for (const group of unsound) parts.push(story(group, proof, width));
  else if (unsound.length > 0)
    parts.push(wrapped(`How it fails: shootdown prove ${unsound[0]!.result.policy}, or --witness for all.`, width));
  parts.push(`Assumptions\n${proof.assumptions.map((text) => wrapped(`- ${text}`, width, "  ")).join("")}`);
  parts.push(wrapped(sumOf(proof), width));
  return parts.join("\n");
}

/** Results of one policy that read the same on several CPUs: the same verdict for every occasion. */
function verdictTable({ results, policies, cpus }: Proof, width: number): string {
  const occasions = [...new Set(results.map(({ occasion }) => occasion))];
  const rows: string[][] = [];
  for (const { name } of policies) {
    const alike = new Map<string, { cells: string[]; on: string[] }>();
    for (const cpu of cpus) {
      const of = (occasion: ProvedOccasion): SignOff =>
        results.find((r) => r.policy === name && r.cpu === cpu.name && r.occasion === occasion)!;
      const cells = occasions.map((occasion) => shown(of(occasion)));
      const known = alike.get(cells.join());
      if (known) known.on.push(cpu.name);
      else alike.set(cells.join(), { cells, on: [cpu.name] });
    }
    [...alike.values()].forEach(({ cells, on }, i) => {
      rows.push([i === 0 ? name : "", ...cells, on.length === cpus.length && cpus.length > 1 ? "every CPU" : on.join(", ")]); // biome-ignore format: one row
    });
  }
  return textTable(["policy", ...occasions, "on"], rows, { width });
}

/** A policy that cannot run on the CPU has no verdict. */
const shown = ({ verdict, scenarios }: SignOff): string =>
  verdict === "unsound" ? "UNSOUND" : scenarios === 0 ? "-" : verdict;

function reasonsOf({ results }: Proof): string[] {
  const byReason = new Map<string, SignOff[]>();
  for (const result of results)
    if (result.verdict === "unknown") {
      const key = `${result.policy}: ${result.reason}`;
      byReason.set(key, [...(byReason.get(key) ?? []), result]);
    }
  return [...byReason.values()].map((same) => {
    const cpus = [...new Set(same.map(({ cpu }) => cpu))].join(", ");
    return `${same[0]!.policy} on ${cpus}: ${same[0]!.reason}.`;
  });
}

interface Group {
  readonly result: SignOff;
  readonly cpus: readonly string[];
}

/** Results that fail alike, once: the same policy, occasion and scenario; CPUs differ in details only. */
function groupsOf({ results }: Proof): Group[] {
  const groups = new Map<string, { result: SignOff; cpus: string[] }>();
  for (const result of results) {
    const key = [result.policy, result.occasion, result.verdict, result.scenario?.name].join();
    const group = groups.get(key);
    if (group) group.cpus.push(result.cpu);
    else groups.set(key, { result, cpus: [result.cpu] });
  }
  return [...groups.values()];
}

function story({ result, cpus }: Group, proof: Proof, width: number): string {
  const { scenario, witness = [], unsound = [] } = result;
  const on = cpus.length === proof.cpus.length && cpus.length > 1 ? "every CPU" : cpus.join(", ");
  const told = cpus.length > 1 ? ` On ${cpus[0]} it goes so:` : "";
  const rows = witness.flatMap(({ time, who, what, rule }) => [
    [String(time), who, what],
    ...(rule === undefined ? [] : [["", "", `[${rule}]`]]),
  ]);
  return [
    wrapped(`${result.policy} is UNSOUND for ${result.occasion} on ${on}: ${scenario!.meaning}.`, width),
    wrapped(
      `${scenario!.title} (${scenario!.name}; ${unsound.length} of ${result.scenarios} scenarios fail).${told}`,
      width,
    ),
    ...scenario!.cast.map((who) => wrapped(`- ${who}`, width, "  ")),
    "\n",
    textTable(["time", "who", "what"], rows, { width, align: ["right"] }),
  ].join("");
}

function sumOf({ results }: Proof): string {
  const sum = (of: (r: SignOff) => number): number => results.reduce((total, r) => total + of(r), 0);
  const verdicts = (["sound", "unsound", "unknown"] as const)
    .map((verdict) => [results.filter((r) => r.verdict === verdict).length, verdict] as const)
    .filter(([n]) => n > 0)
    .map(([n, verdict]) => `${count(n)} ${verdict}`);
  return `${count(results.length)} ${results.length === 1 ? "verdict" : "verdicts"}: ${verdicts.join(", ")}. ${count(sum((r) => r.scenarios))} scenarios, ${count(sum((r) => r.timelines))} timelines, ${count(sum((r) => r.states))} states; ${duration(sum((r) => r.milliseconds) * 1000)} of one core, scenarios that several verdicts share counted for each.`;
}
