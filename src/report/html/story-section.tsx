/** How an unsound policy fails: who is who, and what happens in time, one lane for each pCPU. */
import type { ComponentChildren } from "preact";
import type { Proof, TracedStep } from "../../prove/index.js";
import { list, sentence } from "../format.js";
import { GUILTY, guiltySentence, listingsOf, listingTable } from "../guilty-lines.js";
import { type Failure, failsOf, onWhich } from "../proof-view.js";
import { DataTable } from "./data-table.js";

/** Where a reader stands who goes through a story step by step. */
interface Place {
  /** index of the step */
  readonly step: number;
  onStep(step: number): void;
  /** what is shown with the step */
  readonly beside: ComponentChildren;
  /** where a rule of the model is explained, by its sentence */
  ruleHref?(sentence: string): string | undefined;
}

/** `id` is unique in the page. */
export function Story({
  proof,
  failure,
  id,
  place,
}: {
  readonly proof: Proof;
  readonly failure: Failure;
  readonly id: string;
  readonly place?: Place;
}) {
  const { result, cpus } = failure;
  const { scenario, witness = [] } = result;
  if (!scenario) return null;
  return (
    <section class="story" id={id}>
      <h3>
        <span class="name">{result.policy}</span> is <span class="bad">UNSOUND</span> for {result.occasion} on{" "}
        {onWhich(cpus, proof)}: {scenario.meaning}
      </h3>
      <p>
        {sentence(capital(scenario.title))}
        {cpus.length > 1 && ` On ${cpus[0]} it goes so:`}
      </p>
      <ul class="cast">
        {scenario.cast.map((who) => (
          <li>{who}</li>
        ))}
      </ul>
      <Timeline
        steps={witness}
        lanes={scenario.cast.map((who) => who.replace(/,.*/, ""))}
        title={`${result.policy}, ${result.occasion}: ${scenario.meaning}`}
        {...(place && { place })}
      />
      <p>{guiltySentence(result)}</p>
      {listingsOf(proof, result).map((listing) =>
        listing.lines.length > 0 ? (
          <DataTable
            table={listingTable(listing)}
            caption={`${listing.title}; ${GUILTY} marks what is to blame.`}
            kind="listing"
          />
        ) : (
          <p class="soft">{listing.title}: no code.</p>
        ),
      )}
      <Failing failure={failure} proof={proof} />
      <details>
        <summary>
          This scenario as a litmus test (<span class="name">{scenario.name}</span>), for <code>shootdown litmus</code>{" "}
          and other tools
        </summary>
        <pre>{scenario.text}</pre>
      </details>
    </section>
  );
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Which scenarios fail, and on which CPUs where not on all of them. */
function Failing({ failure: { results }, proof }: { readonly failure: Failure; readonly proof: Proof }) {
  const names = [...new Set(results.flatMap(({ unsound = [] }) => unsound))];
  const where = (name: string): string => {
    const on = results.filter(({ unsound }) => unsound?.includes(name)).map(({ cpu }) => cpu);
    return on.length === results.length ? "" : ` (on ${onWhich(on, proof)})`;
  };
  return (
    <details>
      <summary>
        {failsOf(results)} scenarios fail{results.length > 1 && " on each CPU"}
      </summary>
      <ul class="items">
        {names.map((name) => (
          <li>
            <span class="name">{name}</span>
            <span class="soft">{where(name)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

interface TimelineProps {
  readonly steps: readonly TracedStep[];
  readonly lanes: readonly string[];
  /** said again on every page that the story goes on to */
  readonly title: string;
  readonly place?: Place;
}

/** Time runs downwards. An invalidation that arrives elsewhere reaches from its issuer's lane to that of its target. */
export function Timeline({ steps, lanes, title, place }: TimelineProps) {
  const table = (
    <table class={place ? "timeline stepped" : "timeline"}>
      <caption class="unseen">Timeline of {list(lanes)}</caption>
      <colgroup>
        <col class="times" />
        {lanes.map(() => (
          <col />
        ))}
      </colgroup>
      <thead>
        <tr class="title">
          <th scope="colgroup" colSpan={lanes.length + 1}>
            {title}
          </th>
        </tr>
        <tr>
          <th scope="col" class="time">
            time
          </th>
          {lanes.map((lane) => (
            <th scope="col">{lane}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {steps.map((step, i) => (
          <Row
            step={step}
            lanes={lanes}
            again={steps[i - 1]?.time === step.time}
            {...(place && { now: i === place.step, onClick: () => place.onStep(i) })}
            href={step.rule === undefined ? undefined : place?.ruleHref?.(step.rule)}
          />
        ))}
      </tbody>
    </table>
  );
  return place ? (
    <div class="steps">
      <div>{table}</div>
      <div>{place.beside}</div>
    </div>
  ) : (
    table
  );
}

interface RowProps {
  readonly step: TracedStep;
  readonly lanes: readonly string[];
  readonly again: boolean;
  /** the reader stands here */
  readonly now?: boolean;
  /** where its rule is explained */
  readonly href: string | undefined;
  onClick?(): void;
}

function Row({ step, lanes, again, now = false, href, onClick }: RowProps) {
  const from = Math.max(0, lanes.indexOf(step.who));
  const to = step.to === undefined ? from : Math.max(0, lanes.indexOf(step.to));
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  const arrow = to > from ? " rightwards" : to < from ? " leftwards" : "";
  const lane = () => <td class="lane" />;
  return (
    <tr
      class={[again ? "again" : "", now ? "now" : ""].filter((name) => name !== "").join(" ") || undefined}
      aria-current={now ? "step" : undefined}
      onClick={onClick}
    >
      <th scope="row" class="time">
        {again ? <span class="unseen">{step.time}</span> : step.time}
      </th>
      {lanes.slice(0, first).map(lane)}
      <td colSpan={last - first + 1} class={first === last ? "lane" : undefined}>
        <div class={`step${arrow}${step.stale ? " stale" : ""}`}>
          <b class="who">{step.who}: </b>
          {step.what}
          {step.from && (
            <span class="from">
              {" "}
              {step.from.policy}:{step.from.line}
            </span>
          )}
          {step.rule !== undefined && <small>{href === undefined ? step.rule : <a href={href}>{step.rule}</a>}</small>}
        </div>
      </td>
      {lanes.slice(last + 1).map(lane)}
    </tr>
  );
}
