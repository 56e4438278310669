/** Where findings of a trace show: its events from left to right, its phases above, a row a finding. */
import type { Checked, PricedFinding } from "../../jobs/index.js";
import { isGrave } from "../check-view.js";
import { count } from "../format.js";

/** Units of a row's picture, which is stretched over the width that there is, and its height. */
const WIDTH = 1000;
const HEIGHT = 14;
/** Part of the width from which on a phase has room for its name. */
const NAMED = 0.06;
/** Most numbers below the axis. */
const TICKS = 5;

const percent = (event: number, events: number): string => `${((100 * event) / Math.max(events, 1)).toFixed(2)}%`;

/** The axis; `id` of each finding is `id-N`, to which its row leads. */
export function FindingAxis({ checked, id }: { readonly checked: Checked; readonly id: string }) {
  const { events, findings, phases } = checked;
  return (
    <nav class="axis" aria-label="findings by event number">
      {phases.length > 0 && (
        <div class="row">
          <span class="soft">phase</span>
          <span class="track">
            {phases.map(({ phase, from }, i) => {
              const end = phases[i + 1]?.from ?? events;
              return (
                <span
                  class="phase"
                  style={`left: ${percent(from, events)}; width: ${percent(end - from, events)}`}
                  title={`${phase}: events ${count(from)} to ${count(end)}`}
                >
                  {end - from > NAMED * events && phase}
                </span>
              );
            })}
          </span>
        </div>
      )}
      {findings.map((finding, i) => (
        <div class="row">
          <a href={`#${id}-${i + 1}`} title={finding.site}>
            {finding.kind} <small>{innermost(finding)}</small>
          </a>
          <span class="track">
            <Marks finding={finding} events={events} />
          </span>
        </div>
      ))}
      <div class="row">
        <span class="soft">event</span>
        <span class="track soft">
          {ticksOf(events).map((event) => (
            <span class="tick" style={`left: ${percent(event, events)}`}>
              {count(event)}
            </span>
          ))}
        </span>
      </div>
    </nav>
  );
}

const innermost = ({ site }: PricedFinding): string => site.split(" < ")[0]!;

/** A stroke for each place of a finding that is kept. */
function Marks({ finding, events }: { readonly finding: PricedFinding; readonly events: number }) {
  const at = (event: number): number => Math.round((WIDTH * 10 * event) / Math.max(events, 1)) / 10;
  const colour = isGrave(finding) ? "var(--bad)" : finding.class === "late" ? "var(--walk)" : "var(--trap)";
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path
        d={[...new Set(finding.places.map(at))].map((x) => `M${x} 0V${HEIGHT}`).join("")}
        stroke={colour}
        stroke-width="2"
        vector-effect="non-scaling-stroke"
        fill="none"
      />
    </svg>
  );
}

/** Round numbers of events along the axis. */
function ticksOf(events: number): number[] {
  const least = Math.max(1, events / TICKS);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((of) => of * power).find((size) => size >= least)!;
  return Array.from({ length: Math.floor(events / step) + 1 }, (_, i) => i * step);
}
