/** The report's style sheet and its colours: light, dark, and printed on A4. */
import type { PriceParts } from "../../compare/index.js";
import type { PriceGroup } from "../view.js";

/** Parts of a price in the order in which they are stacked, with the words for them. */
export const PARTS: readonly { readonly part: keyof PriceParts; readonly label: string; readonly meaning: string }[] = [
  { part: "trap", label: "trap", meaning: "exits to the host and the fixed work of its handlers" },
  { part: "walk", label: "walk", meaning: "walking and unmapping shadow stage-2 tables" },
  { part: "flush", label: "flush", meaning: "TLBIs that the hardware executes, with their DSBs" },
  { part: "refault", label: "refault", meaning: "later faults on pages that a TLBI had dropped from the shadow" },
];

export const PART_COLOURS: Readonly<Record<keyof PriceParts, string>> = {
  trap: "var(--trap)",
  walk: "var(--walk)",
  flush: "var(--flush)",
  refault: "var(--refault)",
};

/** Colours of lines: [light, dark], each at least 4.5 to 1 against its background. */
const LINES: readonly (readonly [light: string, dark: string])[] = [
  ["#b3261e", "#ff8a80"],
  ["#9a5b00", "#ffb74d"],
  ["#6b6b00", "#dce775"],
  ["#2e7d32", "#81c784"],
  ["#00796b", "#4db6ac"],
  ["#0b6fa4", "#4fc3f7"],
  ["#3949ab", "#9fa8da"],
  ["#7b1fa2", "#ce93d8"],
  ["#ad1457", "#f48fb1"],
  ["#5d4037", "#bcaaa4"],
  ["#455a64", "#b0bec5"],
];

/** Colours of verdicts, the same in tables and pictures. */
export const VERDICT_COLOURS: Readonly<Record<NonNullable<PriceGroup["verdict"]>, string>> = {
  sound: "var(--good)",
  unsound: "var(--bad)",
  unknown: "var(--soft)",
};

/** The colour of a group, the nth: its verdict's; where nobody asked, one of eleven that repeat, as the letters do not. */
export const colourOf = ({ verdict }: PriceGroup, n: number): string =>
  verdict === undefined ? lineColour(n) : VERDICT_COLOURS[verdict];

/** One of eleven colours of lines, which repeat. */
export const lineColour = (n: number): string => `var(--line${n % LINES.length})`;

const lineColours = (mode: 0 | 1): string => LINES.map((pair, i) => `--line${i}: ${pair[mode]};`).join(" ");

/** Colours as custom properties, for light and for dark. */
export const LIGHT = `color-scheme: light; --paper: #fff; --ink: #1c1e21; --soft: #5b626b; --rule: #dfe2e6; --band: #f4f6f8; --stripe: #1c2e4010;
  --link: #0b57d0; --good: #1b6e2a; --bad: #b3261e; --arrow: #e3ecf7; --shade: #0003; --trap: #3b6fb6; --walk: #e0952b; --flush: #3f9b6c; --refault: #b2578f;
  ${lineColours(0)}`;
export const DARK = `color-scheme: dark; --paper: #15181c; --ink: #e4e7eb; --soft: #a3acb8; --rule: #343a42; --band: #1d2228; --stripe: #ffffff0d;
  --link: #8ab4f8; --good: #81c995; --bad: #ff8a80; --arrow: #24364d; --shade: #0009; --trap: #6f9fe0; --walk: #e3a54c; --flush: #5cb88a; --refault: #d285b4;
  ${lineColours(1)}`;

