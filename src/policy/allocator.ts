/**
 * The page allocator's flush: what Xen executes before a page that a domain had goes to its next owner, whatever was flushed
 * when it was freed (flush_all_guests_tlb() in xen/arch/arm/include/asm/flushtlb.h, called by alloc_heap_pages()). Xen's own:
 * no policy says it.
 */
import { parseCode } from "./parse.js";
import type { Sequence } from "./program.js";

const REPEAT = `
if repeat-tlbi
  tlbi vale2is, xzr
  dsb ish
end`;

/** Every VMID on every PE; `repeats`: with the remedy for a CPU that must repeat its TLBIs. */
export const allocatorFlush = (repeats: boolean): Sequence =>
  parseCode(`dsb ishst\ntlbi alle1is\ndsb ish${repeats ? REPEAT : ""}\nisb`, {
    file: "flush_all_guests_tlb()",
    line: 1,
    requires: [],
    ranges: false,
    vmids: false,
  });
