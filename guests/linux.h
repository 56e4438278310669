/*
 * As much of a C library and of Linux's interface as the programs for the emulated machine need: AArch64, static, no
 * headers but the compiler's own.
 */
#include <stddef.h>
#include <stdint.h>

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8) : "memory");
  return x0;
}
#define CALL(number, a, b, c) syscall6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* asm-generic/unistd.h; errors are returned, as negative numbers */
static inline long sys_ioctl(int fd, unsigned long request, uintptr_t argument) { return CALL(29, fd, request, argument); }
static inline long sys_mkdir(const char *path) { return syscall6(34, -100, (long)path, 0755, 0, 0, 0); }
static inline long sys_mount(const char *what, const char *where, const char *type) {
  return syscall6(40, (long)what, (long)where, (long)type, 0, 0, 0);
}
static inline int sys_open(const char *path, int flags) { return (int)syscall6(56, -100, (long)path, flags, 0, 0, 0); }
static inline long sys_close(int fd) { return CALL(57, fd, 0, 0); }
static inline long sys_read(int fd, void *to, size_t bytes) { return CALL(63, fd, to, bytes); }
static inline long sys_write(int fd, const void *from, size_t bytes) { return CALL(64, fd, from, bytes); }
static inline long sys_unlink(const char *path) { return CALL(35, -100, path, 0); }
static inline void *sys_mmap(size_t bytes, int flags, int fd) {
  return (void *)syscall6(222, 0, (long)bytes, 3 /* read and write */, flags, fd, 0);
}
static inline long sys_madvise(void *at, size_t bytes, int advice) { return CALL(233, at, bytes, advice); }
#define O_RDONLY 0
#define O_RDWR 2
#define MAP_SHARED 1
#define MAP_PRIVATE_ANONYMOUS_NORESERVE (2 | 0x20 | 0x4000)
#define MADV_HUGEPAGE 14
#define MADV_NOHUGEPAGE 15

/* The compiler calls these of itself. */
void *memcpy(void *to, const void *from, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
  return to;
}
void *memset(void *at, int value, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) ((volatile char *)at)[i] = (char)value;
  return at;
}

static inline size_t length(const char *text) {
  size_t n = 0;
  while (text[n]) n++;
  return n;
}
static inline void say(const char *text) { sys_write(1, text, length(text)); }
static inline void say_number(unsigned long value) {
  char digits[20];
  int at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while (value /= 10);
  sys_write(1, digits + at, sizeof digits - at);
}

/* The machine's end: LINUX_REBOOT_CMD_POWER_OFF. */
static inline _Noreturn void power_off(void) {
  CALL(81, 0, 0, 0);
  for (;;) syscall6(142, 0xfee1dead, 672274793, 0x4321fedc, 0, 0, 0);
}
static inline _Noreturn void die(const char *what, long error) {
  say("vmm: ");
  say(what);
  say(" failed, error ");
  say_number((unsigned long)(error < 0 ? -error : error));
  say("\n");
  power_off();
}