export const STYLE = `
:root { ${LIGHT} }
@media screen and (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main, header, footer { max-width: 80rem; margin: 0 auto; padding: 0 1.25rem; overflow-wrap: break-word; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, .answers, .notes { max-width: 46rem; }
p { margin: .5rem 0; }
.answers { padding-left: 1.2rem; margin: .75rem 0; }
.answers li { margin: .4rem 0; }
.hosts { list-style: none; margin: .75rem 0; padding: 0; font-size: .9rem; }
.silent { max-width: none; }
.hosts li { padding-left: 1.2rem; text-indent: -1.2rem; }
.mark { display: inline-block; width: 0; font-size: 1rem; line-height: 1; }
.prices:has(.mark) td:last-child { padding-right: .8rem; }
.listing td, .listing th, .inputs td, .inputs th { border: 0; padding: .05rem .6rem; font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.listing tbody tr:nth-child(even) > *, .scroll > .listing > tbody > tr:nth-child(even) > th:first-child { background: var(--paper); }
.listing th { text-align: right; } .listing th:last-child { text-align: left; } .listing caption { white-space: nowrap; }
.places { display: flex; flex-wrap: wrap; gap: 0 2.5rem; } .places .scroll { max-width: 100%; margin-bottom: .5rem; }
.answer td { white-space: nowrap; } .answer caption { font-weight: 600; color: var(--ink); }
.bad small, .good small { font-weight: 400; color: var(--soft); }
.prices .bad small { font-weight: 400; white-space: normal; color: inherit; }
.calibrated { font-weight: 600; }
.soft, caption, figcaption, small { color: var(--soft); }
a { color: var(--link); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: 1rem 0 0; }
code, .name { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92em; }
.scroll { overflow-x: auto; margin: .75rem 0 1.25rem; scrollbar-width: thin; scrollbar-color: var(--soft) var(--band);
  background: linear-gradient(to left, var(--paper) 1.5rem, transparent) right / 4rem 100% no-repeat local,
    linear-gradient(to left, var(--shade), transparent) right / 1.5rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: .875rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0 0 .4rem; max-width: min(46rem, 100vw - 2.5rem); position: sticky; left: 0; }
th, td { padding: .3rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
thead th { border-bottom: 1px solid var(--soft); vertical-align: bottom; }
tbody th { font-weight: 500; white-space: nowrap; }
tbody tr:nth-child(even) > * { background: var(--stripe); }
.number { text-align: right; white-space: nowrap; }
th.span { text-align: center; }
.starts { border-left: 1px solid var(--rule); }
.prices th, .prices td { padding: .25rem .35rem; }
.prices small { display: block; font-size: .6875rem; white-space: nowrap; }
.scroll > table > tbody > tr > th:first-child, .scroll > table > thead > tr:first-child > th:first-child { position: sticky; left: 0; z-index: 1; background: var(--paper); }
.scroll > table > tbody > tr:nth-child(even) > th:first-child { background: linear-gradient(var(--stripe), var(--stripe)), var(--paper); }
.counts td { min-width: 9rem; }
.items { list-style: none; margin: 0; padding: 0; }
.items li { white-space: nowrap; }
.text { min-width: 14rem; }
tbody th.text { white-space: normal; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1rem 1.5rem; margin: 1rem 0; }
figure { margin: 0; min-width: 0; max-width: 28rem; }
figure > figcaption { font-weight: 500; color: var(--ink); margin-bottom: .25rem; font-size: .9rem; }
.plot { display: block; width: 100%; height: auto; background: none; overflow: visible; font-family: inherit; font-size: 12px; }
.plot text, .plot tspan { white-space: pre; }
.key { list-style: none; margin: .5rem 0 1rem; padding: 0; font-size: .875rem; columns: 26rem auto; column-gap: 2rem; max-width: none; }
.key li { break-inside: avoid; padding: .1rem 0 .1rem 1.6rem; text-indent: -1.6rem; }
.key b { display: inline-block; width: 1.6rem; text-indent: 0; }
.parts { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: .5rem 0; padding: 0; font-size: .875rem; }
.chip { display: inline-block; width: .8em; height: .8em; margin-right: .45em; border-radius: 2px; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.verdicts small { display: block; font-size: .6875rem; font-weight: 400; white-space: nowrap; }
.verdicts .cpus { min-width: 9rem; }
.verdicts .bad a { color: inherit; }
.story > p, .story h3 { max-width: 60rem; }
.story h3 { margin-top: 2.5rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
.cast { margin: .5rem 0; padding-left: 1.2rem; font-size: .9rem; }
.axis { margin: .75rem 0 1.5rem; font-size: .8125rem; }
.axis .row { display: grid; grid-template-columns: 15rem 1fr; gap: 0 .75rem; align-items: center; }
.axis .row > :first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.axis .track { position: relative; display: block; height: 1.375rem; min-width: 0; border-left: 1px solid var(--rule); border-right: 1px solid var(--rule); }
.axis svg { display: block; width: 100%; height: 1rem; margin-top: .1875rem; background: var(--band); overflow: visible; }
.axis .phase { position: absolute; height: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding-left: .3rem; border-left: 1px solid var(--soft); }
.axis .tick { position: absolute; padding-left: .3rem; border-left: 1px solid var(--soft); white-space: nowrap; }
.axis .tick:nth-last-child(1):not(:first-child) { transform: translateX(-100%); padding: 0 .3rem 0 0; border-left: 0; border-right: 1px solid var(--soft); }
@media (max-width: 40rem) { .axis .row { grid-template-columns: 1fr; } .axis .tick:nth-child(even) { display: none; } }
details { margin: .4rem 0; font-size: .9rem; }
summary { cursor: pointer; }
pre { font: .8125rem/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--band);
  padding: .6rem .8rem; margin: .5rem 0; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.timeline { width: 100%; max-width: 72rem; table-layout: fixed; margin: .75rem 0 1rem; }
.timeline .times { width: 2.9rem; }
.timeline th, .timeline td { padding: .25rem .4rem; border: 0; background: none; }
.timeline tbody tr > * { background: none; border-top: 1px solid var(--rule); }
.timeline tbody tr.again > * { border-top-color: transparent; }
.timeline thead th { text-align: center; }
.timeline .title { display: none; }
.timeline .time { color: var(--soft); font-weight: 400; text-align: right; padding: .55rem .6rem 0 0; }
.timeline tbody td.lane { background: linear-gradient(var(--soft), var(--soft)) center / 1px 100% no-repeat; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.step { padding: .3rem .6rem; background: var(--band); border: 1px solid var(--rule); border-radius: 4px; }
.from { font: .75rem ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; color: var(--soft); white-space: nowrap; }
.step small { display: block; margin-top: .15rem; font-size: .75rem; font-style: italic; }
.timeline td { position: relative; }
.step .who { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.step.stale { border: 2px solid var(--bad); }
.step.rightwards, .step.leftwards { border: 0; border-radius: 0; background: var(--arrow); padding: .4rem 1.6rem; margin-left: 15%; margin-right: 15%; }
.step.rightwards { clip-path: polygon(0 0, calc(100% - 1rem) 0, 100% 50%, calc(100% - 1rem) 100%, 0 100%, .6rem 50%); }
.step.leftwards { clip-path: polygon(100% 0, 1rem 0, 0 50%, 1rem 100%, 100% 100%, calc(100% - .6rem) 50%); }
footer { margin-top: 3rem; padding-bottom: 2rem; font-size: .875rem; }
@media (max-width: 40rem) {
  body { font-size: 15px; }
  th, td { padding: .25rem .4rem; }
}
@media screen and (max-width: 40rem) {
  .stacked, .stacked tbody, .stacked caption, .stacked tr, .stacked th, .stacked td { display: block; }
  .stacked thead { display: none; }
  .stacked tr { padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  .stacked tbody tr > * { padding: .1rem 0; border: 0; text-align: left; min-width: 0; white-space: normal; }
  .stacked tbody tr:nth-child(even) > * { background: none; }
  .stacked tbody th { font-weight: 700; }
  .stacked [data-label]::before { content: attr(data-label) ": "; color: var(--soft); }
}
@media (max-width: 40rem) {
  .timeline, .timeline tbody, .timeline td { display: block; }
  .timeline thead, .timeline td.lane:not(:has(.step)), .timeline colgroup { display: none; }
  .timeline tr { display: block; position: relative; padding-left: 2rem; border-top: 1px solid var(--rule); }
  .timeline tr.again { border-top-color: transparent; }
  .timeline tbody tr > *, .timeline tbody td.lane { border: 0; background: none; padding: 0; }
  .timeline .time { position: absolute; left: 0; top: .5rem; width: 1.5rem; padding-right: .4rem; }
  .step, .step.rightwards, .step.leftwards { margin: .2rem 0; padding: .3rem .6rem; clip-path: none; border-radius: 4px; }
  .step .who { position: static; width: auto; height: auto; clip-path: none; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  html { font-size: 12px; }
  body { font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main, header, footer { max-width: none; padding: 0; }
  header { padding-top: 0; }
  nav { display: none; }
  p, .answers, .notes, caption { max-width: 72rem; }
  a { color: inherit; text-decoration: none; }
  h2 { margin-top: 1.5rem; }
  h2, h3, h2 + p, h3 + p, p:has(+ .scroll), caption { break-after: avoid; }
  section.scenario { break-before: page; }
  .scroll { overflow: visible; break-inside: avoid; background: none; }
  table { width: 100%; }
  th, td { padding: .2rem .4rem; }
  .scroll > table > tbody > tr > th:first-child, .scroll > table > thead > tr:first-child > th:first-child, caption { position: static; }
  .timeline .title { display: table-row; }
  .timeline .title th { font-weight: 400; text-align: left; color: var(--soft); }
  .timeline { break-inside: auto; }
  .text { min-width: 0; }
  tr, .together { break-inside: avoid; }
  figure { max-width: 20rem; }
  thead { display: table-header-group; }
  .figures { grid-template-columns: repeat(3, 1fr); gap: .5rem 1.5rem; }
}
`;
