/** A policy made as small as it can be: its occasions side by side, and then what that saves. */
import type { CompareRow } from "../compare/index.js";
import type { Host } from "../host/index.js";
import type { Scenario } from "../hypervisor/index.js";
import { missingFeature, type Occasion, type Policy, parsePolicy, policyFile } from "../policy/index.js";
import { Inquiry, type SignOff } from "../prove/index.js";
import { type Minimal, type Minimized, minimizedOccasions } from "../synth/index.js";
import { compareInThreads, type KeptFor, keptFor } from "./compare.js";
import { decide } from "./decide.js";
import { doneBy } from "./hands.js";
import type { MinimizeJob } from "./minimize-worker.js";
import { questionsOf } from "./questions.js";
import type { Bounds } from "./verdicts.js";

/** Prices before and after, in the scenarios that were asked about. */
interface Saving {
  readonly scenarios: readonly Scenario[];
  readonly hosts: readonly Host[];
  readonly ipaBits: readonly number[];
  readonly cpuOf: (host: Host) => Minimized["cpus"][number];
}

/** What was found of a policy. */
export interface MinimizeResult {
  readonly policy: Policy;
  readonly setting: Minimized["setting"];
  readonly parts: readonly Minimal[];
  /** the policy that results; absent where nothing can go */
  readonly result?: Policy;
  /** the result judged as a whole, on the CPUs on which all of the policy is sound */
  readonly verdicts: readonly SignOff[];
  /** rows of the policy and of the result */
  readonly prices: readonly CompareRow[];
}

/** Looks at all occasions of a policy, or at some. */
export async function minimizeInThreads(
  policy: Policy,
  occasions: readonly Occasion[] | undefined,
  asked: Minimized,
  limits: Bounds,
  saving: Saving,
  signal: AbortSignal,
): Promise<MinimizeResult> {
  const { setting } = asked;
  const wanted = minimizedOccasions(policy).filter((occasion) => occasions?.includes(occasion) ?? true);
  const jobs = wanted.map((occasion): MinimizeJob => ({ policy, occasion, asked, limits }));
  const parts = await doneBy<MinimizeJob, Minimal>(limits.queue, "./minimize-worker.js", jobs, "occasions", signal);
  const changed = parts.filter(({ steps }) => steps.length > 0);
  if (changed.length === 0) return { policy, setting, parts, verdicts: [], prices: [] };
  const result = resultOf(policy, changed);
  return {
    ...{ policy, setting, parts, result },
    verdicts: await verdictsOf(result, parts, asked, limits, signal),
    prices: await pricesOf(policy, result, saving, signal, keptFor(limits.verdicts !== undefined)),
  };
}

/** All occasions' results in one policy. */
function resultOf(policy: Policy, changed: readonly Minimal[]): Policy {
  const name = `${policy.name}-minimal`;
  const code = { ...policy.code };
  for (const { occasion, result } of changed) code[occasion] = result.code[occasion];
  const title = `${policy.name} without what its proofs do not need`;
  const source = `found by shootdown minimize ${policy.name}; ${policy.name}: ${policy.source}`;
  const text = policyFile({ ...policy, code, name, title, source });
  return parsePolicy(text, `${name}.toml`, () => {
    throw new Error("a policy that is written out has no base");
  });
}

/** What was looked at one occasion at a time must hold together. */
async function verdictsOf(
  result: Policy,
  parts: readonly Minimal[],
  { cpus, setting }: Minimized,
  limits: Bounds,
  signal: AbortSignal,
): Promise<SignOff[]> {
  const proofs = [...new Set(parts.flatMap((part) => part.proofs))];
  const usable = cpus.filter(({ name }) => parts.every((part) => part.cpus.includes(name)));
  return decide(new Inquiry(questionsOf([result], usable, proofs, setting), true), limits, signal);
}

async function pricesOf(
  policy: Policy,
  result: Policy,
  { scenarios, hosts, ipaBits, cpuOf }: Saving,
  signal: AbortSignal,
  kept: KeptFor,
): Promise<readonly CompareRow[]> {
  const able = hosts.filter((host) => missingFeature(policy, cpuOf(host)) === undefined);
  if (able.length === 0 || scenarios.length === 0) return [];
  const { rows } = await compareInThreads(
    { scenarios, policies: [policy, result], hosts: able, ipaBits, cpuOf },
    false,
    signal,
    kept,
  );
  return rows;
}
