/** A litmus test in an editor: decided as one types, with its story. */
import { useEffect, useState } from "preact/hooks";
import { builtInCpu } from "../../builtin/index.js";
import type { LitmusAnswer, LitmusResult } from "../../jobs/litmus-worker.js";
import { proverCpu, type TracedStep } from "../../prove/index.js";
import { count, Timeline } from "../../report/page.js";
import { type Choices, limitsOf, supposedCpu } from "../choices.js";
import { Editor, type Mistake } from "./editor.js";
import { faultOf, isAbort, mistakeOf, useRested } from "./parts.js";
import { pool } from "./pool.js";
import { ruleHref } from "./rule.js";
import { Stepper } from "./stepper.js";
import { LIMITS } from "./use-proof.js";

interface Props {
  readonly text: string;
  readonly file: string;
  readonly cpu: string;
  readonly choices: Choices;
  /** the text was changed */
  onText?(text: string): void;
}

const REST = 300;

export function LitmusBox({ text, file, cpu, choices, onText }: Props) {
  const [own, setOwn] = useState(text);
  useEffect(() => setOwn(text), [text]);
  const rested = useRested(own, REST);
  const [answer, set] = useState<LitmusAnswer | { readonly failed: string }>();
  useEffect(() => {
    const end = new AbortController();
    set(undefined);
    const options = {
      ...proverCpu(supposedCpu(builtInCpu(cpu), choices)),
      ...limitsOf(LIMITS, choices),
      moments: true,
    };
    pool.ask("litmus", { file, text: rested, options }, { signal: end.signal, ahead: true }).then(
      (found) => set(found),
      (error: unknown) => isAbort(error) || set({ failed: faultOf(error) }),
    );
    return () => end.abort();
  }, [rested, file, cpu, choices]);
  const refused = answer && "refused" in answer ? answer.refused : undefined;
  const mistake: Mistake | undefined = refused === undefined ? undefined : mistakeOf(refused);
  return (
    <div class="columns">
      <Editor
        label="Litmus test"
        text={own}
        mistake={mistake}
        onText={(next) => {
          setOwn(next);
          onText?.(next);
        }}
      />
      <div role="status">
        {answer === undefined && <p class="working">Looking at every order of events</p>}
        {answer && "failed" in answer && <p class="message">{answer.failed}</p>}
        {refused !== undefined && <p class="message">{refused}</p>}
        {answer && "verdict" in answer && <Decided result={answer} />}
      </div>
    </div>
  );
}

function Decided({ result }: { readonly result: LitmusResult }) {
  const {
    name,
    verdict,
    breach,
    remark,
    holds,
    expected,
    states,
    timelines,
    milliseconds,
    reason,
    witness = [],
    moments = [],
  } = result;
  const [step, onStep] = useState(0);
  const lanes = [...new Set(witness.map(({ pcpu }) => pcpu))].sort((a, b) => a - b);
  const names = lanes.map((pcpu) => witness.find((one) => one.pcpu === pcpu)!.who);
  const all = [...new Set([...names, ...witness.flatMap(({ to }) => to ?? [])])];
  const at = Math.min(step, witness.length - 1);
  return (
    <>
      <h3>
        <span class="name">{name}</span> is{" "}
        <span class={verdict === "allowed" ? "bad" : verdict === "forbidden" ? "good" : "bad"}>
          {breach ? "BREAKS-BBM" : verdict === "allowed" || verdict === "forbidden" ? verdict : verdict.toUpperCase()}
        </span>
      </h3>
      <p>
        {count(timelines)} timelines, {count(states)} states, {count(Math.round(milliseconds))} ms here.
        {holds !== undefined && ` The assertion ${holds ? "holds" : "does not hold"}.`}
        {breach !== undefined && ` ${breach.sentence}.`}
        {remark !== undefined && ` ${remark}.`}
        {expected !== undefined &&
          (expected === verdict || (breach !== undefined && expected === "breaks-bbm")
            ? ` The file expects that.`
            : ` The file expects ${expected}.`)}
        {reason !== undefined && ` ${reason}`}
      </p>
      {witness.length > 0 && (
        <Timeline
          steps={witness as readonly TracedStep[]}
          lanes={all}
          title={name}
          place={{
            step: at,
            onStep,
            ruleHref,
            beside: <Stepper steps={witness} moments={moments} lanes={all} step={at} onStep={onStep} />,
          }}
        />
      )}
    </>
  );
}
