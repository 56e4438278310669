/** Who owns which page, as far as a trace says: extents of 2 MiB as one number, others page by page. */
import { NO_DOMAIN } from "./event.js";

const PAGES = 512;
/** Nobody said. */
const UNKNOWN_OWNER = -1;

export class Owners {
  private readonly chunks = new Map<number, number | Int32Array>();

  set(first: number, pages: number, owner: number): void {
    for (let page = first; page < first + pages; ) {
      const chunk = Math.floor(page / PAGES);
      if (page % PAGES === 0 && page + PAGES <= first + pages) {
        this.chunks.set(chunk, owner);
        page += PAGES;
        continue;
      }
      const known = this.chunks.get(chunk);
      const list = typeof known === "object" ? known : new Int32Array(PAGES).fill(known ?? UNKNOWN_OWNER);
      list[page % PAGES] = owner;
      this.chunks.set(chunk, list);
      page++;
    }
  }

  /** The domain, NO_DOMAIN for the allocator, -1 where nobody said. */
  of(page: number): number {
    const known = this.chunks.get(Math.floor(page / PAGES));
    return typeof known === "object" ? known[page % PAGES]! : (known ?? UNKNOWN_OWNER);
  }

  /** Visits what is owned, by extents of at most 512 pages. */
  each(visit: (first: number, pages: number, owner: number) => void): void {
    for (const [chunk, known] of this.chunks) {
      if (typeof known === "number") visit(chunk * PAGES, PAGES, known);
      else
        known.forEach((owner, i) => {
          if (owner !== UNKNOWN_OWNER) visit(chunk * PAGES + i, 1, owner);
        });
    }
  }

  /** True when the page is known to be of another domain than this one. */
  isOthers(page: number, domain: number): boolean {
    const owner = this.of(page);
    return owner !== UNKNOWN_OWNER && owner !== NO_DOMAIN && domain !== NO_DOMAIN && owner !== domain;
  }
}
