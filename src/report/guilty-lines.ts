/** The code of a policy beside a story: its lines, when they were executed, and which of them are to blame. */
import type { Culprit, Proof, SignOff, TracedStep } from "../prove/index.js";
import { NO_BREAK } from "./format.js";
import { type Table, tableOf } from "./table.js";

/** Where the code of occasions stands. */
type Places = Proof["policies"][number]["places"];
type Occasion = keyof Places;
type Place = NonNullable<Places[Occasion]>;

/** The code of an occasion. */
export interface Listing {
  /** "policies/xen-today.toml:7, [revoke]" */
  readonly title: string;
  readonly lines: readonly CodeLine[];
}

/** A line of code. */
interface CodeLine {
  readonly number: number;
  readonly code: string;
  /** times of the story at which it is executed */
  readonly times: readonly number[];
  readonly guilty: boolean;
}

/** The occasions of the policy that a verdict's occasion runs. */
const RUNS: Readonly<Partial<Record<SignOff["occasion"], readonly Occasion[]>>> = { batch: ["revoke", "batch-end"] };

/** The code that the story of an unsound verdict ran; where it ran none, that of the occasion. */
export function listingsOf({ policies }: Proof, result: SignOff): readonly Listing[] {
  const { witness = [], culprits = [], occasion } = result;
  const places = policies.find(({ name }) => name === result.policy)?.places ?? {};
  const ran = [...new Set(witness.flatMap(({ from }) => from?.occasion ?? []))];
  const own = (RUNS[occasion] ?? [occasion as Occasion]).filter((one) => places[one] !== undefined);
  return (ran.length > 0 ? ran : own.slice(0, 1)).flatMap((one) => {
    const place = places[one];
    return place ? [listing(place, one, witness, culprits)] : [];
  });
}

function listing(
  place: Place,
  occasion: Occasion,
  witness: readonly TracedStep[],
  culprits: readonly Culprit[],
): Listing {
  const texts = place.text.replace(/\s+$/, "").split("\n");
  const lines = texts.map((code, i): CodeLine => {
    const number = place.line + i;
    const here = (line: { occasion: string; line: number } | undefined): boolean =>
      line?.occasion === occasion && line.line === number;
    const times = witness.filter(({ from }) => here(from)).map(({ time }) => time);
    return { number, code: code.trimEnd(), times: [...new Set(times)], guilty: culprits.some(here) };
  });
  return { title: `${place.file}:${place.section}, [${occasion}]`, lines: place.text.trim() === "" ? [] : lines };
}

/** Hangs on the line that is to blame. */
export const GUILTY = ">";

/** A listing as a table, its guilty lines marked. */
export const listingTable = ({ lines }: Listing): Table =>
  tableOf<CodeLine>(
    [
      { head: "line", kind: "id", of: ({ number }) => number, mark: ({ guilty }) => (guilty ? GUILTY : "") },
      { head: "time", kind: "words", right: true, of: ({ times }) => times.join(", ") },
      {
        ...{ head: "code", kind: "words" },
        of: ({ code }) => code,
        text: ({ code }) => code.replace(/^ +/, (blanks) => NO_BREAK.repeat(blanks.length)),
        tone: ({ guilty }) => (guilty ? "bad" : undefined),
      },
    ],
    lines,
  );

/** Which lines are to blame, in a sentence; without any, what is to be said of that. */
export function guiltySentence({ culprits = [], witness = [] }: SignOff): string {
  if (culprits.length > 0)
    return `To blame: ${culprits.map(({ file, line, code }) => `${file}:${line} (${code})`).join("; ")}.`;
  return witness.some(({ from }) => from !== undefined)
    ? "No line of it does less than it says: what would prevent this is missing."
    : "No line of the policy is executed here: what would prevent this is missing.";
}
