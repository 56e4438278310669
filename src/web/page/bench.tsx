/** The litmus bench: built-in tests by folder, and one's own, typed, pasted or dropped. */
import { useEffect, useState } from "preact/hooks";
import { cpuNames } from "../../builtin/index.js";
import { Asking } from "./asking.js";
import { LitmusBox } from "./litmus-box.js";
import { Choice } from "./parts.js";
import type { Change, State } from "./state.js";

/** Bytes of a test that is dropped, at most. */
const MOST_BYTES = 200_000;
const FIRST = "litmus/stage-2/";

/** What a test says of itself. */
function whyOf(text: string): string | undefined {
  const [, long, short] = /^why\s*=\s*(?:"""\n?([\s\S]*?)"""|"((?:[^"\\\n]|\\.)*)")/m.exec(text) ?? [];
  return (long ?? short)?.replaceAll('\\"', '"');
}

interface Props {
  readonly state: State;
  readonly change: Change;
}

export function Bench({ state, change }: Props) {
  const [tests, setTests] = useState<Readonly<Record<string, string>>>();
  const [said, say] = useState("");
  useEffect(() => {
    import("virtual:litmus").then(({ LITMUS }) => setTests(LITMUS));
  }, []);
  if (tests === undefined) return <p class="working">The tests are being loaded</p>;
  const files = Object.keys(tests);
  const first = files.find((file) => file.startsWith(FIRST)) ?? files[0]!;
  const { name = state.litmus.text === undefined ? first : "", text = tests[name] } = state.litmus;
  const folders = [...new Set(files.map((file) => file.replace(/[^/]*$/, "")))];
  const folder = folders.find((one) => name.startsWith(one)) ?? folders[0]!;
  const why = text === undefined ? undefined : whyOf(text);
  const drop = async (file: File | undefined): Promise<void> => {
    if (file === undefined) return;
    if (file.size > MOST_BYTES)
      return say(`${file.name} has ${file.size} bytes, expected a test of at most ${MOST_BYTES}`);
    say(`${file.name}, read here and sent nowhere`);
    change({ litmus: { text: await file.text() } });
  };
  return (
    <section
      aria-label="Litmus bench"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        drop(event.dataTransfer?.files[0]);
      }}
    >
      <h2>Is a final state allowed?</h2>
      <p>
        A litmus test in the form of isla (TOML) or of herd: every order of events that the Arm manual allows is looked
        at. Choose one, type, or drop a file here.
      </p>
      <div class="bar">
        <Choice
          label="folder"
          value={folder}
          options={folders}
          onChoice={(next) => change({ litmus: { name: files.find((file) => file.startsWith(next))! } })}
        />
        <Choice
          label="test"
          value={name}
          options={[
            ...(name === "" ? [["", "(your own)"] as const] : []),
            ...files
              .filter((file) => file.startsWith(folder))
              .map((file) => [file, file.slice(folder.length)] as const),
          ]}
          onChoice={(next) => change({ litmus: { name: next } })}
        />
        <Choice label="CPU" value={state.cpu} options={cpuNames()} onChoice={(cpu) => change({ cpu })} />
        <label>
          file
          <input type="file" accept=".toml,.litmus" onChange={(event) => drop(event.currentTarget.files?.[0])} />
        </label>
        <span role="status">{said}</span>
      </div>
      <Asking choices={state.choices} onChoices={(choices) => change({ choices })} />
      {why !== undefined && <p class="soft">Why: {why}</p>}
      {text === undefined ? (
        <p class="message">This version has no test {name}.</p>
      ) : (
        <LitmusBox
          key={name}
          text={text}
          file={name === "" ? "test" : name}
          cpu={state.cpu}
          choices={state.choices}
          onText={(next) => change({ litmus: tests[name] === next ? { name } : { text: next } })}
        />
      )}
    </section>
  );
}
