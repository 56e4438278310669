/** What of node:crypto the engine uses, for browsers: SHA-256, which their own crypto gives only to secure pages, and later. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

/** As node:crypto's. */
export function createHash(algorithm: string) {
  if (algorithm !== "sha256") throw new RangeError(`no ${algorithm} here`);
  const state = sha256.create();
  const hash = {
    update(data: Uint8Array | string) {
      state.update(typeof data === "string" ? utf8ToBytes(data) : data);
      return hash;
    },
    digest: (_form: "hex"): string => bytesToHex(state.digest()),
  };
  return hash;
}
