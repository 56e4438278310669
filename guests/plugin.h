/*
 * What the plugins use of libc, glib and QEMU (qemu-plugin.h, API 4: QEMU 9.2 and later), all of which are in QEMU's process: no
 * headers of theirs are needed at set-up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct file FILE;
FILE *fopen(const char *, const char *);
int fclose(FILE *), fflush(FILE *), fprintf(FILE *, const char *, ...), fputs(const char *, FILE *), fscanf(FILE *, const char *, ...);
void *malloc(size_t), *memcpy(void *, const void *, size_t), *memset(void *, int, size_t);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
int strcmp(const char *, const char *), strncmp(const char *, const char *, size_t), sprintf(char *, const char *, ...);
int sscanf(const char *, const char *, ...);
size_t strlen(const char *);
unsigned long long strtoull(const char *, char **, int);
typedef struct { uint8_t *data; unsigned len; } GByteArray;
typedef struct { char *data; unsigned len; } GArray;
GByteArray *g_byte_array_new(void), *g_byte_array_set_size(GByteArray *, unsigned);

#define EXPORT __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
struct qemu_plugin_register;
typedef struct { struct qemu_plugin_scoreboard *score; size_t offset; } qemu_plugin_u64;
typedef struct { struct qemu_plugin_register *handle; const char *name, *feature; } qemu_plugin_reg_descriptor;
typedef struct qemu_info qemu_info_t;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, void (*)(unsigned, void *), int flags, void *);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *, int op, qemu_plugin_u64, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
void qemu_plugin_reset(qemu_plugin_id_t, void (*)(qemu_plugin_id_t));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *, unsigned);
GArray *qemu_plugin_get_registers(void);
int qemu_plugin_read_register(struct qemu_plugin_register *, GByteArray *);
bool qemu_plugin_read_memory_vaddr(uint64_t, GByteArray *, size_t);
enum { QEMU_PLUGIN_INLINE_ADD_U64 };
enum { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS };

/* The value of an argument KEY=VALUE; 0 where it is another's. */
static inline char *after(char *argument, const char *key) { return strncmp(argument, key, strlen(key)) ? 0 : argument + strlen(key); }
