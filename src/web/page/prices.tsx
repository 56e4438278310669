/** What policies cost on every host and against the IPA size: each occasion by itself, and pieces of work. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { scenarioNames } from "../../builtin/index.js";
import { later } from "./later.js";
import { Choice, faultOf, isAbort } from "./parts.js";
import { pool } from "./pool.js";
import { type Change, type Edited, fileOf, type State } from "./state.js";

/** IPA sizes that are compared, as the command line does by default. */
const IPA_BITS = [40, 44, 48];
/** Pages that an occasion is about, and those that a guest has touched, to choose from. */
const PAGES = [1, 8, 64, 512];
const TOUCHED = [0, 512, 4096, 65_536];

interface Props {
  readonly state: State;
  readonly change: Change;
  readonly policies: readonly Edited[];
  /** the texts can be used */
  readonly ready: boolean;
}

/** What draws is large, and loaded when the first verdicts are on their way. */
const loadPictures = async () => {
  const { Drawing, Occasions, Scenario, scenarioViews } = await import("../../report/pictures.js");
  return { Drawing, Occasions, Scenario, scenarioViews };
};
type Pictures = Awaited<ReturnType<typeof loadPictures>>;

/** What a worker answered last, and to what. */
interface Answer<T> {
  readonly asked?: string;
  /** the result as JSON */
  readonly text?: string;
  readonly result?: T;
  readonly error?: string;
}

/**
 * What a worker answers. `old`: to what was asked before, as nothing can be asked now or the answer is on its way. An answer that
 * is the same again is the same object, so that nothing is drawn anew.
 */
function useAnswer<T>(asked: string | undefined, ask: (asked: string, signal: AbortSignal) => Promise<T>) {
  const [answer, set] = useState<Answer<T>>({});
  useEffect(() => {
    if (asked === undefined) return;
    const end = new AbortController();
    ask(asked, end.signal).then(
      (result) =>
        set((before) => {
          const text = JSON.stringify(result);
          return { asked, text, result: text === before.text ? before.result! : result };
        }),
      (error: unknown) => isAbort(error) || set({ asked, error: faultOf(error) }),
    );
    return () => end.abort();
  }, [asked]);
  return { ...answer, old: asked === undefined || answer.asked !== asked };
}

interface WaitingProps {
  readonly answer: Pick<Answer<unknown>, "asked" | "error"> & { readonly old: boolean };
  readonly ready: boolean;
  /** "Each occasion is being priced" */
  readonly what: string;
}

/** What must be said of an answer before it is read. */
function Waiting({ answer: { asked, error, old }, ready, what }: WaitingProps) {
  if (!old) return error === undefined ? null : <p class="message">{error}</p>;
  const before = asked !== undefined && error === undefined ? " What stands here is of what was asked before." : "";
  return ready ? <p class="working">{`${what}.${before}`}</p> : before === "" ? null : <p class="soft">{before}</p>;
}

export function Prices({ state, change, policies, ready }: Props) {
  const { about } = state;
  const [pictures, setPictures] = useState<Pictures>();
  useEffect(() => {
    loadPictures().then(setPictures);
  }, []);
  const numbers = (some: readonly number[], own: number): string[] =>
    [...new Set([...some, own])].sort((a, b) => a - b).map((n) => n.toLocaleString("en"));
  const numberOf = (text: string): number => Number(text.replaceAll(",", ""));
  return (
    <section id="prices" aria-label="What it costs">
      <h2>What an occasion costs by itself</h2>
      <div class="bar noprint">
        <Choice
          label="about 4 KiB pages"
          value={about.pages.toLocaleString("en")}
          options={numbers(PAGES, about.pages)}
          onChoice={(n) => change({ about: { ...about, pages: numberOf(n) } })}
        />
        <Choice
          label="of a guest that has touched others"
          value={about.touched.toLocaleString("en")}
          options={numbers(TOUCHED, about.touched)}
          onChoice={(n) => change({ about: { ...about, touched: numberOf(n) } })}
        />
      </div>
      {policies.map((policy, i) => (
        <OfOccasions key={i === 0 ? "first" : "second"} {...{ state, policy, ready, pictures }} id={`occasions-${i}`} />
      ))}
      <OfWork {...{ state, change, policies, ready, pictures }} />
    </section>
  );
}

interface OccasionsProps {
  readonly state: State;
  readonly policy: Edited;
  readonly ready: boolean;
  readonly pictures: Pictures | undefined;
  readonly id: string;
}

/** Each occasion of a policy by itself. */
function OfOccasions({ state: { cpu, about }, policy, ready, pictures, id }: OccasionsProps) {
  const asked = JSON.stringify({ text: policy.text, file: fileOf(policy), cpu, ...about, ipaBits: IPA_BITS });
  const answer = useAnswer(ready ? asked : undefined, (what, signal) =>
    pool.ask("occasionPrices", JSON.parse(what), { signal }),
  );
  const { result } = answer;
  // The element is kept as long as it would be the same: verdicts that come in meanwhile draw nothing anew.
  const shown = useMemo(
    () =>
      result && pictures ? (
        <pictures.Drawing.Provider value={later}>
          <pictures.Occasions priced={result} id={id} />
        </pictures.Drawing.Provider>
      ) : null,
    [result, pictures, id],
  );
  return (
    <>
      <Waiting answer={answer} ready={ready} what="Each occasion is being priced" />
      {shown}
    </>
  );
}

/** A piece of work under the policies: the report's own tables and pictures. */
function OfWork({ state, change, policies, ready, pictures }: Props & { readonly pictures: Pictures | undefined }) {
  const { scenario, cpu } = state;
  const texts = policies.map((policy) => ({ text: policy.text, file: fileOf(policy) }));
  const asked = JSON.stringify({ policies: texts, scenario, cpu, ipaBits: IPA_BITS });
  const answer = useAnswer(ready ? asked : undefined, (what, signal) =>
    pool.ask("comparePolicies", JSON.parse(what), { signal }),
  );
  const { result } = answer;
  const shown = useMemo(() => {
    if (result === undefined) return null;
    return (
      <>
        <ul class="notes">
          {result.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
        {pictures && (
          <pictures.Drawing.Provider value={later}>
            {pictures.scenarioViews(result).map((view) => (
              <pictures.Scenario view={view} id="priced" key={view.scenario.name} />
            ))}
          </pictures.Drawing.Provider>
        )}
      </>
    );
  }, [result, pictures]);
  return (
    <>
      <h2>What a piece of work costs</h2>
      <div class="bar noprint">
        <Choice
          label="piece of work"
          value={scenario}
          options={scenarioNames()}
          onChoice={(name) => change({ scenario: name })}
        />
      </div>
      <Waiting answer={answer} ready={ready} what="The work is being simulated and priced" />
      {shown}
    </>
  );
}
