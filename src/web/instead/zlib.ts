/** What of node:zlib reading a trace uses, for browsers. */
import { gunzipSync as gunzip } from "fflate";

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

/** As node:zlib's. */
export function crc32(data: Uint8Array, value = 0): number {
  let c = ~value;
  for (let i = 0; i < data.length; i++) c = TABLE[(c ^ data[i]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/** As node:zlib's; over `maxOutputLength` bytes it throws. */
export function gunzipSync(data: Uint8Array, { maxOutputLength }: { maxOutputLength: number }): Uint8Array {
  // The last four bytes say how many come out: what says more than is wanted is not begun.
  const says = new DataView(data.buffer, data.byteOffset + data.byteLength - 4).getUint32(0, true);
  if (says > maxOutputLength) throw new RangeError(`more than ${maxOutputLength} bytes`);
  return gunzip(data, { out: new Uint8Array(says) });
}

/** Pages are not written here. */
export function gzipSync(): never {
  throw new Error("nothing is compressed in a browser");
}
