/** What dom0 does for domUs that run: it serves their disks, and copies their memory to where they migrate. */
import { Access } from "../trace/index.js";
import type { Domain, Xen } from "./domain.js";
import type { Grants } from "./grants.js";
import { accessOp } from "./mem-access.js";
import type { DomuSpec } from "./scenario.js";
import { GUEST_RAM_GFN, type Toolstack } from "./toolstack.js";

/** VA page of the backend's mapping of granted pages, in dom0's kernel. */
const BACKEND_VA = 0xffff900000000;
/** VA page of the domU's linear map. */
const LINEAR_VA = 0xffff000000000;

/**
 * The backend of a disk (Linux's xen-blkback without persistent grants), on the executing pCPU, where dom0 runs: each request's
 * grants are mapped in one call, its pages filled, and unmapped in one call. Its gfns are the same for each request.
 */
export function* serveDisk(
  xen: Xen,
  grants: Grants,
  toolstack: Toolstack,
  dom0: Domain,
  domu: Domain,
  spec: DomuSpec,
): Generator<void> {
  const { "disk-pages": pages, "grant-batch": batch, "memory-mib": mib } = spec;
  for (let done = 0; done < pages; done += batch) {
    const slots = Array.from({ length: Math.min(batch, pages - done) }, (_, i) => i);
    const at = (i: number): number => toolstack.foreignGfn + i;
    // The domU's page cache takes page after page of its memory, from the end.
    grants.map(
      dom0.id,
      domu.id,
      slots.map((i) => GUEST_RAM_GFN + mib * 256 - 1 - ((done + i) % (mib * 256))),
      slots.map(at),
    );
    toolstack.touch();
    for (const i of slots) xen.access(dom0, Access.write, BACKEND_VA + i, at(i));
    grants.unmap(dom0.id, slots.map(at), BACKEND_VA);
    toolstack.touch();
    yield;
  }
}

/**
 * The rounds of a migration's copying, as a log-dirty of Xen's on Arm would have them: in each all RAM of the domU is
 * write-protected from dom0, on pCPU 0; then the domU writes some pages, on `pcpu`, and each write faults once.
 */
export function* logDirty(
  xen: Xen,
  toolstack: Toolstack,
  dom0: Domain,
  domu: Domain,
  spec: DomuSpec,
  pcpu: number,
): Generator<void> {
  const { "memory-mib": mib, "log-dirty": dirty } = spec;
  if (dirty === undefined) return;
  for (let round = 0; round < dirty.rounds; round++) {
    xen.run(0, dom0.vcpus[0]!);
    accessOp(xen, domu.id, GUEST_RAM_GFN, mib * 256, false);
    toolstack.touch();
    xen.run(pcpu, domu.vcpus.at(-1)!);
    for (let i = 0; i < dirty.pages; i++)
      xen.access(domu, Access.write, LINEAR_VA + GUEST_RAM_GFN + i, GUEST_RAM_GFN + i);
    yield;
  }
}
