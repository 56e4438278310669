/*
 * A TCG plugin of QEMU: for each execution of an instruction at one of the given addresses a record of its PC, PSTATE, CPU and
 * registers, before it executes. So does QEMU's own log (-d exec,cpu, filtered), which compares each block that is looked up with
 * every address; here what is not asked for costs nothing.
 *
 * A record: 34 little-endian words of 64 bits: PC; PSTATE, with the CPU's number in bits [63:32]; X0 to X30; SP.
 *
 * Arguments: out=FILE, cpus=N, at=HEX:HEX... (at most 1,024 addresses).
 */
#include "plugin.h"

long write(int, const void *, size_t);
int open(const char *, int, ...);
int dprintf(int, const char *, ...);
void exit(int);
#define WRITE_ONLY 1 /* O_WRONLY */

EXPORT int qemu_plugin_version = 4;

#define REGISTERS 32
#define WORDS (2 + REGISTERS)
#define ADDRESSES 1024
#define CPUS 256

static uint64_t addresses[ADDRESSES];
static int address_count;
static int out = -1;
static GByteArray *bytes;
static struct qemu_plugin_register *registers[REGISTERS], *pstate, *tpidr, *vmpidr;
/* CPUs by Xen's TPIDR_EL2 */
static struct { uint64_t tpidr; unsigned cpu; } known[CPUS];
static int known_count;
static unsigned cpu_count = 1;

static void find_registers(void) {
  bytes = g_byte_array_new();
  GArray *all = qemu_plugin_get_registers();
  qemu_plugin_reg_descriptor *each = (qemu_plugin_reg_descriptor *)all->data;
  for (unsigned i = 0; i < all->len; i++) {
    int at;
    if (!strcmp(each[i].name, "cpsr")) pstate = each[i].handle;
    if (!strcmp(each[i].name, "TPIDR_EL2")) tpidr = each[i].handle;
    if (!strcmp(each[i].name, "VMPIDR_EL2")) vmpidr = each[i].handle;
    if (!strcmp(each[i].name, "sp")) registers[31] = each[i].handle;
    if (each[i].name[0] == 'x' && sscanf(each[i].name + 1, "%d", &at) == 1 && at >= 0 && at < 31) registers[at] = each[i].handle;
  }
  bool all_there = pstate && tpidr && vmpidr;
  for (int i = 0; i < REGISTERS; i++) all_there &= registers[i] != 0;
  if (all_there) return;
  dprintf(2, "record: this QEMU does not tell plugins X0 to X30, SP, PSTATE, TPIDR_EL2 and VMPIDR_EL2\n");
  exit(1); /* a record without them would pass for one */
}

static uint64_t value_of(struct qemu_plugin_register *from) {
  uint64_t value = 0;
  g_byte_array_set_size(bytes, 0);
  int got = qemu_plugin_read_register(from, bytes);
  if (got > 0) memcpy(&value, bytes->data, got > 8 ? 8 : (size_t)got);
  return value;
}

/*
 * The CPU that executes. What a callback is told is the CPU that translated the block, where an instruction-counted clock lets
 * CPUs run in turns (QEMU 10.0, gen_cpu_index). Xen keeps a CPU's offset of per-CPU data in TPIDR_EL2, 0 on the first and until
 * it is set; and VMPIDR_EL2 has the CPU's own number until Xen writes that of the first vCPU there, which is later.
 */
static unsigned cpu_now(void) {
  uint64_t offset = value_of(tpidr);
  unsigned number = (unsigned)(value_of(vmpidr) & 0xff);
  for (int i = 0; i < known_count; i++)
    if (known[i].tpidr == offset) return known[i].cpu;
  if (offset && known_count < CPUS) {
    known[known_count].tpidr = offset;
    known[known_count++].cpu = number;
    return number;
  }
  /* The first, which may run a guest's vCPU of that number, or one that is not set up yet. */
  for (int i = 0; i < known_count; i++)
    if (known[i].cpu == number) return 0;
  return number < cpu_count ? number : 0;
}

static void record(unsigned unused, void *pc) {
  uint64_t words[WORDS];
  if (!bytes) find_registers();
  words[0] = (uint64_t)(uintptr_t)pc;
  words[1] = (uint32_t)value_of(pstate) | (uint64_t)cpu_now() << 32;
  for (int i = 0; i < REGISTERS; i++) words[2 + i] = value_of(registers[i]);
  const char *at = (const char *)words;
  for (size_t left = sizeof words; left;) {
    long done = write(out, at, left);
    if (done <= 0) return; /* nobody reads any more */
    at += done;
    left -= (size_t)done;
  }
}

static bool asked(uint64_t pc) {
  int low = 0, high = address_count;
  while (low < high) {
    int middle = (low + high) / 2;
    if (addresses[middle] < pc) low = middle + 1;
    else high = middle;
  }
  return low < address_count && addresses[low] == pc;
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  for (size_t i = 0, n = qemu_plugin_tb_n_insns(tb); i < n; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    uint64_t pc = qemu_plugin_insn_vaddr(insn);
    if (asked(pc)) qemu_plugin_register_vcpu_insn_exec_cb(insn, record, QEMU_PLUGIN_CB_R_REGS, (void *)(uintptr_t)pc);
  }
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  char *value;
  for (int i = 0; i < argc; i++) {
    if ((value = after(argv[i], "out="))) out = open(value, WRITE_ONLY);
    if ((value = after(argv[i], "cpus="))) cpu_count = (unsigned)strtoull(value, 0, 10);
    if ((value = after(argv[i], "at=")))
      while (*value && address_count < ADDRESSES) {
        addresses[address_count++] = strtoull(value, &value, 16);
        if (*value == ':') value++;
      }
    else
      continue;
    if (*value && address_count == ADDRESSES) return 1; /* the rest would go unseen */
  }
  if (out < 0) return 1;
  qsort(addresses, (size_t)address_count, sizeof addresses[0], by_value);
  qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
  return 0;
}
