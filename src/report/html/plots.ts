/** Pictures as SVG text, drawn by Observable Plot on linkedom's document; colours come from the page's style sheet. */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom/worker";
import type { PriceParts } from "../../compare/index.js";
import { duration, durationRange } from "../format.js";
import { type PriceGroup, type ScenarioView, verdictOf } from "../view.js";
import { colourOf, PART_COLOURS, PARTS, VERDICT_COLOURS } from "./style.js";

/** What is used of an SVG element; the project compiles without the DOM's types. */
interface Svg {
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
  querySelector(selector: string): Svg | null;
  querySelectorAll(selector: string): Iterable<Svg>;
  remove(): void;
  prepend(...children: readonly Svg[]): void;
  textContent: string;
  readonly outerHTML: string;
}
interface Page {
  createElementNS(namespace: string, name: string): Svg;
}

/** An accessible picture: `id` is unique in the page. */
export interface Caption {
  readonly id: string;
  readonly title: string;
  readonly description: string;
}

const SVG = "http://www.w3.org/2000/svg";
/** Pixels of a letter, as the style sheet has it for .plot. */
const FONT = 12;

/** Ticks of an axis of time in microseconds: powers of ten up to a second, then the units of a clock. */
const TICKS: ReadonlyMap<number, string> = new Map([
  [0.01, "10 ns"],
  [0.1, "100 ns"],
  [1, "1 us"],
  [10, "10 us"],
  [100, "100 us"],
  [1e3, "1 ms"],
  [10e3, "10 ms"],
  [100e3, "100 ms"],
  [1e6, "1 s"],
  [10e6, "10 s"],
  [60e6, "1 min"],
  [600e6, "10 min"],
  [3600e6, "1 h"],
  [36_000e6, "10 h"],
  [4 * 86_400e6, "4 d"],
  [40 * 86_400e6, "40 d"],
  [400 * 86_400e6, "400 d"],
]);

/** Where pictures are drawn. */
export const { document } = parseHTML("<html></html>") as unknown as { document: Page };

/** Price against IPA bits on one nested host, one line a group in a band from low to high, its letter at the end of the line. */
export function pricePlot(
  view: ScenarioView,
  groups: readonly PriceGroup[],
  host: string,
  domain: readonly [low: number, high: number],
  caption: Caption,
): string {
  const [width, height, marginTop, marginBottom, marginLeft, marginRight] = [380, 300, 10, 42, 54, 8];
  const [first, last] = [view.ipaBits[0]!, view.ipaBits[view.ipaBits.length - 1]!];
  const perPixel = Math.log(domain[1] / domain[0]) / (height - marginTop - marginBottom);
  const step = Math.max(last - first, 1) / 10;
  const lines = groups.flatMap((group, i) => {
    const points = view.ipaBits.flatMap((bits) => {
      const row = view.row(group.policies[0]!, host, bits);
      if (!row?.microseconds) return [];
      const [low, high] = row.microsecondsRange;
      return [
        { bits, price: row.microseconds, low, high, colour: colourOf(group, i), name: group.policies.join(", ") },
      ];
    });
    return points.length > 0
      ? [{ ...group, colour: colourOf(group, i), points, end: points[points.length - 1]!.price }]
      : [];
  });
  const ticks = priceTicks(...domain);
  const labelled = apart(lines, (line) => Math.log(line.end) / perPixel, FONT + 1).map(({ item, at }) => ({
    letter: item.letter,
    colour: item.colour,
    end: item.end,
    at: Math.exp(at * perPixel),
  }));
  const points = lines.flatMap((line) => line.points);
  return finished(
    Plot.plot({
      document: document as never,
      className: "plot",
      width,
      height,
      marginTop,
      marginBottom,
      marginLeft,
      marginRight,
      x: {
        domain: [first - step * 0.4, last + step * 1.8],
        ticks: [...view.ipaBits],
        tickFormat: (bits: number) => `${bits}`,
        label: "IPA bits",
        labelAnchor: "center",
        labelArrow: "none",
      },
      y: { type: "log", domain: [...domain], label: null },
      marks: [
        Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
        Plot.axisY(ticks, { text: tickText, tickSize: 0 }),
        Plot.link(labelled, {
          x1: last,
          x2: last + step * 0.9,
          y1: "end",
          y2: "at",
          stroke: "colour",
          strokeWidth: 0.75,
          strokeOpacity: 0.7,
        }),
        first === last
          ? Plot.ruleX(points, {
              x: "bits",
              y1: "low",
              y2: "high",
              stroke: "colour",
              strokeWidth: 3,
              strokeOpacity: 0.3,
            })
          : Plot.areaY(points, { x: "bits", y1: "low", y2: "high", z: "name", fill: "colour", fillOpacity: 0.09 }),
        ...[false, true].map((unsound) =>
          Plot.line(
            lines.filter(({ verdict }) => (verdict === "unsound") === unsound).flatMap((line) => line.points),
            { x: "bits", y: "price", z: "name", stroke: "colour", strokeWidth: 1.75, strokeDasharray: unsound ? "5 3" : "none" }, // biome-ignore format: one row
          ),
        ),
        Plot.dot(points, {
          x: "bits",
          y: "price",
          fill: "colour",
          r: 2.75,
          title: ({ name, bits, price, low, high }: (typeof points)[number]) =>
            `${name}: ${duration(price)} (${durationRange(low, high, "–")}) at ${bits} bits`,
        }),
        Plot.text(labelled, {
          x: last + step,
          y: "at",
          text: "letter",
          fill: "colour",
          textAnchor: "start",
          fontWeight: 700,
        }),
      ],
      color: { type: "identity" },
    }),
    caption,
  );
}

