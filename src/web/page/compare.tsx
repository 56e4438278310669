/** Two policies side by side, and two traces: the policies' texts, their verdicts on a CPU, and what each costs. */
import { cpuNames, policyNames } from "../../builtin/index.js";
import { Scroll } from "../../report/page.js";
import { Asking } from "./asking.js";
import { Editor } from "./editor.js";
import { Choice } from "./parts.js";
import { Prices } from "./prices.js";
import { builtInEdited, type Change, type Edited, edited, type State } from "./state.js";
import { TwoTraces } from "./two-traces.js";
import { keyOf, OCCASIONS, type Proved, useProof } from "./use-proof.js";

interface Props {
  readonly state: State;
  readonly change: Change;
}

export function Compare({ state, change }: Props) {
  const { policy, other, cpu, choices } = state;
  const [left, right] = [useProof(policy, cpu, choices), useProof(other, cpu, choices, "second")];
  const ready = left.facts !== undefined && right.facts !== undefined;
  const same = ready && left.facts.name === right.facts.name;
  return (
    <>
      <section aria-label="Two policies" class="panel">
        <div class="bar">
          <Choice label="CPU" value={cpu} options={cpuNames()} onChoice={(name) => change({ cpu: name })} />
        </div>
        <Asking policies choices={choices} onChoices={(next) => change({ choices: next })} />
        <div class="columns even">
          <Side label="first policy" policy={policy} proved={left} onPolicy={(next) => change({ policy: next })} />
          <Side label="second policy" policy={other} proved={right} onPolicy={(next) => change({ other: next })} />
        </div>
        <Verdicts proofs={[left, right]} cpu={cpu} />
      </section>
      {same ? (
        <p class="message quiet">
          Both are named {left.facts?.name}: to compare what they cost, give one another name.
        </p>
      ) : (
        <Prices state={state} change={change} policies={[left.policy, right.policy]} ready={ready} />
      )}
      <TwoTraces state={state} change={change} />
    </>
  );
}

interface SideProps {
  readonly label: string;
  readonly policy: Edited;
  readonly proved: Proved;
  onPolicy(policy: Edited): void;
}

function Side({ label, policy, proved, onPolicy }: SideProps) {
  const { mistake } = proved;
  return (
    <div>
      <div class="bar">
        <Choice
          label={label}
          value={policy.name ?? ""}
          options={[...(policy.name === undefined ? [["", "(your own)"] as const] : []), ...policyNames()]}
          onChoice={(name) => onPolicy(builtInEdited(name))}
        />
      </div>
      <Editor
        label={`Text of the ${label}`}
        text={policy.text}
        mistake={mistake}
        onText={(text) => onPolicy(edited(text))}
      />
      {mistake && (
        <p class="message" role="alert">
          {mistake.line > 0 && `Line ${mistake.line}: `}
          {mistake.message}
        </p>
      )}
    </div>
  );
}

function Verdicts({ proofs, cpu }: { readonly proofs: readonly Proved[]; readonly cpu: string }) {
  return (
    <Scroll>
      <table class="matrix">
        <caption>Verdicts on {cpu}; where they differ the occasion is marked with *.</caption>
        <thead>
          <tr>
            <th scope="col">occasion</th>
            {proofs.map(({ facts }, i) => (
              <th scope="col" key={i === 0 ? "first" : "second"}>
                {facts?.name ?? "…"}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {OCCASIONS.map((occasion) => {
            const found = proofs.map(({ verdicts }) => verdicts.get(keyOf(occasion, cpu)));
            const differ = found[0] && found[1] && found[0].verdict !== found[1].verdict;
            return (
              <tr key={occasion}>
                <th scope="row">
                  {occasion}
                  {differ && " *"}
                </th>
                {found.map((result, i) => (
                  <td
                    key={i === 0 ? "first" : "second"}
                    class={result?.verdict === "sound" ? "good" : result?.verdict === "unsound" ? "bad" : undefined}
                  >
                    {result === undefined ? "…" : result.verdict}
                    {result?.unsound && <small>{result.unsound.length} scenarios fail</small>}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
