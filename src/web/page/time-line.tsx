/** The events of a trace from left to right, a lane for each pCPU, to zoom into; and those at the left edge in words. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, Scroll } from "../../report/page.js";
import { Kind } from "../../trace/index.js";
import type { Lanes, ToldEvent, TraceAsked } from "../work/traces.js";
import { faultOf, isAbort, useRested } from "./parts.js";
import { pool } from "./pool.js";
import { useColours } from "./theme.js";

/** What is drawn, the last in front: kinds of events, their words and colours. */
const CLASSES: readonly { readonly words: string; readonly colour: string; readonly kinds: readonly number[] }[] = [
  { words: "memory accesses and the rest", colour: "--line10", kinds: [] },
  { words: "writes of descriptors", colour: "--line3", kinds: [Kind.write] },
  { words: "barriers", colour: "--line5", kinds: [Kind.barrier] },
  { words: "system registers", colour: "--line1", kinds: [Kind.sysreg] },
  { words: "TLBIs", colour: "--line0", kinds: [Kind.tlbi] },
];
const CLASS_OF = Uint8Array.from({ length: 256 }, (_, kind) =>
  Math.max(
    0,
    CLASSES.findIndex(({ kinds }) => kinds.includes(kind)),
  ),
);

const LANE = 34;
const LISTED = 30;
/** Lanes of a picture, at most. */
const MOST_LANES = 64;

interface Props {
  readonly given: TraceAsked;
  readonly lanes: Lanes;
}

export function TimeLine({ given, lanes }: Props) {
  const n = lanes.kind.length;
  const [view, setView] = useState({ from: 0, events: n });
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(800);
  const pcpus = useMemo(() => [...new Set(lanes.pcpu)].sort((a, b) => a - b).slice(0, MOST_LANES), [lanes]);
  const move = (from: number, events: number): void => {
    const wide = Math.round(Math.max(Math.min(20, n), Math.min(n, events)));
    setView({ from: Math.round(Math.max(0, Math.min(n - wide, from))), events: wide });
  };
  const zoom = (by: number, at = 0.5): void => {
    const wide = Math.max(20, Math.min(n, view.events * by));
    move(view.from + (view.events - wide) * at, wide);
  };
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    observer.observe(canvas.current!);
    return () => observer.disconnect();
  }, []);
  const colours = useColours();
  useEffect(() => draw(canvas.current!, lanes, pcpus, view, width), [lanes, pcpus, view, width, colours]);
  const { from, events } = view;
  const keys: Readonly<Record<string, () => void>> = {
    ArrowRight: () => move(from + events / 4, events),
    ArrowLeft: () => move(from - events / 4, events),
    "+": () => zoom(0.5),
    "-": () => zoom(2),
    Home: () => move(0, events),
    End: () => move(n, events),
  };
  return (
    <section aria-label="Time line">
      <h2>When it happens</h2>
      {/* biome-ignore lint/a11y/useSemanticElements: a group of controls, not of a form's fields */}
      <div
        class="bar noprint"
        role="group"
        aria-label="View of the time line"
        onKeyDown={(event) => {
          const key = keys[event.key];
          if (key === undefined) return;
          event.preventDefault();
          key();
        }}
      >
        <button type="button" onClick={() => zoom(0.5)}>
          Zoom in
        </button>
        <button type="button" onClick={() => zoom(2)} disabled={events === n}>
          Zoom out
        </button>
        <button type="button" onClick={keys.ArrowLeft} disabled={from === 0}>
          Earlier
        </button>
        <button type="button" onClick={keys.ArrowRight} disabled={from + events >= n}>
          Later
        </button>
        <span role="status">
          events {count(from)} to {count(from + events)} of {count(n)}
          {lanes.cut && ", where the picture ends"}
        </span>
      </div>
      <canvas
        class="canvas"
        ref={canvas}
        role="img"
        aria-label={`Events ${from} to ${from + events} on ${pcpus.length} pCPUs`}
        onWheel={(event) => {
          if (!event.ctrlKey && !event.shiftKey) return;
          event.preventDefault();
          zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX / width);
        }}
        onDblClick={(event) => zoom(0.25, event.offsetX / width)}
      />
      <ul class="parts">
        {CLASSES.map(({ words, colour }) => (
          <li key={words}>
            <span class="chip" style={{ background: `var(${colour})` }} />
            {words}
          </li>
        ))}
      </ul>
      <p class="soft noprint">A lane a pCPU. Double click, or turn the wheel with Ctrl, to zoom at the pointer.</p>
      <Events given={given} from={from} />
    </section>
  );
}

