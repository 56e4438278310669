/** The whole stack: a Linux with KVM as the host, the real Xen in it as the guest hypervisor, dom0 on that; and what each TLBI of Xen's cost the host. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  Cpio,
  type MachineSpec,
  type Platform,
  readImage,
  readInput,
  readKernel,
  recordingArguments,
} from "../capture/index.js";
import type { Built } from "./build.js";
import { deviceTree } from "./device-tree.js";
import { HOST_SILENCE, type HostMachine, hostArguments, qemuFor } from "./machine.js";
import { kernelName } from "./probe.js";

/** Where guests/stack-vmm.c has the function that says that Xen begins: build.ts links it there. */
const XEN_BEGINS = 0x70_0010_0000;
/** MiB of the host, and of the VM: dom0 has 512 of these. */
const HOST_MIB = 3072;
const VM_MIB = 1280;
/** The first three as guests/count.c wants them; the others tell what an exit was. */
const FUNCTIONS = [
  ...["__guest_enter", "handle_exit", "kvm_pgtable_stage2_map", "kvm_handle_guest_abort", "kvm_walk_nested_s2"],
  ...["io_mem_abort", "kvm_inject_nested_sync", "kvm_inject_nested_irq", "kvm_emulate_nested_eret", "gic_handle_irq"],
] as const;

/** What the host is. */
interface NestedOptions {
  readonly machine: Omit<HostMachine, "memoryMib">;
  readonly hostPages: "huge" | "small";
  /** the host's kernel, an arm64 Image */
  readonly kernel: string;
  readonly built: Built;
  /** link addresses of Xen's TLBIs, of its alternatives too, and of its image */
  readonly sites: readonly number[];
  readonly image: { readonly address: number; readonly bytes: number };
}

/** The platform of such a run; `counted` gets the plugin's lines when the machine has come to its end. */
export function nestedPlatform(
  options: NestedOptions,
  counted: (lines: readonly string[], kernel: string) => void,
): Platform {
  let console = "";
  const { built, image } = options;
  const machine = { ...options.machine, memoryMib: HOST_MIB };
  return {
    el: 1,
    begins: XEN_BEGINS,
    silence: HOST_SILENCE,
    silent: () => `does ${options.kernel} boot as a host with KVM? (more --timeout is more patience)`,
    xenWords: " dtuart=/pl011@9000000",
    dom0Words: "nokaslr cryptomgr.notests cryptomgr.noextratests loglevel=4 lsm=capability audit=0 random.trust_cpu=on",
    dom0Memory: "512M",
    machine(spec, folder) {
      const at = (name: string): string => join(folder, name);
      console = spec.console;
      writeFileSync(at("initramfs"), hostInitramfs(options, spec));
      writeFileSync(at("sites"), options.sites.map((address) => `${address.toString(16)}\n`).join(""));
      const run = {
        ...{ machine, kernel: options.kernel, folder, count: built.count },
        words: [`shootdown.memory=${VM_MIB}`, `shootdown.huge=${options.hostPages === "huge" ? 1 : 0}`],
        pluginArguments: [
          ...[`functions=${FUNCTIONS.join(":")}`, "exits=1"],
          `sites=${at("sites")}`,
          `above=${image.address.toString(16)}`,
          `below=${(image.address + image.bytes).toString(16)}`,
        ],
        further: [
          ...["-S", "-gdb", `unix:${spec.gdb.replaceAll(",", ",,")},server=on,wait=off`],
          ...recordingArguments(spec),
        ],
      };
      return { qemu: qemuFor(spec.qemu, machine, folder), arguments: hostArguments(run, at("counts"), spec.console) };
    },
    ended: (folder) =>
      counted(
        readFileSync(join(folder, "counts"), "latin1").split("\n").filter(Boolean),
        kernelName(readFileSync(console, "latin1"), options.kernel),
      ),
  };
}

function hostInitramfs({ built }: NestedOptions, spec: MachineSpec): Uint8Array {
  const kernel = readKernel(spec.dom0Kernel, "dom0's kernel");
  const initramfs = readInput(spec.dom0Initramfs);
  const cpio = new Cpio();
  cpio.device("dev/console", 5, 1);
  cpio.file("init", readInput(built.stackVmm), { program: true });
  cpio.file("xen", readImage(spec.xen, "Xen"));
  cpio.file("dom0-kernel", kernel);
  cpio.file("dom0-initramfs", initramfs);
  const tree = deviceTree({
    memoryBytes: VM_MIB * 2 ** 20,
    xenArguments: spec.xenArguments,
    dom0Arguments: spec.dom0Arguments,
    dom0Vcpus: spec.dom0Vcpus,
    kernelBytes: kernel.length,
    initramfsBytes: initramfs.length,
  });
  cpio.file("device-tree", tree);
  return cpio.finish();
}
