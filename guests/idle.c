/*
 * A domU of one page that needs no kernel: an arm64 Image (Documentation/arch/arm64/booting.rst) that sleeps for ever. What
 * makes it larger stands behind it.
 */
__asm__(
    ".section .text.start, \"ax\"\n"
    ".global _start\n"
    "_start:\n"
    "  b 1f\n  .long 0\n"
    "  .quad 0\n"      /* text_offset */
    "  .quad 0x1000\n" /* image_size */
    "  .quad 0xa\n"    /* flags: 4 KiB pages, anywhere */
    "  .quad 0, 0, 0\n"
    "  .ascii \"ARM\\x64\"\n  .long 0\n"
    "1: mov x1, #20000\n"
    "2: subs x1, x1, #1\n  b.ne 2b\n"
    "  movz w0, #0x8400, lsl #16\n  movk w0, #0x0008\n  hvc #0\n"
    "3: wfi\n  b 3b\n"
    "  .org 0x1000\n");
