/*
 * A TCG plugin of QEMU (API 4, QEMU 9.2 and later): counts what a host with KVM does for a guest hypervisor in it.
 *
 * Until the host's first process executes MARK_SYMBOLS nothing is counted. From its /proc/kallsyms the plugin then knows the
 * host's code: by the host address of its memory, for a guest's kernel has the same virtual addresses. Output: a line of JSON
 * for each count between MARK_BEGIN and MARK_END, and for each TLBI of the guest hypervisor at the sites of a file, and the
 * sums at each MARK_PHASE and at the end. With exits=1 also one for each entry of a guest, of what the host did since the one
 * before: the syndrome with which the guest had left, and the leaf that was mapped for it; so with the TLBIs' windows it is all
 * that the host did.
 *
 * Arguments: out=FILE, functions=NAME:NAME... (of which to count the calls; with exits=1 the first three are __guest_enter,
 * handle_exit and kvm_pgtable_stage2_map), sites=FILE (of the guest hypervisor's TLBIs, in
 * hexadecimal, one a line), above=HEX and below=HEX (the hypervisor's virtual addresses).
 */
#include "plugin.h"
#include "marks.h"

EXPORT int qemu_plugin_version = 4;

/* Who executes: the host's kernel, its VMM, the guest hypervisor, everything else (its guests, the host's rest). */
enum { HOST, VMM, HYPERVISOR, OTHER, WHO };
static const char *const who_names[WHO] = { "host", "vmm", "hypervisor", "other" };
#define KINDS 2048 /* of SYS instructions with CRn 8 or 9: op1, CRn's lowest bit, CRm, op2 */
#define FUNCTIONS 16

struct sums { uint64_t instructions[WHO], host_tlbi[KINDS], guest_tlbi[KINDS], calls[FUNCTIONS]; };

static qemu_plugin_id_t self;
static struct qemu_plugin_scoreboard *score;
static FILE *out;
static bool counting;
static struct { const char *name; uint64_t address; } functions[FUNCTIONS];
static int function_count;
/* the host's text by its virtual addresses, and its host address once code of it was seen */
static uint64_t text_start, text_end, text_host;
static uint64_t vmm_start = 0x7000000000ull, hypervisor_start = 1, hypervisor_end = 0;
static uint64_t sites[1024];
static int site_count;
static GByteArray *bytes;
static struct qemu_plugin_register *x_registers[31], *syndrome, *nested_page;

static struct sums *sums_of(unsigned cpu) { return qemu_plugin_scoreboard_find(score, cpu); }

static uint64_t read_register(struct qemu_plugin_register *from) {
  uint64_t value = 0;
  if (!from) return 0;
  g_byte_array_set_size(bytes, 0);
  int got = qemu_plugin_read_register(from, bytes);
  if (got > 0) memcpy(&value, bytes->data, got > 8 ? 8 : (size_t)got);
  return value;
}

static uint64_t read_x(int n) {
  if (!bytes) {
    bytes = g_byte_array_new();
    GArray *all = qemu_plugin_get_registers();
    qemu_plugin_reg_descriptor *each = (qemu_plugin_reg_descriptor *)all->data;
    for (unsigned i = 0; i < all->len; i++) {
      int at;
      if (!strcmp(each[i].name, "ESR_EL2")) syndrome = each[i].handle;
      if (!strcmp(each[i].name, "VNCR_EL2")) nested_page = each[i].handle;
      if (each[i].name[0] == 'x' && sscanf(each[i].name + 1, "%d", &at) == 1 && at >= 0 && at < 31) x_registers[at] = each[i].handle;
    }
  }
  return n == 31 ? 0 : read_register(x_registers[n]);
}

/* The kind of a SYS instruction in the form in which it is written: op1, CRn, CRm, op2. */
static int kind_of(uint32_t word) { return (word >> 16 & 7) << 8 | (word >> 8 & 31) << 3 | (word >> 5 & 7); }
static uint32_t kind_word[KINDS];

static void write_tlbis(const char *name, const uint64_t *now, const uint64_t *before) {
  fprintf(out, ",\"%s\":{", name);
  const char *comma = "";
  for (int i = 0; i < KINDS; i++) {
    uint64_t n = now[i] - (before ? before[i] : 0);
    if (!n) continue;
    fprintf(out, "%s\"%x\":%lu", comma, kind_word[i], n);
    comma = ",";
  }
  fputs("}", out);
}

