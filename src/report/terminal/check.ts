/** What `shootdown check` prints: the findings, the worst first, and what could not be looked for. */
import { visibleLine } from "../../input/index.js";
import type { Checked, PricedFinding } from "../../jobs/index.js";
import { costsOf, isGrave, sentenceOf, siteOf, verdictOf, windowOf } from "../check-view.js";
import { count } from "../format.js";
import { integrityWords } from "../integrity.js";
import { SIMULATED } from "../price-view.js";
import { indented, warningText, wrapped } from "./text.js";

/** One trace's findings, for a terminal of `width` columns. */
export function checkText(checked: Checked, width: number): string {
  const { trace, events, integrity, cpu, cpuAssumed, findings, groupsLost, unknown, warnings } = checked;
  const words = integrityWords(integrity);
  const on = cpuAssumed ? `${cpu} (assumed: --cpu)` : cpu;
  const head = `${visibleLine(trace)}: ${count(events)} events${words && `, ${words}`}, judged on ${on}: ${verdictOf(checked)}.`;
  const priced = findings.some(({ costs }) => costs.length > 0);
  return [
    warningText(warnings, width) + wrapped(head, width),
    ...findings.map((finding) => findingText(finding, width)),
    ...(groupsLost > 0 ? [wrapped(`${count(groupsLost)} findings more, in too many groups to be kept.`, width)] : []),
    ...(unknown.length > 0
      ? [`Unknown, and not looked for:\n${unknown.map((text) => wrapped(`- ${text}`, width, "  ")).join("")}`]
      : []),
    ...(priced
      ? [wrapped(`${SIMULATED} Each TLBI is priced for a shadow stage-2 that is there and holds nothing else.`, width)]
      : []),
  ].join("\n");
}

function findingText(finding: PricedFinding, width: number): string {
  const { class: of, kind, count: n, rule, allowed, first } = finding;
  const label = isGrave(finding) ? of.toUpperCase() : of;
  const line = (text: string): string => indented(wrapped(text, width - 2, "  "));
  const window = windowOf(finding);
  return [
    wrapped(`${label} ${kind}, ${count(n)} ${n === 1 ? "time" : "times"}${allowed ? " (allowed)" : ""}`, width),
    line(sentenceOf(finding)),
    line(`rule: ${rule}`),
    line(`at ${siteOf(finding)}`),
    ...(window === "" ? [] : [line(window)]),
    ...costsOf(finding).map(line),
    ...first.slice(0, 1).map((one) => {
      const since = one.since === one.event ? "" : `, begun at event ${one.since}`;
      return line(`first: event ${one.event}${since}, pCPU ${one.pcpu}, VMID ${one.vmid}: ${visibleLine(one.detail)}`);
    }),
    ...(isGrave(finding) ? around(finding, width) : []),
  ].join("");
}

/** The events around the first occurrence; the one where it shows is marked. */
const around = ({ first }: PricedFinding, width: number): string[] =>
  (first[0]?.around ?? []).map(({ event, pcpu, text }) => {
    const mark = event === first[0]!.event ? ">" : " ";
    const head = `  ${mark} ${String(event).padStart(8)} p${String(pcpu).padEnd(3)} `;
    const lines = wrapped(visibleLine(text), Math.max(width - head.length, 20))
      .trimEnd()
      .split("\n");
    return lines.map((line, i) => `${i === 0 ? head : " ".repeat(head.length + 2)}${line}\n`).join("");
  });
