/** The sign-off of policies as one HTML file that needs nothing else, not even scripts, to be read. */
import { renderToString } from "preact-render-to-string";
import type { Made } from "../../jobs/index.js";
import type { Proof, SignOff } from "../../prove/index.js";
import { list } from "../format.js";
import {
  erratumNotes,
  everyCpu,
  type Failure,
  failuresOf,
  lookedAt,
  onWhich,
  reasonsOf,
  verdictMatrix,
  verdictRows,
} from "../proof-view.js";
import { DataTable } from "./data-table.js";
import { MadeFrom } from "./made-section.js";
import { Policies } from "./source-sections.js";
import { Story } from "./story-section.js";
import { STYLE } from "./style.js";

/** The whole file. The same proof gives the same bytes. */
export function proofReport(proof: Proof, made: Made): string {
  return `<!doctype html>\n${renderToString(<Report proof={proof} made={made} />)}\n`;
}

function Report({ proof, made }: { readonly proof: Proof; readonly made: Made }) {
  const failures = failuresOf(proof);
  const reasons = reasonsOf(proof);
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Shootdown: is each way of flushing safe?</title>
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <header>
          <h1>Is each way of flushing safe?</h1>
          <p class="soft">
            Ways of flushing (<a href="#policies">policies</a>) of a hypervisor on Arm64, put to an exhaustive search by
            Shootdown: small programs made from a policy's own text, for each occasion on which it must flush, in every
            order of events that the architecture allows on a CPU of each profile. Sound: nobody can go on using a stale
            translation. Unsound: somebody can, and the story is told below, with the rule of the manual (Arm ARM, DDI
            0487) behind each step that surprises.
          </p>
          <ul class="answers">
            {answersOf(proof).map((text) => (
              <li>{text}</li>
            ))}
          </ul>
          <nav aria-label="Sections">
            <ul>
              <Entry id="verdicts" text="Verdicts" />
              {failures.length > 0 && <Entry id="stories" text="How it fails" />}
              <Entry id="assumptions" text="Assumptions" />
              <Entry id="policies" text="Policies" />
              <Entry id="again" text="To check it" />
            </ul>
          </nav>
        </header>
        <main>
          <section id="verdicts">
            <h2>Verdicts</h2>
            <VerdictTable proof={proof} failures={failures} />
            <p>{lookedAt(proof)}</p>
            {everyCpu(proof) !== "" && <p>{everyCpu(proof)}</p>}
            {erratumNotes(proof).map((note) => (
              <p>{note}</p>
            ))}
            {reasons.map((reason) => (
              <p>{reason}</p>
            ))}
          </section>
          {failures.length > 0 && (
            <section id="stories">
              <h2>How it fails</h2>
              <p>
                The shortest story of each unsound verdict. Time runs downwards: the order in which events take effect
                for everybody, 0 being before the first. A TLBI that reaches another pCPU is an event of its own there,
                drawn from who issues it to where it arrives. What is read or written through a stale translation is
                marked.
              </p>
              {failures.map((failure, i) => (
                <Story proof={proof} failure={failure} id={storyId(i)} />
              ))}
            </section>
          )}
          <Assumptions assumptions={proof.assumptions} />
          <Policies policies={proof.policies} />
          <section id="again">
            <h2>To check it</h2>
            <MadeFrom made={made} />
            <p>
              With <code>--save FOLDER</code> it writes every scenario, also those of the sound verdicts, as a litmus
              test in the TOML form of the isla tool; the final assertion is the bad state, which is forbidden where the
              policy is sound. <code>shootdown litmus FOLDER</code> decides them one by one.
            </p>
          </section>
        </main>
      </body>
    </html>
  );
}

const storyId = (i: number): string => `story-${i + 1}`;

function Entry({ id, text }: { readonly id: string; readonly text: string }) {
  return (
    <li>
      <a href={`#${id}`}>{text}</a>
    </li>
  );
}

/** Which policies are sound for everything that was asked, and which are not. */
function answersOf(proof: Proof): readonly string[] {
  const { results, policies, cpus } = proof;
  const of = (name: string): readonly SignOff[] => results.filter(({ policy }) => policy === name);
  const named = (which: (own: readonly SignOff[]) => boolean): string[] =>
    policies.map(({ name }) => name).filter((name) => which(of(name)));
  const sound = named((own) =>
    own.every(({ verdict }) => verdict === "sound" || verdict === "not-applicable" || verdict === "not-stated"),
  );
  const unsound = named((own) => own.some(({ verdict }) => verdict === "unsound"));
  const notStated = named((own) => own.some(({ verdict }) => verdict === "not-stated"));
  const open = named((own) => own.some(({ verdict }) => verdict === "unknown"));
  const which = onWhich(cpus.map(({ name }) => name), proof) === "every CPU" ? "every CPU" : `each of ${list(cpus.map(({ name }) => name))}`; // biome-ignore format: one row
  const unsoundFor = (name: string): string =>
    `${name} (${[...new Set(of(name).flatMap(({ verdict, occasion }) => (verdict === "unsound" ? [occasion] : [])))].join(", ")})`;
  return [
    ...(sound.length > 0
      ? [`Sound for every occasion that was asked for, on ${which} that can run it: ${list(sound)}.`]
      : []),
    ...(unsound.length > 0 ? [`Unsound: ${list(unsound.map(unsoundFor))}.`] : []),
    ...(notStated.length > 0
      ? [`Not stated in part, as the policy does not say what it executes then: ${list(notStated)}.`]
      : []),
    ...(open.length > 0 ? [`Unknown in part, as a bound was reached: ${list(open)}.`] : []),
  ];
}

/** CPUs with the same verdicts share a row; an unsound one leads to its story. */
function VerdictTable({ proof, failures }: { readonly proof: Proof; readonly failures: readonly Failure[] }) {
  const rows = verdictRows(proof);
  const story = (row: number, column: number): string | undefined => {
    const first = rows[row]!.cells[column - 1]?.[0];
    return first?.verdict === "unsound"
      ? `#${storyId(failures.findIndex(({ results }) => results.includes(first)))}`
      : undefined;
  };
  return (
    <DataTable
      table={verdictMatrix(proof)}
      caption="Policy, occasion and CPU; CPUs with the same verdicts share a row. Small: what was looked at on each of them. A dash: the policy cannot run there."
      kind="verdicts"
      href={story}
    />
  );
}

function Assumptions({ assumptions }: { readonly assumptions: readonly string[] }) {
  return (
    <section id="assumptions">
      <h2>What every verdict assumes</h2>
      <ul class="notes">
        {assumptions.map((text) => (
          <li>{text}</li>
        ))}
      </ul>
    </section>
  );
}