static void write_sums(const struct sums *now, const struct sums *before) {
  for (int i = 0; i < WHO; i++) fprintf(out, ",\"%s\":%lu", who_names[i], now->instructions[i] - (before ? before->instructions[i] : 0));
  write_tlbis("hostTlbi", now->host_tlbi, before ? before->host_tlbi : 0);
  fputs(",\"calls\":{", out);
  for (int i = 0, any = 0; i < function_count; i++) {
    if (!functions[i].address) continue;
    fprintf(out, "%s\"%s\":%lu", any++ ? "," : "", functions[i].name, now->calls[i] - (before ? before->calls[i] : 0));
  }
  fputs("}", out);
}

/* ---- counts between two marks */
static struct sums at_begin;
static uint64_t number;
static bool begun;

static void begin(unsigned cpu, void *unused) {
  memcpy(&at_begin, sums_of(cpu), sizeof at_begin);
  number = read_x(0);
  begun = true;
}

static void end(unsigned cpu, void *unused) {
  if (!begun) return;
  begun = false;
  fprintf(out, "{\"count\":%lu,\"undefined\":%lu", number, read_x(0));
  write_sums(sums_of(cpu), &at_begin);
  fputs("}\n", out);
  fflush(out); /* who watches the file sees that the machine gets on */
}

static void phase(unsigned cpu, void *unused) {
  fprintf(out, "{\"phase\":%lu", read_x(0));
  write_sums(sums_of(cpu), 0);
  write_tlbis("guestTlbi", sums_of(cpu)->guest_tlbi, 0);
  fputs("}\n", out);
}

/* ---- what the host did from one entry of a guest to the next, but for what is in a TLBI's window */
#define TRAP 2            /* ARM_EXCEPTION_TRAP: what handle_exit is told in X1 of an exit that has a syndrome */
#define VNCR_VTTBR 0x20   /* where the page of VNCR_EL2 has the guest hypervisor's VTTBR_EL2 (DDI 0487, FEAT_NV2) */
static bool exits;
static struct sums at_entry;
static struct { bool trapped, mapped; uint64_t syndrome, address, size, prot; } left;

static void note_exit(unsigned cpu, void *unused) {
  left.trapped = (read_x(1) & 3) == TRAP;
  left.syndrome = left.trapped ? read_register(syndrome) : 0;
}

/* kvm_pgtable_stage2_map(pgt, addr, size, phys, prot, ...) */
static void note_map(unsigned cpu, void *unused) {
  left.mapped = true;
  left.address = read_x(1);
  left.size = read_x(2);
  left.prot = read_x(4);
}

/* ---- a TLBI of the guest hypervisor: from it to the instruction behind it, on one CPU at a time */
static struct sums at_tlbi;
static struct { bool open; uint64_t pc, operand; uint32_t word; } window;

/* What a callback is given: the instruction and its address below 2^44. */
static void tlbi_begin(unsigned cpu, void *what) {
  uint64_t packed = (uint64_t)(uintptr_t)what;
  uint64_t pc = packed & 0xfffffffffffull;
  uint32_t word = 0xd5080000u | (uint32_t)(packed >> 44);
  memcpy(&at_tlbi, sums_of(cpu), sizeof at_tlbi);
  window.open = true;
  window.pc = pc;
  window.word = word & ~31u;
  window.operand = read_x((int)(word & 31));
}

static void tlbi_end(unsigned cpu, void *what) {
  if (!window.open || (uint64_t)(uintptr_t)what != window.pc + 4) return;
  window.open = false;
  fprintf(out, "{\"tlbi\":\"%x\",\"pc\":\"%lx\",\"operand\":\"%lx\",\"at\":%lu", window.word, window.pc, window.operand, at_tlbi.instructions[HOST]);
  write_sums(sums_of(cpu), &at_tlbi);
  fputs("}\n", out);
  /* The end of the entry before the TLBI goes to what comes next: nothing is lost or counted twice. */
  uint64_t carried = at_tlbi.instructions[HOST] - at_entry.instructions[HOST];
  memcpy(&at_entry, sums_of(cpu), sizeof at_entry);
  at_entry.instructions[HOST] -= carried;
  memset(&left, 0, sizeof left);
}

