/** Xen's toolstack in dom0: its programs and the libraries that they need, found in unpacked packages or an install of one's own. */
import { type Dirent, readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { Elf, isElf, readInput } from "../binary/index.js";
import { fileReason, InputError } from "../input/index.js";
import type { Cpio } from "./cpio.js";

/** The toolstack's programs that dom0 starts; libxl-save-helper and the like are not needed to create a domain. */
const PROGRAMS = ["xl", "xenstored", "xenconsoled", "xen-init-dom0"];
/** Opened at run time (by pthread_cancel and pthread_exit), so that no NEEDED entry names it. */
const RUN_TIME_LIBRARIES = ["libgcc_s.so.1"];
const LOADER = "ld-linux-aarch64.so.1";
const LIBC = "libc.so.6";
/** Folders of programs; what stands elsewhere (etc/, share/) under a program's name is something else. */
const OF_PROGRAMS = /^s?bin$/;
/** Folders that hold nothing of a toolstack and thousands of files of something else. */
const PASSED_OVER = /^(modules|debug|doc|man|locale|python3.*|ocaml)$/;
/** Entries looked at in a folder before it is taken for something else than an install (/ or a home folder). */
const MOST_ENTRIES = 100_000;

/** An unpacked tree: where its programs and libraries stand, by name. Symbolic links are of the tree: / is its root. */
class Tree {
  private readonly found = new Map<string, string[]>();

  /** Throws an InputError when the folder cannot be read or is no unpacked tree. */
  constructor(readonly root: string) {
    let entries = 0;
    const queue = [root];
    for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
      for (const entry of list(folder)) {
        if (++entries > MOST_ENTRIES)
          throw InputError.at(root, 0, `holds more than ${MOST_ENTRIES} files, expected an install of Xen's toolstack`);
        const path = join(folder, entry.name);
        if (entry.isDirectory()) {
          if (!PASSED_OVER.test(entry.name)) queue.push(path);
        } else if (entry.isFile() || entry.isSymbolicLink()) {
          if (OF_PROGRAMS.test(basename(folder)) || entry.name.includes(".so")) this.add(entry.name, path);
        }
      }
    }
  }

  private add(name: string, path: string): void {
    const paths = this.found.get(name);
    if (paths) paths.push(path);
    else this.found.set(name, [path]);
  }

  /** The ELF file of that name that is nearest to the root, links followed; undefined where there is none. */
  elf(name: string): { readonly file: string; readonly bytes: Uint8Array } | undefined {
    for (const path of this.found.get(name) ?? []) {
      const file = follow(this.root, path);
      const bytes = readInput(file);
      // Debian's /usr/sbin/xl is a script that looks for the program of the Xen that runs.
      if (isElf(bytes)) return { file, bytes };
    }
    return undefined;
  }
}

function list(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const reason = fileReason(error);
    throw reason === undefined ? error : InputError.at(folder, 0, reason);
  }
}

/** What stands at a path of the unpacked tree, symbolic links followed within it. */
export function follow(root: string, path: string): string {
  let at = path;
  for (let depth = 0; depth < 8; depth++) {
    let target: string;
    try {
      target = readlinkSync(at);
    } catch {
      return at;
    }
    at = target.startsWith("/") ? join(root, target) : join(at, "..", target);
  }
  return at;
}

/**
 * Adds the toolstack's programs, `more` among them, and, once each, the libraries that they need. Programs come from the first
 * tree; each library from the first that has it. Throws an InputError that names what is missing.
 */
export function addToolstack(cpio: Cpio, roots: readonly string[], more: readonly string[] = []): void {
  const trees = roots.map((root) => new Tree(root));
  const anywhere = (name: string, neededBy: string): { file: string; bytes: Uint8Array; tree: Tree } => {
    for (const tree of trees) {
      const elf = tree.elf(name);
      if (elf) return { ...elf, tree };
    }
    throw new InputError(`${roots.join(" and ")}: no library ${name}, which ${neededBy} needs`);
  };
  const have = new Set<string>([LOADER]);
  const queue = RUN_TIME_LIBRARIES.map((name) => ({ name, by: "pthread_cancel" }));
  const needs = (bytes: Uint8Array, file: string): void => {
    for (const name of new Elf(bytes, file).needed()) queue.push({ name, by: basename(file) });
  };
  for (const name of [...PROGRAMS, ...more]) {
    const elf = trees[0]!.elf(name);
    if (!elf)
      throw InputError.at(
        roots[0]!,
        0,
        `no program ${name} in a folder bin or sbin, expected an install of Xen's toolstack`,
      );
    cpio.file(`usr/lib/xen/bin/${name}`, elf.bytes, { program: true });
    needs(elf.bytes, elf.file);
  }
  // The C library and the program that loads it are of one build.
  const libc = anywhere(LIBC, PROGRAMS[0]!);
  const loader = libc.tree.elf(LOADER) ?? anywhere(LOADER, LIBC);
  cpio.file(`usr/lib/${LOADER}`, loader.bytes, { program: true });
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { name, by } = next;
    if (have.has(name)) continue;
    have.add(name);
    const { file, bytes } = anywhere(name, by);
    cpio.file(`usr/lib/${name}`, bytes);
    needs(bytes, file);
  }
}
