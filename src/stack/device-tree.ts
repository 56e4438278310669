/**
 * The device tree of the machine that guests/stack-vmm.c makes for Xen, flattened (Devicetree Specification 0.4, chapter 5):
 * memory, CPUs with PSCI, GICv3, timer, a PL011, and dom0's kernel and initramfs as Xen's boot modules.
 */

/** What the machine has. Bytes and addresses are of the guest's physical memory. */
interface StackMachine {
  readonly memoryBytes: number;
  readonly xenArguments: string;
  readonly dom0Arguments: string;
  /** each has a frame of the redistributors, of which Xen gives dom0 those that the machine has */
  readonly dom0Vcpus: number;
  readonly kernelBytes: number;
  readonly initramfsBytes: number;
}

/** As guests/stack-vmm.c has them. */
const AT = { memory: 0x4000_0000, kernel: 0x4800_0000, initramfs: 0x4c00_0000 } as const;
/** Bytes of a GICv3 redistributor's frames. */
const REDISTRIBUTOR = 0x2_0000;
const GIC = 1;
const CLOCK = 2;

type Value = string | readonly string[] | readonly number[] | true;
interface Node {
  readonly [name: string]: Value | Node;
}

/** 64 bits as two cells. */
const wide = (n: number): number[] => [Math.floor(n / 2 ** 32), n % 2 ** 32];

function tree(machine: StackMachine): Node {
  const module = (kind: string, at: number, bytes: number, more: Node = {}): Node => ({
    compatible: [`multiboot,${kind}`, "multiboot,module"],
    reg: [...wide(at), ...wide(bytes)],
    ...more,
  });
  const cells = { "#address-cells": [2], "#size-cells": [2] };
  return {
    ...cells,
    compatible: "linux,dummy-virt",
    model: "shootdown",
    "interrupt-parent": [GIC],
    chosen: {
      "stdout-path": "/pl011@9000000",
      "xen,xen-bootargs": machine.xenArguments,
      ...cells,
      "module@48000000": module("kernel", AT.kernel, machine.kernelBytes, { bootargs: machine.dom0Arguments }),
      "module@4c000000": module("ramdisk", AT.initramfs, machine.initramfsBytes),
    },
    psci: { compatible: ["arm,psci-1.0", "arm,psci-0.2"], method: "smc" },
    cpus: {
      "#address-cells": [1],
      "#size-cells": [0],
      "cpu@0": { device_type: "cpu", compatible: "arm,armv8", reg: [0], "enable-method": "psci" },
    },
    "memory@40000000": { device_type: "memory", reg: [...wide(AT.memory), ...wide(machine.memoryBytes)] },
    "intc@8000000": {
      compatible: "arm,gic-v3",
      "#interrupt-cells": [3],
      "interrupt-controller": true,
      reg: [...wide(0x800_0000), ...wide(0x1_0000), ...wide(0x80a_0000), ...wide(machine.dom0Vcpus * REDISTRIBUTOR)],
      interrupts: [1, 9, 4],
      phandle: [GIC],
    },
    timer: { compatible: "arm,armv8-timer", interrupts: [1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4], "always-on": true },
    "apb-pclk": {
      compatible: "fixed-clock",
      "clock-frequency": [24_000_000],
      "#clock-cells": [0],
      "clock-output-names": "clk24mhz",
      phandle: [CLOCK],
    },
    "pl011@9000000": {
      compatible: ["arm,pl011", "arm,primecell"],
      reg: [...wide(0x900_0000), ...wide(0x1000)],
      interrupts: [0, 1, 4],
      clocks: [CLOCK, CLOCK],
      "clock-names": ["uartclk", "apb_pclk"],
    },
  };
}

const MAGIC = 0xd00d_feed;
const Token = { begin: 1, end: 2, property: 3, last: 9 } as const;
const HEADER = 40;

/** The tree as bytes. */
export function deviceTree(machine: StackMachine): Uint8Array {
  const words: number[] = [];
  const names = new Map<string, number>();
  let strings = "";
  const word = (n: number): void => {
    words.push((n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
  };
  const bytes = (data: Uint8Array): void => {
    words.push(...data);
    while (words.length % 4 !== 0) words.push(0);
  };
  const nameOffset = (name: string): number => {
    const known = names.get(name);
    if (known !== undefined) return known;
    names.set(name, strings.length);
    strings += `${name}\0`;
    return names.get(name)!;
  };
  const node = (name: string, of: Node): void => {
    word(Token.begin);
    bytes(Buffer.from(`${name}\0`));
    for (const [key, value] of Object.entries(of))
      if (isProperty(value)) {
        const data = encoded(value);
        word(Token.property);
        word(data.length);
        word(nameOffset(key));
        bytes(data);
      }
    for (const [key, value] of Object.entries(of)) if (!isProperty(value)) node(key, value);
    word(Token.end);
  };
  node("", tree(machine));
  word(Token.last);
  return blob(Uint8Array.from(words), Buffer.from(strings));
}

const isProperty = (value: Value | Node): value is Value =>
  typeof value === "string" || value === true || Array.isArray(value);

function encoded(value: Value): Uint8Array {
  if (value === true) return new Uint8Array(0);
  if (typeof value === "string") return Buffer.from(`${value}\0`);
  const list = value as readonly (string | number)[];
  if (typeof list[0] === "string") return Buffer.from(list.map((text) => `${text}\0`).join(""));
  const cells = Buffer.alloc(4 * list.length);
  list.forEach((cell, i) => void cells.writeUInt32BE(cell as number, 4 * i));
  return cells;
}

/** Header (version 17), an empty list of reservations, the structure and the strings. */
function blob(structure: Uint8Array, strings: Uint8Array): Uint8Array {
  const reservations = HEADER;
  const structureAt = reservations + 16;
  const stringsAt = structureAt + structure.length;
  const total = stringsAt + strings.length;
  const out = Buffer.alloc(total);
  const header = [MAGIC, total, structureAt, stringsAt, reservations, 17, 16, 0, strings.length, structure.length];
  header.forEach((field, i) => void out.writeUInt32BE(field, 4 * i));
  out.set(structure, structureAt);
  out.set(strings, stringsAt);
  return out;
}
