/* What both VMMs do as the host's first process: the machine's set-up, a guest's memory, and its vCPUs with EL2. */
#include "kvm.h"
#include "linux.h"
#include "marks.h"

#define RAM_BASE 0x40000000ull
#define GIC_DISTRIBUTOR 0x08000000ull
#define GIC_REDISTRIBUTORS 0x080a0000ull

static char command_line[4096];

/* The number after a word of the kernel's command line, as "shootdown.vcpus="; `otherwise` where it is not there. */
static long option(const char *key, long otherwise) {
  size_t n = length(key);
  for (const char *p = command_line; *p; p++) {
    size_t i = 0;
    while (i < n && p[i] == key[i]) i++;
    if (i < n) continue;
    long value = 0;
    for (p += n; *p >= '0' && *p <= '9'; p++) value = value * 10 + *p - '0';
    return value;
  }
  return otherwise;
}

static uint8_t *new_memory(size_t bytes, int huge) {
  const size_t large = 512ull << 20; /* the largest block that a host of any page size maps at once, 32 MiB or less mostly */
  size_t align = bytes < large ? 32ull << 20 : large;
  uint8_t *at = sys_mmap(bytes + align, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1);
  if ((long)at < 0 && (long)at > -4096) die("mmap", (long)at);
  at = (uint8_t *)(((uintptr_t)at + align - 1) & ~(uintptr_t)(align - 1));
  sys_madvise(at, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return at;
}

/* Touched first, so that no fault of a guest waits for the host's own memory. */
static void populate(uint8_t *at, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 4096) *(volatile uint8_t *)(at + i) += 0;
}

static size_t load(const char *path, uint8_t *at) {
  int fd = sys_open(path, O_RDONLY);
  if (fd < 0) die(path, fd);
  size_t bytes = 0;
  for (long n; (n = sys_read(fd, at + bytes, 1 << 20)) > 0;) bytes += (size_t)n;
  sys_close(fd);
  sys_unlink(path); /* the initramfs is memory, too */
  return bytes;
}

/* Hands /proc/kallsyms to the plugin, which tells the host's code by it. */
static void tell_symbols(void) {
  uint8_t *at = sys_mmap(64 << 20, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1);
  int fd = sys_open("/proc/kallsyms", O_RDONLY);
  if (fd < 0) die("/proc/kallsyms", fd);
  size_t bytes = 0;
  for (long n; bytes < 63 << 20 && (n = sys_read(fd, at + bytes, 1 << 16)) > 0;) bytes += (size_t)n;
  sys_close(fd);
  register uint8_t *x0 __asm__("x0") = at;
  register size_t x1 __asm__("x1") = bytes;
  __asm__ volatile(".inst %2" ::"r"(x0), "r"(x1), "i"(MARK_WORD(MARK_SYMBOLS)) : "memory");
}

static int kvm;

static void start_host(void) {
  sys_mkdir("/proc");
  sys_mkdir("/dev");
  sys_mkdir("/sys");
  sys_mount("proc", "/proc", "proc");
  sys_mount("dev", "/dev", "devtmpfs");
  sys_mount("sys", "/sys", "sysfs");
  int fd = sys_open("/proc/cmdline", O_RDONLY);
  if (fd >= 0) sys_read(fd, command_line, sizeof command_line - 1);
  static char release[256];
  fd = sys_open("/proc/sys/kernel/osrelease", O_RDONLY);
  if (fd >= 0) sys_read(fd, release, sizeof release - 1);
  say("vmm: kernel ");
  say(release); /* ends its line */
  kvm = sys_open("/dev/kvm", O_RDWR);
  if (kvm < 0) die("/dev/kvm", kvm);
  say("vmm: EL2 ");
  say_number((unsigned long)sys_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL2));
  say(" E2H0 ");
  say_number((unsigned long)sys_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL2_E2H0));
  say(" ipa-bits ");
  say_number((unsigned long)sys_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE));
  say("\n");
}

/* A VM of at most 40 bits of IPA, which do not matter to its shadows. */
static int new_vm(uint8_t *memory, size_t bytes) {
  long bits = sys_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
  long vm = sys_ioctl(kvm, KVM_CREATE_VM, bits > 0 && bits < 40 ? (uintptr_t)bits : 40);
  if (vm < 0) die("KVM_CREATE_VM", vm);
  struct kvm_userspace_memory_region region = { 0, 0, RAM_BASE, bytes, (uintptr_t)memory };
  long error = sys_ioctl((int)vm, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&region);
  if (error) die("KVM_SET_USER_MEMORY_REGION", error);
  return (int)vm;
}

static void init_vcpu(int vm, int vcpu, int off) {
  struct kvm_vcpu_init init;
  memset(&init, 0, sizeof init);
  long error = sys_ioctl(vm, KVM_ARM_PREFERRED_TARGET, (uintptr_t)&init);
  if (error) die("KVM_ARM_PREFERRED_TARGET", error);
  init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2 | 1u << KVM_ARM_VCPU_HAS_EL2 | 1u << KVM_ARM_VCPU_HAS_EL2_E2H0;
  if (off) init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
  error = sys_ioctl(vcpu, KVM_ARM_VCPU_INIT, (uintptr_t)&init);
  if (error) die("KVM_ARM_VCPU_INIT with EL2 and E2H0", error);
}

static void set_register(int vcpu, uint64_t id, uint64_t value) {
  struct kvm_one_reg reg = { id, (uintptr_t)&value };
  long error = sys_ioctl(vcpu, KVM_SET_ONE_REG, (uintptr_t)&reg);
  if (error) die("KVM_SET_ONE_REG", error);
}

static struct kvm_run *map_run(int vcpu) {
  long bytes = sys_ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  struct kvm_run *run = sys_mmap((size_t)bytes, MAP_SHARED, vcpu);
  if ((long)run < 0 && (long)run > -4096) die("mmap of a vCPU", (long)run);
  return run;
}

static void set_device(int device, uint32_t group, uint64_t attribute, void *value, const char *what) {
  struct kvm_device_attr attr = { 0, group, attribute, (uintptr_t)value };
  long error = sys_ioctl(device, KVM_SET_DEVICE_ATTR, (uintptr_t)&attr);
  if (error) die(what, error);
}

/* KVM runs no vCPU with EL2 without a GIC of its own. All vCPUs must be there. */
static int new_gic(int vm) {
  struct kvm_create_device gic = { KVM_DEV_TYPE_ARM_VGIC_V3, 0, 0 };
  long error = sys_ioctl(vm, KVM_CREATE_DEVICE, (uintptr_t)&gic);
  if (error) die("KVM_CREATE_DEVICE of a GICv3", error);
  uint64_t distributor = GIC_DISTRIBUTOR, redistributors = GIC_REDISTRIBUTORS;
  uint32_t interrupts = 96;
  set_device((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &distributor, "the GIC's distributor");
  set_device((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &redistributors, "the GIC's redistributors");
  set_device((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &interrupts, "the GIC's interrupts");
  return (int)gic.fd;
}

/* Once the vCPUs are initialized. */
static void finish_gic(int gic) { set_device(gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0, "the GIC"); }
