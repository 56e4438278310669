/** What a Linux in a domU asks Xen for: when it comes up (arch/arm/xen/enlighten.c: xen_guest_init; gnttab_init; hvc_xen), and for its balloon. */
import { InputError } from "../input/index.js";
import { Access } from "../trace/index.js";
import type { Domain, Xen } from "./domain.js";
import { MapSpace, type Physmap } from "./physmap.js";
import type { DomuSpec } from "./scenario.js";
import { GUEST_RAM_GFN, MAGIC_GFN } from "./toolstack.js";

/** Where it puts its shared info page, in its RAM, unless it is known, and its grant table, in no RAM: any such gfn does. */
const SHARED_INFO_GFN = GUEST_RAM_GFN + 1;
const GRANT_TABLE_GFN = 0x38000;
/** Magic pages that it uses: the console's ring and xenstore's. */
export const RINGS = 2;
/** VA page of its linear map. */
const LINEAR_VA = 0xffff000000000;

/** The guest's first steps, on the executing pCPU, whose VTTBR_EL2 is the domain's. `sharedInfo`: a gfn of its RAM. */
export function startLinux(xen: Xen, physmap: Physmap, domain: Domain, sharedInfo = SHARED_INFO_GFN): void {
  const touch = (frame: number): boolean => xen.access(domain, Access.write, LINEAR_VA + frame, frame);
  touch(GUEST_RAM_GFN);
  physmap.addToPhysmap(domain.id, MapSpace.shared_info, 0, sharedInfo);
  physmap.addToPhysmap(domain.id, MapSpace.grant_table, 0, GRANT_TABLE_GFN);
  for (let i = 0; i < RINGS; i++) touch(MAGIC_GFN + i);
}

/** What a domU without a kernel does (guests/idle.c): it executes its first page, and sleeps. */
export function startIdle(xen: Xen, domain: Domain): void {
  xen.access(domain, Access.execute, GUEST_RAM_GFN, GUEST_RAM_GFN);
}

/**
 * Linux's balloon (drivers/xen/balloon.c: decrease_reservation, increase_reservation), on the executing pCPU, where the domU
 * runs: so many MiB of its RAM go back to Xen, and come back, 4 KiB extents, `balloon-batch` a call. Which pages the kernel
 * takes depends on what it has free: here the last of its RAM, side by side. Throws an InputError when there is no memory.
 */
export function* balloon(physmap: Physmap, domain: Domain, spec: DomuSpec, file: string): Generator<void> {
  const { "balloon-mib": mib, "balloon-batch": batch } = spec;
  const end = GUEST_RAM_GFN + spec["memory-mib"] * 256;
  const calls = function* (): Generator<number[]> {
    for (let at = end - mib * 256; at < end; at += batch)
      yield Array.from({ length: Math.min(batch, end - at) }, (_, i) => at + i);
  };
  for (const frames of calls()) {
    physmap.decreaseReservation(domain.id, frames, LINEAR_VA + frames[0]!);
    yield;
  }
  for (const frames of calls()) {
    if (physmap.populate(domain.id, frames, 0) < frames.length)
      throw InputError.at(
        file,
        0,
        `domain ${domain.id} does not get its balloon's memory back: the machine has no more`,
      );
    yield;
  }
}
