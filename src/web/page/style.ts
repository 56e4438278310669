import { DARK, LIGHT } from "../../report/page.js";

/** What the page adds to the reports' style sheet: the parts that one acts on. */
export const PAGE_STYLE = `
@media screen { :root[data-theme=light] { ${LIGHT} } :root[data-theme=dark] { ${DARK} } }
main, header, footer { max-width: 110rem; }
header { padding-top: 1rem; }
h1 { font-size: 1.4rem; }
#app main > section > h2:first-child, .panel > h2:first-child, .columns > div > h2:first-child { margin-top: 1rem; border-top: 0; padding-top: 0; }
.columns > div > h2:first-child { margin-top: 0; }
button, select, input { font: inherit; color: inherit; background: var(--band); border: 1px solid var(--soft); border-radius: 4px; padding: .25rem .6rem; max-width: 100%; min-height: 2rem; }
button { cursor: pointer; }
button:disabled { color: var(--soft); border-color: var(--rule); cursor: default; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 1px; }
label { display: inline-flex; gap: .4rem; align-items: center; flex-wrap: wrap; max-width: 100%; }
input[type=range] { padding: 0; flex: 1 1 10rem; accent-color: var(--link); }
.top { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: start; gap: .5rem 1rem; }
.tabs { display: flex; flex-wrap: wrap; gap: .25rem; margin: .75rem 0 0; border-bottom: 1px solid var(--soft); }
.tabs button { border-bottom: 0; border-radius: 4px 4px 0 0; background: none; border-color: transparent; }
.tabs [aria-selected=true] { background: var(--band); border-color: var(--soft); font-weight: 600; }
.bar { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: .75rem 0; }
#prices .scenario { contain: layout; }
table.prices td:nth-last-child(-n+3):not(.number) { min-width: 13rem; }
.asking { margin: .5rem 0; }
.asking fieldset { border: 1px solid var(--rule); border-radius: 4px; padding: .25rem .75rem; margin: .5rem 0; }
input[type=checkbox] { min-height: 0; width: 1.1rem; height: 1.1rem; accent-color: var(--link); }
.columns { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem 2rem; align-items: start; }
@media screen and (min-width: 70rem) { .columns { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); } .columns.even { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.editor { border: 1px solid var(--soft); border-radius: 4px; }
.message { padding: .5rem .8rem; border-left: 4px solid var(--bad); background: var(--band); margin: .5rem 0; overflow-wrap: anywhere; }
.message.quiet { border-color: var(--link); }
.matrix td { padding: .15rem; }
.matrix td > *, .matrix td > button { display: block; width: 100%; padding: .2rem .5rem; text-align: left; border: 1px solid transparent; }
.matrix td small { display: block; font-size: .75rem; color: var(--soft); font-weight: 400; }
.matrix .bad button { border-color: var(--bad); color: var(--bad); background: none; font-weight: 600; }
.matrix .open { color: var(--ink); font-weight: 700; outline: 2px dashed var(--bad); }
.matrix tr.chosen th { font-weight: 700; }
.steps { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem 2rem; align-items: start; }
@media screen and (min-width: 62rem) { .steps { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); } .steps > :last-child { position: sticky; top: .5rem; } }
.timeline.stepped tbody tr { cursor: pointer; }
.timeline.stepped tr.now .step { outline: 3px solid var(--link); }
.pes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .5rem 1rem; }
.pe { border: 1px solid var(--rule); border-radius: 4px; padding: .4rem .6rem; font-size: .875rem; min-width: 0; overflow-wrap: anywhere; }
.pe h4, .moment h4 { margin: 0 0 .25rem; font-size: .9rem; }
.pe ul, .moment ul { list-style: none; margin: 0; padding: 0; }
.pe li { padding: .1rem .3rem; margin: .1rem 0; border-left: 3px solid var(--rule); }
.pe li.stale { border-color: var(--bad); color: var(--bad); }
.pe li.new { border-color: var(--good); }
.pe li.gone { border-color: var(--soft); color: var(--soft); }
.pe li.gone s { text-decoration-thickness: 1px; }
.pe .tag { font-weight: 600; }
.flame { font-size: .75rem; }
.flame rect { stroke: var(--paper); }
.flame text { fill: #15181c; pointer-events: none; }
.canvas { display: block; width: 100%; border: 1px solid var(--soft); border-radius: 4px; touch-action: pan-y; }
.drop { border: 2px dashed var(--soft); border-radius: 6px; padding: 1rem; text-align: center; }
.drop.over { border-color: var(--link); background: var(--band); }
@media (prefers-reduced-motion: no-preference) { .working::after { content: ""; display: inline-block; width: .6em; height: .6em; margin-left: .4em; border-radius: 50%; background: var(--link); animation: pulse 1s infinite alternate; } }
@keyframes pulse { from { opacity: .2; } to { opacity: 1; } }
@media print { #story ~ #prices, .top label, .bar, .tabs, .editor, .asking, .noprint { display: none; } .steps, .columns { display: block; } .timeline.stepped tr .step { outline: none !important; } }
`;
