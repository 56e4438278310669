/** What ran in a capture, so that two of them can be told apart: hashes of the files, Xen's build-id and its first line. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { Elf } from "../binary/index.js";
import { fileReason, InputError } from "../input/index.js";

/** A capture's Xen and the files that ran. */
export interface WhatRan {
  /** SHA-256 by what the file is: "xen", "xen-syms", "dom0-kernel", ... */
  readonly sha256: Readonly<Record<string, string>>;
  /** of xen-syms, in hexadecimal; "" when it has none */
  readonly buildId: string;
}

/** Reads and hashes the files; `files` are paths or contents by what they are. Throws an InputError that names a file. */
export function whatRan(xenSyms: Elf, files: Readonly<Record<string, string | Uint8Array>>): WhatRan {
  const sha256 = Object.fromEntries(
    Object.entries(files).map(([what, file]) => [what, typeof file === "string" ? fileHash(file) : hash(file)]),
  );
  return { sha256, buildId: xenSyms.buildId() };
}

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

function fileHash(path: string): string {
  const sum = createHash("sha256");
  const piece = Buffer.alloc(1 << 20);
  try {
    const fd = openSync(path, "r");
    try {
      for (let n = readSync(fd, piece); n > 0; n = readSync(fd, piece)) sum.update(piece.subarray(0, n));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(path, 0, reason);
  }
  return sum.digest("hex");
}
