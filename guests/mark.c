/* mark N: tells the counting plugin that dom0's script has come to its point N. */
#include "linux.h"
#include "marks.h"

__attribute__((used)) static _Noreturn void start(long *stack) {
  unsigned long number = 0;
  if (stack[0] > 1)
    for (const char *p = (const char *)stack[2]; *p >= '0' && *p <= '9'; p++) number = number * 10 + (unsigned long)(*p - '0');
  register unsigned long x0 __asm__("x0") = number;
  __asm__ volatile(".inst %1" ::"r"(x0), "i"(MARK_WORD(MARK_PHASE)) : "memory");
  for (;;) CALL(94, 0, 0, 0); /* exit_group */
}
__asm__(".global _start\n_start:\n  mov x0, sp\n  b start\n");
