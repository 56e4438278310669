/** What the model of a hypervisor is to everybody else: a reader of scenarios that makes traces, and that holds records against itself. */
import type { CpuProfile } from "../arch/index.js";
import type { Occasion, Policy } from "../policy/index.js";
import type { Summary, TraceRecording, TraceSink } from "../trace/index.js";
import type { RecordedRow } from "../xen/index.js";

export type { RecordedRow };

/** What everybody may know of a scenario; the rest is the hypervisor's own. Plain data, so that a worker may get it as a message. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** its name in errors */
  readonly file: string;
  /** whose it is: a name in HYPERVISORS; absent where the file does not say: the first */
  readonly hypervisor?: string | undefined;
  readonly machine: { readonly pcpus: number };
  /** the phases whose prices are compared; absent: all after the boot */
  readonly phases?: readonly string[] | undefined;
}

/** A policy to simulate, and who gets its trace. */
interface Lane {
  readonly policy: Policy;
  readonly sinks: readonly TraceSink[];
}

interface SimulationOptions {
  /** false: the sinks get the trace only from the end of the boot on. Default true */
  readonly boot?: boolean;
}

/** What a simulation was. */
interface Simulated {
  /** events handed to the sinks, by lane */
  readonly events: readonly number[];
}

/** A version of a hypervisor, as far as versions differ in what they flush. */
interface Version {
  readonly name: string;
  readonly title: string;
  /** the built-in policy that is what it executes */
  readonly policy: string;
}

/** What the model must be told beside a trace that begins late, as a trace's `run` says it. */
type RecordedFacts = Pick<NonNullable<TraceRecording["run"]>, "ipaBits" | "lastRan">;

/** A sink that keeps of a record what a replay must be told. */
export interface RecordFacts extends TraceSink {
  /** Takes what a trace says beside its events in place of what they show of the time before the first phase that is replayed. */
  know(facts: RecordedFacts): void;
  /** What a trace must keep for a replay from its events alone. */
  facts(): RecordedFacts;
}

/**
 * A hypervisor. Its scenarios come back as they were read: methods that take one get its own. Xen's flushes as records show them
 * (call paths) are read in compare/flushes.ts.
 */
export interface Hypervisor {
  /** in a scenario's `hypervisor` */
  readonly name: string;
  /** for people */
  readonly title: string;
  /** Reads a scenario file; an InputError names file, line, key and what was expected. */
  parseScenario(toml: string, file: string): Scenario;
  /** Dotted keys of a scenario's numbers ("run.slice-us", "domu.0.segment.0.pages"), those that it leaves out too. */
  numbersOf(scenario: Scenario): string[];
  /** The scenario with other numbers under such keys; an InputError where they cannot be. */
  withNumbers(scenario: Scenario, numbers: Readonly<Record<string, number>>): Scenario;
  /** What of a policy one simulation of several must have in common, beside its code. */
  frameOf(policy: Policy): { readonly batch: boolean; readonly vmidPer: Policy["vmidPer"] };
  /** The occasions that a scenario can bring up, whatever the policy. */
  possibleOccasions(scenario: Scenario): Occasion[];
  /** Which differences of policies a scenario can show: of an owner with several VMIDs, and of removals of more than a page. */
  showsOf(scenario: Scenario): { readonly vmids: boolean; readonly ranges: boolean };
  /** Roughly how long a simulation of it takes, in any unit. */
  workOf(scenario: Scenario): number;
  /**
   * Runs a scenario on a CPU, each lane's sinks getting the very trace that its policy alone would give; what it yields is the
   * number of events so far. An InputError where the scenario does not fit the machine.
   */
  simulation(
    scenario: Scenario,
    cpu: CpuProfile,
    lanes: readonly Lane[],
    options?: SimulationOptions,
  ): Generator<number, Simulated>;
  /** Runs it to its end in one go. */
  simulate(scenario: Scenario, cpu: CpuProfile, lanes: readonly Lane[], options?: SimulationOptions): Simulated;
  /** The version that a build's own words are of; undefined when no row is about just that build. */
  versionOfBanner(banner: string): Version | undefined;
  /** The same; where no row is about it, the nearest. */
  nearestVersion(banner: string): Version;
  /** A sink for a record that is to be held against the model. */
  recordFacts(): RecordFacts;
  /**
   * The figures of a record beside those of the model under a policy on the CPU that it was made on; undefined where the trace
   * does not say what a replay must be told.
   */
  recordedRows(
    recorded: Summary,
    recording: TraceRecording | undefined,
    facts: RecordFacts,
    policy: Policy,
    cpu: CpuProfile,
  ): RecordedRow[] | undefined;
}
