/**
 * Where in whose p2m a descriptor stands, as far as a trace shows it: VTTBR_EL2 names roots, table descriptors link the rest.
 * A trace that begins late lacks the links that were made before; of a descriptor there only the slot in its table is known.
 */
import { descriptorKind, outputPage, pagesAtLevel } from "../arch/index.js";

/** A descriptor's place. */
interface Place {
  /** first page that it maps; when `root` is undefined only modulo `modulus` */
  readonly gfn: number;
  /** page of the root table; undefined: the way to a root is not in the trace */
  readonly root: number | undefined;
  readonly modulus: number;
}

interface Link {
  readonly table: number;
  readonly level: number;
  readonly slot: number;
}

/** Root tables side by side, at most (DDI 0487, D8.2: concatenated tables). */
const MOST_ROOT_PAGES = 16;

export class P2mPlaces {
  /** by table's page: the descriptor that points to it */
  private readonly links = new Map<number, Link>();
  /** levels of the tables that were written, by page */
  private readonly levels = new Map<number, number>();
  /** root's page by VMID, and the VMIDs of a root */
  private readonly rootOf = new Map<number, number>();
  private readonly vmids = new Map<number, Set<number>>();

  /** VTTBR_EL2 was written: the VMID translates through this root. */
  vttbr(vmid: number, root: number): void {
    const before = this.rootOf.get(vmid);
    if (before === root) return;
    if (before !== undefined) this.vmids.get(before)?.delete(vmid);
    this.rootOf.set(vmid, root);
    this.vmids.set(root, (this.vmids.get(root) ?? new Set()).add(vmid));
  }

  /** VMIDs that translate through a root, the smallest first. */
  vmidsOf(root: number): number[] {
    return [...(this.vmids.get(root) ?? [])].sort((a, b) => a - b);
  }

  /** A descriptor was written at a level of stage 2 (0 to 3). */
  write(
    table: number,
    level: number,
    slot: number,
    from: readonly [number, number],
    to: readonly [number, number],
  ): void {
    this.levels.set(table, level);
    if (level === 3) return;
    const was = descriptorKind(from[0], level) === "table" ? outputPage(...from) : undefined;
    const is = descriptorKind(to[0], level) === "table" ? outputPage(...to) : undefined;
    if (was !== undefined && was !== is) this.links.delete(was);
    if (is !== undefined) this.links.set(is, { table, level, slot });
  }

  /** The place of a descriptor. */
  place(table: number, level: number, slot: number): Place {
    let gfn = slot * pagesAtLevel(level);
    let [at, atLevel] = [table, level];
    for (let link = this.links.get(at); link !== undefined && link.level < atLevel; link = this.links.get(at)) {
      gfn += link.slot * pagesAtLevel(link.level);
      [at, atLevel] = [link.table, link.level];
    }
    const modulus = 512 * pagesAtLevel(atLevel);
    const nth = this.nthOfRoot(at, atLevel);
    if (nth === undefined) return { gfn, root: undefined, modulus };
    return { gfn: gfn + nth * modulus, root: at - nth, modulus };
  }

  /** Which of a root's pages a table is; undefined when it is none that is known. */
  private nthOfRoot(page: number, level: number): number | undefined {
    for (let nth = 0; nth < MOST_ROOT_PAGES; nth++) {
      if (!this.vmids.has(page - nth)) continue;
      // A page behind a root is its next part only if it is of the same level.
      if (nth === 0 || this.levels.get(page - nth) === level) return nth;
    }
    return undefined;
  }

  /** Pages of the smallest leaf below a table descriptor, as far as its tables are known. */
  smallestLeaf(table: number, level: number): number {
    let smallest = pagesAtLevel(level + 1);
    for (const [page, link] of this.links)
      if (link.table === table) smallest = Math.min(smallest, this.smallestLeaf(page, link.level + 1));
    return smallest;
  }
}
