/** Checked traces as one HTML file that needs nothing else: the findings on a time axis, and each with its events. */
import { renderToString } from "preact-render-to-string";
import type { Checked, PricedFinding } from "../../jobs/index.js";
import { costsOf, isGrave, sentenceOf, siteOf, verdictOf, windowOf } from "../check-view.js";
import { count } from "../format.js";
import { FindingAxis } from "./finding-axis.js";
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
      {findings.length > 0 && <FindingAxis checked={checked} id={id} />}
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
