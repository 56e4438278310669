/** What a host file of KVM nested says beside its prices: the host's page size, and how it unmaps shadow tables. */
import * as v from "valibot";
import { GRANULE_WORDS, type GranuleBits, granuleWord } from "../../arch/index.js";
import { InputError, type TomlFile } from "../../input/index.js";
import type { Host } from "../host.js";

/** How a KVM host unmaps shadow tables; one shadow simulation serves any `unmap`, `holes` and `repeatTlbi`. */
export interface KvmHost {
  /** log2 of the host's page size, which is also the granule of the shadow tables */
  readonly granuleBits: GranuleBits;
  /** level of the largest leaf that the host's own mappings allow: 3 = its page size */
  readonly backingLevel: 1 | 2 | 3;
  /** "per-chunk": a flush after every chunk (Linux 7.2); "whole-shadow": one flush of the VMID after a full unmap */
  readonly unmap: "per-chunk" | "whole-shadow";
  /** "skipped": chunks of the shadow with nothing mapped are neither visited nor flushed */
  readonly holes: "walked" | "skipped";
  /** the host kernel ends every TLBI and its DSB with one more (VALE2IS and DSB): ARM64_WORKAROUND_REPEAT_TLBI */
  readonly repeatTlbi: boolean;
  /** FEAT_NV3: do TLBIs of the guest hypervisor's own stage 1 run without a trap? For one without VHE nobody has seen it */
  readonly nv3Elision: "none" | "own-stage-1" | "unknown";
  /** the host keeps a reverse map of its shadows (series of 2026, not merged): what keeping it takes is in no price */
  readonly reverseMap: boolean;
}

/** What a file that does not say has. */
const UNSAID = { nv3Elision: "none", reverseMap: false } as const;

/** A host of this model. */
interface KvmNestedHost extends Host {
  readonly kvm: KvmHost;
}

/** What a host of this model has beside its prices. */
export const kvmOf = (host: Host): KvmHost => (host as KvmNestedHost).kvm;

/** The host with other settings. */
export const withKvm = (host: Host, settings: Partial<KvmHost>): Host =>
  ({ ...host, kvm: { ...kvmOf(host), ...settings } }) as Host;

/** Leaf sizes of each granule, and their levels (without FEAT_LPA2). */
const LEAF_LEVEL: Record<GranuleBits, Readonly<Record<string, 1 | 2 | 3>>> = {
  12: { "4K": 3, "2M": 2, "1G": 1 },
  14: { "16K": 3, "32M": 2 },
  16: { "64K": 3, "512M": 2 },
};

/** The keys of a host file. */
export const KVM_KEYS = {
  "page-size": v.picklist(["4K", "16K", "64K"]),
  backing: v.string(),
  unmap: v.picklist(["per-chunk", "whole-shadow"]),
  holes: v.picklist(["walked", "skipped"]),
  "repeat-tlbi": v.boolean(),
  "nv3-tlbi-elision": v.optional(v.picklist(["none", "own-stage-1", "unknown"])),
  "reverse-map": v.optional(v.boolean()),
};
type Keys = { readonly [K in keyof typeof KVM_KEYS]?: v.InferOutput<(typeof KVM_KEYS)[K]> };

/** The settings of a file, which has all keys unless it has a base; an InputError names the key's line. */
export function readSettings(toml: TomlFile<object>, base?: Host): { readonly kvm: KvmHost } {
  const input = toml.value as Keys;
  const of = base && kvmOf(base);
  const size = input["page-size"];
  if (size !== undefined && input.backing === undefined)
    throw InputError.at(
      toml.file,
      toml.lineOf(["page-size"]),
      "page-size: backing is missing, expected both or neither",
    );
  const granuleBits = size === undefined ? of!.granuleBits : GRANULE_WORDS[size];
  return {
    kvm: {
      granuleBits,
      backingLevel: input.backing === undefined ? of!.backingLevel : backingLevel(toml, input.backing, granuleBits),
      unmap: input.unmap ?? of!.unmap,
      holes: input.holes ?? of!.holes,
      repeatTlbi: input["repeat-tlbi"] ?? of!.repeatTlbi,
      nv3Elision: input["nv3-tlbi-elision"] ?? (of ?? UNSAID).nv3Elision,
      reverseMap: input["reverse-map"] ?? (of ?? UNSAID).reverseMap,
    },
  };
}

/** What must be said of a host beside its prices: what nobody knows of it, a sentence each. */
export function unknownOf(host: Host): string[] {
  const { nv3Elision, reverseMap } = kvmOf(host);
  return [
    ...(nv3Elision === "unknown"
      ? [
          `${host.name}: whether FEAT_NV3 lets the TLBIs of its own stage 1 by a hypervisor without VHE run without a trap is unknown; each is priced as a trap.`,
        ]
      : []),
    ...(reverseMap
      ? [`${host.name}: what keeping the reverse map of its shadows takes is unknown, and in no price.`]
      : []),
  ];
}

/** The level of the largest leaf of a backing; an InputError at the key where there is no such leaf. */
function backingLevel(toml: TomlFile<unknown>, backing: string, granuleBits: GranuleBits): 1 | 2 | 3 {
  const level = LEAF_LEVEL[granuleBits][backing];
  if (level !== undefined) return level;
  const sizes = Object.keys(LEAF_LEVEL[granuleBits]).join(" or ");
  const pages = granuleWord(granuleBits);
  throw InputError.at(toml.file, toml.lineOf(["backing"]), `backing: expected ${sizes} with ${pages} pages`);
}
