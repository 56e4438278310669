/** The trace reader: what a dropped file holds, where its TLBIs come from, when, what they cost, and what is wrong with it. */
import { useEffect, useState } from "preact/hooks";
import { count, DataTable, priceTable, summaryTable, Trial, verdictOf } from "../../report/page.js";
import type { Opened, TraceAsked } from "../work/traces.js";
import { Flame } from "./flame.js";
import { faultOf, isAbort } from "./parts.js";
import { pool } from "./pool.js";
import type { Change, State } from "./state.js";
import { TimeLine } from "./time-line.js";
import { TraceSource } from "./trace-source.js";

interface Props {
  readonly state: State;
  readonly change: Change;
}

export function TraceReader({ state, change }: Props) {
  const { trace } = state;
  const [given, give] = useState<TraceAsked>();
  const [found, set] = useState<{ readonly opened: Opened } | { readonly error: string }>();
  useEffect(() => {
    set(undefined);
    if (given === undefined) return;
    const end = new AbortController();
    pool.ask("openTrace", given, { signal: end.signal }).then(
      (opened) => set({ opened }),
      (error: unknown) => isAbort(error) || set({ error: faultOf(error) }),
    );
    return () => end.abort();
  }, [given]);
  return (
    <section aria-label="Trace">
      <h2>What does a trace hold?</h2>
      <TraceSource label="Drop a trace" capture={trace} onCapture={(name) => change({ trace: name })} onTrace={give} />
      {given && found === undefined && <p class="working">{given.name} is being read</p>}
      {found && "error" in found && (
        <p class="message" role="alert">
          {found.error}
        </p>
      )}
      {given && found && "opened" in found && <Shown given={given} opened={found.opened} />}
    </section>
  );
}

function Shown({ given, opened }: { readonly given: TraceAsked; readonly opened: Opened }) {
  const { info, warnings, summary, prices, checked, lanes, weights } = opened;
  return (
    <>
      <h2>{given.name}</h2>
      <p role="status">
        {count(summary.events)} events{info.producer !== "" && `, made by ${info.producer}`}; {info.integrity}. On trial
        on {checked.cpu}
        {checked.cpuAssumed && " (assumed)"}: {verdictOf(checked)}.
      </p>
      {warnings.map((text) => (
        <p class="message" key={text}>
          {text}
        </p>
      ))}
      <Flame summary={summary} weights={weights} />
      <TimeLine given={given} lanes={lanes} />
      <h2>What is in it</h2>
      <DataTable table={summaryTable(summary)} caption="TLBIs by who issued them, and the other events, by phase." />
      <h2>What it costs</h2>
      <DataTable
        table={priceTable(prices)}
        caption="Simulated time, never a measurement; nested hosts at 48 IPA bits."
        kind="prices"
      />
      <Trial checked={checked} id="trial" />
    </>
  );
}
