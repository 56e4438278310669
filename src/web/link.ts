/**
 * A link that holds all that one sees: the state as JSON, compressed, in the URL's fragment, which no browser sends to a server.
 * What a link carries is untrusted: it is bounded and checked like any other input.
 */
import * as v from "valibot";
import { choicesSchema } from "./choices.js";

/** Characters of a policy's text in a link, at most. */
export const MOST_TEXT = 100_000;

/** A policy: built in, by name, or by its text. */
const policyRef = v.union([
  v.strictObject({
    name: v.pipe(v.string(), v.maxLength(100)),
    /** of its text when the link was made: built-in policies change too */
    hash: v.optional(v.pipe(v.string(), v.maxLength(16))),
  }),
  v.strictObject({ text: v.pipe(v.string(), v.maxLength(MOST_TEXT)) }),
]);
const name = v.pipe(v.string(), v.maxLength(200));
const pages = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const small = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(10_000));

const schema = v.object({
  /** of the form of links; what a newer one says besides is left out */
  v: v.literal(1),
  view: v.picklist(["policy", "litmus", "trace", "compare"]),
  policy: v.optional(policyRef),
  with: v.optional(policyRef),
  cpu: v.optional(name),
  scenario: v.optional(name),
  story: v.optional(v.object({ occasion: name, cpu: name, scenario: name, step: v.optional(small) })),
  litmus: v.optional(v.object({ name: v.optional(name), text: v.optional(v.pipe(v.string(), v.maxLength(200_000))) })),
  trace: v.optional(name),
  /** two captures that are compared */
  traces: v.optional(v.object({ before: v.optional(name), after: v.optional(name) })),
  /** how proofs are asked for, where not as the command does without options */
  choices: v.optional(choicesSchema),
  /** what an occasion by itself is priced for */
  about: v.optional(v.object({ pages: v.optional(pages(1, 512)), touched: v.optional(pages(0, 65_536)) })),
  /** verdicts that whoever made the link saw, by occasion, on `cpu` */
  seen: v.optional(v.record(name, name)),
});

/** What a link says. */
export type Linked = v.InferOutput<typeof schema>;
export type PolicyRef = NonNullable<Linked["policy"]>;

/** What stands in front of the text, so that other forms may come. */
const PREFIX = "s1.";
/** Characters of a fragment, and bytes of what it unfolds to, at most. */
const MOST_CHARACTERS = 200_000;
const MOST_BYTES = 600_000;

async function through(bytes: Uint8Array, stream: ReadableWritablePair<Uint8Array, BufferSource>, most: number) {
  const reader = new Blob([bytes as BlobPart]).stream().pipeThrough(stream).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw new Error(`it unfolds to more than ${most} bytes`);
    }
    chunks.push(value);
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** The fragment, without "#". */
export async function toFragment(state: Linked): Promise<string> {
  const bytes = await through(
    new TextEncoder().encode(JSON.stringify(state)),
    new CompressionStream("deflate-raw") as never,
    Number.POSITIVE_INFINITY,
  );
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return PREFIX + btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** What a fragment says; undefined for an empty one. Rejects with an Error that says what is wrong with it. */
export async function fromFragment(given: string): Promise<Linked | undefined> {
  // What stood behind a link in a mail, as a full stop or a bracket, is no part of it.
  const fragment = given.startsWith(PREFIX) ? given.replace(/[^\w-]+$/, "") : given;
  if (fragment === "") return undefined;
  if (fragment.length > MOST_CHARACTERS)
    throw new Error(`it has ${fragment.length} characters, expected at most ${MOST_CHARACTERS}`);
  if (!fragment.startsWith(PREFIX)) throw new Error(`it begins with '${fragment.slice(0, 12)}', expected '${PREFIX}'`);
  let json: unknown;
  try {
    const text = atob(fragment.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    json = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(
        await through(bytes, new DecompressionStream("deflate-raw") as never, MOST_BYTES),
      ),
    );
  } catch (error) {
    throw new Error(`it is cut off or changed (${error instanceof Error ? error.message : String(error)})`);
  }
  const found = v.safeParse(schema, json);
  if (found.success) return found.output;
  const [issue] = found.issues;
  throw new Error(`${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
}

/** Tells texts apart, in eight characters: FNV-1a, twice. No secret hangs on it. */
export function textHash(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