static void write_exit(unsigned cpu, void *unused) {
  if (window.open) return;
  uint64_t page, vttbr = 0;
  read_x(0);
  if ((page = read_register(nested_page))) {
    g_byte_array_set_size(bytes, 0);
    if (qemu_plugin_read_memory_vaddr(page + VNCR_VTTBR, bytes, 8)) memcpy(&vttbr, bytes->data, 8);
  }
  fprintf(out, "{\"exit\":\"%lx\",\"vttbr\":\"%lx\"", left.syndrome, vttbr);
  if (left.mapped) fprintf(out, ",\"address\":\"%lx\",\"bytes\":%lu,\"prot\":\"%lx\"", left.address, left.size, left.prot);
  write_sums(sums_of(cpu), &at_entry);
  fputs("}\n", out);
  memcpy(&at_entry, sums_of(cpu), sizeof at_entry);
  memset(&left, 0, sizeof left);
}

/* ---- the host's symbols */
struct symbol { uint64_t address; const char *name; };

static void learn(const char *text, size_t size) {
  for (size_t i = 0; i < size;) {
    const char *line = text + i;
    char *rest;
    uint64_t address = strtoull(line, &rest, 16);
    const char *name = rest + 3;
    size_t n = 0;
    while (i + (size_t)(name - line) + n < size && name[n] != '\n' && name[n] != '\t') n++;
#define IS(word) (strlen(word) == n && !strncmp(name, word, n))
    if (IS("_text") || IS("_stext")) text_start = text_start && text_start < address ? text_start : address;
    if (IS("_etext")) text_end = address; /* not _end: freed init memory may become a guest's */
    for (int f = 0; f < function_count; f++)
      if (IS(functions[f].name)) functions[f].address = address;
    while (i < size && text[i] != '\n') i++;
    i++;
  }
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
static void at_exit(qemu_plugin_id_t id, void *unused);

static void start_counting(qemu_plugin_id_t id) {
  counting = true;
  qemu_plugin_register_vcpu_tb_trans_cb(id, instrument);
  qemu_plugin_register_atexit_cb(id, at_exit, 0);
}

static void symbols(unsigned cpu, void *unused) {
  if (counting) return;
  uint64_t at = read_x(0), size = read_x(1);
  char *text = malloc(size + 1);
  for (uint64_t done = 0; done < size;) {
    uint64_t n = 4096 - ((at + done) & 4095);
    if (n > size - done) n = size - done;
    g_byte_array_set_size(bytes, 0);
    if (qemu_plugin_read_memory_vaddr(at + done, bytes, n)) memcpy(text + done, bytes->data, n);
    else memset(text + done, '\n', n);
    done += n;
  }
  text[size] = 0;
  learn(text, size);
  fprintf(out, "{\"symbols\":%lu,\"textBytes\":%lu,\"missing\":[", size, text_end - text_start);
  for (int f = 0, any = 0; f < function_count; f++)
    if (!functions[f].address) fprintf(out, "%s\"%s\"", any++ ? "," : "", functions[f].name);
  fputs("]}\n", out);
  fflush(out);
  /* What was translated until now is translated anew, with what counts in it. */
  qemu_plugin_reset(self, start_counting);
}

/* ---- translation */
static uint32_t word_of(const struct qemu_plugin_insn *insn) {
  uint32_t word = 0;
  qemu_plugin_insn_data(insn, &word, 4);
  return word;
}

static void await_symbols(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  for (size_t i = 0, n = qemu_plugin_tb_n_insns(tb); i < n; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    if (word_of(insn) == MARK_WORD(MARK_SYMBOLS)) qemu_plugin_register_vcpu_insn_exec_cb(insn, symbols, QEMU_PLUGIN_CB_R_REGS, 0);
  }
}

static int who_executes(uint64_t pc, uint64_t host) {
  /* The first kernel code after the symbols is the host's: no guest runs yet. */
  if (!text_host && pc >= text_start && pc < text_end && host) text_host = host - (pc - text_start);
  if (text_host && host >= text_host && host < text_host + (text_end - text_start)) return HOST;
  if (pc >= vmm_start && pc < vmm_start + (16 << 20)) return VMM;
  if (pc >= hypervisor_start && pc < hypervisor_end) return HYPERVISOR;
  return OTHER;
}

static void add(struct qemu_plugin_insn *insn, size_t offset) {
  qemu_plugin_u64 entry = { score, offset };
  qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
}

/* The first three functions: see the arguments. */
static void (*const noted[])(unsigned, void *) = { write_exit, note_exit, note_map };
#define NOTED 3

static void instrument_one(struct qemu_plugin_insn *insn, int who, uint64_t host) {
  uint32_t word = word_of(insn);
  uint64_t pc = qemu_plugin_insn_vaddr(insn);
  if (who == HOST)
    for (int f = 0; f < function_count; f++)
      if (functions[f].address && functions[f].address - text_start == host - text_host) {
        if (exits && f < NOTED) qemu_plugin_register_vcpu_insn_exec_cb(insn, noted[f], QEMU_PLUGIN_CB_R_REGS, 0);
        add(insn, offsetof(struct sums, calls) + 8 * (size_t)f);
      }
  if (who == HYPERVISOR)
    for (int i = 0; i < site_count; i++)
      if (sites[i] + 4 == pc) qemu_plugin_register_vcpu_insn_exec_cb(insn, tlbi_end, QEMU_PLUGIN_CB_R_REGS, (void *)(uintptr_t)pc);
  if ((word & 0xfff8e000) == 0xd5088000) { /* SYS with CRn 8 or 9: a TLBI */
    int kind = kind_of(word);
    kind_word[kind] = word & ~31u;
    if (who == HYPERVISOR)
      qemu_plugin_register_vcpu_insn_exec_cb(insn, tlbi_begin, QEMU_PLUGIN_CB_R_REGS, (void *)(uintptr_t)((uint64_t)(word & 0x7ffff) << 44 | pc));
    else
      add(insn, (who == HOST ? offsetof(struct sums, host_tlbi) : offsetof(struct sums, guest_tlbi)) + 8 * (size_t)kind);
  }
  if (word == MARK_WORD(MARK_BEGIN)) qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, QEMU_PLUGIN_CB_R_REGS, 0);
  if (word == MARK_WORD(MARK_END)) qemu_plugin_register_vcpu_insn_exec_cb(insn, end, QEMU_PLUGIN_CB_R_REGS, 0);
  if (word == MARK_WORD(MARK_PHASE)) qemu_plugin_register_vcpu_insn_exec_cb(insn, phase, QEMU_PLUGIN_CB_R_REGS, 0);
}

