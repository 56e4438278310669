/** Where two policies differ, for a terminal. */
import type { CpusDistinguished, Distinguished, Made } from "../../jobs/index.js";
import type { Proof } from "../../prove/index.js";
import { cpusDistinguishedNotes, cpusDistinguishedTable } from "../distinguish-cpus-view.js";
import { distinguishNotes, distinguishTable } from "../distinguish-view.js";
import { failuresOf } from "../proof-view.js";
import { storyText } from "./proof.js";
import { madeText, tableText, wrapped } from "./text.js";

/** The smallest scenario told, and all of them in a table. */
export function distinguishText(found: Distinguished, width: number, made: Made): string {
  const [smallest] = found.distinctions;
  const parts: string[] = [];
  if (smallest !== undefined) {
    const proof: Proof = { results: [smallest.story], policies: found.policies, cpus: [], assumptions: [] };
    parts.push(...failuresOf(proof).map((failure) => storyText(proof, failure, width)));
    parts.push(tableText(distinguishTable(found), width));
  }
  parts.push(
    distinguishNotes(found)
      .map((note) => wrapped(note, width))
      .join(""),
  );
  parts.push(madeText(made, width));
  return parts.join("\n");
}

/** The sequences whose verdict differs, with the story of the first. */
export function cpusDistinguishedText(found: CpusDistinguished, width: number, made: Made): string {
  const parts = [
    cpusDistinguishedNotes(found)
      .map((note) => wrapped(note, width))
      .join(""),
  ];
  const [first] = found.only;
  if (first !== undefined) {
    const proof: Proof = { results: [first.other], policies: [first.policy], cpus: [], assumptions: [] };
    parts.push(tableText(cpusDistinguishedTable(found), width));
    parts.push(...failuresOf(proof).map((failure) => storyText(proof, failure, width)));
  }
  parts.push(madeText(made, width));
  return parts.join("\n");
}