/** Columns of pixels, in each of which every class has as much height as it has events there, on a logarithmic scale. */
function draw(
  canvas: HTMLCanvasElement,
  { kind, pcpu }: Lanes,
  pcpus: readonly number[],
  { from, events }: { readonly from: number; readonly events: number },
  width: number,
): void {
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = pcpus.length * LANE * scale;
  canvas.style.height = `${pcpus.length * LANE}px`;
  const context = canvas.getContext("2d");
  if (context === null || events === 0) return;
  context.scale(scale, scale);
  const colours = getComputedStyle(document.documentElement);
  const laneOf = new Int16Array(0x10000).fill(-1);
  pcpus.forEach((id, lane) => {
    laneOf[id] = lane;
  });
  const bins = new Uint32Array(pcpus.length * CLASSES.length * width);
  for (let i = from; i < from + events; i++) {
    const lane = laneOf[pcpu[i]!]!;
    if (lane < 0) continue;
    const x = Math.min(width - 1, Math.floor(((i - from) * width) / events));
    bins[(lane * CLASSES.length + CLASS_OF[kind[i]!]!) * width + x]!++;
  }
  const most = Math.log2(1 + Math.max(1, events / width));
  const wide = Math.max(1, Math.min(6, width / events));
  CLASSES.forEach(({ colour }, of) => {
    context.fillStyle = colours.getPropertyValue(colour);
    pcpus.forEach((_, lane) => {
      for (let x = 0; x < width; x++) {
        const n = bins[(lane * CLASSES.length + of) * width + x]!;
        if (n === 0) continue;
        const height = Math.max(3, ((LANE - 6) * Math.log2(1 + n)) / most);
        context.fillRect(x, (lane + 1) * LANE - 3 - Math.min(LANE - 6, height), wide, Math.min(LANE - 6, height));
      }
    });
  });
  context.fillStyle = colours.getPropertyValue("--ink");
  context.font = "12px sans-serif";
  for (const [lane, id] of pcpus.entries()) context.fillText(`pCPU ${id}`, 4, lane * LANE + 12);
}

function Events({ given, from }: { readonly given: TraceAsked; readonly from: number }) {
  const rested = useRested(from, 150);
  const [found, set] = useState<readonly ToldEvent[] | string>([]);
  useEffect(() => {
    const end = new AbortController();
    pool
      .ask("traceEvents", { ...given, from: rested, count: LISTED }, { signal: end.signal, ahead: true })
      .then(set, (error: unknown) => isAbort(error) || set(faultOf(error)));
    return () => end.abort();
  }, [given, rested]);
  if (typeof found === "string") return <p class="message">{found}</p>;
  return (
    <Scroll>
      <table class="listing">
        <caption>The first {LISTED} events of the view.</caption>
        <thead>
          <tr>
            {["event", "pCPU", "domain", "VMID", "what", "where"].map((head) => (
              <th scope="col" key={head}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {found.map(({ row, pcpu, domain, vmid, text, site }) => (
            <tr key={row}>
              <th scope="row">{row}</th>
              <td>{pcpu}</td>
              <td>{domain}</td>
              <td>{vmid}</td>
              <td>{text}</td>
              <td>{site}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
