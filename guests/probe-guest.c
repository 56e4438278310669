/*
 * The guest hypervisor of a probe (virtual EL2, HCR_EL2.E2H = 0, MMU off), and its guest (EL1, MMU off), which touches
 * pages. It follows a script: commands of four words each, written by src/stack/probe-script.ts.
 */
#include <stddef.h>
#include <stdint.h>
#include "marks.h"

typedef uint64_t u64;

/* Memory of the VM, from 0x40000000: this program; the script; then stage-2 tables and the pages that L2 touches. */
#define SCRIPT ((volatile u64 *)0x40200000)
#define TABLES 0x40800000ull
#define TABLES_END 0x40c00000ull
#define CODE_SLOT ((volatile uint32_t *)0x40c00000)
#define L2_CODE 0x40d00000ull
/* 32 MiB on, at the largest block of a 16 KiB granule */
#define L2_DATA 0x42000000ull
#define FAILED ((volatile u64 *)0x10000000) /* no memory is there: the VMM hears of a write */

enum { END, CONTEXT, MAP, TOUCH, PREPARE, COUNT_TLBI, COUNT_TOUCH, COUNT_ENTER };

static u64 granule; /* log2 */
static u64 next_table = TABLES;
static u64 roots[8];

static void fail(u64 why) {
  *FAILED = why;
  for (;;) ;
}

static u64 new_table(void) {
  u64 at = next_table;
  next_table += 1ull << granule;
  if (next_table > TABLES_END) fail(1);
  for (u64 i = 0; i < 1ull << granule; i += 8) *(volatile u64 *)(at + i) = 0;
  return at;
}

/* Stage 2 starts where a table maps the largest blocks: level 1 with 4 KiB, level 2 with 16 and 64 KiB. */
static int start_level(void) { return granule == 12 ? 1 : 2; }

static void map(u64 root, u64 ipa, u64 pa, int level) {
  u64 table = root;
  u64 bits = granule - 3;
  for (int at = start_level();; at++) {
    volatile u64 *entry = (volatile u64 *)(table + 8 * (ipa >> (granule + bits * (u64)(3 - at)) & ((1ull << bits) - 1)));
    if (at == level) {
      /* page or block; AF, inner shareable, read and write, normal memory */
      *entry = pa | 1ull << 10 | 3ull << 8 | 3ull << 6 | 0xfull << 2 | (level == 3 ? 3 : 1);
      return;
    }
    if ((*entry & 3) != 3) *entry = new_table() | 3; /* nothing there, or a block */
    table = *entry & 0xfffffffff000ull;
  }
}

#define WRITE(name, value) __asm__ volatile("msr " #name ", %0" ::"r"((u64)(value)) : "memory")
#define ISB() __asm__ volatile("dsb sy\n\tisb" ::: "memory")

/* L2 touches pages: X0 first address, X1 bytes between, X2 how many; begins and ends a count where X3 is a number (not ~0). */
__asm__(
    ".balign 4\n"
    "l2_code:\n"
    "  cmn x3, #1\n"
    "  b.eq 1f\n"
    "  mov x9, x0\n  mov x0, x3\n  .inst 0xd282081f\n  mov x0, x9\n" /* MARK_BEGIN */
    "1: cbz x2, 2f\n  ldr x10, [x0]\n  add x0, x0, x1\n  sub x2, x2, #1\n  b 1b\n"
    "2: cmn x3, #1\n"
    "  b.eq 3f\n"
    "  mov x0, #0\n  .inst 0xd282083f\n" /* MARK_END */
    "3: hvc #0\n"
    "l2_code_end:\n");
extern char l2_code[], l2_code_end[];
_Static_assert(MARK_WORD(MARK_BEGIN) == 0xd282081f && MARK_WORD(MARK_END) == 0xd282083f, "the marks in l2_code");

/*
 * enter_l2(first, step, count, number): ERET, and back by the vector at HVC, with what L1's callers keep on its stack.
 * Other exceptions: an undefined instruction of L1's is stepped over and told in undefined_seen; what else comes is a fault
 * of this program.
 */
u64 undefined_seen;
u64 saved_sp;
void enter_l2(u64 first, u64 step, u64 count, u64 number);
__asm__(
    ".global enter_l2\n"
    "enter_l2:\n"
    "  stp x29, x30, [sp, #-96]!\n  stp x19, x20, [sp, #16]\n  stp x21, x22, [sp, #32]\n"
    "  stp x23, x24, [sp, #48]\n  stp x25, x26, [sp, #64]\n  stp x27, x28, [sp, #80]\n"
    "  adrp x9, saved_sp\n  add x9, x9, :lo12:saved_sp\n  mov x10, sp\n  str x10, [x9]\n"
    "  eret\n"
    ".balign 2048\n"
    "vectors:\n"
    ".rept 4\n  .balign 128\n  b unexpected\n.endr\n"
    ".balign 128\n  b from_l1\n"
    ".rept 3\n  .balign 128\n  b unexpected\n.endr\n"
    ".balign 128\n  b from_l2\n"
    ".rept 7\n  .balign 128\n  b unexpected\n.endr\n"
    ".balign 128\n"
    "from_l2:\n"
    "  mrs x9, esr_el2\n  lsr x9, x9, #26\n  cmp x9, #0x16\n  b.ne unexpected\n"
    "  adrp x9, saved_sp\n  add x9, x9, :lo12:saved_sp\n  ldr x10, [x9]\n  mov sp, x10\n"
    "  ldp x19, x20, [sp, #16]\n  ldp x21, x22, [sp, #32]\n  ldp x23, x24, [sp, #48]\n"
    "  ldp x25, x26, [sp, #64]\n  ldp x27, x28, [sp, #80]\n  ldp x29, x30, [sp], #96\n  ret\n"
    "from_l1:\n"
    "  stp x9, x10, [sp, #-16]!\n"
    "  mrs x9, esr_el2\n  lsr x9, x9, #26\n  cbnz x9, unexpected\n"
    "  mrs x9, elr_el2\n  add x9, x9, #4\n  msr elr_el2, x9\n"
    "  adrp x9, undefined_seen\n  add x9, x9, :lo12:undefined_seen\n  mov x10, #1\n  str x10, [x9]\n"
    "  ldp x9, x10, [sp], #16\n  eret\n"
    "unexpected:\n"
    "  mrs x9, esr_el2\n  mov x10, #0x10000000\n  str x9, [x10]\n  b .\n");
