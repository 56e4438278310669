/** What `--json` prints where it is not a value as it is found: these shapes are a contract, see docs/schema. */
import {
  type AddressRange,
  type Cover,
  type CpuProfile,
  type Explanation,
  encodeTlbi,
  FEATURES,
  type Feature,
  granuleWord,
  TLBI_OPS,
} from "../arch/index.js";
import type { CompareResult } from "../compare/index.js";
import type {
  CpusDistinguished,
  Distinguished,
  LitmusResult,
  Made,
  MinimizeResult,
  Priced,
  Synthesis,
} from "../jobs/index.js";
import { policyFile } from "../policy/index.js";
import { type Executed, litmusAssumptions, type PolicyLine, type SignOff, type TracedStep } from "../prove/index.js";
import { wordsOf } from "../synth/index.js";
import { answersOf } from "./answers.js";
import { hex } from "./format.js";
import { summaryOf } from "./litmus-view.js";
import { type Alone, shownOf, undecidedLines, weakestLines } from "./synth-view.js";

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

/** A cover of a range: its TLBIs with their operands, addresses in hex, as strings. */
export function coverJson({ range, tables, steps, ...rest }: Cover): object {
  const { granuleBits, level, lpa2 = false } = tables;
  const bytes = ({ start, end }: AddressRange) => ({ start: hex(start), end: hex(end) });
  return {
    range: { kind: range.kind, ...bytes(range) },
    tables: { granuleBytes: 2 ** granuleBits, ...(level !== undefined && { level }), lpa2 },
    instructions: steps.map((step) => ({
      ...{ name: step.op.name, word: hex(encodeTlbi(step.op, 0)), xt: hex(step.xt), range: bytes(step) },
    })),
    ...rest,
  };
}

