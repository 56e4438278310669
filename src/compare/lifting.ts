/** A trace's sequences as policies: what `prove TRACE` puts to the proof. */
import { InputError } from "../input/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import type { TraceRecording, TraceSink } from "../trace/index.js";
import { type Blind, SEES_ALL } from "./executed.js";
import { Flushes, type OtherFlush } from "./flushes.js";
import { blindOf, cpuOfTrace } from "./holding.js";
import { functionsOf, type Sequence, sequencesOf } from "./lift.js";
import { type LiftedPolicy, type LiftedSequence, policiesOf } from "./lifted-policy.js";

/** A policy that was lifted: its file, and the same as it is read. */
interface ReadPolicy extends LiftedPolicy {
  readonly policy: Policy;
}

/** What came of a trace. */
export interface Lifted {
  readonly trace: string;
  /** on which it was made; null: it does not say */
  readonly cpu: string | null;
  readonly policies: readonly ReadPolicy[];
  /**
   * The same with all barriers that may have been executed unseen, wherever a capture may miss them; undefined where it misses
   * none. What is unsound without and not with them is unknown.
   */
  readonly filled: readonly ReadPolicy[] | undefined;
  readonly sequences: readonly LiftedSequence[];
  /** what the trace does not show, in sentences */
  readonly unknown: readonly string[];
  /** as of Executed */
  readonly others: readonly OtherFlush[];
  readonly beyond: number;
  readonly unplaced: number;
  readonly unfinished: number;
}

/** Sinks for a trace whose sequences are wanted. */
export class Lifting {
  private readonly flushes = new Flushes();
  readonly sinks: readonly TraceSink[] = [this.flushes];

  /** To be called at the end of the trace, which is called `trace`; `name` becomes the policy's. */
  lifted(trace: string, name: string, recording: TraceRecording | undefined): Lifted {
    const { flushes } = this;
    flushes.finish();
    const cpu = cpuOfTrace(recording, undefined);
    const origin = {
      name,
      title: `What was executed in ${trace}`,
      source: `lifted by shootdown prove from ${trace}${recording?.xen === undefined ? "" : `: ${recording.xen.banner}`}`,
    };
    const sequences = sequencesOf(flushes, cpu);
    const { policies, sequences: named, unknown } = policiesOf(origin, sequences);
    const blind = blindOf(recording);
    const filled = (): LiftedPolicy[] =>
      policiesOf(
        origin,
        sequences.map((one) => withBarriers(one, blind)),
      ).policies;
    const { others, beyond, unplaced, unfinished } = flushes;
    const said =
      recording === undefined ? [`The trace does not say on which CPU it was made: taken for ${cpu.name}.`] : [];
    return {
      ...{ trace, sequences: named, others, beyond, unplaced, unfinished },
      cpu: recording === undefined ? null : cpu.name,
      policies: read(policies),
      filled: blind === SEES_ALL ? undefined : read(filled()),
      unknown: [...said, ...unknown],
    };
  }
}

/** Reads them as they would be read as files side by side. */
function read(policies: readonly LiftedPolicy[]): ReadPolicy[] {
  const known = new Map<string, Policy>();
  return policies.map(({ name, text }) => {
    const file = `${name}.toml`;
    const policy = parsePolicy(text, file, (base, line) => {
      const found = known.get(base);
      if (found === undefined) throw InputError.at(file, line, `no policy ${base}`);
      return found;
    });
    known.set(file, policy);
    return { name, text, policy };
  });
}

/** A name that a policy may have, from that of a file. */
export const policyName = (file: string): string =>
  file
    .toLowerCase()
    .replace(/\.(parquet|ndjson|log|txt)$/, "")
    .replace(/[^a-z0-9.-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "") || "trace";

const WHOLE_BARRIER = ["dsb sy", "isb"];

/** The code with barriers wherever some may have been executed unseen: at both ends, and behind what Blind says. */
function withBarriers(sequence: Sequence, blind: Blind): Sequence {
  if (blind === "nowhere" || sequence.code === undefined || sequence.lines.length === 0) return sequence;
  const names = sequence.flushes.flatMap(functionsOf);
  const isBlindBehind = (line: string): boolean => {
    const [, tlbi] = /^\s*tlbi (\w+)/.exec(line) ?? [];
    const instruction = tlbi?.toUpperCase() ?? (/^\s*(with|msr)/.test(line) ? "VTTBR_EL2" : undefined);
    return instruction !== undefined && names.some((name) => blind(name, instruction));
  };
  const lines = sequence.lines.flatMap((line) => (isBlindBehind(line) ? [line, ...WHOLE_BARRIER] : [line]));
  return { ...sequence, lines: [...WHOLE_BARRIER, ...lines, ...WHOLE_BARRIER] };
}
