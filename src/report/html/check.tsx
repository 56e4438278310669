/** Checked traces as one HTML file that needs nothing else: the findings on a time axis, and each with its events. */
import { renderToString } from "preact-render-to-string";
import type { Checked, PricedFinding } from "../../jobs/index.js";
import { costsOf, isGrave, sentenceOf, siteOf, verdictOf, windowOf } from "../check-view.js";
import { count } from "../format.js";
import { Scroll } from "./scroll.js";
import { STYLE } from "./style.js";

/** The whole file; `command` is the line that makes it again. The same findings give the same bytes. */
export function checkReport(checked: readonly Checked[], command: string): string {
  return `<!doctype html>\n${renderToString(<Report checked={checked} command={command} />)}\n`;
}

function Report({ checked, command }: { readonly checked: readonly Checked[]; readonly command: string }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Shootdown: a trace on trial</title>
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <header>
          <h1>A trace on trial</h1>
          <p class="soft">
            What a hypervisor executed, held by Shootdown against the Arm manual (Arm ARM, DDI 0487): which translations
            may still have been held in TLBs though the tables did not give them any more, and what was done meanwhile;
            which flushes came too late, did too little, or were for nothing.
          </p>
          <ul class="answers">
            {checked.map((one) => (
              <li>
                {one.trace}, {count(one.events)} events, judged on {one.cpu}
                {one.cpuAssumed && " (assumed)"}: {verdictOf(one)}.
              </li>
            ))}
          </ul>
        </header>
        <main>
          {checked.map((one, t) => (
            <Trial checked={one} id={`trace-${t + 1}`} />
          ))}
          <section id="again">
            <h2>To check it</h2>
            <p>This page is what the following command made; it finds the same each time:</p>
            <pre>{command}</pre>
          </section>
        </main>
      </body>
    </html>
  );
}

/** What was found of a trace. */
export function Trial({ checked, id }: { readonly checked: Checked; readonly id: string }) {
  const { trace, findings, unknown, warnings } = checked;
  return (
    <section id={id}>
      <h2>{trace}</h2>
      {findings.length > 0 && <Axis checked={checked} id={id} />}
      {findings.map((finding, i) => (
        <Found finding={finding} id={`${id}-${i + 1}`} />
      ))}
      {(unknown.length > 0 || warnings.length > 0) && (
        <>
          <h3>Unknown, and not looked for</h3>
          <ul>
            {[...warnings, ...unknown].map((text) => (
              <li>{text}</li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

const WIDTH = 960;
const LEFT = 190;
const ROW = 22;
const TOP = 24;

/** Where findings show: events from left to right, a row a finding. */
function Axis({ checked: { events, findings }, id }: { readonly checked: Checked; readonly id: string }) {
  const height = TOP + ROW * findings.length + 8;
  const x = (event: number): number => LEFT + Math.round(((WIDTH - LEFT - 20) * event * 10) / Math.max(events, 1)) / 10;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * events));
  return (
    <Scroll>
      {/* biome-ignore lint/a11y/useSemanticElements: a picture of links is no form */}
      <svg
        viewBox={`0 0 ${WIDTH} ${height}`}
        role="group"
        aria-label="findings by event number"
        width={WIDTH}
        height={height}
      >
        {ticks.map((event) => (
          <>
            <line x1={x(event)} x2={x(event)} y1={TOP - 4} y2={height} stroke="currentColor" stroke-opacity="0.15" />
            <text x={x(event)} y={14} font-size="11" text-anchor="middle" fill="currentColor">
              {count(event)}
            </text>
          </>
        ))}
        {findings.map((finding, i) => (
          <g>
            <a href={`#${id}-${i + 1}`}>
              <text x={0} y={TOP + ROW * i + 14} font-size="12" fill="currentColor">
                {finding.kind}
              </text>
            </a>
            {finding.places.map((event) => (
              <rect
                x={x(event) - 1}
                y={TOP + ROW * i + 3}
                width={2}
                height={ROW - 8}
                fill={isGrave(finding) ? "#c0392b" : finding.class === "late" ? "#b9770e" : "#2471a3"}
              />
            ))}
          </g>
        ))}
      </svg>
    </Scroll>
  );
}

function Found({ finding, id }: { readonly finding: PricedFinding; readonly id: string }) {
  const { class: of, kind, count: n, rule, first, allowed } = finding;
  const window = windowOf(finding);
  return (
    <article id={id}>
      <h3>
        <span class={isGrave(finding) ? "bad" : ""}>{of}</span> {kind}, {count(n)} {n === 1 ? "time" : "times"}
        {allowed && " (allowed)"}
      </h3>
      <p>{sentenceOf(finding)}</p>
      <p class="soft">Rule: {rule}.</p>
      <p>
        At <code>{siteOf(finding)}</code>.{window !== "" && ` It was ${window}.`}
      </p>
      {costsOf(finding).length > 0 && (
        <ul>
          {costsOf(finding).map((text) => (
            <li>{text}</li>
          ))}
        </ul>
      )}
      {first.map((one) => (
        <details open={isGrave(finding) && one === first[0]}>
          <summary>
            event {one.event}
            {one.since !== one.event && `, begun at event ${one.since}`}: {one.detail}
          </summary>
          {one.around.length > 0 && (
            <pre>
              {one.around
                .map(({ event, pcpu, text, site }) => {
                  const mark = event === one.event ? ">" : " ";
                  return `${mark} ${String(event).padStart(9)} p${String(pcpu).padEnd(3)} ${text}${site === "" ? "" : `  @ ${site}`}\n`;
                })
                .join("")}
            </pre>
          )}
        </details>
      ))}
    </article>
  );
}
