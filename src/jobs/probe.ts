/** Probes of the real KVM: run with progress, and read back. */
import { gunzipSync } from "node:zlib";
import { BASE, findDistribution } from "../capture/index.js";
import { loadHost } from "../catalog/index.js";
import { readBytes } from "../files/index.js";
import type { Host } from "../host/index.js";
import { InputError } from "../input/index.js";
import {
  looksLikeProbe,
  type ProbeOptions,
  type ProbeResult,
  parseProbe,
  predictingHost,
  probe,
  probeResult,
} from "../stack/index.js";
import { interruptible, Progress } from "./progress.js";

/** What a user asks of a probe: QEMU is Debian's where none is named. */
interface ProbeAsked extends Omit<ProbeOptions, "qemu"> {
  readonly qemu: string | undefined;
}

/**
 * Runs it, and holds the model's host against it: `host`, or that of the kernel which has run. Throws an InputError for what cannot be
 * used, an Interrupted after Ctrl-C.
 */
export async function runProbe(asked: ProbeAsked, host: Host | undefined): Promise<ProbeResult> {
  const debian = findDistribution(BASE);
  if (!debian && asked.qemu === undefined)
    throw new InputError("no QEMU in the cache: run 'shootdown capture --setup' first, or name one with --qemu");
  const options = { ...asked, qemu: asked.qemu === undefined ? debian!.qemu : [asked.qemu] };
  const progress = new Progress("counts");
  try {
    const counts = await interruptible((signal) =>
      probe(options, signal, (done, total) => progress.update(done, total)),
    );
    if (host) return probeResult(counts, options, host);
    const { host: name, note } = predictingHost(options.machine.cpu, counts.kernel);
    const result = probeResult(counts, options, loadHost(name));
    return note === undefined ? result : { ...result, unknown: [...result.unknown, note] };
  } finally {
    progress.stop();
  }
}

/** The probe in a file, or undefined where the file is something else. */
export function readProbe(file: string): ProbeResult | undefined {
  if (!/\.json(\.gz)?$/.test(file)) return undefined;
  const text = textOf(file);
  return looksLikeProbe(text) ? parseProbe(text, file) : undefined;
}

/** Most bytes of a file that is read whole here: a trace of some minutes. */
const MOST = 256 << 20;

/** A regular file's text, unpacked where it is compressed. Throws an InputError. */
export function textOf(file: string): string {
  const bytes = readBytes(file, MOST);
  if (!file.endsWith(".gz")) return bytes.toString();
  try {
    return gunzipSync(bytes).toString();
  } catch {
    throw InputError.at(file, 0, "cannot be unpacked, expected what gzip has packed");
  }
}
