/** KVM with nested virtualization as a price model. */
import { ipaFeature } from "../../arch/index.js";
import type { PriceModel } from "../model.js";
import { accountOf } from "./account.js";
import { KvmNested } from "./nested.js";
import { NESTED_PRICES } from "./prices.js";
import { KVM_KEYS, kvmOf, readSettings, unknownOf, withKvm } from "./settings.js";
import { shadowCounts } from "./single.js";

export const KVM_NESTED: PriceModel = {
  kind: "kvm-nested",
  nested: true,
  prices: NESTED_PRICES,
  keys: KVM_KEYS,
  settings: readSettings,
  /** What the shadow tables themselves depend on; how they are unmapped is an account of the same tally. */
  shape(host) {
    const { granuleBits, backingLevel } = kvmOf(host);
    return `${granuleBits} ${backingLevel}`;
  },
  sink: (host, ipaBits, vcpus, ran) => new KvmNested(kvmOf(host), ipaBits, vcpus, ran),
  refuseIpaBits: accountOf,
  ipaNote(host, ipaBits) {
    const { granuleBits } = kvmOf(host);
    const feature = ipaFeature(ipaBits, granuleBits);
    return (
      feature &&
      `${ipaBits} IPA bits with ${2 ** (granuleBits - 10)} KiB pages are those of a host with ${feature} and as many bits of PA: without, KVM's limit is 48.`
    );
  },
  unknown: unknownOf,
  single: shadowCounts,
  withRepeat: (host) => withKvm(host, { repeatTlbi: true }),
  noRest: {},
};
