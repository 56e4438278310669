/** The report: one HTML file that needs nothing else, not even scripts, to be read. */
import type { ComponentChildren } from "preact";
import { renderToString } from "preact-render-to-string";
import type { CompareResult, PricedCapture } from "../../compare/index.js";
import type { Made } from "../../jobs/index.js";
import { answerNotes, answersOf, answerTables, answerTitle, checksSentence } from "../answers.js";
import { scenarioViews } from "../view.js";
import { Captures } from "./captures-section.js";
import { DataTable } from "./data-table.js";
import { MadeFrom } from "./made-section.js";
import { Scenario } from "./scenario-section.js";
import { Checks, Hosts, Policies, Proof } from "./source-sections.js";
import { STYLE } from "./style.js";

/** The whole file. The same comparison gives the same bytes. */
export function htmlReport(result: CompareResult, captures: readonly PricedCapture[], made: Made | undefined): string {
  return `<!doctype html>\n${renderToString(<Report result={result} captures={captures} made={made} />)}\n`;
}

interface Props {
  readonly result: CompareResult;
  readonly captures: readonly PricedCapture[];
  readonly made: Made | undefined;
}

function Report({ result, captures, made }: Props) {
  const views = scenarioViews(result);
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Shootdown: what each way of flushing costs{result.proof && ", and whether it is safe"}</title>
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <header>
          <h1>What each way of flushing costs{result.proof && ", and whether it is safe"}</h1>
          <Answers result={result} />
          <nav aria-label="Sections">
            <ul>
              {views.map(({ scenario }) => (
                <li>
                  <a href={`#scenario-${scenario.name}`}>{scenario.name}</a>
                </li>
              ))}
              {captures.length > 0 && <Entry id="captures">Captures</Entry>}
              {result.checks.length > 0 && <Entry id="checks">Checks</Entry>}
              <Entry id="policies">Policies</Entry>
              <Entry id="hosts">Hosts</Entry>
              {result.proof && <Entry id="proof">Proof</Entry>}
              {result.notes.length > 0 && <Entry id="notes">Notes</Entry>}
              {made && <Entry id="again">To check it</Entry>}
            </ul>
          </nav>
          <p class="soft">
            TLB maintenance of Xen on Arm64, on bare metal and nested under KVM, simulated by Shootdown with the
            features of the CPU profile <span class="name">{result.cpu}</span>: pieces of work (scenarios), each under
            several ways of flushing (<a href="#policies">policies</a>), on several <a href="#hosts">hosts</a>. Every
            price is simulated time, made from the elementary prices that stand with their sources under{" "}
            <a href="#hosts">Hosts</a>; no price is a measurement. A range, in brackets or small, has every elementary
            price at its low and at its high end. “The report” in titles and sources is the mail “Limitations for
            Running Xen on KVM Arm64” to xen-devel of 30 October 2025.
          </p>
          <ul class="hosts">
            {result.hosts.map(({ name, title }) => (
              <li>
                <span class="name">{name}</span> <span class="soft">{title}</span>
              </li>
            ))}
          </ul>
        </header>
        <main>
          {views.map((view, i) => (
            <Scenario view={view} id={`s${i}`} />
          ))}
          <Captures captures={captures} />
          <Checks checks={result.checks} />
          <Policies policies={result.policies} />
          <Hosts hosts={result.hosts} />
          {result.proof && <Proof proof={result.proof} />}
          <Notes notes={result.notes} />
          {made && (
            <section id="again">
              <h2>To check it</h2>
              <MadeFrom made={made} />
            </section>
          )}
        </main>
      </body>
    </html>
  );
}

/** What people came for, and what is not to be forgotten with it. */
function Answers({ result }: { readonly result: CompareResult }) {
  const answers = answersOf(result);
  const sentences = [...answerNotes(result, answers), checksSentence(result)].filter((text) => text !== "");
  return (
    <>
      {answers.some(({ price }) => price !== null) && (
        <>
          <p>{answerTitle(answers)}.</p>
          <div class="places">
            {answerTables(answers, "narrow").map(({ title, table }) => (
              <DataTable table={table} caption={title} kind="answer" />
            ))}
          </div>
        </>
      )}
      <ul class="answers">
        {sentences.map((text) => (
          <li>{text}</li>
        ))}
      </ul>
    </>
  );
}

function Entry({ id, children }: { readonly id: string; readonly children: ComponentChildren }) {
  return (
    <li>
      <a href={`#${id}`}>{children}</a>
    </li>
  );
}

function Notes({ notes }: { readonly notes: readonly string[] }) {
  if (notes.length === 0) return null;
  return (
    <section id="notes">
      <h2>Notes</h2>
      <ul class="notes">
        {notes.map((note) => (
          <li>{note}</li>
        ))}
      </ul>
    </section>
  );
}
