/** Xen's functions whose calls a capture records, by the names they have in Xen's source, and the ways to a flush. */
import { isBroadcast, type TlbiOp } from "../arch/index.js";
import type { XenFunction, XenText } from "./text.js";

/** A function whose entry says something, with what it says; `returns`: its end matters too. */
export interface Call {
  readonly tells: string;
  readonly returns?: true;
}

/** Arguments are the AAPCS64's: X0, X1, ... at the entry, X0 at the return. */
export const CALLS = {
  /** do_memory_op(cmd, arg): xen/common/memory.c */
  do_memory_op: { tells: "hypercalls XENMEM_*", returns: true },
  /** create_dom0(): xen/arch/arm/domain_build.c */
  create_dom0: { tells: "when dom0 is built" },
  /** domain_create(domid, config, flags): xen/common/domain.c */
  domain_create: { tells: "domain ids", returns: true },
  /** arch_domain_create(d, config, flags): called by domain_create */
  arch_domain_create: { tells: "which struct domain has which id" },
  /** vcpu_create(d, vcpu_id) */
  vcpu_create: { tells: "vCPU ids" },
  /** arch_vcpu_create(v): called by vcpu_create */
  arch_vcpu_create: { tells: "which struct vcpu has which id" },
  /** domain_unpause_by_systemcontroller(d): XEN_DOMCTL_unpausedomain, and dom0's start */
  domain_unpause_by_systemcontroller: { tells: "when a domain begins to run", returns: true },
  /** domain_kill(d): XEN_DOMCTL_destroydomain, called again until it does not return -ERESTART */
  domain_kill: { tells: "when a domain is destroyed", returns: true },
  /** alloc_heap_pages(zone_lo, zone_hi, order, memflags, d): xen/common/page_alloc.c; returns the first struct page_info */
  alloc_heap_pages: { tells: "pages taken from the allocator", returns: true },
  /** free_heap_pages(pg, order, need_scrub) */
  free_heap_pages: { tells: "pages given back to the allocator" },
  /** assign_pages(pg, nr, d, memflags) */
  assign_pages: { tells: "whose a page is" },
  /** share_xen_page_with_guest(page, d, flags): xen/arch/arm/mm.c */
  share_xen_page_with_guest: { tells: "Xen's pages that a guest is given" },
  /** put_page(page) */
  put_page: { tells: "references of mappings that are dropped" },
  /** p2m_save_state(p): the vCPU that goes; the idle vCPU has neither of the two */
  p2m_save_state: { tells: "when a pCPU is idle" },
  /** p2m_restore_state(n): the vCPU that comes in at a context switch */
  p2m_restore_state: { tells: "vCPU switches", returns: true },
} as const satisfies Readonly<Record<string, Call>>;

/** Further ways by which a build may give pages away, which are not followed, and what they are for. */
const OTHER_WAYS = {
  alloc_color_heap_page: "pages by cache colours",
  acquire_staticmem_pages: "static memory",
  acquire_reserved_page: "reserved pages",
} as const;

/** What of a build's pages no owner can be said, in sentences. */
export const ownersUnknown = (text: XenText): string[] =>
  Object.entries(OTHER_WAYS).flatMap(([name, what]) =>
    text.functionNamed(name) ? [`owners of ${what}: calls of ${name} are not followed`] : [],
  );

/** A function that holds a page for what is mapped: of the p2m, or of the grant table. */
export const holdsMappings = (f: XenFunction): boolean => /p2m|gnttab|grant|unmap_common/.test(f.name);

/** How many callers outwards a way is followed. */
const DEPTH = 5;
/** How many of them are followed also where that needs their pages translated one instruction a block. */
const NEAR = 3;
/** A function with more callers than this serves everybody (alloc_domheap_pages): its direct caller is all that is told. */
const MOST_CALLERS = 8;

/** A function whose entries are to be logged; `near`: worth that its page is translated one instruction a block. */
interface Followed {
  readonly of: XenFunction;
  readonly near: boolean;
}

/**
 * Functions whose entries are needed to tell who called a flush: callers of callers of the functions that execute broadcast
 * TLBIs of the EL1&0 regime, up to the hypercalls and traps (do_*), which begin a way. For local ones and those of Xen's own
 * regime only the function itself.
 */
export function callPathFunctions(
  text: XenText,
  flushing: readonly { readonly in: XenFunction | undefined; readonly op: TlbiOp }[],
): Followed[] {
  const found = new Map<XenFunction, Followed>();
  let ring: XenFunction[] = [];
  for (const { in: f, op } of flushing) {
    if (!f) continue;
    if (op.regime !== "EL2" && isBroadcast(op)) ring.push(f);
    else if (!text.isLeaf(f)) found.set(f, { of: f, near: true });
  }
  for (let depth = 0; depth < DEPTH; depth++) {
    const next = new Set<XenFunction>();
    for (const f of ring) {
      if (beginsWay(f) || found.has(f)) continue;
      // A leaf's return address is in X30 when it flushes.
      if (depth > 0 || !text.isLeaf(f)) found.set(f, { of: f, near: depth < NEAR });
      const callers = text.callersOf(f);
      if (callers.length <= MOST_CALLERS) for (const caller of callers) next.add(caller);
    }
    ring = [...next];
  }
  return [...found.values()];
}

/** Hypercalls and traps, and code that is not compiled C: what lies above them says no more. */
export const beginsWay = (f: XenFunction): boolean =>
  /^do_|^(guest_sync|guest_irq|hyp_traps)|^start_|^idle_loop$/.test(f.name);
