/** What every PE may hold at a step of a story, what came and went with it, and what the tables say. */
import type { HeldEntry, Moment, TracedStep } from "../../prove/index.js";

interface Props {
  readonly moments: readonly Moment[];
  readonly time: number;
  /** names of the PEs */
  readonly lanes: readonly string[];
  readonly steps: readonly TracedStep[];
}

export function MomentView({ moments, time, lanes, steps }: Props) {
  const now = moments[time];
  if (now === undefined) return null;
  const before = moments[time - 1];
  const cause = steps.find((step) => step.time === time && (step.kind === "invalidation" || step.kind === "write"));
  return (
    <div class="moment" aria-live="polite">
      <h4>After time {time}, each pCPU may hold</h4>
      <div class="pes">
        {now.pes.map((pe, i) => (
          <div class="pe" key={lanes[i]}>
            <h4>{lanes[i]}</h4>
            <p class="soft">{pe.walks.length > 0 ? `may walk ${pe.walks.join(" or ")}` : "may walk nothing here"}</p>
            <Entries now={pe.entries} before={before?.pes[i]?.entries} cause={cause?.what} />
          </div>
        ))}
      </div>
      <details open>
        <summary>Descriptors in memory</summary>
        <ul>
          {now.tables.map(({ place, value, written }) => (
            <li key={place} class={written ? "bad" : undefined}>
              {place}: {value}
              {written && " (written now)"}
            </li>
          ))}
        </ul>
      </details>
    </div>
  );
}

interface EntriesProps {
  readonly now: readonly HeldEntry[];
  readonly before: readonly HeldEntry[] | undefined;
  readonly cause: string | undefined;
}

/** Stale ones first; what went comes last. */
function Entries({ now, before, cause }: EntriesProps) {
  const had = new Set(before?.map(({ id }) => id));
  const gone = before?.filter(({ id }) => !now.some((entry) => entry.id === id)) ?? [];
  const wasStale = new Set(before?.filter(({ stale }) => stale).map(({ id }) => id));
  const sorted = [...now].sort((a, b) => Number(b.stale) - Number(a.stale));
  if (now.length + gone.length === 0) return <p class="soft">nothing of this story</p>;
  return (
    <ul>
      {sorted.map(({ id, text, stale }) => {
        const fresh = before !== undefined && !had.has(id);
        const tags = [
          ...(fresh ? ["new"] : []),
          ...(stale ? [before !== undefined && had.has(id) && !wasStale.has(id) ? "stale from now on" : "stale"] : []),
        ];
        return (
          <li key={id} class={stale ? "stale" : fresh ? "new" : undefined}>
            {tags.length > 0 && <span class="tag">{tags.join(", ")}: </span>}
            {text}
          </li>
        );
      })}
      {gone.map(({ id, text }) => (
        <li key={id} class="gone" title={cause}>
          <span class="tag">gone: </span>
          <s>{text}</s>
        </li>
      ))}
    </ul>
  );
}
