// Ways to flush a page of a guest, for `shootdown prove --code` (docs/code.md). X0 points to the guest's VTTBR_EL2, X1 is the IPA.
//   llvm-mc -triple=aarch64 -filetype=obj flush.S -o flush.o && llvm-objdump -d flush.o > flush.txt

        .text
        .globl  flush_page
        .type   flush_page, %function
flush_page:
        mrs     x2, vttbr_el2
        ldr     x3, [x0]
        cmp     x3, x2
        b.eq    1f
        msr     vttbr_el2, x3
        isb
1:      dsb     ishst
        lsr     x4, x1, #12
        tlbi    ipas2e1is, x4
        dsb     ish
        tlbi    vmalle1is
        dsb     ish
        isb
        cmp     x3, x2
        b.eq    2f
        msr     vttbr_el2, x2
        isb
2:      ret
        .size   flush_page, . - flush_page

// Stage 1 goes before stage 2 is certain to be gone: a walk may bring it back.
        .globl  flush_page_at_once
        .type   flush_page_at_once, %function
flush_page_at_once:
        dsb     ishst
        lsr     x4, x1, #12
        tlbi    ipas2e1is, x4
        tlbi    vmalle1is
        dsb     ish
        isb
        ret
        .size   flush_page_at_once, . - flush_page_at_once

// X2 pages, one after the other; none where X3 says that nobody has used them.
        .globl  flush_pages
        .type   flush_pages, %function
flush_pages:
        cbz     x3, 2f
        dsb     ishst
        lsr     x4, x1, #12
1:      tlbi    ipas2e1is, x4
        add     x4, x4, #1
        sub     x2, x2, #1
        cbnz    x2, 1b
        dsb     ish
        tlbi    vmalle1is
        dsb     ish
        isb
2:      ret
        .size   flush_pages, . - flush_pages

// The repeat of an erratum as Linux and Xen have it: two NOPs, in whose place a CPU with the erratum has others.
        .globl  flush_guest
        .type   flush_guest, %function
flush_guest:
        dsb     ishst
        tlbi    vmalls12e1is
661:    nop
        nop
662:    dsb     ish
        isb
        ret
        .size   flush_guest, . - flush_guest

        .section .altinstr_replacement, "ax"
663:    dsb     ish
        tlbi    vale2is, xzr
664:
        .section .altinstructions, "a"
        .word   661b - .
        .word   663b - .
        .hword  11
        .byte   662b - 661b
        .byte   664b - 663b