extern char vectors[];

static void run_l2(u64 first, u64 step, u64 count, u64 number, u64 code) {
  WRITE(elr_el2, code);
  WRITE(spsr_el2, 0x3c5); /* EL1h, everything masked */
  ISB();
  enter_l2(first, step, count, number);
}

/* begin, the instruction with X1 as its register, end */
static void count_instruction(u64 number, uint32_t instruction, u64 operand) {
  undefined_seen = 0;
  CODE_SLOT[0] = MARK_WORD(MARK_BEGIN);
  CODE_SLOT[1] = instruction;
  CODE_SLOT[2] = 0xf9400040; /* ldr x0, [x2] */
  CODE_SLOT[3] = MARK_WORD(MARK_END);
  CODE_SLOT[4] = 0xd65f03c0; /* ret */
  __asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
  register u64 x0 __asm__("x0") = number;
  register u64 x1 __asm__("x1") = operand;
  register u64 *x2 __asm__("x2") = &undefined_seen;
  __asm__ volatile("blr %3" : "+r"(x0), "+r"(x1) : "r"(x2), "r"(CODE_SLOT) : "x30", "memory");
}

static void execute(uint32_t instruction, u64 operand) {
  CODE_SLOT[0] = instruction;
  CODE_SLOT[1] = 0xd65f03c0;
  __asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
  register u64 x1 __asm__("x1") = operand;
  __asm__ volatile("blr %1" : "+r"(x1) : "r"(CODE_SLOT) : "x30", "memory");
  ISB();
}

static void set_up(void) {
  WRITE(vbar_el2, vectors);
  granule = SCRIPT[0];
  /* T0SZ and SL0 of a start at start_level(), one table: 36 bits, which the smallest host has; TG0; inner and outer write-back */
  u64 bits = 36;
  u64 tg0 = granule == 12 ? 0 : granule == 14 ? 2 : 1;
  WRITE(vtcr_el2, 1ull << 31 | tg0 << 14 | 3ull << 12 | 1ull << 10 | 1ull << 8 | 1ull << 6 | (64 - bits));
  WRITE(hcr_el2, 1ull << 31 | 1); /* RW, VM */
  WRITE(cptr_el2, 0x33ff);
  WRITE(cnthctl_el2, 3);
  WRITE(sctlr_el1, 0x30c50830);
  for (u64 i = 0; i < (u64)(l2_code_end - l2_code); i++) ((volatile char *)L2_CODE)[i] = l2_code[i];
  __asm__ volatile("dsb sy\n\tic iallu" ::: "memory");
  ISB();
}

void run_script(void) {
  set_up();
  u64 code = SCRIPT[1]; /* IPA of L2's code page in every context */
  for (volatile u64 *c = SCRIPT + 4;; c += 6) switch (c[0]) {
    case END: return;
    case CONTEXT: { /* number, VMID */
      u64 *root = &roots[c[1] & 7];
      if (!*root) {
        *root = new_table();
        map(*root, code, L2_CODE, 3);
      }
      WRITE(vttbr_el2, c[2] << 48 | *root);
      ISB();
      break;
    }
    case MAP: /* context, IPA, offset in L2's memory, level, how many */
      for (u64 i = 0, size = 1ull << (granule + (granule - 3) * (3 - c[4])); i < c[5]; i++)
        map(roots[c[1] & 7], c[2] + i * size, L2_DATA + c[3] + i * size, (int)c[4]);
      ISB();
      break;
    case TOUCH: run_l2(c[2], c[3], c[4], ~0ull, code); break;
    case COUNT_TOUCH: run_l2(c[2], c[3], c[4], c[1], code); break;
    case PREPARE: execute((uint32_t)c[2], c[3]); break;
    case COUNT_TLBI: count_instruction(c[1], (uint32_t)c[2], c[3]); break;
    case COUNT_ENTER: { /* a round trip to L2 and back, with what it touches there: begins and ends in L1 */
      register u64 x0 __asm__("x0") = c[1];
      WRITE(elr_el2, code);
      WRITE(spsr_el2, 0x3c5);
      ISB();
      __asm__ volatile(".inst %1" ::"r"(x0), "i"(MARK_WORD(MARK_BEGIN)) : "memory");
      enter_l2(c[2], c[3], c[4], ~0ull);
      register u64 end __asm__("x0") = 0;
      __asm__ volatile(".inst %1" ::"r"(end), "i"(MARK_WORD(MARK_END)) : "memory");
      break;
    }
    default: fail(2);
  }
}

/* The VM's entry, at its first byte. */
__asm__(
    ".section .text.start, \"ax\"\n"
    ".global _start\n"
    "_start:\n"
    "  movz x0, #0x4070, lsl #16\n  mov sp, x0\n"
    "  bl run_script\n"
    "  movz w0, #0x8400, lsl #16\n  movk w0, #0x0008\n" /* PSCI SYSTEM_OFF */
    "  smc #0\n"
    "1: wfi\n  b 1b\n");
