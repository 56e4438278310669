/** What the report stands on: checks against measurements, the policies and the hosts with their sources. */
import type { Check, CompareProof, Described, HostDescription, PriceLine } from "../../compare/index.js";
import { measured, predicted, verdict } from "../checks.js";
import { count, list, sentence } from "../format.js";

export function Checks({ checks }: { readonly checks: readonly Check[] }) {
  if (checks.length === 0) return null;
  return (
    <section id="checks">
      <h2>Checks against measurements</h2>
      <div class="scroll">
        <table class="stacked">
          <caption>
            Predictions, with their range in brackets, beside what others measured. A calibration is no check: an
            elementary price was derived from this very measurement, so that it agrees says nothing.
          </caption>
          <thead>
            <tr>
              <th scope="col">what</th>
              <th scope="col" class="number">
                predicted
              </th>
              <th scope="col" class="number">
                measured
              </th>
              <th scope="col">verdict</th>
              <th scope="col">how they are compared, source of the measurement</th>
            </tr>
          </thead>
          <tbody>
            {checks.map((check) => (
              <tr>
                <th scope="row" class="text">
                  {check.name}
                </th>
                <td class="number" data-label="predicted">
                  {predicted(check, "–")}
                </td>
                <td class="number" data-label="measured">
                  {measured(check, "–")}
                </td>
                <td class={check.calibration ? "soft" : check.agrees ? "good" : "bad"}>{VERDICTS[verdict(check)]}</td>
                <td class="text">
                  {sentence(check.rule)} <span class="soft">{check.source}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const VERDICTS: Readonly<Record<ReturnType<typeof verdict>, string>> = {
  agrees: "✓ agrees",
  DIFFERS: "✗ differs",
  calibration: "calibration, no check",
};

export function Policies({ policies }: { readonly policies: readonly Described[] }) {
  return (
    <section id="policies">
      <h2>Policies</h2>
      <div class="scroll">
        <table class="stacked">
          <caption>What each policy does, and where it comes from.</caption>
          <thead>
            <tr>
              <th scope="col">policy</th>
              <th scope="col">what it does</th>
              <th scope="col">source</th>
            </tr>
          </thead>
          <tbody>
            {policies.map(({ name, title, source }) => (
              <tr>
                <th scope="row">{name}</th>
                <td class="text">{title}</td>
                <td class="text" data-label="source">
                  {source}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** What the verdicts mean and assume. */
export function Proof({ proof: { results, assumptions } }: { readonly proof: CompareProof }) {
  const unknown = results.filter(({ verdict }) => verdict === "unknown");
  return (
    <section id="proof">
      <h2>Proof: what the verdicts mean</h2>
      <p>
        Each policy was put to an exhaustive search over small programs made from its own text, for each occasion of the
        scenarios ({list([...new Set(results.map(({ occasion }) => occasion))])}) and each CPU profile in use. Sound: in
        no order of events that the architecture allows does anybody go on using a stale translation. Unsound: there is
        such an order, and <code>shootdown prove</code> tells it step by step. Verdicts assume:
      </p>
      <ul class="notes">
        {assumptions.map((text) => (
          <li>{text}</li>
        ))}
        {unknown.map(({ policy, occasion, cpu, reason }) => (
          <li>
            Unknown: {policy} for {occasion} on {cpu}: {reason}.
          </li>
        ))}
      </ul>
    </section>
  );
}

export function Hosts({ hosts }: { readonly hosts: readonly HostDescription[] }) {
  return (
    <section id="hosts">
      <h2>Hosts: assumptions and elementary prices</h2>
      {hosts.map((host, i) => (
        <Host host={host} like={likeness(host, hosts.slice(0, i))} />
      ))}
    </section>
  );
}

/** A host that an earlier one was the pattern of: only what differs is shown. */
interface Likeness {
  readonly name: string;
  readonly assumptions: readonly string[];
  readonly prices: readonly PriceLine[];
}

const lineOf = ({ key, unit, value, low, high, source, calibratedOn }: PriceLine): string =>
  JSON.stringify([key, unit, value, low, high, source, calibratedOn]);

/** The first earlier host with the same keys of prices, most of them equal, all of whose assumptions hold here too. */
function likeness(host: HostDescription, earlier: readonly HostDescription[]): Likeness | undefined {
  for (const other of earlier) {
    const lines = new Set(other.prices.map(lineOf));
    const prices = host.prices.filter((price) => !lines.has(lineOf(price)));
    const keys = new Set(other.prices.map(({ key }) => key));
    const sameKeys = host.prices.length === keys.size && host.prices.every(({ key }) => keys.has(key));
    const holds = other.assumptions.every((assumption) => host.assumptions.includes(assumption));
    if (sameKeys && holds && prices.length < host.prices.length / 2)
      return {
        name: other.name,
        assumptions: host.assumptions.filter((assumption) => !other.assumptions.includes(assumption)),
        prices,
      };
  }
  return undefined;
}

function Host({ host, like }: { readonly host: HostDescription; readonly like: Likeness | undefined }) {
  const { assumptions, prices } = like ?? host;
  return (
    <div class="together">
      <h3>
        <span class="name">{host.name}</span>
      </h3>
      <p>{sentence(host.title)}</p>
      <p class="soft">Source: {sentence(host.source)}</p>
      {like && (
        <p>
          Assumptions and elementary prices are those of <span class="name">{like.name}</span>
          {assumptions.length + prices.length > 0 ? ", but for these." : "."}
        </p>
      )}
      {assumptions.length > 0 && (
        <ul class="notes">
          {assumptions.map((assumption) => (
            <li>{assumption}</li>
          ))}
        </ul>
      )}
      {prices.length > 0 && <Prices host={host.name} prices={prices} />}
    </div>
  );
}

function Prices({ host, prices }: { readonly host: string; readonly prices: readonly PriceLine[] }) {
  return (
    <div class="scroll">
      <table>
        <caption>Elementary prices of {host}.</caption>
        <thead>
          <tr>
            <th scope="col">price</th>
            <th scope="col" class="number">
              value
            </th>
            <th scope="col" class="number">
              low
            </th>
            <th scope="col" class="number">
              high
            </th>
            <th scope="col">unit</th>
            <th scope="col">of what</th>
            <th scope="col">source</th>
          </tr>
        </thead>
        <tbody>
          {prices.map((price) => (
            <tr>
              <th scope="row">{price.key}</th>
              <td class="number">{amount(price.value)}</td>
              <td class="number">{amount(price.low)}</td>
              <td class="number">{amount(price.high)}</td>
              <td>{price.unit}</td>
              <td class="text">{price.meaning}</td>
              <td class="text">
                {price.source}
                {price.calibratedOn !== undefined && (
                  <>
                    {" "}
                    <b class="calibrated">Calibrated on {price.calibratedOn}.</b>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** As it stands in the host's file, in groups of three digits. */
const amount = (n: number): string => (Number.isInteger(n) ? count(n) : String(n));
