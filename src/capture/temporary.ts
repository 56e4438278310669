/** The folder of one run's files: a named pipe, a socket, the console's log. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileReason, InputError } from "../input/index.js";

/** Bytes that the path of a Unix socket may have (struct sockaddr_un, without the byte that ends it). */
const SOCKET_PATH = 107;

/** Makes the folder in TMPDIR; throws an InputError where that cannot be, or a socket of that name has no room in it. */
export function temporaryFolder(socket: string): string {
  const parent = tmpdir();
  let folder: string;
  try {
    folder = mkdtempSync(join(parent, "shootdown-capture-"));
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(parent, 0, `holds the files of a run (TMPDIR): ${reason}`);
  }
  if (Buffer.byteLength(join(folder, socket)) <= SOCKET_PATH) return folder;
  rmSync(folder, { recursive: true });
  throw InputError.at(parent, 0, "is too long a path for a Unix socket in it; set TMPDIR to a shorter one");
}
