/** What `--json` prints where it is not a value as it is found: these shapes are a contract, see docs/schema. */
import { type Explanation, TLBI_OPS } from "../arch/index.js";
import type { CompareResult } from "../compare/index.js";
import type { LitmusResult } from "../jobs/index.js";
import type { SignOff } from "../prove/index.js";
import { answersOf } from "./answers.js";
import { hex } from "./format.js";
import { summaryOf } from "./litmus-view.js";

/** An explanation of a TLBI: words, values and addresses in hex, as strings. */
export function explanationJson(e: Explanation): object {
  const { name, word, operand, ...rest } = e;
  return {
    name,
    word: hex(word),
    ...rest,
    ...(operand && {
      operand: {
        ...(operand.value !== undefined && { value: hex(operand.value) }),
        fields: operand.fields.map((f) => ({ ...f, ...(f.value !== undefined && { value: hex(f.value) }) })),
        ...(operand.range && { range: { start: hex(operand.range.start), end: hex(operand.range.end) } }),
      },
    }),
  };
}

/** All TLBIs. */
export const tlbiListJson = (): object[] =>
  TLBI_OPS.map(
    ({ name, word, regime, reach, operand, stage1, stage2, combined, matchesVmid, matchesAsid, lastLevel, needs }) => ({
      ...{ name, word: hex(word), regime, reach, operand, stage1, stage2, combined },
      ...{ matchesVmid, matchesAsid, lastLevel, needs },
    }),
  );

/** Results of litmus tests; `refused`: what was said of files that are none; with stories if asked. */
export function litmusJson(results: readonly LitmusResult[], refused: readonly string[], witness: boolean): object {
  return {
    results: results.map(
      ({ name, file, verdict, states, timelines, milliseconds, reason, expect, expected, witness: steps }) => ({
        name,
        file,
        verdict,
        states,
        timelines,
        milliseconds,
        ...(reason === undefined ? {} : { reason }),
        ...(expect === undefined ? {} : { expect }),
        ...(expected === undefined ? {} : { expected }),
        ...(witness && steps ? { witness: steps } : {}),
      }),
    ),
    summary: summaryOf(results, refused.length),
    ...(refused.length > 0 ? { refused } : {}),
  };
}

/** A comparison with its answers in front. */
export const compareJson = (result: CompareResult): object => ({ answers: answersOf(result), ...result });

/** A verdict of the prover: without its scenario's text, times to a tenth of a millisecond. */
export function signOffJson({ milliseconds, scenario, ...rest }: SignOff): object {
  const { text: _, ...told } = scenario ?? {};
  return { ...rest, milliseconds: Math.round(milliseconds * 10) / 10, ...(scenario && { scenario: told }) };
}
