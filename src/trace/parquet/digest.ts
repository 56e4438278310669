/**
 * The digests of a Parquet trace: SHA-256 of each column chunk's bytes, in the chunk's own key-value metadata, and of the
 * footer, in the file's. The footer's is taken over all that follows the last column chunk, to the end of the file, with 64
 * times "0" in its place; so each byte of a file stands under a digest, and a reader checks only the columns that it reads.
 *
 * Tools that write a trace again copy the file's key-value metadata and put their own name beside it. So the footer's digest
 * counts only where Shootdown's name follows it, as the writer here leaves it; other files have none.
 */
import { createHash } from "node:crypto";

/** Key of the footer's digest in the file's key-value metadata (its last entry), and of a chunk's in its own. */
export const FOOTER_KEY = "shootdown.sha256";
export const CHUNK_KEY = "sha256";
/** What stands in the footer's `created_by`. */
export const CREATED_BY = "shootdown";
/** Stands for the footer's digest until it is known. */
export const NO_DIGEST = "0".repeat(64);

/** SHA-256 of the pieces in their order, in hex. */
export function sha256(...pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

// In Thrift's compact protocol: 0x18 a string field, its length, its bytes; 0x00 the end of the key-value pair.
const SEAL = new RegExp(`${FOOTER_KEY}\\x18@[^]{64}\\x00\\x18\\x09${CREATED_BY}`);

/** Bytes as characters, one each; those of ASCII as themselves. */
const textOf = (bytes: Uint8Array): string => LATIN1.decode(bytes);
const LATIN1 = new TextDecoder("latin1");

/** Bytes at the end of a footer in which its digest stands: behind it come {@link CREATED_BY} and the footer's own end. */
const TAIL = 1024;

/** Where the digest stands in a footer's bytes; -1 where it has none. */
function sealAt(footer: Uint8Array): number {
  const from = Math.max(0, footer.length - TAIL);
  const match = SEAL.exec(textOf(footer.subarray(from)));
  return match === null ? -1 : from + match.index + FOOTER_KEY.length + 2;
}

/** Puts the digest of a footer, which was written with {@link NO_DIGEST}, into it. */
export function seal(bytes: Uint8Array): void {
  const at = sealAt(bytes);
  if (at < 0) throw new Error("the footer is not as its digest expects it");
  bytes.set(new TextEncoder().encode(sha256(bytes)), at);
}

/** True when a footer agrees with its digest, false when it does not, undefined when it has none. */
export function isSealed(bytes: Uint8Array): boolean | undefined {
  const footer = bytes.slice();
  const at = sealAt(footer);
  if (at < 0) return undefined;
  const stated = textOf(footer.subarray(at, at + NO_DIGEST.length));
  footer.set(new TextEncoder().encode(NO_DIGEST), at);
  return sha256(footer) === stated;
}
