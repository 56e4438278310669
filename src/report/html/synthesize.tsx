/** The report of a search: one HTML file that needs nothing else to be read. */
import { renderToString } from "preact-render-to-string";
import type { Made, Synthesis } from "../../jobs/index.js";
import {
  type Alone,
  besideTable,
  certificateSentence,
  certificateTable,
  priceNotes,
  pricesTable,
  shownOf,
  spaceSentence,
  undecidedLines,
  weakestLines,
} from "../synth-view.js";
import { DataTable } from "./data-table.js";
import { MadeFrom } from "./made-section.js";
import { STYLE } from "./style.js";

/** The whole file; `top`: how many to show by price besides the front. */
export function synthesisReport(found: Synthesis, alone: readonly Alone[], top: number, made: Made): string {
  const title = `What is sound for ${found.space.occasion}`;
  const shown = shownOf(found, top);
  const html = (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Shootdown: {title.toLowerCase()}</title>
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <header>
          <h1>{title}</h1>
          <p class="soft">{spaceSentence(found)}</p>
          <p class="soft">{certificateSentence(found)}</p>
        </header>
        <main>
          {shown.length > 0 && (
            <section id="prices">
              <h2>{found.tally.unknown === 0 ? "The cheapest" : "The best that were found"}</h2>
              <DataTable
                table={pricesTable(found, shown)}
                caption="Simulated time; sound sequences, by price on the first host."
              />
              <pre>{shown[0]!.file}</pre>
              <DataTable table={besideTable(found)} caption="Known policies' code on the same occasion." />
              <Lines lines={priceNotes(found)} />
            </section>
          )}
          <section id="weakest">
            <h2>Sound ones, no weaker one of which is</h2>
            <Lines lines={weakestLines(found)} />
          </section>
          <section id="certificate">
            <h2>How the others fail</h2>
            <DataTable table={certificateTable(found)} caption="Sequences by the scenario that refutes them first." />
            <Lines lines={undecidedLines(found)} />
          </section>
          {alone.length > 0 && (
            <section id="alone">
              <h2>Each CPU alone</h2>
              {alone.map(({ cpu, found: own }) => (
                <div>
                  <h3>{cpu}</h3>
                  <p>{certificateSentence(own)}</p>
                  <DataTable table={pricesTable(own, own.priced.slice(0, 1))} caption={`The best on ${cpu}.`} />
                </div>
              ))}
            </section>
          )}
          <section id="again">
            <h2>To check it</h2>
            <MadeFrom made={made} />
          </section>
        </main>
      </body>
    </html>
  );
  return `<!doctype html>\n${renderToString(html)}\n`;
}

function Lines({ lines }: { readonly lines: readonly string[] }) {
  return (
    <ul>
      {lines.map((line) => (
        <li>{line}</li>
      ))}
    </ul>
  );
}
