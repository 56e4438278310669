/** A function of people's own code on trial, arranged for reading. */
import type { CodeOnTrial, CodeWay } from "../jobs/index.js";
import { count } from "./format.js";
import { type Table, tableOf } from "./table.js";

type Listed = CodeOnTrial["lifted"]["listing"][number];

/** Instructions in a row that leave no trace in the policy, as one. */
interface Row {
  readonly of: Listed;
  readonly more: number;
}

/** Branches and calls are shown also where they leave no trace: they are the ways. */
const PARTS = /^(b|b\.\w+|cbn?z|tbn?z|bl|br|blr|ret|eret|brk)\b/;

/** The listing: what each instruction became; those that leave no trace are counted, but for where ways part. */
export function codeTable(trial: CodeOnTrial): Table {
  const rows: Row[] = [];
  for (const of of trial.lifted.listing) {
    const last = rows.at(-1);
    const plain = of.became.length === 0 && !PARTS.test(of.text);
    if (plain && last && last.more > 0 && last.of.function === of.function)
      rows[rows.length - 1] = { of: last.of, more: last.more + 1 };
    else rows.push({ of, more: plain ? 1 : 0 });
  }
  return tableOf<Row>(
    [
      { head: "function", kind: "words", once: true, of: (row) => row.of.function },
      { head: "address", kind: "words", of: ({ of, more }) => (more > 0 ? "" : of.address) },
      { head: "word", kind: "words", of: ({ of, more }) => (more > 0 ? "" : of.word) },
      { head: "instruction", kind: "words", of: ({ of, more }) => (more > 0 ? `... ${count(more)}` : of.text) },
      { head: "in the policy", kind: "words", of: ({ of, more }) => (more > 0 ? "" : of.became.join("; ")) },
    ],
    rows,
  );
}

/** When a way is taken, one sentence part for each of the first reasons. */
export function whenOf({ lifted: { when } }: CodeWay): readonly string[] {
  const texts = when.map(
    (choices) => choices.map(({ text, is }) => (is ? text : `not ${text}`)).join(" and ") || "always",
  );
  return texts.includes("always") ? ["always"] : texts;
}

/** What was made of capabilities that the code asks for, a sentence each. */
export const capabilitySentences = ({ lifted: { capabilities } }: CodeOnTrial): readonly string[] =>
  capabilities.map(({ number, title, is }) => {
    const called = `capability ${number}${title === undefined ? "" : ` (${title})`}`;
    if (is.kind === "cpu") return `${called} is ${is.word}, as the CPU profile has it`;
    if (is.kind === "fixed") return `${called} is taken for ${is.has ? "there" : "absent"}: ${is.why}`;
    return `${called} is not known here: both ways are followed (--capability ${number}=... says what it is)`;
  });

/** The same remark on several ways, once. */
export function remarksOf({ ways, lifted }: CodeOnTrial, kind: "problem" | "left-out" | "taken"): readonly string[] {
  const all = ways.flatMap(({ lifted }) => lifted.remarks.filter((remark) => remark.kind === kind));
  const { exceptions } = lifted;
  const ended = `ways that end in an exception or in a function that never returns, at ${exceptions.join(", ")}`;
  const more = kind === "left-out" && exceptions.length > 0 ? [ended] : [];
  return [...new Set(all.map(({ text }) => text)), ...more];
}

/** `--json`: the function beside the verdicts. */
export const codeJson = ({ file, what, vhe, base, lifted, ways }: CodeOnTrial): object => ({
  ...{ file, kind: what, function: lifted.name, address: lifted.address, vhe, base },
  ...(lifted.problem !== undefined && { problem: lifted.problem }),
  capabilities: lifted.capabilities.map(({ number, title, is }) => ({
    number,
    ...(title !== undefined && { title }),
    is: is.kind === "cpu" ? is.word : is.kind === "fixed" ? (is.has ? "yes" : "no") : "unknown",
  })),
  exceptions: lifted.exceptions,
  listing: lifted.listing,
  ways: ways.map((way) => ({
    name: way.name,
    flushes: way.lifted.flushes,
    when: way.lifted.when.map((choices) => choices.map(({ text, is }) => ({ condition: text, is }))),
    code: way.lifted.lines,
    remarks: way.lifted.remarks,
    policies: way.policies.map(({ occasion, text, problem }) => ({
      occasion,
      text,
      ...(problem !== undefined && { problem }),
    })),
  })),
});