/** A CPU: each feature, whether it has it (null: unknown) and who says so; each erratum. */
export function cpuJson(cpu: CpuProfile): object {
  const { name, title, source, features, unknown, sources, bbmLevel, errata, symptoms } = cpu;
  const feature = (of: Feature): object => ({
    ...{ name: of, has: unknown.has(of) ? null : features.has(of), source: sources.get(of) ?? null },
  });
  return {
    ...{ name, title, source, features: (Object.keys(FEATURES) as Feature[]).map(feature), bbmLevel },
    ...{ errata, symptoms: [...symptoms] },
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

/** Results of litmus tests; `refused`: what was said of files that are none; with stories if asked; `without`: not assumed. */
export function litmusJson(
  results: readonly LitmusResult[],
  refused: readonly string[],
  witness: boolean,
  without: readonly string[] = [],
): object {
  return {
    results: results.map((result) => {
      const { name, file, verdict, holds, states, timelines, milliseconds } = result;
      const { reason, breach, remark, expect, expected, finals, witness: steps } = result;
      return {
        ...{ name, file, verdict },
        ...(holds === undefined ? {} : { holds }),
        ...{ states, timelines, milliseconds },
        ...(reason === undefined ? {} : { reason }),
        ...(breach === undefined ? {} : { breach }),
        ...(remark === undefined ? {} : { remark }),
        ...(expect === undefined ? {} : { expect }),
        ...(expected === undefined ? {} : { expected }),
        ...(finals === undefined ? {} : { finals }),
        ...(witness && steps ? { witness: steps.map((step) => stepJson(step)) } : {}),
      };
    }),
    summary: summaryOf(results, refused.length),
    assumptions: litmusAssumptions(without).map(({ text }) => text),
    ...(refused.length > 0 ? { refused } : {}),
  };
}

/** A comparison with its answers in front, and what it is made from. */
export const compareJson = (result: CompareResult, made: Made): object => ({
  answers: answersOf(result),
  ...result,
  made,
});

/**
 * A step of a story; `line` is that of the policy's file, where the instruction is a policy's, and that of the test where the
 * step is a test's own.
 */
function stepJson({ at, from, despite, despiteOf, ...step }: TracedStep, own = true): object {
  const placed = (executed: Executed, line: PolicyLine | undefined): object => ({
    instruction: executed.text,
    ...(line ? { file: line.file, line: line.line, code: line.code } : own && { line: executed.line }),
  });
  return { ...step, ...(at && placed(at, from)), ...(despite && { despite: placed(despite, despiteOf) }) };
}

/** A verdict of the prover: without its scenario's text, times to a tenth of a millisecond. */
export function signOffJson({ milliseconds, scenario, witness, culprits, ...rest }: SignOff): object {
  const { text: _, ...told } = scenario ?? {};
  return {
    ...rest,
    milliseconds: Math.round(milliseconds * 10) / 10,
    ...(culprits && { culprits: culprits.map(({ policy: _base, ...culprit }) => culprit) }),
    ...(scenario && { scenario: told }),
    ...(witness && { witness: witness.map((step) => stepJson(step, false)) }),
  };
}

/** What of a policy is needed; the policy that results as the text of its file. */
export function minimizeJson({ policy, setting, parts, result, verdicts, prices }: MinimizeResult, made: Made): object {
  return {
    policy: policy.name,
    granule: granuleWord(setting.granule),
    occasions: parts.map(({ result: _, instructions, ...part }) => ({
      ...part,
      instructions: instructions.map(({ story, ...one }) => ({ ...one, ...(story && { story: signOffJson(story) }) })),
    })),
    ...(result && { result: { name: result.name, file: policyFile(result) } }),
    verdicts: verdicts.map(({ occasion, cpu, verdict }) => ({ occasion, cpu, verdict })),
    prices: prices.map(({ scenario, policy: of, host, ipaBits, microseconds, microsecondsRange }) => ({
      ...{ scenario, policy: of, host, ipaBits, microseconds, microsecondsRange },
    })),
    made,
  };
}

const pricesOf = (rows: readonly CompareResult["rows"][number][]): object[] =>
  rows.map(({ scenario, host, ipaBits, microseconds, microsecondsRange }) => ({
    ...{ scenario, host, ipaBits, microseconds, microsecondsRange },
  }));

const pricedJson = ({ words, length, file, rows }: Priced): object => ({
  sequence: words,
  length,
  prices: pricesOf(rows),
  file,
});

/** What a search found: the space, what became of it, the front and the cheapest; beside it each CPU alone. */
export function synthesisJson(found: Synthesis, alone: readonly Alone[], top: number, made: Made): object {
  const one = (of: Synthesis): object => {
    const { space, size, tally, seconds, front, beside } = of;
    return {
      space: {
        ...{
          occasion: space.occasion,
          cpus: space.cpus.map(({ name }) => name),
          base: space.base.name,
          granule: granuleWord(space.setting.granule),
          length: space.length,
        },
        instructions: space.instructions.map((instruction) => wordsOf({ owner: false, instructions: [instruction] })),
        sequences: size,
      },
      certificate: {
        ...{ sound: tally.sound, unknown: tally.unknown, undecided: undecidedLines(of) },
        refuted: Object.entries(tally.refuted).map(([by, sequences]) => {
          const [occasion, cpu, scenario] = by.split(" ");
          return { occasion, cpu, scenario, sequences };
        }),
        ...{ judged: tally.judged, scenarios: tally.scenarios, seconds },
      },
      front: front.map(pricedJson),
      cheapest: shownOf(of, top).map(pricedJson),
      weakest: weakestLines(of),
      beside: beside.map(({ rows, ...rest }) => ({ ...rest, prices: pricesOf(rows) })),
    };
  };
  return {
    ...one(found),
    ...(alone.length > 0 && { alone: alone.map(({ cpu, found: own }) => ({ cpu, ...one(own) })) }),
    made,
  };
}

/** Where two CPUs differ. */
export const cpusDistinguishedJson = (
  { space, size, sound, both, unknown, only }: CpusDistinguished,
  made: Made,
): object => ({
  ...{
    occasion: space.occasion,
    cpus: space.cpus.map(({ name }) => name),
    base: space.base.name,
    granule: granuleWord(space.setting.granule),
    length: space.length,
  },
  ...{
    instructions: space.instructions.map((instruction) => wordsOf({ owner: false, instructions: [instruction] })),
    sequences: size,
    sound,
    both,
    unknown,
  },
  only: only.map(({ cpu, sequence, other }) => ({ cpu, sequence, other: signOffJson(other) })),
  made,
});

/** Where two policies differ, with every story. */
export const distinguishJson = ({ policies, setting, distinctions, ...rest }: Distinguished, made: Made): object => ({
  policies: policies.map(({ name }) => name),
  granule: granuleWord(setting.granule),
  distinctions: distinctions.map(({ fails, story, ...one }) => ({
    ...{ fails: policies[fails === "first" ? 0 : 1].name, ...one, story: signOffJson(story) },
  })),
  ...rest,
  made,
});
