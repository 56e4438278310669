/** What a capture asks of a stopped machine through its GDB stub: breakpoints, memory, and to go on. */
import { InputError } from "../input/index.js";
import type { GdbConnection } from "./gdb-connection.js";

/** The program counter's number in GDB's description of an AArch64 core, behind X0 to X30 and SP. */
const PC = 32;

export class GdbTarget {
  constructor(private readonly connection: GdbConnection) {}

  private async must(command: string, what: string): Promise<string> {
    const answer = await this.connection.ask(command);
    if (answer === "" || /^E/.test(answer)) throw new InputError(`QEMU's GDB stub refuses ${what}`);
    return answer;
  }

  /** Sets a software breakpoint: the machine stops before it executes what stands there. */
  async setBreakpoint(address: number): Promise<void> {
    await this.must(`Z0,${address.toString(16)},4`, "a breakpoint");
  }

  async removeBreakpoint(address: number): Promise<void> {
    await this.must(`z0,${address.toString(16)},4`, "to remove a breakpoint");
  }

  /** Goes on until the machine stops again. Rejects when it ends before. */
  async continueToStop(): Promise<void> {
    const answer = await this.connection.ask("c");
    if (!/^[TS]/.test(answer)) throw new InputError(`QEMU's GDB stub ends with ${answer}`);
  }

  /** Goes on, and does not wait. */
  continue(): void {
    this.connection.send("c");
  }

  /** Where the CPU that stopped stands. */
  async programCounter(): Promise<bigint> {
    return littleEndian(await this.must(`p${PC.toString(16)}`, "to read the program counter"), 8);
  }

  /** Little-endian unsigned number of up to 8 bytes at a virtual address of the CPU that stopped. */
  async readNumber(address: number, bytes: number): Promise<bigint> {
    const hex = await this.must(`m${address.toString(16)},${bytes.toString(16)}`, "to read memory");
    return littleEndian(hex, bytes);
  }
}

function littleEndian(hex: string, bytes: number): bigint {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(`0x${hex.slice(2 * i, 2 * i + 2)}`);
  return value;
}
