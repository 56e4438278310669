/** Goes through the steps of a story: buttons, a slider, arrow keys. */
import type { Moment, TracedStep } from "../../prove/index.js";
import { MomentView } from "./moment.js";

interface Props {
  readonly steps: readonly TracedStep[];
  readonly moments: readonly Moment[];
  readonly lanes: readonly string[];
  readonly step: number;
  onStep(step: number): void;
}

export function Stepper({ steps, moments, lanes, step, onStep }: Props) {
  const last = steps.length - 1;
  const to = (next: number): void => onStep(Math.max(0, Math.min(last, next)));
  const keys = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    to(step + by);
  };
  const now = steps[step];
  return (
    <div>
      {/* biome-ignore lint/a11y/useSemanticElements: a group of controls, not of a form's fields */}
      <div class="bar noprint" role="group" aria-label="Steps of the story" onKeyDown={keys}>
        <button type="button" onClick={() => to(0)} disabled={step === 0}>
          First
        </button>
        <button type="button" onClick={() => to(step - 1)} disabled={step === 0}>
          Back
        </button>
        <button type="button" onClick={() => to(step + 1)} disabled={step === last}>
          Next
        </button>
        <button type="button" onClick={() => to(last)} disabled={step === last}>
          Last
        </button>
        <input
          type="range"
          aria-label="Step"
          aria-valuetext={`step ${step + 1} of ${steps.length}: ${now?.who}: ${now?.what}`}
          min={0}
          max={last}
          value={step}
          onInput={(event) => to(Number(event.currentTarget.value))}
        />
        <span>
          step {step + 1} of {steps.length}
        </span>
      </div>
      {now && <MomentView moments={moments} time={now.time} lanes={lanes} steps={steps} />}
    </div>
  );
}