static void instrument(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  size_t n = qemu_plugin_tb_n_insns(tb);
  struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
  int who = who_executes(qemu_plugin_insn_vaddr(first), (uint64_t)(uintptr_t)qemu_plugin_insn_haddr(first));
  for (size_t i = 0; i < n; i++) {
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
    /* One by one: a block's sum at its begin counts too many where an exception or an interrupt leaves it early. */
    add(insn, offsetof(struct sums, instructions) + 8 * (size_t)who);
    instrument_one(insn, who, (uint64_t)(uintptr_t)qemu_plugin_insn_haddr(insn));
  }
}

static void at_exit(qemu_plugin_id_t id, void *unused) {
  fputs("{\"end\":0", out);
  write_sums(sums_of(0), 0);
  fputs("}\n", out);
  fclose(out);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
  self = id;
  char *value;
  for (int i = 0; i < argc; i++) {
    if ((value = after(argv[i], "out="))) out = fopen(value, "w");
    if ((value = after(argv[i], "below="))) hypervisor_end = strtoull(value, 0, 16);
    if ((value = after(argv[i], "above="))) hypervisor_start = strtoull(value, 0, 16);
    if ((value = after(argv[i], "exits="))) exits = *value == '1';
    if ((value = after(argv[i], "sites="))) {
      FILE *file = fopen(value, "r");
      if (!file) return 1;
      while (site_count < 1024 && fscanf(file, "%lx", &sites[site_count]) == 1) site_count++;
      fclose(file);
    }
    if ((value = after(argv[i], "functions=")))
      while (*value && function_count < FUNCTIONS) {
        functions[function_count++].name = value;
        while (*value && *value != ':') value++;
        if (*value) *value++ = 0;
      }
  }
  if (!out) return 1;
  score = qemu_plugin_scoreboard_new(sizeof(struct sums));
  qemu_plugin_register_vcpu_tb_trans_cb(id, await_symbols);
  return 0;
}
