/**
 * XENMEM_access_op (xen/arch/arm/mem_access.c): pages of a domain lose and regain the right to be written. Xen on Arm has no
 * log-dirty mode; this is how its p2m changes permissions, and a log-dirty would.
 */
import { EINVAL, ESRCH } from "./errno.js";
import type { P2mTable } from "./p2m.js";

/** The hypervisor, as far as the call needs it. */
interface Asked {
  hypercall(name: `hypercall:${string}`, body: () => number): number;
  domain(id: number): { readonly p2m: P2mTable } | undefined;
}

/** Entries between two looks whether to give way: MEMOP_CMD_MASK. */
const ACCESS_STEP = 64;

/**
 * The call: `nr` pages from `gfn` on, writable or not. `preemptAfter`: entries after which it gives way; each go is a hypercall,
 * with its lock and its flush. Returns 0 or -errno.
 */
export function accessOp(
  xen: Asked,
  domid: number,
  gfn: number,
  nr: number,
  writable: boolean,
  preemptAfter = Number.POSITIVE_INFINITY,
): number {
  const step = Math.max(ACCESS_STEP, Math.floor(preemptAfter / ACCESS_STEP) * ACCESS_STEP);
  for (let start = 0; ; ) {
    const rc = xen.hypercall("hypercall:XENMEM_access_op", () => {
      const domain = xen.domain(domid);
      if (!domain) return -ESRCH;
      if (!domain.p2m.holds(gfn + nr - 1)) return -EINVAL;
      return setMemAccess(domain.p2m, gfn, nr, start, step, writable);
    });
    if (rc <= 0) return rc;
    start = rc;
  }
}

/** A write to a page that may not be written, with no listener (p2m_mem_access_check): it may be from now on. */
export function writeFault(p2m: P2mTable, gfn: number): void {
  setMemAccess(p2m, gfn, 1, 0, Number.POSITIVE_INFINITY, true);
}

/** p2m_set_mem_access: page by page under one lock. Returns 0 at the end, the number of pages done when it gives way, or -errno. */
function setMemAccess(p2m: P2mTable, gfn: number, nr: number, start: number, step: number, writable: boolean): number {
  p2m.memAccessEnabled = true;
  p2m.lock();
  let rc = 0;
  for (let done = start; done < nr && rc === 0; ) {
    const at = gfn + done;
    if (p2m.lookup(at)) {
      rc = p2m.setEntry(at, 1, p2m.foundMfn, p2m.foundType, undefined, writable);
      done++;
    } else done = p2m.nextBoundary(at) - gfn;
    if (rc === 0 && done < nr && (done - start) % step === 0) rc = done;
  }
  p2m.unlock();
  return rc;
}