/** Ticks of an axis of prices, and what stands at one. */
export const priceTicks = (least: number, most: number): number[] =>
  [...TICKS.keys()].filter((tick) => tick >= least && tick <= most);
export const tickText = (price: number): string | undefined => TICKS.get(price);

/** A range for the price axes of several pictures, in microseconds: around all prices that are not 0. */
export function priceDomain(prices: readonly number[]): readonly [low: number, high: number] | undefined {
  const positive = prices.filter((price) => price > 0);
  if (positive.length === 0) return undefined;
  return [Math.min(...positive) / 2, Math.max(...positive) * 2];
}

/** Where the time goes: one bar a policy, its parts as shares of its price, the price beside it. */
export function partsPlot(view: ScenarioView, host: string, caption: Caption): string {
  const rows = view.policies.flatMap((policy) => view.row(policy, host) ?? []);
  const shares = rows.flatMap(({ policy, parts, microseconds }) =>
    PARTS.filter(({ part }) => parts[part] > 0).map(({ part, label }) => ({
      policy,
      part,
      label,
      share: parts[part] / sum(parts),
      time: parts[part],
      microseconds,
    })),
  );
  return finished(
    Plot.plot({
      document: document as never,
      className: "plot",
      width: 380,
      height: rows.length * 20 + 26,
      marginTop: 2,
      marginBottom: 24,
      marginLeft: 122,
      marginRight: 64,
      x: { domain: [0, 1], ticks: [0, 0.5, 1], tickFormat: (share: number) => `${share * 100} %`, label: null },
      y: { domain: rows.map(({ policy }) => policy), axis: null, padding: 0.22 },
      color: { domain: PARTS.map(({ part }) => part), range: PARTS.map(({ part }) => PART_COLOURS[part]) },
      marks: [
        Plot.barX(shares, {
          x: "share",
          y: "policy",
          fill: "part",
          insetRight: 0.5,
          title: ({ policy, label, time, share }: (typeof shares)[number]) =>
            `${policy}, ${label}: ${duration(time)} (${(share * 100).toPrecision(3)} %)`,
        }),
        ...rows.map((row) => {
          const verdict = verdictOf(view, row.policy);
          const fill = verdict === undefined ? "currentColor" : VERDICT_COLOURS[verdict];
          return Plot.text([row], {
            frameAnchor: "left",
            dx: -6,
            textAnchor: "end",
            y: "policy",
            text: "policy",
            fill,
          });
        }),
        Plot.text(rows, {
          frameAnchor: "right",
          y: "policy",
          dx: 60,
          textAnchor: "end",
          fill: "currentColor",
          text: ({ microseconds }: (typeof rows)[number]) => duration(microseconds),
        }),
      ],
    }),
    caption,
  );
}

const sum = ({ trap, walk, flush, refault }: PriceParts): number => trap + walk + flush + refault;

/** Moves labels apart to at least `gap`, upwards in the order of their places, as little as a single sweep can. */
function apart<T>(items: readonly T[], placeOf: (item: T) => number, gap: number): readonly { item: T; at: number }[] {
  const places = items.map((item) => ({ item, at: placeOf(item) })).sort((a, b) => a.at - b.at);
  // clusters that overlap are merged and spread around their common middle
  const clusters: { middle: number; members: typeof places }[] = [];
  for (const place of places) {
    let cluster = { middle: place.at, members: [place] };
    for (;;) {
      const below = clusters[clusters.length - 1];
      if (!below) break;
      const between = ((below.members.length + cluster.members.length) / 2) * gap;
      if (cluster.middle - below.middle >= between) break;
      clusters.pop();
      const members = [...below.members, ...cluster.members];
      cluster = { middle: members.reduce((total, { at }) => total + at, 0) / members.length, members };
    }
    clusters.push(cluster);
  }
  return clusters.flatMap(({ middle, members }) =>
    members.map(({ item }, i) => ({ item, at: middle + (i - (members.length - 1) / 2) * gap })),
  );
}

/** The drawing as text, named for those who do not see it. */
export function finished(plot: unknown, { id, title, description }: Caption): string {
  const svg = plot as Svg;
  const element = (name: string, elementId: string, text: string): Svg => {
    const child = document.createElementNS(SVG, name);
    child.setAttribute("id", elementId);
    child.textContent = text;
    return child;
  };
  // The page's style sheet says all of it: a page may forbid style sheets that stand in its markup.
  svg.querySelector("style")?.remove();
  svg.removeAttribute("style");
  // The picture has a title and a description of its own; what Plot calls its groups is no help.
  for (const group of svg.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-labelledby", `${id}-title ${id}-desc`);
  svg.prepend(element("title", `${id}-title`, title), element("desc", `${id}-desc`, description));
  return svg.outerHTML;
}
