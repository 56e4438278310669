/**
 * A cpio archive in the "newc" form, as Linux takes its initramfs (Documentation/driver-api/early-userspace/
 * buffer-format.rst). The same files give the same bytes: times are 0, inode numbers count, order is the caller's.
 */

/** Modes of what an archive can hold here: type and permissions. */
const FOLDER = 0o040755;
const FILE = 0o100644;
const PROGRAM = 0o100755;
const LINK = 0o120777;
const CHARACTER_DEVICE = 0o020600;

export class Cpio {
  private readonly parts: Uint8Array[] = [];
  private inode = 1;
  private readonly folders = new Set<string>();

  /** Adds a folder and those above it, each once. Paths have no leading slash. */
  folder(path: string): void {
    if (path === "" || path === "." || this.folders.has(path)) return;
    this.folder(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
    this.folders.add(path);
    this.entry(path, FOLDER, new Uint8Array(0));
  }

  private above(path: string): void {
    this.folder(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  }

  file(path: string, bytes: Uint8Array | string, options: { readonly program?: boolean } = {}): void {
    this.above(path);
    this.entry(path, options.program ? PROGRAM : FILE, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
  }

  link(path: string, target: string): void {
    this.above(path);
    this.entry(path, LINK, Buffer.from(target));
  }

  device(path: string, major: number, minor: number): void {
    this.above(path);
    this.entry(path, CHARACTER_DEVICE, new Uint8Array(0), major, minor);
  }

  private entry(path: string, mode: number, bytes: Uint8Array, major = 0, minor = 0): void {
    const name = Buffer.from(`${path}\0`);
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    const fields = [this.inode++, mode, 0, 0, 1, 0, bytes.length, 0, 0, major, minor, name.length, 0];
    const header = `070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
    this.parts.push(Buffer.from(header), name, padding(header.length + name.length), bytes, padding(bytes.length));
  }

  /** The whole archive. Nothing may be added afterwards. */
  finish(): Uint8Array {
    this.entry("TRAILER!!!", 0, new Uint8Array(0));
    return Buffer.concat(this.parts);
  }
}

const padding = (length: number): Uint8Array => new Uint8Array(-length & 3);
