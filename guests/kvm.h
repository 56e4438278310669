/* The part of linux/kvm.h and asm/kvm.h (arm64) that the VMMs use, by its names there. */
#include <stdint.h>

#define KVM_CREATE_VM 0xae01
#define KVM_CHECK_EXTENSION 0xae03
#define KVM_GET_VCPU_MMAP_SIZE 0xae04
#define KVM_CREATE_VCPU 0xae41
#define KVM_RUN 0xae80
#define KVM_SET_USER_MEMORY_REGION 0x4020ae46
#define KVM_IRQ_LINE 0x4008ae61
#define KVM_ARM_VCPU_INIT 0x4020aeae
#define KVM_ARM_PREFERRED_TARGET 0x8020aeaf
#define KVM_SET_ONE_REG 0x4010aeac
#define KVM_CREATE_DEVICE 0xc00caee0
#define KVM_SET_DEVICE_ATTR 0x4018aee1

#define KVM_CAP_ARM_VM_IPA_SIZE 165
#define KVM_CAP_ARM_EL2 240
#define KVM_CAP_ARM_EL2_E2H0 241

#define KVM_ARM_VCPU_POWER_OFF 0
#define KVM_ARM_VCPU_PSCI_0_2 2
#define KVM_ARM_VCPU_HAS_EL2 7
#define KVM_ARM_VCPU_HAS_EL2_E2H0 8

#define KVM_EXIT_MMIO 6
#define KVM_EXIT_SYSTEM_EVENT 24

#define KVM_DEV_TYPE_ARM_VGIC_V3 7
#define KVM_DEV_ARM_VGIC_GRP_ADDR 0
#define KVM_DEV_ARM_VGIC_GRP_NR_IRQS 3
#define KVM_DEV_ARM_VGIC_GRP_CTRL 4
#define KVM_DEV_ARM_VGIC_CTRL_INIT 0
#define KVM_VGIC_V3_ADDR_TYPE_DIST 2
#define KVM_VGIC_V3_ADDR_TYPE_REDIST 3

/* core registers: 64 bits, at this index of 32-bit words of struct kvm_regs */
#define KVM_REG_ARM64_CORE(word) (0x6030000000100000ull | (word))
#define KVM_REG_X0 KVM_REG_ARM64_CORE(0)
#define KVM_REG_PC KVM_REG_ARM64_CORE(64)

struct kvm_userspace_memory_region { uint32_t slot, flags; uint64_t guest_phys_addr, memory_size, userspace_addr; };
struct kvm_vcpu_init { uint32_t target, features[7]; };
struct kvm_one_reg { uint64_t id, addr; };
struct kvm_create_device { uint32_t type, fd, flags; };
struct kvm_device_attr { uint32_t flags, group; uint64_t attr, addr; };
struct kvm_irq_level { uint32_t irq, level; };
/* struct kvm_run as far as the exits that are handled */
struct kvm_run {
  uint8_t before[8];
  uint32_t exit_reason;
  uint8_t between[20];
  union {
    struct { uint64_t phys_addr; uint8_t data[8]; uint32_t len; uint8_t is_write; } mmio;
    struct { uint32_t type; } system_event;
  };
};
