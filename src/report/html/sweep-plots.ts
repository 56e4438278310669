/** Pictures of sweeps and tornados, as SVG text. */
import * as Plot from "@observablehq/plot";
import { count, duration, durationRange } from "../format.js";
import type { Picture, TornadoPrice } from "../sweep-view.js";
import { type Caption, document, finished, priceTicks, tickText } from "./plots.js";
import { lineColour } from "./style.js";

/** The colour of the nth curve: neighbours are far apart, and red stays what warns for as long as it can. */
export const curveColour = (n: number): string => lineColour(5 + 4 * n);

/** From which ratio of its ends on an axis is logarithmic. */
const MANY = 8;

/** Price against a swept number: a line for each policy with its range as a band; unsound ones are dashed. */
export function sweepPlot({ key, curves }: Picture, caption: Caption): string {
  const points = curves.flatMap(({ name, unsound, points: own }, i) =>
    own
      .filter(({ row }) => row.microseconds > 0)
      .map(
        ({
          x,
          row: {
            microseconds,
            microsecondsRange: [low, high],
          },
        }) => ({ x, price: microseconds, low, high, name, unsound, colour: curveColour(i) }),
      ),
  );
  const ends = points.flatMap(({ low, high }) => [low, high]).filter((price) => price > 0);
  const [least, most] = [Math.min(...ends) / 1.5, Math.max(...ends) * 1.5];
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const logarithmic = xs[0]! > 0 && xs.at(-1)! / xs[0]! >= MANY;
  const ticks = priceTicks(least, most);
  return finished(
    Plot.plot({
      document: document as never,
      className: "plot",
      ...{ width: 560, height: 320, marginTop: 10, marginBottom: 42, marginLeft: 58, marginRight: 12 },
      x: {
        ...(logarithmic ? { type: "log" as const } : {}),
        ...(xs.length <= 10 ? { ticks: xs } : {}),
        tickFormat: (x: number) => count(x),
        label: `${key.key}${key.unit === undefined ? "" : ` (${key.unit})`}`,
        labelAnchor: "center",
        labelArrow: "none",
      },
      y: { type: "log", domain: [least, most], label: null },
      marks: [
        Plot.gridY(ticks, { stroke: "var(--rule)", strokeOpacity: 1 }),
        Plot.axisY(ticks, { text: tickText, tickSize: 0 }),
        Plot.areaY(
          points.filter(({ low, high }) => low > 0 && low < high),
          { x: "x", y1: "low", y2: "high", z: "name", fill: "colour", fillOpacity: 0.12 },
        ),
        Plot.line(
          points.filter(({ unsound }) => !unsound),
          { x: "x", y: "price", z: "name", stroke: "colour", strokeWidth: 1.75 },
        ),
        Plot.line(
          points.filter(({ unsound }) => unsound),
          { x: "x", y: "price", z: "name", stroke: "colour", strokeWidth: 1.75, strokeDasharray: "4 3" },
        ),
        Plot.dot(points, {
          ...{ x: "x", y: "price", fill: "colour", r: 2.5 },
          title: ({ name, x, price, low, high }: (typeof points)[number]) =>
            `${name}: ${duration(price)} (${durationRange(low, high)}) at ${count(x)}`,
        }),
      ],
      color: { type: "identity" },
    }),
    caption,
  );
}

/** What each elementary price, moved alone, makes of a price: the longest bar on top, the price itself as a line. */
export function tornadoPlot({ bars, microseconds }: TornadoPrice, caption: Caption): string {
  const rows = bars.map(({ key, low, high, unit, microseconds: [a, b] }) => ({
    key,
    from: Math.min(a, b),
    to: Math.max(a, b),
    title: `${key} from ${count(low)} to ${count(high)} ${unit}: ${durationRange(Math.min(a, b), Math.max(a, b))}`,
  }));
  const [least, most] = [
    Math.min(microseconds, ...rows.map(({ from }) => from)),
    Math.max(microseconds, ...rows.map(({ to }) => to)),
  ];
  const room = (most - least || most) * 0.04;
  const axis = [least, (least + most) / 2, most];
  return finished(
    Plot.plot({
      document: document as never,
      className: "plot",
      ...{
        width: 560,
        height: rows.length * 22 + 34,
        marginTop: 4,
        marginBottom: 28,
        marginLeft: 100,
        marginRight: 30,
      },
      x: {
        domain: [least - room, most + room],
        ticks: axis,
        tickFormat: (price: number) => duration(price),
        label: null,
      },
      y: { domain: rows.map(({ key }) => key), label: null, tickSize: 0, padding: 0.25 },
      marks: [
        Plot.barX(rows, { x1: "from", x2: "to", y: "key", fill: curveColour(0), title: "title" }),
        Plot.ruleX([microseconds], { stroke: "currentColor" }),
      ],
    }),
    caption,
  );
}
