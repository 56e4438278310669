/*
 * The host's first process in a run of the whole stack: a VM that looks enough like an Arm machine for Xen, which it boots at
 * virtual EL2 (E2H = 0) with dom0's kernel and initramfs. It has a GICv3, a PL011 whose output is the host's own console, and
 * PSCI. The device tree says the rest (src/stack/device-tree.ts, which has the same addresses).
 */
#include "host.h"

#define XEN 0x40200000ull
#define DEVICE_TREE 0x44000000ull
#define DOM0_KERNEL 0x48000000ull
#define DOM0_INITRAMFS 0x4c000000ull
#define UART 0x09000000ull
#define UART_SPI 1

static int vm;

/* ---- a PL011 (DDI 0183) that only sends; its transmit interrupt must work */
static struct { uint32_t ris, imsc, cr, lcr, ibrd, fbrd, ifls; int level; } uart;
static char line[4096];
static size_t filled;

static void send(void) {
  for (size_t i = 0; i < filled;) {
    long n = sys_write(1, line + i, filled - i);
    if (n <= 0) break;
    i += (size_t)n;
  }
  filled = 0;
}

static void interrupt(void) {
  int level = (uart.ris & uart.imsc) != 0;
  if (level == uart.level) return;
  uart.level = level;
  /* KVM_ARM_IRQ_TYPE_SPI, and the SPI's number among all interrupts */
  struct kvm_irq_level irq = { 1u << 24 | (32 + UART_SPI), (uint32_t)level };
  long error = sys_ioctl(vm, KVM_IRQ_LINE, (uintptr_t)&irq);
  if (error) die("KVM_IRQ_LINE", error);
}

#define TXIM 0x20u

static void uart_write(uint32_t at, uint32_t value) {
  switch (at) {
    case 0x00: /* UARTDR */
      line[filled++] = (char)value;
      if ((value & 255) == '\n' || filled == sizeof line) send();
      uart.ris |= TXIM;
      interrupt();
      break;
    case 0x24: uart.ibrd = value; break;
    case 0x28: uart.fbrd = value; break;
    case 0x2c: uart.lcr = value; break;
    case 0x30: uart.cr = value; break;
    case 0x34: uart.ifls = value; break;
    case 0x38: /* UARTIMSC */
      uart.imsc = value;
      uart.ris |= TXIM;
      interrupt();
      break;
    case 0x44: /* UARTICR */
      uart.ris &= ~value;
      interrupt();
      break;
  }
}

static uint32_t uart_read(uint32_t at) {
  static const uint8_t identity[8] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
  switch (at) {
    case 0x18: return 0x90; /* UARTFR: both FIFOs are empty */
    case 0x24: return uart.ibrd;
    case 0x28: return uart.fbrd;
    case 0x2c: return uart.lcr;
    case 0x30: return uart.cr;
    case 0x34: return uart.ifls;
    case 0x38: return uart.imsc;
    case 0x3c: return uart.ris;
    case 0x40: return uart.ris & uart.imsc;
  }
  return at >= 0xfe0 && at < 0x1000 ? identity[(at - 0xfe0) / 4] : 0;
}

static void mmio(struct kvm_run *run) {
  uint64_t at = run->mmio.phys_addr, value = 0;
  int here = at >= UART && at < UART + 0x1000;
  if (run->mmio.is_write) {
    memcpy(&value, run->mmio.data, run->mmio.len);
    if (here) uart_write((uint32_t)(at - UART), (uint32_t)value);
  } else {
    if (here) value = uart_read((uint32_t)(at - UART));
    memcpy(run->mmio.data, &value, 8);
  }
}

/* Where the log of executed blocks begins to be of Xen: no host code that ran before it is taken for Xen's. */
__attribute__((noinline, section("began"))) void xen_begins(void) { __asm__ volatile("nop"); }

void _start(void) {
  start_host();
  size_t bytes = (size_t)option("shootdown.memory=", 1280) << 20;
  uint8_t *memory = new_memory(bytes, (int)option("shootdown.huge=", 1));
  load("/xen", memory + (XEN - RAM_BASE));
  load("/device-tree", memory + (DEVICE_TREE - RAM_BASE));
  load("/dom0-kernel", memory + (DOM0_KERNEL - RAM_BASE));
  load("/dom0-initramfs", memory + (DOM0_INITRAMFS - RAM_BASE));
  populate(memory, bytes);
  vm = new_vm(memory, bytes);
  long vcpu = sys_ioctl(vm, KVM_CREATE_VCPU, 0);
  if (vcpu < 0) die("KVM_CREATE_VCPU", vcpu);
  int gic = new_gic(vm);
  init_vcpu(vm, (int)vcpu, 0);
  finish_gic(gic);
  struct kvm_run *run = map_run((int)vcpu);
  set_register((int)vcpu, KVM_REG_PC, XEN);
  set_register((int)vcpu, KVM_REG_X0, DEVICE_TREE);
  tell_symbols();
  xen_begins();
  for (;;) {
    long error = sys_ioctl((int)vcpu, KVM_RUN, 0);
    if (error == -4 || error == -11) continue;
    if (error < 0) die("KVM_RUN", error);
    if (run->exit_reason == KVM_EXIT_MMIO) mmio(run);
    else if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT) break;
    else die("KVM_RUN: exit reason", run->exit_reason);
  }
  send();
  say("vmm: done\n");
  power_off();
}
