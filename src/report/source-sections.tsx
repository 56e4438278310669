/** What the report stands on: checks against measurements, the policies and the hosts with their sources. */
import type { Check, Described, HostDescription, PriceLine } from "../compare/result.js";
import { quantity, sentence } from "./format.js";
import { measured, predictedRange, verdict } from "./table.js";

export function Checks({ checks }: { readonly checks: readonly Check[] }) {
  if (checks.length === 0) return null;
  return (
    <section id="checks">
      <h2>Checks against measurements</h2>
      <div class="scroll">
        <table>
          <caption>
            Predictions beside what others measured. A measurement on which a price was calibrated is marked so: that it
            agrees says nothing.
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
              <th scope="col">rule</th>
              <th scope="col">source of the measurement</th>
            </tr>
          </thead>
          <tbody>
            {checks.map((check) => (
              <tr>
                <th scope="row" class="text">
                  {check.name}
                </th>
                <td class="number">
                  {quantity(check.predicted, check.unit)}
                  {check.predictedRange && (
                    <>
                      <br />
                      <small>{predictedRange(check, "–")}</small>
                    </>
                  )}
                </td>
                <td class="number">{measured(check, "–")}</td>
                <td class={check.calibration ? "soft" : check.agrees ? "good" : "bad"}>{VERDICTS[verdict(check)]}</td>
                <td>{check.rule}</td>
                <td class="text">{check.source}</td>
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
        <table>
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
                <td class="text">{source}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function Hosts({ hosts }: { readonly hosts: readonly HostDescription[] }) {
  return (
    <section id="hosts">
      <h2>Hosts: assumptions and elementary prices</h2>
      {hosts.map((host) => (
        <Host host={host} />
      ))}
    </section>
  );
}

function Host({ host }: { readonly host: HostDescription }) {
  return (
    <div class="together">
      <h3>
        <span class="name">{host.name}</span>
      </h3>
      <p>{sentence(host.title)}</p>
      <p class="soft">Source: {sentence(host.source)}</p>
      {host.assumptions.length > 0 && (
        <ul class="notes">
          {host.assumptions.map((assumption) => (
            <li>{assumption}</li>
          ))}
        </ul>
      )}
      {host.prices.length > 0 && <Prices host={host.name} prices={host.prices} />}
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
            <th scope="col">source</th>
          </tr>
        </thead>
        <tbody>
          {prices.map((price) => (
            <tr>
              <th scope="row">{price.key}</th>
              <td class="number">{price.value}</td>
              <td class="number">{price.low}</td>
              <td class="number">{price.high}</td>
              <td>{price.unit}</td>
              <td class="text">{price.source}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
