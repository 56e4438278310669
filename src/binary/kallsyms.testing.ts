/** A Linux Image for tests: code, and the tables of kallsyms as scripts/kallsyms.c lays them out. */

/** The address at which the test's Image begins. */
export const IMAGE_BASE = 0xffff_8000_8000_0000n;

/** A function and its words. */
type Functions = Readonly<Record<string, readonly number[]>>;

const aligned = (at: number): number => Math.ceil(at / 8) * 8;
const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length) - bytes.length)]);

/** The bytes of an Image; `old` = as before Linux 6.4, where the offsets stand before the names. */
export function linuxImage(functions: Functions, old = false): Uint8Array {
  const header = Buffer.alloc(64);
  header.writeUInt32LE(0x644d5241, 56);
  const code: Buffer[] = [header];
  const symbols: [name: string, offset: number][] = [["T_text", 0]];
  let at = header.length;
  for (const [name, words] of Object.entries(functions)) {
    symbols.push([`T${name}`, at]);
    const bytes = Buffer.alloc(4 * words.length);
    words.forEach((word, i) => {
      bytes.writeUInt32LE(word, 4 * i);
    });
    code.push(bytes);
    at += bytes.length;
  }
  symbols.push(["T_etext", at]);
  return Buffer.concat([pad(Buffer.concat(code)), ...tables(symbols, old)]);
}

function tables(symbols: readonly (readonly [string, number])[], old: boolean): Buffer[] {
  // A token for each character, and one for a pair, as packed names have them.
  const tokens = Array.from({ length: 256 }, (_, i) =>
    i === 1 ? "__" : i >= 32 && i < 127 ? String.fromCharCode(i) : "",
  );
  const starts: number[] = [];
  let at = 0;
  for (const token of tokens) {
    starts.push(at);
    at += token.length + 1;
  }
  const packed = symbols.map(([name]) => {
    const bytes = Buffer.from(name.replaceAll("__", "\x01"), "latin1");
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  });
  const markers = packed.flatMap((_, i) => (i % 256 === 0 ? [Buffer.concat(packed.slice(0, i)).length] : []));
  const u32 = (values: readonly number[]): Buffer => pad(Buffer.from(Uint32Array.from(values).buffer));
  const count = u32([symbols.length, 0]);
  const base = Buffer.alloc(8);
  base.writeBigUInt64LE(IMAGE_BASE);
  const addresses = [u32(symbols.map(([, offset]) => offset)), base];
  const names = [count, pad(Buffer.concat(packed)), u32(markers)];
  const table = [
    pad(Buffer.from(`${tokens.join("\0")}\0`, "latin1")),
    pad(Buffer.from(Uint16Array.from(starts).buffer)),
  ];
  return old ? [...addresses, ...names, ...table] : [...names, ...table, ...addresses];
}
