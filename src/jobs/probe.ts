/** Probes of the real KVM: run with progress, and read back. */
import { BASE, findDistribution } from "../capture/index.js";
import { readText } from "../files/index.js";
import type { Host } from "../host/index.js";
import { InputError } from "../input/index.js";
import { looksLikeProbe, type ProbeOptions, type ProbeResult, parseProbe, probe, probeResult } from "../stack/index.js";
import { interruptible, Progress } from "./progress.js";

/** What a user asks of a probe: QEMU is Debian's where none is named. */
export interface ProbeAsked extends Omit<ProbeOptions, "qemu"> {
  readonly qemu: string | undefined;
}

/** Runs it, and holds the model's host against it. Throws an InputError for what cannot be used, an Interrupted after Ctrl-C. */
export async function runProbe(asked: ProbeAsked, host: Host): Promise<ProbeResult> {
  const debian = findDistribution(BASE);
  if (!debian && asked.qemu === undefined)
    throw new InputError("no QEMU in the cache: run 'shootdown capture --setup' first, or name one with --qemu");
  const options = { ...asked, qemu: asked.qemu === undefined ? debian!.qemu : [asked.qemu] };
  const progress = new Progress("counts");
  try {
    const counts = await interruptible((signal) =>
      probe(options, signal, (done, total) => progress.update(done, total)),
    );
    return probeResult(counts, options, host);
  } finally {
    progress.stop();
  }
}

/** The probe in a file, or undefined where the file is something else. */
export function readProbe(file: string): ProbeResult | undefined {
  if (!file.endsWith(".json")) return undefined;
  const text = readText(file);
  return looksLikeProbe(text) ? parseProbe(text, file) : undefined;
}
