/** What `compare` finds: the contract of `shootdown compare --json`, and what the tables and the report are made from. */
import type { NoShadow } from "../host/index.js";
import type { ProvedOccasion, SignOff, Verdict } from "../prove/index.js";

/** The parts of a price, in microseconds of simulated time; they sum to a row's `microseconds`. */
export interface PriceParts {
  /** exits to the host and the fixed work of its handlers (nested only) */
  trap: number;
  /** host instructions of walking and unmapping shadow stage-2 tables (nested only) */
  walk: number;
  /** hardware TLBIs with their DSBs, the host's and the native ones */
  flush: number;
  /** shadow stage-2 faults on pages that an invalidation had dropped (nested only) */
  refault: number;
}

/** One scenario under one policy on one host. Prices are simulated time, never measurements. */
export interface CompareRow {
  readonly scenario: string;
  readonly policy: string;
  readonly host: string;
  readonly ipaBits: number;
  /** price of the TLB maintenance and of the refaults that it causes */
  readonly microseconds: number;
  /** the same with every elementary price at its low and at its high end */
  readonly microsecondsRange: readonly [number, number];
  readonly parts: PriceParts;
  /** TLBIs that the hypervisor (Xen) executed, by name */
  readonly tlbi: Readonly<Record<string, number>>;
  /** TLBIs that the hardware executed: equal to `tlbi` on bare metal, KVM's own when nested */
  readonly hardwareTlbi: Readonly<Record<string, number>>;
  /** hypercalls, by Xen's name */
  readonly hypercalls: Readonly<Record<string, number>>;
  /** TLBIs that found no shadow stage-2 of their VMID, by VMID */
  readonly noShadow: NoShadow;
  /** shadow leaves dropped by invalidations */
  /** exits to the host by KVM's function; none on bare metal */
  readonly exitKinds: Readonly<Record<string, number>>;
  readonly leavesDropped: number;
  /** shadow stage-2 faults on pages that had been mapped before */
  readonly refaults: number;
  /**
   * The rest of the work, the same without any flush: hypercall round trips and first faults, in microseconds; null where
   * the host file has no price for it (unknown). Not in `microseconds`.
   */
  readonly rest: number | null;
  /**
   * is the policy safe on the host's CPU, for the occasions that the scenario has? Absent where nothing was proved. A policy
   * that the CPU cannot run has no rows; in `proof` its verdict is "not-applicable"
   */
  readonly verdict?: Exclude<Verdict, "not-applicable" | "not-stated">;
  /** the occasions for which it is unsound: empty unless the verdict is "unsound" */
  readonly unsound?: readonly ProvedOccasion[];
}

/** What the verdicts of the rows are made of. */
export interface CompareProof {
  readonly results: readonly ProvedVerdict[];
  readonly assumptions: readonly string[];
}

/** The verdict on a policy for an occasion on a CPU; `reason` says why it is unknown or not applicable. */
export type ProvedVerdict = Pick<SignOff, "policy" | "occasion" | "cpu" | "verdict" | "reason">;

/** A prediction held against a measurement of somebody else. */
export interface Check {
  readonly name: string;
  readonly predicted: number;
  /** the low and high end of the prediction, where the elementary prices are ranges */
  readonly predictedRange?: readonly [number, number];
  readonly measuredLow: number;
  readonly measuredHigh: number;
  readonly unit: string;
  readonly source: string;
  /** how the two are compared, in words */
  readonly rule: string;
  /** true when an elementary price was calibrated on this very measurement: then it is no check */
  readonly calibration: boolean;
  readonly agrees: boolean;
}

/** Something built in or from a user's file, named in the report. */
export interface Described {
  readonly name: string;
  readonly title: string;
  readonly source: string;
}

/** One elementary price of a host. */
export interface PriceLine {
  readonly key: string;
  readonly unit: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly source: string;
  /** what one unit of it pays for */
  readonly meaning?: string;
  /** the measurement on which it was calibrated, which then is no check of what is made from it */
  readonly calibratedOn?: string;
}

export interface HostDescription extends Described {
  /** the CPU profile that the hypervisor under study sees there: what it may execute, not whose prices these are */
  readonly cpu: string;
  /** the machine whose prices these are; absent where the host file does not say */
  readonly machine?: string;
  readonly nested: boolean;
  readonly assumptions: readonly string[];
  readonly prices: readonly PriceLine[];
}

export interface ScenarioDescription extends Described {
  /** events of the longest trace of this scenario */
  readonly events: number;
  /** policies that execute no TLBI on an occasion that the scenario has: what they save there is all of the flush */
  readonly withoutTlbi: readonly WithoutTlbi[];
}

/** A policy without a TLBI when a mapping is removed ("revoke") or when vCPUs of a domain take turns ("switch"). */
export interface WithoutTlbi {
  readonly policy: string;
  readonly occasion: "revoke" | "switch";
}

export interface CompareResult {
  readonly rows: readonly CompareRow[];
  readonly checks: readonly Check[];
  readonly scenarios: readonly ScenarioDescription[];
  readonly policies: readonly Described[];
  readonly hosts: readonly HostDescription[];
  /** names of the CPU profiles with whose features the policies ran */
  readonly cpu: string;
  /** sentences that a reader of the table must know: policies that are the same on this CPU, policies left out, ... */
  readonly notes: readonly string[];
  /** absent where nothing was proved */
  readonly proof?: CompareProof;
}

/** A recorded trace, priced: what the very same run would have cost on other hosts. */
export interface PricedCapture {
  readonly name: string;
  /** how it was made, as the trace says */
  readonly producer: string;
  readonly phases: readonly {
    readonly phase: string;
    /** TLBIs that Xen executed */
    readonly tlbi: Readonly<Record<string, number>>;
    readonly prices: readonly {
      readonly host: string;
      readonly ipaBits: number | null;
      readonly microseconds: number;
      readonly microsecondsRange: readonly [number, number];
    }[];
  }[];
}
