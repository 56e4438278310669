/** Records of QEMU's log and of the plugin, and archives, for tests. */
import type { BlockRecord } from "./records.js";

/** A block record with the registers named; the others are 0. 31 is SP. */
export function blockRecord(
  cpu: number,
  pc: number,
  registers: Readonly<Record<number, bigint | number>> = {},
): BlockRecord {
  const value = (register: number): bigint => BigInt(registers[register] ?? 0);
  return {
    cpu,
    pc,
    lo: (register) => Number(value(register) & 0xffff_ffffn),
    hi: (register) => Number(value(register) >> 32n),
  };
}

/** A record as QEMU's log has it, at EL2 unless told. */
export function logText(
  cpu: number,
  pc: number,
  registers: Readonly<Record<number, bigint | number>> = {},
  el = 2,
): string {
  const hex = (value: bigint | number): string => BigInt(value).toString(16).padStart(16, "0");
  let text = `Trace ${cpu}: 0x7f46f0223b40 [00200008/${hex(pc)}/00000061/ff022000] name\n PC=${hex(pc)} `;
  for (let i = 0; i < 31; i++)
    text += `X${String(i).padStart(2, "0")}=${hex(registers[i] ?? 0)}${(i + 2) % 3 ? " " : "\n"}`;
  return `${text} SP=${hex(registers[31] ?? 0)}\nPSTATE=200002c${(4 * el + (el === 0 ? 0 : 1)).toString(16)} --C- EL${el}${el === 0 ? "t" : "h"}  SVCR=00000000 --  BTYPE=0\n`;
}

/** A record as guests/record.c writes it, at EL2 unless told; `state`: bits of PSTATE beside the EL. */
export function pluginRecord(
  cpu: number,
  pc: number,
  registers: Readonly<Record<number, bigint | number>> = {},
  el = 2,
  state = 0,
): Buffer {
  const words = [BigInt(pc), (BigInt(cpu) << 32n) | BigInt((el << 2) | state)];
  for (let i = 0; i < 32; i++) words.push(BigInt(registers[i] ?? 0));
  const bytes = Buffer.alloc(8 * words.length);
  words.forEach((word, i) => void bytes.writeBigUInt64LE(word, 8 * i));
  return bytes;
}

/** What an archive holds, by path, in its order. */
export function cpioFiles(archive: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(archive);
  const files = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const field = (n: number): number => Number.parseInt(bytes.toString("latin1", at + 6 + 8 * n, at + 14 + 8 * n), 16);
    const [size, nameSize] = [field(6), field(11)];
    const data = (at + 110 + nameSize + 3) & ~3;
    const name = bytes.toString("latin1", at + 110, at + 110 + nameSize - 1);
    if (name === "TRAILER!!!") break;
    files.set(name, bytes.subarray(data, data + size));
    at = (data + size + 3) & ~3;
  }
  return files;
}
