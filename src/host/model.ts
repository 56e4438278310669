/** What a price model is: how a kind of host is read from a file, counts a trace, and is spoken of. */
import type { ObjectEntries } from "valibot";
import type { TomlFile } from "../input/index.js";
import type { TraceSink } from "../trace/index.js";
import type { Amounts, Counts } from "./counts.js";
import type { Host, PriceTable } from "./host.js";

/** Guest pages (4 KiB) that a guest has touched, mapped by its hypervisor at a stage-2 level (1 = 1 GiB, 2 = 2 MiB, 3 = 4 KiB). */
export interface TouchedPages {
  readonly first: number;
  readonly pages: number;
  readonly level: 1 | 2 | 3;
}

/** One TLBI to price. */
export interface SingleTlbi {
  /** name of the TLBI, in any case */
  readonly op: string;
  /** Xt; 0 where the TLBI has no operand */
  readonly operand: bigint;
  readonly host: Host;
  /** the host's IPA size; not looked at where the host is not nested */
  readonly ipaBits: number;
  /**
   * What the one shadow stage-2 that matches the VMID holds: a number of 4 KiB leaves, from page 0 on and the last of them apart,
   * or pages touched; undefined = no shadow matches.
   */
  readonly shadow: number | readonly TouchedPages[] | undefined;
  /** further valid shadows, each of a VMID of its own, which only ALLE1 reaches */
  readonly others?: readonly (readonly TouchedPages[])[];
}

/** Counts a trace for every host of one model and shape. */
export interface HostSink extends TraceSink {
  /** what that host did until now, at one of the IPA sizes that the sink was made for */
  counts(host: Host, ipaBits: number): Counts;
  /** VMIDs under which a guest has run, before the trace or in it until now, in ascending order; none where nobody keeps shadows */
  vmidsRun(): number[];
}

/** How hosts of one kind are priced. All of it is the same for every host of the kind; a host's own is in its file. */
export interface PriceModel {
  /** `kind` of its host files */
  readonly kind: string;
  /**
   * The hypervisor under study is itself a guest there. Then prices depend on the host's IPA size, by which rows are named; a TLBI
   * needs a shadow stage-2 to remove from; and the rest of the work (hypercall round trips, first faults) has a price.
   */
  readonly nested: boolean;
  readonly prices: PriceTable;
  /** schemas of the keys that only its host files have; of a variant each is optional */
  readonly keys: ObjectEntries;
  /** What a host has beside {@link Host}, from those keys; what they leave out is the base's. An InputError names file and line. */
  settings(toml: TomlFile<object>, base?: Host): object;
  /** Hosts of equal shape are served by one sink. */
  shape(host: Host): string;
  /**
   * A sink for hosts of that shape. `vcpus`: pCPUs of the trace; `ran`: VMIDs whose guests have run before it. An InputError where
   * there are more of them than the host could have.
   */
  sink(host: Host, ipaBits: readonly number[], vcpus: number, ran: readonly number[]): HostSink;
  /** Throws an InputError where the host cannot have that IPA size. */
  refuseIpaBits(host: Host, ipaBits: number): void;
  /** What a host must have for an IPA size that not every such host has: a sentence, or undefined. */
  ipaNote(host: Host, ipaBits: number): string | undefined;
  /** What nobody knows of the host, and its prices therefore leave out: a sentence each. */
  unknown(host: Host): readonly string[];
  /** What one TLBI, by index in TLBI_OPS, takes. An InputError where the shadow cannot be. */
  single(op: number, tlbi: SingleTlbi): Counts;
  /** The host with its own remedy of the erratum that Linux calls ARM64_WORKAROUND_REPEAT_TLBI switched on, if it has any. */
  withRepeat(host: Host): Host;
  /** The rest of the work of a trace in which nothing happens: undefined where the rest has no price. */
  readonly noRest: Amounts | undefined;
}
