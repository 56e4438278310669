/** The verdicts: CPUs down, occasions across. An unsound one opens its story. */
import type { SignOff } from "../../prove/index.js";
import { count } from "../../report/page.js";
import type { State } from "./state.js";
import { EVERY_CPU, keyOf, OCCASIONS, type Proved } from "./use-proof.js";

interface Props {
  readonly proved: Proved;
  readonly cpu: string;
  readonly story: State["story"];
  onStory(story: NonNullable<State["story"]>): void;
}

export function Matrix({ proved, cpu, story, onStory }: Props) {
  return (
    <div class="scroll">
      <table class="matrix">
        <caption>
          Is the policy safe? For each occasion, on each CPU; small: what was looked at. An unsound verdict opens the
          story of how it fails.
        </caption>
        <thead>
          <tr>
            <th scope="col">CPU</th>
            {OCCASIONS.map((occasion) => (
              <th scope="col" key={occasion}>
                {occasion}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {EVERY_CPU.map((name) => (
            <tr key={name} class={name === cpu ? "chosen" : undefined}>
              <th scope="row">{name}</th>
              {OCCASIONS.map((occasion) => (
                <Cell
                  key={occasion}
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
    </div>
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
  const { verdict, occasion, cpu, scenarios, states, unsound = [], scenario, reason } = result;
  if (verdict === "unsound")
    return (
      <td class="bad">
        <button
          type="button"
          class={open ? "open" : undefined}
          aria-pressed={open}
          onClick={() => onStory({ occasion, cpu, scenario: scenario!.name })}
        >
          UNSOUND
          <small>
            {unsound.length} of {scenarios} scenarios fail
          </small>
        </button>
      </td>
    );
  const words = { sound: "sound", unknown: "UNKNOWN", "not-applicable": "cannot run" }[verdict];
  return (
    <td class={verdict === "sound" ? "good" : undefined}>
      <div>
        {words}
        <small>{verdict === "sound" ? `${scenarios} scenarios, ${count(states)} states` : reason}</small>
      </div>
    </td>
  );
}
