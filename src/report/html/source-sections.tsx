/** What the report stands on: checks against measurements, the policies and the hosts with their sources. */
import type { Check, CompareProof, Described, HostDescription, PriceLine } from "../../compare/index.js";
import { measured, predicted, verdict } from "../checks.js";
import { count, list, sentence } from "../format.js";
import { type ColumnOf, tableOf, wordTable } from "../table.js";
import { DataTable } from "./data-table.js";

export function Checks({ checks }: { readonly checks: readonly Check[] }) {
  if (checks.length === 0) return null;
  return (
    <section id="checks">
      <h2>Checks against measurements</h2>
      <DataTable
        table={tableOf(CHECK_COLUMNS, checks)}
        caption="Predictions, with their range in brackets, beside what others measured. A calibration is no check: an elementary price was derived from this very measurement, so that it agrees says nothing."
        kind="stacked"
      />
    </section>
  );
}

const VERDICTS: Readonly<Record<ReturnType<typeof verdict>, string>> = {
  agrees: "✓ agrees",
  DIFFERS: "✗ differs",
  calibration: "calibration, no check",
};

const CHECK_COLUMNS: readonly ColumnOf<Check>[] = [
  { head: "what", kind: "words", of: ({ name }) => name },
  { head: "predicted", kind: "words", right: true, of: (check) => predicted(check, "–") },
  { head: "measured", kind: "words", right: true, of: (check) => measured(check, "–") },
  {
    ...{ head: "verdict", kind: "words" },
    of: (check) => VERDICTS[verdict(check)],
    tone: ({ calibration, agrees }) => (calibration ? undefined : agrees ? "good" : "bad"),
  },
  {
    ...{ head: "how they are compared, source of the measurement", kind: "words" },
    of: ({ rule }) => sentence(rule),
    note: ({ source }) => source,
  },
];

export function Policies({ policies }: { readonly policies: readonly Described[] }) {
  const rows = policies.map(({ name, title, source }) => [name, title, source]);
  return (
    <section id="policies">
      <h2>Policies</h2>
      <DataTable
        table={wordTable(["policy", "what it does", "source"], rows)}
        caption="What each policy does, and where it comes from."
        kind="stacked"
      />
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
  return <DataTable table={tableOf(PRICE_COLUMNS, prices)} caption={`Elementary prices of ${host}.`} />;
}

/** As it stands in the host's file, in groups of three digits. */
const amount = (n: number): string => (Number.isInteger(n) ? count(n) : String(n));

const PRICE_COLUMNS: readonly ColumnOf<PriceLine>[] = [
  { head: "price", kind: "words", of: ({ key }) => key },
  { head: "value", kind: "count", of: ({ value }) => value, text: ({ value }) => amount(value) },
  { head: "low", kind: "count", of: ({ low }) => low, text: ({ low }) => amount(low) },
  { head: "high", kind: "count", of: ({ high }) => high, text: ({ high }) => amount(high) },
  { head: "unit", kind: "words", of: ({ unit }) => unit },
  { head: "of what", kind: "words", of: ({ meaning }) => meaning ?? "" },
  {
    ...{ head: "source", kind: "words" },
    of: ({ source }) => source,
    note: ({ calibratedOn }) => (calibratedOn === undefined ? "" : `Calibrated on ${calibratedOn}.`),
  },
];
