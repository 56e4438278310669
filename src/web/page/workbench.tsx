/** The policy workbench: the text, whether it is safe, what it costs, and how it fails. */

import { GLOSSARY } from "virtual:shootdown";
import { useCallback, useEffect, useMemo } from "preact/hooks";
import { cpuNames, policyNames } from "../../builtin/index.js";
import type { SignOff } from "../../prove/index.js";
import { Asking } from "./asking.js";
import { Downloads } from "./downloads.js";
import { Editor } from "./editor.js";
import { Matrix } from "./matrix.js";
import { Choice } from "./parts.js";
import { pool } from "./pool.js";
import { Prices } from "./prices.js";
import { builtInEdited, type Change, edited, type State } from "./state.js";
import { StoryPanel } from "./story.js";
import { keyOf, OCCASIONS, useProof } from "./use-proof.js";

const meaning = (word: string) => pool.ask("meaning", { word, page: GLOSSARY }, { ahead: true });

interface Props {
  readonly state: State;
  readonly change: Change;
}

export function Workbench({ state, change }: Props) {
  const { policy, cpu, story, seen, choices } = state;
  const proved = useProof(policy, cpu, choices);
  const { verdicts, mistake, facts } = proved;
  const onText = useCallback(
    (text: string) => change({ policy: edited(text), story: undefined, seen: undefined }),
    [change],
  );
  const here = useMemo(
    () => OCCASIONS.flatMap((occasion) => verdicts.get(keyOf(occasion, cpu)) ?? []),
    [verdicts, cpu],
  );
  // Whoever gets a link to this is told when these are not the verdicts any more.
  useEffect(() => {
    if (here.length === OCCASIONS.length && seen === undefined)
      change({ seen: Object.fromEntries(here.map(({ occasion, verdict }) => [occasion, verdict])) });
  }, [here, seen, change]);
  return (
    <>
      <section aria-label="Policy" class="panel">
        <div class="bar">
          <Choice
            label="policy"
            value={policy.name ?? ""}
            options={[...(policy.name === undefined ? [["", "(your own)"] as const] : []), ...policyNames()]}
            onChoice={(name) => change({ policy: builtInEdited(name), story: undefined, seen: undefined })}
          />
          <Choice
            label="CPU first"
            value={cpu}
            options={cpuNames()}
            onChoice={(next) => change({ cpu: next, seen: undefined })}
          />
          <Downloads proved={proved} />
        </div>
        <Asking policies choices={choices} onChoices={(next) => change({ choices: next, seen: undefined })} />
        <div class="columns">
          <div>
            <Editor label="Text of the policy" text={policy.text} mistake={mistake} meaning={meaning} onText={onText} />
            {mistake && (
              <p class="message" role="alert">
                {mistake.line > 0 && `Line ${mistake.line}: `}
                {mistake.message}
              </p>
            )}
          </div>
          <div>
            <h2>{facts ? facts.title : "Verdicts"}</h2>
            <Answer here={here} cpu={cpu} waits={mistake === undefined} />
            <Differences here={here} seen={seen} />
            <Matrix proved={proved} cpu={cpu} story={story} onStory={(next) => change({ story: next })} />
          </div>
        </div>
      </section>
      {story && facts && proved.policy.text === policy.text && (
        <StoryPanel proved={proved} story={story} change={change} />
      )}
      <Prices state={state} change={change} policies={[proved.policy]} ready={facts !== undefined} />
    </>
  );
}

interface AnswerProps {
  readonly here: readonly SignOff[];
  readonly cpu: string;
  readonly waits: boolean;
}

/** The verdict in a sentence. */
function Answer({ here, cpu, waits }: AnswerProps) {
  const of = (verdict: SignOff["verdict"]): string[] =>
    here.filter((one) => one.verdict === verdict).map(({ occasion }) => occasion);
  const [unsound, unknown, cannot] = [of("unsound"), of("unknown"), of("not-applicable")];
  const silent = of("not-stated");
  const rest = silent.length > 0 ? ` It does not say what it does for ${silent.join(", ")}.` : "";
  const text = !waits
    ? "The text has a mistake."
    : here.length < OCCASIONS.length
      ? `On ${cpu}: looking at every order of events.`
      : cannot.length > 0
        ? `The policy cannot run on ${cpu}: ${here.find((one) => one.verdict === "not-applicable")!.reason}.`
        : unsound.length > 0
          ? `On ${cpu}: UNSOUND for ${unsound.join(", ")}.${rest}`
          : unknown.length > 0
            ? `On ${cpu}: UNKNOWN for ${unknown.join(", ")}.${rest}`
            : `On ${cpu}: sound for every occasion that it has.${rest}`;
  return (
    <p role="status" class={unsound.length > 0 ? "bad" : undefined}>
      {text}
    </p>
  );
}

/** Where the verdicts are not those that the maker of the link saw. */
function Differences({ here, seen }: { readonly here: readonly SignOff[]; readonly seen: State["seen"] }) {
  if (seen === undefined || here.length < OCCASIONS.length) return null;
  const other = here.filter(({ occasion, verdict }) => seen[occasion] !== undefined && seen[occasion] !== verdict);
  if (other.length === 0) return null;
  return (
    <p class="message" role="alert">
      Whoever made the link saw otherwise:{" "}
      {other.map(({ occasion, verdict }) => `${occasion} was ${seen[occasion]}, and is ${verdict} here`).join("; ")}.
    </p>
  );
}
