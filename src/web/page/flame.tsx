/** Call paths of a trace's TLBIs as a flame graph: from the phase over the outermost function to the TLBI. */
import { useMemo, useState } from "preact/hooks";
import { count, duration } from "../../report/page.js";
import type { Summary } from "../../trace/index.js";
import type { Opened } from "../work/traces.js";
import { Choice } from "./parts.js";

interface Node {
  readonly name: string;
  readonly depth: number;
  weight: number;
  readonly below: Map<string, Node>;
}

const nodeOf = (name: string, depth: number): Node => ({ name, depth, weight: 0, below: new Map() });

/** The paths as a tree; `weigh` gives the weight of one TLBI. */
function treeOf({ phases }: Summary, weigh: (op: string) => number): Node {
  const root = nodeOf("all", 0);
  for (const [phase, { byCaller }] of Object.entries(phases))
    for (const { op, caller, count: n } of byCaller) {
      const path = caller === "" ? ["unknown"] : caller.split(" < ").reverse();
      const weight = n * weigh(op);
      root.weight += weight;
      let at = root;
      for (const name of [phase, ...path, op]) {
        const next = at.below.get(name) ?? nodeOf(name, at.depth + 1);
        at.below.set(name, next);
        next.weight += weight;
        at = next;
      }
    }
  return root;
}

const [WIDTH, ROW] = [1200, 22];
/** Narrower than this nothing can be seen, or hit. */
const LEAST = 2;
const FILLS = ["#f2c14e", "#9bc1bc", "#e9a98b", "#c6d8af", "#b8c4e8"];

interface Placed {
  readonly node: Node;
  readonly path: readonly string[];
  readonly x: number;
  readonly width: number;
}

function placed(node: Node, path: readonly string[], x: number, width: number): Placed[] {
  const here = [{ node, path, x, width }];
  let at = x;
  const below = [...node.below.values()].sort((a, b) => b.weight - a.weight);
  return [
    ...here,
    ...below.flatMap((child) => {
      const wide = node.weight === 0 ? 0 : (width * child.weight) / node.weight;
      const left = at;
      at += wide;
      return wide < LEAST ? [] : placed(child, [...path, child.name], left, wide);
    }),
  ];
}

const COUNT = "count";

export function Flame({ summary, weights }: Pick<Opened, "summary" | "weights">) {
  const [by, weighBy] = useState(COUNT);
  const [focus, setFocus] = useState<readonly string[]>([]);
  const root = useMemo(() => {
    const of = weights[by];
    return treeOf(summary, of === undefined ? () => 1 : (op) => of[op] ?? 0);
  }, [summary, weights, by]);
  const inFocus = focus.reduce<Node | undefined>((node, name) => node?.below.get(name), root) ?? root;
  const boxes = placed(inFocus, focus, 0, WIDTH);
  const base = inFocus.depth;
  const height = ROW * (1 + Math.max(...boxes.map(({ node }) => node.depth - base)));
  const words = (weight: number): string => (by === COUNT ? `${count(weight)} TLBIs` : duration(weight));
  return (
    <section aria-label="Call paths">
      <h2>Where its TLBIs come from</h2>
      <div class="bar noprint">
        <Choice label="wide by" value={by} options={[COUNT, ...Object.keys(weights)]} onChoice={weighBy} />
        <button type="button" disabled={focus.length === 0} onClick={() => setFocus(focus.slice(0, -1))}>
          Out of {inFocus.name}
        </button>
        <span role="status">
          {focus.join(" > ") || "all"}: {words(inFocus.weight)}
        </span>
      </div>
      <svg class="flame" viewBox={`0 0 ${WIDTH} ${height}`} width="100%" aria-label="Flame graph of call paths">
        {boxes.map(({ node, path, x, width }) => {
          const y = ROW * (node.depth - base);
          const label = `${path.join(" > ") || "all"}: ${words(node.weight)}`;
          return (
            // biome-ignore lint/a11y/useSemanticElements: SVG has no button
            <g
              key={path.join("\0")}
              role="button"
              tabIndex={0}
              aria-label={label}
              onClick={() => setFocus(path)}
              onKeyDown={(event) => {
                if (event.key === "Enter" || event.key === " ") {
                  event.preventDefault();
                  setFocus(path);
                }
              }}
            >
              <title>{label}</title>
              <rect x={x} y={y} width={width} height={ROW - 1} fill={FILLS[node.depth % FILLS.length]} />
              {width > 30 && (
                // biome-ignore lint/a11y/noSvgWithoutTitle: it only cuts off; the title is that of the group
                <svg x={x} y={y} width={width - 2} height={ROW}>
                  <text x={4} y={15}>
                    {node.name}
                  </text>
                </svg>
              )}
            </g>
          );
        })}
      </svg>
    </section>
  );
}
