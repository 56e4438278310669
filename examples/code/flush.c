// The same as in flush.S, as C with inline assembly has it, for `shootdown prove --code flush.c:FUNCTION` (docs/code.md).

typedef unsigned long u64;

#define dsb(type) asm volatile("dsb " #type ::: "memory")
#define isb() asm volatile("isb" ::: "memory")
#define tlbi(op) asm volatile("tlbi " #op ::: "memory")
#define tlbi_arg(op, arg) asm volatile("tlbi " #op ", %0" ::"r"((u64)(arg)) : "memory")

// One page of a guest, whose VTTBR_EL2 may not be in force.
void flush_page(u64 vttbr, u64 ipa)
{
    u64 current;

    asm volatile("mrs %0, vttbr_el2" : "=r"(current));
    if (vttbr != current) {
        asm volatile("msr vttbr_el2, %0" ::"r"(vttbr));
        isb();
    }
    dsb(ishst);
    tlbi_arg(ipas2e1is, ipa >> 12);
    dsb(ish);
    tlbi(vmalle1is);
    dsb(ish);
    isb();
    if (vttbr != current) {
        asm volatile("msr vttbr_el2, %0" ::"r"(current));
        isb();
    }
}

// Stage 1 goes before stage 2 is certain to be gone: a walk may bring it back.
void flush_page_at_once(u64 ipa)
{
    dsb(ishst);
    tlbi_arg(ipas2e1is, ipa >> 12);
    tlbi(vmalle1is);
    dsb(ish);
    isb();
}
