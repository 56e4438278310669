/**
 * What a trace says about the run that it is of, beside `producer`: what ran, what was left out, and what the model must be
 * told to replay it. One JSON record in the file's metadata (Parquet), or a line of its own behind the events (NDJSON).
 */
import * as v from "valibot";

/** Longest record, in characters of JSON. */
const MAX_RECORDING = 32_768;

const text = (most: number) =>
  v.pipe(v.string(), v.maxLength(most), v.regex(/^\P{Cc}*$/u, "expected no control characters"));
const whole = (least: number, most: number) => v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected 64 hex digits"));
const domain = whole(0, 0xffff);

const schema = v.object({
  /** a real Xen that was recorded, or a model; a model's trace has every instruction, a record those that it could see */
  source: v.picklist(["capture", "simulation"]),
  /** the CPU by the nearest profile's name, and whether the hypervisor repeats its TLBIs there (the erratum) */
  cpu: v.object({ profile: text(64), repeatTlbi: v.boolean() }),
  /** the emulated CPU in QEMU's words */
  model: v.optional(text(256)),
  scenario: v.optional(text(64)),
  /** the hypervisor: its first line on the console, the build-id of its ELF file, and whether it is the user's own */
  xen: v.optional(v.object({ banner: text(256), buildId: text(128), own: v.boolean() })),
  /** a policy whose code was put into it: on which occasions, and how many of its operands name what was written before */
  injected: v.optional(
    v.object({ policy: text(64), occasions: v.pipe(v.array(text(32)), v.maxLength(16)), operands: whole(0, 2 ** 40) }),
  ),
  /** QEMU's version, and the packages that dom0's toolstack is of, with versions */
  qemu: v.optional(text(64)),
  packages: v.optional(v.pipe(v.array(text(128)), v.maxLength(64))),
  /** SHA-256 of the files that ran, by what they are: "xen", "dom0-kernel", ... */
  sha256: v.optional(v.record(text(32), sha256)),
  /** phases that were run and left out of the trace */
  leftOut: v.optional(v.pipe(v.array(text(64)), v.maxLength(64))),
  /** what the model needs to replay the run: see RecordedRun and RunFacts in xen/recorded.ts */
  run: v.optional(
    v.object({
      segments: v.pipe(
        v.array(v.object({ name: text(64), gfn: whole(0, 2 ** 36 - 1), pages: whole(0, 2 ** 22) })),
        v.maxLength(64),
      ),
      /** of a domU that needs no kernel */
      pages: v.optional(whole(1, 65_536)),
      memoryMib: whole(1, 65_536),
      vcpus: whole(1, 128),
      dom0Vcpus: whole(1, 128),
      pcpus: whole(1, 255),
      ipaBits: whole(25, 52),
      /** the vCPUs that ran last before the domU's creation, each on its pCPU, the earliest first */
      lastRan: v.pipe(v.array(v.object({ pcpu: whole(0, 255), domain, vcpu: whole(0, 8191) })), v.maxLength(256)),
      /** by phase and name: hypercalls that only go on with one that gave way */
      continued: v.record(text(64), v.record(text(96), whole(0, 2 ** 40))),
    }),
  ),
  /** the host of a capture --nested: its kernel as it calls itself, QEMU's CPU model, and what decides its work */
  host: v.optional(
    v.object({
      kernel: text(256),
      cpu: v.picklist(["max", "neoverse-n2"]),
      paBits: whole(32, 52),
      pageSize: v.picklist(["4K", "16K"]),
      hostPages: v.picklist(["huge", "small"]),
      erratum: v.boolean(),
    }),
  ),
  /** behind which instructions a barrier may have been executed unseen: [function, instruction]; absent: behind any */
  blind: v.optional(v.pipe(v.array(v.tuple([text(128), text(32)])), v.maxLength(256))),
});

export type TraceRecording = v.InferOutput<typeof schema>;

/** The record as it stands in a file. Throws a RangeError when it is too long. */
export function recordingJson(recording: TraceRecording): string {
  const json = JSON.stringify(v.parse(schema, recording));
  if (json.length > MAX_RECORDING) throw new RangeError(`a recording's record of ${json.length} characters`);
  return json;
}

/** Reads a record, or says in a sentence what is wrong with it; keys that are not known here are left out. */
export function readRecording(value: unknown): TraceRecording | string {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const at = issue.path?.map(({ key }) => String(key)).join(".") ?? "";
  return `the record of the recording${at === "" ? "" : `: ${at}`}: ${issue.message}`;
}

/** The same from its JSON. */
export function parseRecording(json: string): TraceRecording | string {
  if (json.length > MAX_RECORDING)
    return `the record of the recording has ${json.length} characters, expected at most ${MAX_RECORDING}`;
  try {
    return readRecording(JSON.parse(json));
  } catch {
    return "the record of the recording is not valid JSON";
  }
}
