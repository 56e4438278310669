/** The verdicts: occasions down, CPUs across, the chosen one first. An unsound one opens its story. */
import { OCCASIONS as OF } from "../../policy/index.js";
import { PROVED, type ProvedOccasion, type SignOff } from "../../prove/index.js";
import { count, Scroll, verdictWord } from "../../report/page.js";
import type { State } from "./state.js";
import { cpusWith, keyOf, OCCASIONS, type Proved } from "./use-proof.js";

interface Props {
  readonly proved: Proved;
  readonly cpu: string;
  readonly story: State["story"];
  onStory(story: NonNullable<State["story"]>): void;
}

/** When the code of an occasion runs. */
const whenOf = (occasion: ProvedOccasion): string => OF[PROVED[occasion].of].when;

export function Matrix({ proved, cpu, story, onStory }: Props) {
  const cpus = [cpu, ...cpusWith(cpu).filter((name) => name !== cpu)];
  return (
    <Scroll>
      <table class="matrix">
        <caption>
          Is the policy safe? For each occasion, on each CPU; small: what was looked at. A verdict that it is not opens
          the story of how it fails. A dash: the policy cannot run there.
        </caption>
        <thead>
          <tr>
            <th scope="col">occasion</th>
            {cpus.map((name) => (
              <th scope="col" key={name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {OCCASIONS.map((occasion) => (
            <tr key={occasion}>
              <th scope="row" title={whenOf(occasion)}>
                {occasion}
              </th>
              {cpus.map((name) => (
                <Cell
                  key={name}
                  result={proved.verdicts.get(keyOf(occasion, name))}
                  waits={proved.mistake === undefined}
                  open={story?.occasion === occasion && story.cpu === name}
                  onStory={onStory}
                />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

interface CellProps {
  readonly result: SignOff | undefined;
  readonly waits: boolean;
  readonly open: boolean;
  onStory: Props["onStory"];
}

function Cell({ result, waits, open, onStory }: CellProps) {
  if (result === undefined)
    return (
      <td>
        <span class="soft">{waits ? "…" : "–"}</span>
      </td>
    );
  const { verdict, occasion, cpu, scenarios, timelines, states, unsound = [], scenario, reason } = result;
  if (verdict === "unsound")
    return (
      <td class="bad">
        <button
          type="button"
          class={open ? "open" : undefined}
          aria-pressed={open}
          onClick={() => onStory({ occasion, cpu, scenario: scenario!.name })}
        >
          {verdictWord(result)}
          <small>
            {unsound.length} of {scenarios} scenarios fail
          </small>
        </button>
      </td>
    );
  const small = verdict === "sound" ? `${scenarios} scenarios` : reason;
  return (
    <td class={verdict === "sound" ? "good" : verdict === "unknown" ? "bad" : undefined}>
      <div title={verdict === "sound" ? `${count(timelines)} timelines, ${count(states)} states` : reason}>
        {verdict === "unknown" ? "UNKNOWN" : verdictWord(result)}
        {verdict !== "not-applicable" && verdict !== "not-stated" && <small>{small}</small>}
      </div>
    </td>
  );
}
