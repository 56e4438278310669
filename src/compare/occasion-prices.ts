/** What a policy executes on one occasion, on hosts: each occasion by itself, in a case that a user describes. */
import type { CpuProfile } from "../arch/index.js";
import { addCounts, type Host, price } from "../host/index.js";
import { type OccasionCase, recordOccasion } from "../hypervisor/index.js";
import { InputError } from "../input/index.js";
import { type Policy, policyOn, withoutCode } from "../policy/index.js";
import { PROVED, type ProvedOccasion } from "../prove/index.js";
import { hostSinks } from "./host-sinks.js";
import type { PriceRow } from "./priced.js";

/** What is priced. Plain data. */
interface OccasionsAsked extends OccasionCase {
  readonly policy: Policy;
  readonly cpu: CpuProfile;
  readonly occasions: readonly ProvedOccasion[];
  readonly hosts: readonly Host[];
  readonly ipaBits: readonly number[];
}

/** An occasion's price on a host at an IPA size: of the code, and of the refaults that it causes. */
export interface OccasionPrice extends Omit<PriceRow, "phase" | "hypercalls"> {
  readonly occasion: ProvedOccasion;
}

/** The prices, and the occasions that have none, with why. */
export interface OccasionPrices {
  readonly rows: readonly OccasionPrice[];
  readonly without: readonly { readonly occasion: ProvedOccasion; readonly reason: string }[];
}

/** pCPUs of the trace. */
const VCPUS = 2;

/** Prices each occasion. An InputError where the CPU lacks what the policy requires, or its operands are not of 4 KiB. */
export function priceOccasions(asked: OccasionsAsked): OccasionPrices {
  const { policy, cpu, occasions } = asked;
  const on = policyOn(policy, cpu);
  if ((policy.granule ?? 12) !== 12)
    throw InputError.at(policy.file, 0, "granule: its operands are not of 4 KiB, and prices are of such tables alone");
  const rows: OccasionPrice[] = [];
  const without: { occasion: ProvedOccasion; reason: string }[] = [];
  for (const occasion of occasions)
    try {
      rows.push(...pricesOf(on, occasion, asked));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      without.push({ occasion, reason: error.message });
    }
  return { rows, without };
}

function pricesOf(policy: Policy, occasion: ProvedOccasion, { hosts, ipaBits, ...about }: OccasionsAsked) {
  const { of } = PROVED[occasion];
  if (withoutCode(of) === "not stated" && !policy.own.includes(of))
    throw new InputError("the policy does not say what it executes");
  const { sinks, counts } = hostSinks(hosts, ipaBits, VCPUS);
  let before = counts();
  recordOccasion(policy, of, about, sinks, () => {
    before = counts();
  });
  return counts().map(({ host, ipaBits: bits, counts: all }, i): OccasionPrice => {
    const own = addCounts(all, before[i]!.counts, -1);
    const { tlbi, hardwareTlbi, noShadow, exitKinds, leavesDropped, refaults } = own;
    return {
      ...{ occasion, host: host.name, ipaBits: bits, ...price(own, host) },
      ...{ tlbi, hardwareTlbi, noShadow, exitKinds, leavesDropped, refaults },
    };
  });
}
