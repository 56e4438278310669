/** The page: its views, the link to what is shown, and what is to be said of a link that was opened. */

import { VERSION } from "virtual:shootdown";
import { useCallback, useEffect, useState } from "preact/hooks";
import { fromFragment, type Linked, toFragment } from "../link.js";
import { Bench } from "./bench.js";
import { Compare } from "./compare.js";
import { faultOf } from "./parts.js";
import { linkOf, START, type State, stateOf, tooLong } from "./state.js";
import { Theme } from "./theme.js";
import { TraceReader } from "./trace-reader.js";
import { Workbench } from "./workbench.js";

const VIEWS: readonly (readonly [State["view"], string])[] = [
  ["policy", "Policy"],
  ["compare", "Compare"],
  ["litmus", "Litmus test"],
  ["trace", "Trace"],
];

interface Props {
  readonly linked: Linked | undefined;
  /** why the link cannot be opened */
  readonly refused: string | undefined;
}

const refusal = (why: string): string =>
  `The link cannot be opened: ${why}. Ask for it anew; what you see is the start.`;

export function App({ linked, refused }: Props) {
  const [{ state, notes }, set] = useState(() =>
    linked === undefined ? { state: START, notes: refused === undefined ? [] : [refusal(refused)] } : stateOf(linked),
  );
  const change = useCallback(
    (part: Partial<State>) => set((now) => ({ ...now, state: { ...now.state, ...part } })),
    [],
  );
  const fragment = useFragment(state, set);
  return (
    <>
      <header>
        <div class="top">
          <h1>Shootdown: is this way of flushing safe, and what does it cost?</h1>
          <Theme />
        </div>
        <p class="soft">
          TLB maintenance on Arm64 hypervisors: every story that the Arm manual (DDI 0487) allows is looked at, in this
          browser; nothing that you type or drop leaves it.
        </p>
        <div class="tabs" role="tablist" aria-label="Views">
          {VIEWS.map(([view, words]) => (
            <button
              type="button"
              role="tab"
              key={view}
              id={`tab-${view}`}
              aria-selected={state.view === view}
              aria-controls="view"
              tabIndex={state.view === view ? 0 : -1}
              onClick={() => change({ view })}
              onKeyDown={(event) => {
                const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
                if (by === undefined) return;
                const at = VIEWS.findIndex(([name]) => name === view);
                const [next] = VIEWS[(at + by + VIEWS.length) % VIEWS.length]!;
                change({ view: next });
                document.getElementById(`tab-${next}`)?.focus();
              }}
            >
              {words}
            </button>
          ))}
        </div>
      </header>
      <main>
        <div id="view" role="tabpanel" aria-labelledby={`tab-${state.view}`}>
          {notes.map((note) => (
            <p class="message" role="alert" key={note}>
              {note}
            </p>
          ))}
          <Share fragment={fragment} not={tooLong(state)} />
          {state.view === "policy" && <Workbench state={state} change={change} />}
          {state.view === "compare" && <Compare state={state} change={change} />}
          {state.view === "litmus" && <Bench state={state} change={change} />}
          {state.view === "trace" && <TraceReader state={state} change={change} />}
        </div>
      </main>
      <footer>
        <p class="soft">Shootdown {VERSION}. Prices are simulated time, never measurements.</p>
      </footer>
    </>
  );
}

/** Keeps the fragment of the address what is shown, and shows what somebody puts there. */
function useFragment(state: State, set: (next: ReturnType<typeof stateOf>) => void): string {
  const [fragment, setFragment] = useState(location.hash.slice(1));
  useEffect(() => {
    let stale = false;
    if (tooLong(state) !== undefined) {
      setFragment("");
      return;
    }
    const timer = setTimeout(async () => {
      const next = await toFragment(linkOf(state));
      if (stale) return;
      history.replaceState(null, "", `#${next}`);
      setFragment(next);
    }, 250);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [state]);
  useEffect(() => {
    const opened = async (): Promise<void> => {
      try {
        const linked = await fromFragment(location.hash.slice(1));
        if (linked) set(stateOf(linked));
      } catch (error) {
        set({ state: START, notes: [refusal(faultOf(error))] });
      }
    };
    addEventListener("hashchange", opened);
    return () => removeEventListener("hashchange", opened);
  }, [set]);
  return fragment;
}

function Share({ fragment, not }: { readonly fragment: string; readonly not: string | undefined }) {
  const [said, say] = useState("");
  const copy = async (): Promise<void> => {
    if (not !== undefined) return say(not);
    const url = `${location.href.replace(/#.*/, "")}#${fragment}`;
    try {
      await navigator.clipboard.writeText(url);
      say(`copied, ${url.length} characters`);
    } catch {
      say("this browser does not let the page copy: the link stands in the address bar");
    }
  };
  return (
    <div class="bar">
      <button type="button" onClick={copy}>
        Copy a link to what you see
      </button>
      <span role="status">{said}</span>
    </div>
  );
}
