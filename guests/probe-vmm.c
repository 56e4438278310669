/*
 * The host's first process in a probe: one VM with one vCPU at virtual EL2 and nothing else, which executes probe-guest.c
 * with the script that the initramfs holds.
 */
#include "host.h"

#define MEMORY (64ull << 20)
#define SCRIPT 0x200000ull /* from RAM_BASE, as probe-guest.c has it */

void _start(void) {
  start_host();
  tell_symbols();
  uint8_t *memory = new_memory(MEMORY, (int)option("shootdown.huge=", 1));
  load("/guest", memory);
  load("/script", memory + SCRIPT);
  populate(memory, MEMORY);
  int vm = new_vm(memory, MEMORY);
  long vcpu = sys_ioctl(vm, KVM_CREATE_VCPU, 0);
  if (vcpu < 0) die("KVM_CREATE_VCPU", vcpu);
  int gic = new_gic(vm);
  init_vcpu(vm, (int)vcpu, 0);
  finish_gic(gic);
  set_register((int)vcpu, KVM_REG_PC, RAM_BASE);
  struct kvm_run *run = map_run((int)vcpu);
  for (;;) {
    long error = sys_ioctl((int)vcpu, KVM_RUN, 0);
    if (error == -4 || error == -11) continue;
    if (error < 0) die("KVM_RUN", error);
    if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT) break;
    if (run->exit_reason == KVM_EXIT_MMIO) {
      say("vmm: the guest stopped at ");
      say_number(run->mmio.phys_addr);
      say(", value ");
      uint64_t value = 0;
      memcpy(&value, run->mmio.data, 8);
      say_number(value);
      say("\n");
      power_off();
    }
    die("KVM_RUN: exit reason", run->exit_reason);
  }
  say("vmm: done\n");
  power_off();
}
