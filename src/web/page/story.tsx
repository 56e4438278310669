/** How a policy fails: the report's own story, gone through step by step, with what each pCPU may hold. */
import { useEffect, useState } from "preact/hooks";
import { assumptions, type Proof, type SignOff } from "../../prove/index.js";
import { failuresOf, Story } from "../../report/page.js";
import { settingOf } from "../choices.js";
import type { Told } from "../work/policies.js";
import { LitmusBox } from "./litmus-box.js";
import { Choice, faultOf, isAbort } from "./parts.js";
import { pool } from "./pool.js";
import { ruleHref } from "./rule.js";
import { type Change, fileOf, type State } from "./state.js";
import { Stepper } from "./stepper.js";
import { cpusWith, keyOf, LIMITS, type Proved } from "./use-proof.js";

interface Props {
  readonly proved: Proved;
  readonly story: NonNullable<State["story"]>;
  readonly change: Change;
}

export function StoryPanel({ proved, story, change }: Props) {
  const { policy, choices } = proved;
  const { occasion, cpu, scenario } = story;
  const [told, set] = useState<{ readonly told: Told } | { readonly error: string }>();
  useEffect(() => {
    const end = new AbortController();
    set(undefined);
    const asked = { text: policy.text, file: fileOf(policy), occasion: occasion as SignOff["occasion"] };
    pool.ask("story", { ...asked, cpu, scenario, limits: LIMITS, choices }, { signal: end.signal, ahead: true }).then(
      (found) => set({ told: found }),
      (error: unknown) => isAbort(error) || set({ error: faultOf(error) }),
    );
    return () => end.abort();
  }, [policy, occasion, cpu, scenario, choices]);
  const all = proved.verdicts.get(keyOf(occasion, cpu));
  return (
    <section id="story" class="panel" aria-label="How it fails">
      <h2>How it fails</h2>
      <div class="bar noprint">
        {all?.unsound && all.unsound.length > 1 && (
          <Choice
            label="scenario"
            value={scenario}
            options={all.unsound}
            onChoice={(name) => change({ story: { ...story, scenario: name, step: 0 } })}
          />
        )}
        <button type="button" onClick={() => change({ story: undefined })}>
          Close the story
        </button>
      </div>
      {told === undefined && <p class="working">The story is being told</p>}
      {told && "error" in told && <p class="message">{told.error}</p>}
      {told && "told" in told && <Telling proved={proved} told={told.told} story={story} change={change} />}
    </section>
  );
}

function Telling({ proved, told, story, change }: Props & { readonly told: Told }) {
  const [open, setOpen] = useState(false);
  const { result, moments } = told;
  const { facts } = proved;
  if (result.verdict !== "unsound" || result.scenario === undefined || facts === undefined)
    return (
      <p class="message quiet">
        {story.scenario} does not fail any more: it is {result.verdict}.
      </p>
    );
  // On other CPUs it goes alike where the same scenario is the one whose story is told.
  const others = cpusWith(result.cpu).flatMap((name) => proved.verdicts.get(keyOf(story.occasion, name)) ?? []);
  const alike = others.filter((one) => one.cpu !== result.cpu && one.scenario?.name === result.scenario!.name);
  const mine = others.find((one) => one.cpu === result.cpu);
  const proof: Proof = {
    results: [
      { ...result, ...(mine?.unsound && { unsound: mine.unsound }), scenarios: mine?.scenarios ?? 1 },
      ...alike,
    ],
    policies: [facts],
    cpus: [],
    assumptions: assumptions(settingOf(proved.choices), proved.choices.without),
  };
  const [failure] = failuresOf(proof);
  const steps = result.witness ?? [];
  const lanes = result.scenario.cast.map((who) => who.replace(/,.*/, ""));
  const step = Math.min(story.step ?? 0, steps.length - 1);
  const onStep = (next: number): void => change({ story: { ...story, step: next } });
  const beside = <Stepper steps={steps} moments={moments} lanes={lanes} step={step} onStep={onStep} />;
  return (
    <>
      <Story proof={proof} failure={failure!} id="the-story" place={{ step, onStep, beside, ruleHref }} />
      <details class="noprint" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>Change this scenario, and run it again here</summary>
        {open && (
          <LitmusBox
            text={result.scenario.text}
            file={`${result.scenario.name}.toml`}
            cpu={story.cpu}
            choices={proved.choices}
          />
        )}
      </details>
    </>
  );
}
