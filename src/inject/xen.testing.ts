/** Debian's Xen for tests, where it is here, with policies put into it. */
import type { CpuProfile } from "../arch/index.js";
import { type Elf, openXenSyms, readImage, XenText } from "../binary/index.js";
import { type Distribution, findDistribution } from "../capture/index.js";
import type { Policy } from "../policy/index.js";
import { inject } from "./inject.js";
import type { Injection } from "./injection.js";
import { SLOT } from "./list.js";
import { findXenSites, type XenSites } from "./sites.js";

const debian = findDistribution();
export const skip = debian
  ? false
  : "SKIPPED: no Xen to put a policy into, because Debian's is not here: run scripts/setup-debian.sh";
if (skip) console.error(skip);

/** A build as it is. */
export interface OpenedXen {
  readonly elf: Elf;
  readonly image: Uint8Array;
  readonly text: XenText;
  readonly sites: XenSites;
}
let opened: OpenedXen | undefined;

export function openedXen({ xen, xenSyms }: Distribution): OpenedXen {
  const elf = openXenSyms(xen, xenSyms);
  const text = new XenText(elf);
  return { elf, image: readImage(xen, "Xen"), text, sites: findXenSites(text) };
}

/** Trixie's. */
export function theXen(): OpenedXen {
  opened ??= openedXen(debian!);
  return opened;
}

interface Built extends Injection {
  readonly text: XenText;
  readonly sites: XenSites;
  /** bytes by which the first instruction of __p2m_set_entry moves SP down */
  readonly frame: bigint;
  /** of struct p2m_domain */
  readonly vttbrOffset: number;
  readonly vmidOffset: number;
  /** link address of the list, and for how many records it has room */
  readonly slot: number;
  readonly records: number;
}
const built = new Map<string, Built>();

/** A Xen with a policy in it; made once for each. */
export function injectedInto(policy: Policy, cpu: CpuProfile, build: OpenedXen = theXen()): Built {
  const { elf, image, text, sites } = build;
  const key = `${elf.image().address} ${text.functions.length} ${policy.name} ${policy.file} ${cpu.name}`;
  const known = built.get(key);
  if (known) return known;
  const injection = inject(policy, cpu, elf, image);
  // STP with pre-index: a 7-bit count of 8 bytes.
  const imm7 = (sites.displaced >>> 15) & 0x7f;
  // LDR Xt, [X0, #vttbr] and, for AT_SPECULATE, LDRH Wt, [X0, #vmid]; 0 in a build without.
  const flushing = Array.from({ length: 32 }, (_, i) => text.word(sites.flush.in.address + 4 * i)!);
  const offset = (opcode: number, bytes: number): number => {
    const load = flushing.find((word) => (word & 0xffc003e0) >>> 0 === opcode);
    return load === undefined ? 0 : bytes * ((load >>> 10) & 0xfff);
  };
  const { address = 0, bytes = 0 } = injection.data ?? {};
  const made: Built = {
    ...injection,
    text: new XenText(elf.patched(injection.image)),
    sites,
    frame: BigInt(8 * (128 - imm7)),
    vttbrOffset: offset(0xf9400000, 8),
    vmidOffset: offset(0x79400000, 2),
    slot: address,
    records: Math.floor((bytes - SLOT.list) / 8),
  };
  built.set(key, made);
  return made;
}
