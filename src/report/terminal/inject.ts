/** What `shootdown inject` prints: what was put into a Xen and where, word by word. */
import type { InjectedWord, Injection } from "../../inject/index.js";
import { count } from "../format.js";
import { tableOf } from "../table.js";
import { tableText, wrapped } from "./text.js";

/** What was put in, in a sentence or two. */
function injectedSentence({
  policy,
  cpu,
  occasions,
  hooks,
  caves,
  data,
  words,
}: Omit<Injection, "image" | "parts">): string {
  if (words.length === 0) return `This Xen executes ${policy} as it is: nothing was put in.`;
  const at = hooks.map((hook) => `${hook.at}${hook.inPlace ? " (in place)" : ""}`).join(", ");
  const room = caves.map((cave) => `${cave.words} of ${cave.room} words of ${cave.function}`).join(", ");
  const list = data === undefined ? "" : `, data of each pCPU in ${data.bytes} bytes at 0x${data.address.toString(16)}`;
  return `${policy} for ${cpu} was put in for ${occasions.join(", ")}: ${count(words.length)} words, hooked at ${at}${room === "" ? "" : `; its code is in ${room}`}${list}.`;
}

/** The same of a capture, whose record proves that the code was told the right pages. */
export function injectedText(injection: Injection, operands: number, width: number): string {
  const held =
    operands === 0
      ? ""
      : ` Each of its ${count(operands)} operands by IPA names what was removed just before, and nothing else.`;
  return wrapped(`${injectedSentence(injection)}${held}`, width);
}

/** The listing: each word, what stood there, and the policy's line. */
function listingTable(injection: Pick<Injection, "words">): ReturnType<typeof tableOf<InjectedWord>> {
  const word = (n: number): string => n.toString(16).padStart(8, "0");
  return tableOf<InjectedWord>(
    [
      { head: "address", kind: "words", of: (row) => row.at },
      { head: "was", kind: "words", of: (row) => word(row.before) },
      { head: "word", kind: "words", of: (row) => word(row.after) },
      { head: "assembly", kind: "words", of: (row) => row.text },
      { head: "policy", kind: "words", of: (row) => lineText(row) },
    ],
    injection.words,
  );
}

/** "revoke:12 tlbi ipas2e1is, ipa". */
function lineText({ line }: InjectedWord): string {
  if (line === undefined) return "";
  const at = line.number === undefined ? line.occasion : `${line.occasion}:${line.number}`;
  return line.code === undefined ? at : `${at} ${line.code}`;
}

/** Sentence and listing. */
export function injectionText(injection: Omit<Injection, "image" | "parts">, output: string, width: number): string {
  const head = wrapped(`${output}: ${injectedSentence(injection)}`, width);
  return injection.words.length === 0 ? head : `${head}\n${tableText(listingTable(injection), width)}`;
}

/** As JSON: without the Image. */
export function injectionJson({
  policy,
  cpu,
  occasions,
  hooks,
  caves,
  data,
  words,
}: Omit<Injection, "image" | "parts">) {
  return { policy, cpu, occasions, hooks, caves, ...(data ? { data } : {}), words };
}
