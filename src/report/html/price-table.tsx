/** The prices of a scenario in the report, with the verdict on each policy. */
import type { CompareRow, HostDescription } from "../../compare/index.js";
import { duration, durationRange, list } from "../format.js";
import { cpusOf, isProved, type ScenarioView, unsoundPolicies, unsoundSentence, verdictsOf } from "../view.js";

interface ViewProps {
  readonly view: ScenarioView;
}

/** Heads of the columns of prices: a native host has one, a nested host one for each IPA size. */
const columnsOf = (view: ScenarioView): readonly { host: HostDescription; bits?: number; first: boolean }[] => [
  ...view.native.map((host) => ({ host, first: true })),
  ...view.nested.flatMap((host) => view.ipaBits.map((bits, i) => ({ host, bits, first: i === 0 }))),
];

/** Which policies are unsound, for what, and where the story is told. */
export function Unsound({ view }: ViewProps) {
  const [first] = unsoundPolicies(view);
  if (!first) return null;
  return (
    <p class="silent">
      <b>{unsoundSentence(view)}</b> <span class="bad">!</span> marks the price of an unsound policy; how it fails:{" "}
      <code>shootdown prove {first.policy}</code>
    </p>
  );
}

function Verdict({ row }: { readonly row: CompareRow | undefined }) {
  if (row?.verdict === undefined) return <td class="starts">–</td>;
  if (row.verdict !== "unsound")
    return <td class={row.verdict === "sound" ? "starts good" : "starts"}>{row.verdict}</td>;
  return (
    <td class="starts bad">
      UNSOUND<small>{list(row.unsound ?? [])}</small>
    </td>
  );
}

export function PriceTable({ view }: ViewProps) {
  const columns = columnsOf(view);
  const cpus = isProved(view) ? cpusOf(view) : [];
  return (
    <div class="scroll">
      <table class="prices">
        <caption>
          Price of the TLB maintenance and of the refaults that it causes; below it, small, the range with every
          elementary price at its low and at its high end.
          {cpus.length > 0 && " The verdict is on the policy for the occasions that this scenario has."}
        </caption>
        <thead>
          <tr>
            <th scope="col" rowSpan={2}>
              policy
            </th>
            {cpus.map((cpu) => (
              <th scope="col" rowSpan={2} class="starts">
                verdict{cpus.length > 1 && ` on ${cpu}`}
              </th>
            ))}
            {view.native.map((host) => (
              <th scope="col" rowSpan={2} class="number starts">
                {host.name}
              </th>
            ))}
            {view.nested.map((host) => (
              <th scope="colgroup" colSpan={view.ipaBits.length} class="span starts">
                {host.name}
              </th>
            ))}
          </tr>
          <tr>
            {view.nested.flatMap(() =>
              view.ipaBits.map((bits, i) => (
                <th scope="col" class={i === 0 ? "number starts" : "number"}>
                  {bits} bits
                </th>
              )),
            )}
          </tr>
        </thead>
        <tbody>
          {view.policies.map((policy) => (
            <tr>
              <th scope="row">{policy}</th>
              {cpus.length > 0 && verdictsOf(view, policy).map((row) => <Verdict row={row} />)}
              {columns.map(({ host, bits, first }) => (
                <Price row={view.row(policy, host.name, bits)} first={first} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Price({ row, first }: { readonly row: CompareRow | undefined; readonly first: boolean }) {
  const [low, high] = row?.microsecondsRange ?? [0, 0];
  return (
    <td class={first ? "number starts" : "number"}>
      {row ? duration(row.microseconds) : "–"}
      {row?.verdict === "unsound" && <span class="bad mark">!</span>}
      {low !== high && <small>{durationRange(low, high, "–")}</small>}
    </td>
  );
}
