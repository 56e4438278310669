/** Where a trace comes from: dropped, chosen as a file, or one of the captures that lie beside the page. */
import { CAPTURES } from "virtual:shootdown";
import { useEffect, useState } from "preact/hooks";
import type { TraceAsked } from "../work/traces.js";
import { faultOf, isAbort } from "./parts.js";

interface Props {
  /** "Drop a trace" */
  readonly label: string;
  /** the capture that is chosen */
  readonly capture: string | undefined;
  /** another capture was chosen, or with undefined a file of one's own */
  onCapture(name: string | undefined): void;
  onTrace(trace: TraceAsked | undefined): void;
}

export function TraceSource({ label, capture, onCapture, onTrace }: Props) {
  const [over, setOver] = useState(false);
  const [fault, say] = useState("");
  useEffect(() => {
    if (capture === undefined) return;
    const end = new AbortController();
    say("");
    onTrace(undefined);
    fetchCapture(capture, end.signal).then(onTrace, (error: unknown) => isAbort(error) || say(faultOf(error)));
    return () => end.abort();
  }, [capture]);
  const own = (file: File | undefined): void => {
    if (file === undefined) return;
    say("");
    onCapture(undefined);
    onTrace({ file, name: file.name });
  };
  return (
    <section
      class={over ? "drop over" : "drop"}
      aria-label={label}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        own(event.dataTransfer?.files[0]);
      }}
    >
      <p>
        {label} here (Parquet, NDJSON, or another tool's log that can be imported): it is read in this browser and sent
        nowhere.
      </p>
      <label>
        file <input type="file" onChange={(event) => own(event.currentTarget.files?.[0])} />
      </label>
      <p>
        Recorded from a real Xen:{" "}
        {CAPTURES.map((name) => (
          <button type="button" key={name} aria-pressed={capture === name} onClick={() => onCapture(name)}>
            {name.replace(/\.parquet$/, "")}
          </button>
        ))}
      </p>
      {fault !== "" && (
        <p class="message" role="alert">
          {fault}
        </p>
      )}
    </section>
  );
}

async function fetchCapture(name: string, signal: AbortSignal): Promise<TraceAsked> {
  if (!CAPTURES.includes(name)) throw new Error(`this version has no capture ${name}`);
  const response = await fetch(`traces/${name}`, { signal });
  if (!response.ok) throw new Error(`${name} cannot be had: the server says ${response.status}`);
  return { file: await response.blob(), name };
}
