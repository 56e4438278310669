/** Two traces side by side: what differs in what they do, phase by phase and call path by call path, and in what that costs. */
import { useEffect, useState } from "preact/hooks";
import type { TraceDifference } from "../../compare/index.js";
import { count, DataTable, differenceTable } from "../../report/page.js";
import type { TraceAsked } from "../work/traces.js";
import { faultOf, isAbort } from "./parts.js";
import { pool } from "./pool.js";
import type { Change, State } from "./state.js";
import { TraceSource } from "./trace-source.js";

interface Props {
  readonly state: State;
  readonly change: Change;
}

export function TwoTraces({ state: { traces }, change }: Props) {
  const [before, setBefore] = useState<TraceAsked>();
  const [after, setAfter] = useState<TraceAsked>();
  const [found, set] = useState<{ readonly difference: TraceDifference } | { readonly error: string }>();
  useEffect(() => {
    set(undefined);
    if (before === undefined || after === undefined) return;
    const end = new AbortController();
    pool.ask("compareTraces", { before, after }, { signal: end.signal }).then(
      (difference) => set({ difference }),
      (error: unknown) => isAbort(error) || set({ error: faultOf(error) }),
    );
    return () => end.abort();
  }, [before, after]);
  return (
    <section aria-label="Two traces" class="panel">
      <h2>Two traces</h2>
      <div class="columns even">
        <div>
          <TraceSource
            label="Drop the trace before"
            capture={traces.before}
            onCapture={(name) => change({ traces: { ...traces, before: name } })}
            onTrace={setBefore}
          />
          {before && <p>Before: {before.name}</p>}
        </div>
        <div>
          <TraceSource
            label="Drop the trace after"
            capture={traces.after}
            onCapture={(name) => change({ traces: { ...traces, after: name } })}
            onTrace={setAfter}
          />
          {after && <p>After: {after.name}</p>}
        </div>
      </div>
      {before && after && found === undefined && <p class="working">The two are being read</p>}
      {found && "error" in found && (
        <p class="message" role="alert">
          {found.error}
        </p>
      )}
      {found && "difference" in found && <Difference difference={found.difference} />}
    </section>
  );
}

function Difference({ difference }: { readonly difference: TraceDifference }) {
  const { before, after, identical, otherBuild } = difference;
  return (
    <>
      <p role="status">
        {identical
          ? `The two traces are the same, event for event: ${count(before.events)} events.`
          : `${count(before.events)} events before, ${count(after.events)} after.`}
      </p>
      {otherBuild && (
        <p class="message">
          One of the two Xens is somebody's own build and the other is not: what differs may be the build, not the
          change.
        </p>
      )}
      {[before, after].flatMap(({ trace, warnings }) =>
        warnings.map((text) => (
          <p class="message" key={trace + text}>
            {trace}: {text}
          </p>
        )),
      )}
      {!identical && (
        <DataTable
          table={differenceTable(difference, false)}
          caption="What differs. Prices are simulated time, never a measurement; nested hosts at 48 IPA bits."
        />
      )}
    </>
  );
}
