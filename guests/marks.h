/*
 * What the machine's parts tell the counting plugin (count.c): instructions without effect, `movz xzr, #MARK`, with their
 * words in X0 and X1. Any exception level may execute one; without the plugin it does nothing.
 */
#define MARK_SYMBOLS 0x1020 /* X0: where /proc/kallsyms stands in memory, X1: its bytes */
#define MARK_PHASE 0x1030   /* X0: number of a point of the run: all sums are written */
#define MARK_BEGIN 0x1040   /* X0: number of what is counted from here ... */
#define MARK_END 0x1041     /* ... to here, X0: 1 when the instruction was undefined */

#define MARK_WORD(mark) (0xd280001fu | (mark) << 5)
