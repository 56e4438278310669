/** How an unsound policy fails: who is who, and what happens in time, one lane for each pCPU. */
import type { Step } from "../../prove/index.js";
import { count, list, sentence } from "../format.js";
import { type Failure, onWhich } from "../proof-view.js";

/** `id` is unique in the page. */
export function Story({ failure, id }: { readonly failure: Failure; readonly id: string }) {
  const { result, cpus } = failure;
  const { scenario, witness = [] } = result;
  if (!scenario) return null;
  return (
    <section class="story" id={id}>
      <h3>
        <span class="name">{result.policy}</span> is <span class="bad">UNSOUND</span> for {result.occasion} on{" "}
        {onWhich(cpus)}: {scenario.meaning}
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
      <Timeline steps={witness} lanes={scenario.cast.map((who) => who.replace(/,.*/, ""))} />
      <Failing failure={failure} />
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
function Failing({ failure: { results } }: { readonly failure: Failure }) {
  const names = [...new Set(results.flatMap(({ unsound = [] }) => unsound))];
  const where = (name: string): string => {
    const on = results.filter(({ unsound }) => unsound?.includes(name)).map(({ cpu }) => cpu);
    return on.length === results.length ? "" : ` (on ${onWhich(on)})`;
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

/** "19 of 54", or "19 to 21 of 54" where CPUs differ. */
export function failsOf(results: Failure["results"]): string {
  const fails = results.map(({ unsound = [] }) => unsound.length);
  const all = results.map(({ scenarios }) => scenarios);
  return `${between(fails)} of ${between(all)}`;
}

const between = (numbers: readonly number[]): string => {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  return low === high ? count(low) : `${count(low)} to ${count(high)}`;
};

/** Time runs downwards. An invalidation that arrives elsewhere reaches from its issuer's lane to that of its target. */
function Timeline({ steps, lanes }: { readonly steps: readonly Step[]; readonly lanes: readonly string[] }) {
  return (
    <ol class="timeline" style={{ "--lanes": lanes.length }} aria-label={`Timeline of ${list(lanes)}`}>
      <li class="lanes" aria-hidden="true">
        <span class="time">time</span>
        {lanes.map((lane, i) => (
          <b style={{ gridColumn: i + 2 }}>{lane}</b>
        ))}
      </li>
      {steps.map((step, i) => (
        <Row step={step} lanes={lanes} again={steps[i - 1]?.time === step.time} />
      ))}
    </ol>
  );
}

function Row({
  step,
  lanes,
  again,
}: {
  readonly step: Step;
  readonly lanes: readonly string[];
  readonly again: boolean;
}) {
  const from = Math.max(0, lanes.indexOf(step.who));
  const to = step.to === undefined ? from : Math.max(0, lanes.indexOf(step.to));
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  const arrow = to > from ? " rightwards" : to < from ? " leftwards" : "";
  return (
    <li class={again ? "again" : ""}>
      <span class="time">{again ? <span class="unseen">{step.time}</span> : step.time}</span>
      {lanes.map((_, i) => (
        <span class="lane" style={{ gridColumn: i + 2 }} aria-hidden="true" />
      ))}
      <div class={`step${arrow}${step.stale ? " stale" : ""}`} style={{ gridColumn: `${first + 2} / ${last + 3}` }}>
        <b class="who">{step.who}: </b>
        {step.what}
        {step.rule !== undefined && <small>{step.rule}</small>}
      </div>
    </li>
  );
}
