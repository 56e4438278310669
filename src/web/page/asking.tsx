/** How it is asked: the options of `shootdown prove` beside policy and CPU. */
import { ERRATA } from "../../arch/index.js";
import { SWITCHED } from "../../prove/index.js";
import type { Choices } from "../choices.js";
import { Choice } from "./parts.js";

interface Props {
  readonly choices: Choices;
  onChoices(choices: Choices): void;
  /** about scenarios of policies, not about a litmus test, which says the rest itself */
  readonly policies?: boolean;
}

/** Without the keys that say what is so anyway. */
function tidy({ granule, fb, without = [], errata = [] }: Partial<Record<keyof Choices, unknown>> & Choices): Choices {
  return {
    ...(granule && { granule }),
    ...(fb === false && { fb }),
    ...(without.length > 0 && { without }),
    ...(errata.length > 0 && { errata }),
  };
}

export function Asking({ choices, onChoices, policies = false }: Props) {
  const { granule, fb, without = [], errata = [] } = choices;
  const change = (part: { readonly [K in keyof Choices]: Choices[K] | undefined }): void =>
    onChoices(tidy({ ...choices, ...part } as Choices));
  const changed = Object.keys(choices).length;
  return (
    <details class="asking" open={changed > 0}>
      <summary>How it is asked{changed > 0 && " (not as usual)"}</summary>
      <div class="bar">
        {policies && (
          <>
            <Choice
              label="granule of all tables"
              value={granule ?? "4K"}
              options={["4K", "16K", "64K"]}
              onChoice={(name) => change({ granule: name === "4K" ? undefined : (name as "16K" | "64K") })}
            />
            <label>
              <input
                type="checkbox"
                checked={fb === false}
                onChange={(event) => change({ fb: event.currentTarget.checked ? false : undefined })}
              />
              HCR_EL2.FB = 0
            </label>
          </>
        )}
        <Choice
          label="as if the CPUs had erratum"
          value=""
          options={[["", "(none more)"], ...ERRATA.map(({ number }) => number).filter((one) => !errata.includes(one))]}
          onChoice={(number) => number !== "" && change({ errata: [...errata, number] })}
        />
        {errata.map((number) => (
          <button type="button" key={number} onClick={() => change({ errata: errata.filter((one) => one !== number) })}>
            <span aria-hidden="true">✕ </span>
            <span class="unseen">do without </span>erratum {number}
          </button>
        ))}
      </div>
      <fieldset class="bar">
        <legend>Do not assume</legend>
        {SWITCHED.map((name) => (
          <label key={name}>
            <input
              type="checkbox"
              checked={without.includes(name)}
              onChange={(event) =>
                change({
                  without: event.currentTarget.checked ? [...without, name] : without.filter((one) => one !== name),
                })
              }
            />
            {name}
          </label>
        ))}
      </fieldset>
    </details>
  );
}
