/** What policies cost in a scenario, on every host and against the IPA size: the report's own tables and pictures. */
import { useEffect, useState } from "preact/hooks";
import { scenarioNames } from "../../builtin/index.js";
import type { CompareResult } from "../../compare/index.js";
import { Choice, faultOf, isAbort } from "./parts.js";
import { pool } from "./pool.js";
import { type Change, type Edited, fileOf, type State } from "./state.js";

/** IPA sizes that are compared, as the command line does by default. */
const IPA_BITS = [40, 44, 48];

interface Props {
  readonly state: State;
  readonly change: Change;
  readonly policies: readonly Edited[];
  /** the texts can be used */
  readonly ready: boolean;
}

/** What draws is large, and loaded when the first verdicts are on their way. */
async function loadPictures() {
  const { Scenario, scenarioViews } = await import("../../report/pictures.js");
  return { Scenario, scenarioViews };
}
type Pictures = Awaited<ReturnType<typeof loadPictures>>;

export function Prices({ state, change, policies, ready }: Props) {
  const { scenario, cpu } = state;
  const [pictures, setPictures] = useState<Pictures>();
  const [found, set] = useState<{ readonly result: CompareResult } | { readonly error: string }>();
  const texts = JSON.stringify(policies.map((policy) => ({ text: policy.text, file: fileOf(policy) })));
  useEffect(() => {
    loadPictures().then((loaded) => setPictures(loaded));
  }, []);
  useEffect(() => {
    if (!ready) return;
    const end = new AbortController();
    set(undefined);
    const asked = { policies: JSON.parse(texts), scenario, cpu, ipaBits: IPA_BITS };
    pool.ask("comparePolicies", asked, { signal: end.signal }).then(
      (result) => set({ result }),
      (error: unknown) => isAbort(error) || set({ error: faultOf(error) }),
    );
    return () => end.abort();
  }, [ready, texts, scenario, cpu]);
  const views = found && "result" in found && pictures ? pictures.scenarioViews(found.result) : undefined;
  const Scenario = pictures?.Scenario;
  return (
    <section id="prices" aria-label="What it costs">
      <h2>What it costs</h2>
      <div class="bar noprint">
        <Choice
          label="piece of work"
          value={scenario}
          options={scenarioNames()}
          onChoice={(name) => change({ scenario: name })}
        />
      </div>
      {found === undefined && ready && <p class="working">The work is being simulated and priced</p>}
      {found && "error" in found && <p class="message">{found.error}</p>}
      {found && "result" in found && (
        <ul class="notes">
          {found.result.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {Scenario && views?.map((view) => <Scenario view={view} id="priced" key={view.scenario.name} />)}
    </section>
  );
}
