/**
 * Versions of Xen, as far as they differ in what they flush: one row a version. The policy says what a p2m executes when it
 * must flush; what stands here is Xen's own, which no policy has: the page allocator's flushes.
 */

/** What a version does. */
export interface XenVersion {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** how such a Xen begins its own version: "4.20.4+63" of "4.20.4+63-g7abfd2bce2-0+deb13u1" */
  readonly banner?: string;
  /**
   * Who flushes for the memory that a domain gets before it is unpaused for the first time.
   *
   * "call": populate_physmap(), once a call, a continuation being a call. It allocates with MEMF_no_tlbflush, so that
   * alloc_heap_pages() does not flush, and accumulates u.free.need_tlbflush of the pages that it got. But by then
   * alloc_heap_pages() has written PGT_TYPE_INFO_INITIALIZER over that union, which on Arm has all bits of a gfn set: every
   * page that was got says that it needs a flush, whoever had it, and if nobody ever did.
   *
   * "allocation": alloc_heap_pages(), as after the creation: once for each allocation that gets a page of a former owner.
   */
  readonly creationFlush: "call" | "allocation";
  /** scrub_free_pages(), in the idle loop, flushes before each page that a domain has left (XSA-511) */
  readonly scrubFlush: boolean;
  /**
   * ARM64_WORKAROUND_REPEAT_TLBI on a CPU that needs it: VALE2IS, XZR, or the same TLBI again. 4.17 does the latter on Cortex-A76
   * up to r3p0 only, which is no CPU profile: the model leaves it out.
   */
  readonly repeat: "same" | "vale2is";
  /** the built-in policy that is what its p2m executes */
  readonly policy: string;
}

const COUNTED = "Debian's arm64 build, booted and counted under QEMU 10.0.2, November 2026";

/** The rows, oldest first. Every name is what a scenario's `xen.version` may say. */
export const XEN_VERSIONS: readonly XenVersion[] = [
  {
    name: "4.17",
    title: "Xen 4.17.5+72 (Debian bookworm)",
    banner: "4.17.5+72",
    source: `${COUNTED}: 20 ALLE1IS in the first creation, one for each populate_physmap; none while idle`,
    creationFlush: "call",
    scrubFlush: false,
    repeat: "same",
    policy: "xen-4.17",
  },
  {
    name: "4.20.4",
    title: "Xen 4.20.4 as released",
    banner: "4.20.4",
    source: "own builds, counted under QEMU: as 4.17 in the allocator's flushes; xen/common/memory.c, page_alloc.c",
    creationFlush: "call",
    scrubFlush: false,
    repeat: "vale2is",
    policy: "xen-today",
  },
  {
    name: "unstable-2026-08",
    title: "Xen's master of 20 August 2026, before XSA-511",
    source:
      "xen/common/memory.c, populate_physmap(); page_alloc.c, alloc_heap_pages(), scrub_free_pages(): read, not run",
    creationFlush: "call",
    scrubFlush: false,
    repeat: "vale2is",
    policy: "xen-today",
  },
  {
    name: "4.20.4+39",
    title: "Xen 4.20.4+39 (Debian sid)",
    banner: "4.20.4+39",
    source: `${COUNTED}: no ALLE1IS in the first creation, about 97 in the second, one for each page scrubbed`,
    creationFlush: "allocation",
    scrubFlush: true,
    repeat: "vale2is",
    policy: "xen-today",
  },
  {
    name: "4.20.4+63",
    title: "Xen 4.20.4+63 (Debian trixie)",
    banner: "4.20.4+63",
    source: `${COUNTED}: no ALLE1IS in the first creation, about 97 in the second, one for each page scrubbed`,
    creationFlush: "allocation",
    scrubFlush: true,
    repeat: "vale2is",
    policy: "xen-today",
  },
];

/** The version that a scenario has when it does not say: the last release whose sources were built and counted. */
export const DEFAULT_VERSION = "4.20.4";

/** The version of that name; a RangeError when there is none. */
export function xenVersion(name: string): XenVersion {
  const found = XEN_VERSIONS.find((version) => version.name === name);
  if (!found) throw new RangeError(`no version of Xen is named '${name}'`);
  return found;
}

/** A build's own version: alone, or behind that of its source in Xen's first line, "4.20.5-pre (Debian 4.20.4+39-g...) ...". */
const BUILD = /^(?:\S+ \(Debian )?(\d+\.\d+)(\.\d+(?:\+\d+)?)(?!-pre|-rc|-unstable|[.+\d])/;

/**
 * The version that Xen's first line on the console, or the version of a Debian package, is of
 * ("4.20.4+63-g7abfd2bce2-0+deb13u1", "4.17.5+72-..."): undefined when no row is about just that build, whatever its
 * neighbours do.
 */
export function versionOfBanner(banner: string): XenVersion | undefined {
  const build = BUILD.exec(banner);
  return build ? XEN_VERSIONS.find((version) => version.banner === build[1]! + build[2]!) : undefined;
}

/** The version of a banner; where no row is about it, the newest row of its series, or of all. */
export function nearestVersion(banner: string): XenVersion {
  const series = /^\d+\.\d+/.exec(banner)?.[0];
  const same = XEN_VERSIONS.filter((version) => series !== undefined && `${version.banner}.`.startsWith(`${series}.`));
  return versionOfBanner(banner) ?? same.at(-1) ?? XEN_VERSIONS.at(-1)!;
}
