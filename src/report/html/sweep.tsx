/** Reports of sweeps and tornados: one HTML file each, that needs nothing else to be read. */
import { renderToString } from "preact-render-to-string";
import type { Made } from "../../jobs/index.js";
import { duration } from "../format.js";
import {
  MOVED,
  type Picture,
  pictures,
  reignSentence,
  SWEPT,
  type SweepFound,
  type SweepResult,
  sweepTable,
  type TornadoPrice,
  tornadoTable,
} from "../sweep-view.js";
import type { Table } from "../table.js";
import { DataTable } from "./data-table.js";
import { MadeFrom } from "./made-section.js";
import { STYLE } from "./style.js";
import { curveColour, sweepPlot, tornadoPlot } from "./sweep-plots.js";

/** Most pictures of one file; the table has everything. */
const MOST_PICTURES = 60;

/** The whole file; `made` says from what, and how. */
export function sweepReport(result: SweepResult, made: Made): string {
  const all = pictures(result);
  const shown = all.slice(0, MOST_PICTURES);
  return page(
    "What it costs, as numbers change",
    made,
    result.notes,
    [SWEPT],
    sweepTable(result),
    all.length,
    shown.map((picture, i) => <Curves picture={picture} id={`p${i}`} />),
  );
}

/** The same of a tornado. */
export function tornadoReport(found: SweepFound<TornadoPrice>, made: Made): string {
  const all = found.rows.filter(({ bars }) => bars.length > 0);
  const shown = all.slice(0, MOST_PICTURES);
  return page(
    "Which elementary price decides",
    made,
    found.notes,
    [MOVED],
    tornadoTable(found),
    all.length,
    shown.map((row, i) => <Bars row={row} id={`t${i}`} />),
  );
}

function page(
  title: string,
  made: Made,
  notes: readonly string[],
  about: readonly string[],
  table: Table,
  pictures: number,
  figures: readonly preact.JSX.Element[],
): string {
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
          {[...about, ...notes].map((text) => (
            <p class="soft">{text}</p>
          ))}
        </header>
        <main>
          <section id="pictures">
            <h2>Pictures</h2>
            {pictures > figures.length && (
              <p class="soft">
                The first {figures.length} of {pictures}; the table has all.
              </p>
            )}
            <div class="figures">{figures}</div>
          </section>
          <section id="table">
            <h2>Prices</h2>
            <DataTable table={table} caption="Simulated time; a row for each price." />
          </section>
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

function Curves({ picture, id }: { readonly picture: Picture; readonly id: string }) {
  const { key, of, curves } = picture;
  const described = curves.map(
    ({ name, points }) => `${name}: ${points.map(({ x, row }) => `${duration(row.microseconds)} at ${x}`).join(", ")}.`,
  );
  const plot = sweepPlot(picture, { id, title: `${of}: price against ${key.key}`, description: described.join(" ") });
  return (
    <figure>
      <figcaption>{of}</figcaption>
      <div dangerouslySetInnerHTML={{ __html: plot }} />
      <ul class="key" aria-label="Lines of the picture">
        {curves.map(({ name, unsound, points }, i) => (
          <li>
            <b style={{ color: curveColour(i) }}>{unsound ? "- -" : "—"}</b> {name}
            {unsound && <span class="bad"> UNSOUND</span>}
            {points.every(({ row }) => row.microseconds === 0) && <span class="soft"> costs nothing, not drawn</span>}
          </li>
        ))}
      </ul>
      <p class="soft">{reignSentence(picture)}</p>
    </figure>
  );
}

function Bars({ row, id }: { readonly row: TornadoPrice; readonly id: string }) {
  const { scenario, policy, phase, host, ipaBits, rest, microseconds, bars } = row;
  const what = [scenario ?? phase, policy].filter((part) => part !== undefined).join(" under ");
  const of = `${what} on ${host}${rest === null ? "" : ` at ${ipaBits} bits`}: ${duration(microseconds)}`;
  const described = bars.map(({ key, microseconds: ends }) => `${key}: ${ends.map(duration).join(" to ")}.`).join(" ");
  return (
    <figure>
      <figcaption>{of}</figcaption>
      <div dangerouslySetInnerHTML={{ __html: tornadoPlot(row, { id, title: of, description: described }) }} />
    </figure>
  );
}
