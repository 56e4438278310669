/** CRC-32 (the one of gzip and of Parquet's page headers), eight bytes a step. node:zlib has it only from 20.15 on. */
const TABLES = new Int32Array(8 * 256);
for (let n = 0; n < 256; n++) {
  let c = n;
  for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  TABLES[n] = c;
}
for (let n = 256; n < TABLES.length; n++) TABLES[n] = TABLES[TABLES[n - 256]! & 0xff]! ^ (TABLES[n - 256]! >>> 8);

/** CRC-32 of data[start..end), as a signed 32-bit number (as Parquet's i32 field holds it). */
export function crc32(data: Uint8Array, start: number, end: number): number {
  let c = -1;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    c ^= data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    c =
      TABLES[0x700 | (c & 0xff)]! ^
      TABLES[0x600 | ((c >>> 8) & 0xff)]! ^
      TABLES[0x500 | ((c >>> 16) & 0xff)]! ^
      TABLES[0x400 | (c >>> 24)]! ^
      TABLES[0x300 | data[i + 4]!]! ^
      TABLES[0x200 | data[i + 5]!]! ^
      TABLES[0x100 | data[i + 6]!]! ^
      TABLES[data[i + 7]!]!;
  }
  for (; i < end; i++) c = TABLES[(c ^ data[i]!) & 0xff]! ^ (c >>> 8);
  return ~c;
}
