/** One scenario in the report: its prices, how they grow with the IPA size, where the time goes, and what was executed. */
import type { CompareRow } from "../../compare/index.js";
import { scenarioTable } from "../compare-tables.js";
import { count, duration, list, sentence, tally } from "../format.js";
import {
  cpusOf,
  grouped,
  isProved,
  type PriceGroup,
  priceGroups,
  type ScenarioView,
  silentSentences,
  UNSAFE,
  unsoundPolicies,
  unsoundSentence,
} from "../view.js";
import { DataTable } from "./data-table.js";
import { Picture } from "./picture.js";
import { partsPlot, priceDomain, pricePlot } from "./plots.js";
import { Scroll } from "./scroll.js";
import { colourOf, PART_COLOURS, PARTS } from "./style.js";

interface ViewProps {
  readonly view: ScenarioView;
}

/** `id` is unique in the page and safe in an attribute, which a name from a user's file need not be. */
export function Scenario({ view, id }: ViewProps & { readonly id: string }) {
  const { scenario } = view;
  return (
    <section class="scenario" id={`scenario-${scenario.name}`}>
      <h2>
        <span class="name">{scenario.name}</span>
      </h2>
      <p>{sentence(scenario.title)}</p>
      <p class="soft">
        Source: {sentence(scenario.source)} {count(scenario.events)} events in its longest trace.
      </p>
      <DataTable table={scenarioTable(view, false)} caption={captionOf(view)} kind="prices" />
      <Unsound view={view} />
      {silentSentences(view).map((text) => (
        <p class="silent">{text}</p>
      ))}
      {view.nested.length > 0 && <PriceFigures view={view} id={id} />}
      {view.nested.length > 0 && <PartFigures view={view} id={id} />}
      <CountTable view={view} />
    </section>
  );
}

const captionOf = (view: ScenarioView): string =>
  [
    "Price of the TLB maintenance and of the refaults that it causes; below it, small, the range with every elementary price at its low and at its high end. Policies that are the same in all columns share a row.",
    ...(isProved(view) ? ["The verdict is on the policy for the occasions that this scenario has."] : []),
    ...(cpusOf(view).length > 1 ? ["Hosts have several CPUs: a verdict for each."] : []),
  ].join(" ");

/** Which policies are unsound, for what, and where the story is told. */
function Unsound({ view }: ViewProps) {
  const [first] = unsoundPolicies(view);
  if (!first) return null;
  return (
    <p class="silent">
      <b>{unsoundSentence(view)}</b> <span class="bad">{UNSAFE}</span> marks the price of an unsound policy; how it
      fails: <code>shootdown prove {first.policy}</code>
    </p>
  );
}

interface FiguresProps extends ViewProps {
  readonly id: string;
  /** what shares a line */
  readonly what?: string;
}

