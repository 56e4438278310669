/** Simulated physical memory, as far as translation tables live in it: 512 descriptors of two 32-bit halves a page. */

/** Tables that there is room for at first: growing discards the engine's compiled code, so a usual scenario should not. */
const FIRST_TABLES = 1024;

/** Translation tables by machine frame. Descriptors are read and written by (table, slot); a table is a handle of {@link Tables.create}. */
export class Tables {
  private readonly handles: Int32Array;
  private readonly free: number[] = [];
  private used = 0;
  lo = new Uint32Array(512 * FIRST_TABLES);
  hi = new Uint32Array(512 * FIRST_TABLES);
  /** machine frame of each table */
  page = new Float64Array(FIRST_TABLES);

  /** `pages`: size of physical memory in 4 KiB pages. */
  constructor(pages: number) {
    this.handles = new Int32Array(pages).fill(-1);
  }

  /** Makes the page at `mfn` a table of 512 invalid descriptors (clear_page) and returns its handle. */
  create(mfn: number): number {
    const handle = this.free.pop() ?? this.used++;
    if (512 * (handle + 1) > this.lo.length) this.grow();
    this.lo.fill(0, 512 * handle, 512 * (handle + 1));
    this.hi.fill(0, 512 * handle, 512 * (handle + 1));
    this.page[handle] = mfn;
    this.handles[mfn] = handle;
    return handle;
  }

  /** The page is a table no longer; returns its machine frame. */
  destroy(handle: number): number {
    const mfn = this.page[handle]!;
    this.handles[mfn] = -1;
    this.free.push(handle);
    return mfn;
  }

  /** Handle of the table at a machine frame; -1 when the page is no table. */
  at(mfn: number): number {
    return this.handles[mfn] ?? -1;
  }

  private grow(): void {
    const larger = (from: Uint32Array): Uint32Array<ArrayBuffer> => {
      const to = new Uint32Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.lo = larger(this.lo);
    this.hi = larger(this.hi);
    const page = new Float64Array(2 * this.page.length);
    page.set(this.page);
    this.page = page;
  }
}