/** Price against IPA size, a picture for each nested host. */
export function PriceFigures({ view, id, what = "Policies" }: FiguresProps) {
  const groups = priceGroups(view);
  const prices = view.nested.flatMap(({ name }) =>
    groups.flatMap(({ policies }) =>
      view.ipaBits.flatMap((bits) => view.row(policies[0]!, name, bits)?.microsecondsRange ?? []),
    ),
  );
  const domain = priceDomain(prices);
  if (!domain) return null;
  return (
    <div class="together">
      <h3>Price against IPA size</h3>
      <p class="soft">
        Time is on a logarithmic scale, the same in all pictures; a band reaches from the low to the high end of a
        price. {isProved(view) && "Sound is green, unsound red and dashed, unknown grey. "}
        {what} with equal prices share a line; its letter is explained below, with the price on {view.nested[0]!.name}{" "}
        at {view.ipaBits[view.ipaBits.length - 1]} bits.
      </p>
      <div class="figures">
        {view.nested.map(({ name }, i) => (
          <figure>
            <figcaption>{name}</figcaption>
            <Picture
              draw={() =>
                pricePlot(view, groups, name, domain, {
                  id: `${id}-price-${i}`,
                  title: `${view.scenario.name} on ${name}: price against IPA size`,
                  description: groups.map((group) => lineInWords(view, group, name)).join(" "),
                })
              }
            />
          </figure>
        ))}
      </div>
      <ol class="key" aria-label="Lines of the pictures">
        {groups.map((group, i) => (
          <li>
            <b style={{ color: colourOf(group, i) }}>{group.letter}</b>
            {list(group.policies)}
            {group.verdict !== undefined && ` (${group.verdict})`}
            <span class="soft"> {endOfLine(view, group)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}

function lineInWords(view: ScenarioView, { letter, policies }: PriceGroup, host: string): string {
  const prices = view.ipaBits.flatMap((bits) => {
    const row = view.row(policies[0]!, host, bits);
    return row ? [`${duration(row.microseconds)} at ${bits} bits`] : [];
  });
  return `${letter}, ${list(policies)}: ${list(prices)}.`;
}

/** What cannot be drawn on a logarithmic scale is said in words. */
function endOfLine(view: ScenarioView, { policies }: PriceGroup): string {
  const row = view.row(policies[0]!, view.nested[0]!.name);
  if (!row) return "";
  return row.microseconds === 0 ? "costs nothing, not drawn" : duration(row.microseconds);
}

function PartFigures({ view, id }: ViewProps & { readonly id: string }) {
  const bits = view.ipaBits[view.ipaBits.length - 1]!;
  return (
    <div class="together">
      <h3>Where the time goes, at {bits} IPA bits</h3>
      <ul class="parts">
        {PARTS.map(({ part, label, meaning }) => (
          <li>
            <span class="chip" style={{ background: PART_COLOURS[part] }} />
            {label} <span class="soft">{meaning}</span>
          </li>
        ))}
      </ul>
      <div class="figures">
        {view.nested.map(({ name }, i) => (
          <figure>
            <figcaption>{name}</figcaption>
            <Picture
              draw={() =>
                partsPlot(view, name, {
                  id: `${id}-parts-${i}`,
                  title: `${view.scenario.name} on ${name} at ${bits} IPA bits: shares of each policy's price`,
                  description: view.policies.map((policy) => partsInWords(view.row(policy, name))).join(" "),
                })
              }
            />
          </figure>
        ))}
      </div>
      {view.native.length > 0 && (
        <p class="soft">On {list(view.native.map(({ name }) => name))} nothing traps: all of the price is flush.</p>
      )}
    </div>
  );
}

function partsInWords(row: CompareRow | undefined): string {
  if (!row) return "";
  const parts = PARTS.filter(({ part }) => row.parts[part] > 0).map(
    ({ part, label }) => `${label} ${duration(row.parts[part])}`,
  );
  return `${row.policy}: ${list(parts) || "nothing"}.`;
}

/** What Xen executed, and what the hardware did for it on each nested host; policies that execute the same share a row. */
function CountTable({ view }: ViewProps) {
  const bits = view.ipaBits[view.ipaBits.length - 1]!;
  const hosts = [...view.native, ...view.nested];
  const rows = (policy: string) => hosts.flatMap(({ name }) => view.row(policy, name) ?? []);
  const groups = grouped(
    view.policies.filter((policy) => rows(policy).length > 0),
    (policy) => JSON.stringify(rows(policy).map(countsOf)),
  );
  return (
    <>
      <h3>What was executed, at {bits} IPA bits</h3>
      <Scroll>
        <table class="counts">
          <caption>
            TLBIs that Xen executed, and those that the hardware executed for them on a nested host, with the shadow
            leaves dropped and faulted in again. The rest of the work is its hypercall round trips and first faults; it
            is in no price above.
          </caption>
          <thead>
            <tr>
              <th scope="col">policy</th>
              <th scope="col">hypercalls</th>
              <th scope="col">Xen</th>
              {view.nested.map(({ name }) => (
                <th scope="col" class="starts">
                  hardware, {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.map(({ names }) => {
              const any = rows(names[0]!)[0]!;
              return (
                <tr>
                  <th scope="row">
                    <ul class="items">
                      {names.map((name) => (
                        <li>{name}</li>
                      ))}
                    </ul>
                  </th>
                  <Items items={itemsOf(any.hypercalls)} />
                  <Items items={itemsOf(any.tlbi)} />
                  {view.nested.map(({ name }) => (
                    <Items items={nestedItems(view.row(names[0]!, name))} starts />
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </>
  );
}

const countsOf = (row: CompareRow): readonly unknown[] => [
  ...[row.tlbi, row.hardwareTlbi, row.hypercalls].map(tally),
  ...[row.leavesDropped, row.refaults, row.rest],
];

const itemsOf = (counts: Readonly<Record<string, number>>): readonly string[] => tally(counts).split(", ");

function nestedItems(row: CompareRow | undefined): readonly string[] {
  if (!row) return ["–"];
  return [
    ...itemsOf(row.hardwareTlbi),
    `leaves dropped ${count(row.leavesDropped)}`,
    `refaults ${count(row.refaults)}`,
    `rest of the work ${row.rest === null ? "unknown" : duration(row.rest)}`,
  ];
}

function Items({ items, starts = false }: { readonly items: readonly string[]; readonly starts?: boolean }) {
  return (
    <td class={starts ? "starts" : ""}>
      <ul class="items">
        {items.map((item) => (
          <li>{item}</li>
        ))}
      </ul>
    </td>
  );
}
