/**
 * The toolstack's work, as `xl create` on a Linux dom0 does it (libxl, libxenguest, the privcmd driver): memory, images
 * segment by segment and page by page through foreign mappings, unpause.
 */
import { InputError } from "../input/index.js";
import { Access } from "../trace/index.js";
import type { Domain, Xen } from "./domain.js";
import { MapSpace, type Physmap } from "./physmap.js";
import type { DomuSpec, Scenario } from "./scenario.js";

/** First gfn of a domU's RAM: GUEST_RAM0_BASE, 1 GiB. */
export const GUEST_RAM_GFN = 0x40000;
/** First gfn of a domU's magic pages: GUEST_MAGIC_BASE (xen/include/public/arch-arm.h). */
export const MAGIC_GFN = 0x39000;
/**
 * Where dom0's gfns for foreign mappings begin unless the scenario says it (dom0.foreign-gfn): above all RAM; right above it
 * in a small p2m. 32 GiB, which the shadows of a host with 36 IPA bits reach.
 */
const FOREIGN_GFN = 2 ** 23;
/** dom0's VAs, as page numbers: its kernel's linear map, and the toolstack's mapping of the guest. */
const LINEAR_VA = 0xffff000000000;
const MAPPING_VA = 0xffffa0000;
/** Pages mapped, copied or unmapped between two yields. */
const YIELD_PAGES = 4096;

/** Pages of a 2 MiB block. */
const BLOCK = 512;

/** Pages of the domU, mapped in dom0: where. */
interface Mapping {
  /** first gfn of the domU */
  readonly gfn: number;
  readonly pages: number;
  /** first page of the mapping, counted from the first foreign gfn */
  readonly at: number;
  readonly name: string;
}

/** The batch calls of a record, one after the other: pages that each go removed. */
export class RecordedBatches {
  private at = 0;

  constructor(private readonly pages: readonly number[]) {}

  /** The goes that removed the next `pages` pages; undefined when the record has none that come to so many. */
  take(pages: number): readonly number[] | undefined {
    let sum = 0;
    for (let end = this.at; end < this.pages.length && sum < pages; ) {
      sum += this.pages[end++]!;
      if (sum !== pages) continue;
      const goes = this.pages.slice(this.at, end);
      this.at = end;
      return goes;
    }
    return undefined;
  }
}

/** A toolstack in dom0, whose vCPU 0 runs on the executing pCPU. */
export class Toolstack {
  /** TLBIs executed when dom0 touched its working set last, by lane */
  private readonly touchedAt: Float64Array;
  private readonly workingSet: readonly { page: number; level: number; mfn: number }[];
  /** first gfn for mappings of other domains' pages */
  readonly foreignGfn: number;
  /** hypercalls so far, and the vCPU of dom0 that had the last turn beside this one */
  private calls = 0;
  private other = 0;

  constructor(
    private readonly xen: Xen,
    private readonly physmap: Physmap,
    private readonly dom0: Domain,
    /** first gfn of dom0's RAM */
    private readonly dom0Base: number,
    private readonly scenario: Scenario,
    /** the batch calls of a record, to be made as they were */
    private readonly recorded?: RecordedBatches,
  ) {
    this.workingSet = this.findWorkingSet();
    this.foreignGfn = this.findForeignGfn();
    this.touchedAt = new Float64Array(xen.machine.policies.length).fill(-1);
  }

  /**
   * What dom0 does between two hypercalls: it touches its working set, recorded only when a TLBI came since it did so last; and
   * now and then another of its vCPUs has a turn on this pCPU.
   */
  touch(): void {
    const after = this.scenario.dom0["switch-after"];
    if (after !== undefined && ++this.calls % after === 0) this.turn();
    this.xen.machine.whereFlushed(this.touchedAt, this.touchWorkingSet);
  }

  /** The next one of dom0's other vCPUs comes in on this pCPU, touches the kernel's pages as well, and goes. */
  private turn(): void {
    const { xen, dom0 } = this;
    const { here } = xen.machine;
    this.other = (this.other % (dom0.vcpus.length - 1)) + 1;
    xen.run(here, dom0.vcpus[this.other]!);
    xen.machine.whereFlushed(this.touchedAt, this.touchWorkingSet);
    xen.run(here, dom0.vcpus[0]!);
  }

  /** What dom0 touches of its own memory when it runs, on the executing pCPU. */
  readonly touchWorkingSet = (): void => {
    const { recorder, here } = this.xen.machine;
    for (const { page, level, mfn } of this.workingSet)
      recorder.access(here, Access.read, level, LINEAR_VA + page, page, mfn);
  };

  /**
   * dom0's working set: pages of a kernel and of a process lie about, so each is in a 2 MiB block of its own as long as there
   * are such. Nobody remaps dom0's own RAM here, so it is looked up once, and resolved.
   */
  private findWorkingSet(): { page: number; level: number; mfn: number }[] {
    const { p2m } = this.dom0;
    const { "working-set": size, "memory-mib": mib } = this.scenario.dom0;
    const blocks = Math.max(1, Math.floor((mib * 256) / BLOCK));
    if (size > blocks * Math.min(BLOCK, mib * 256))
      throw InputError.at(this.scenario.file, 0, "dom0.working-set is larger than dom0's memory");
    return Array.from({ length: size }, (_, i) => {
      const page = this.dom0Base + (i % blocks) * BLOCK + Math.floor(i / blocks);
      if (p2m.invalidated) p2m.resolveTranslationFault(page);
      p2m.lookup(page);
      return { page, level: p2m.foundLevel, mfn: p2m.foundMfn };
    });
  }

  /** The first gfn for foreign mappings, where as many as the domU has pages lie clear of dom0's own memory. */
  private findForeignGfn(): number {
    const { xen, scenario, dom0 } = this;
    const told = scenario.dom0["foreign-gfn"];
    const { pages: ram } = xen.machine.heap;
    if (told === undefined) return 2 ** (xen.ipaBits - 12) > FOREIGN_GFN && ram <= FOREIGN_GFN ? FOREIGN_GFN : ram;
    const most = Math.max(...scenario.domu.map(({ segment }) => segment.reduce((sum, { pages }) => sum + pages, 0)));
    const grants = scenario.domu.map((domu) => (domu["disk-pages"] > 0 ? domu["grant-batch"] : 0));
    // Between two images at most a block less a page is left free, so that gfns of both sides are aligned alike.
    const gaps =
      scenario.toolstack["mapping-order"] === 0 ? 0 : Math.max(...scenario.domu.map((d) => d.segment.length)) * BLOCK;
    const pages = Math.max(most + gaps + 1, scenario.toolstack["grant-frames"], ...grants);
    let at = told;
    for (const { page, order } of [...dom0.extents].sort((a, b) => a.page - b.page))
      if (page < at + pages && page + 2 ** order > at) at = page + 2 ** order;
    return at;
  }

  private check(rc: number, what: string): void {
    if (rc < 0)
      throw InputError.at(this.scenario.file, 0, `${what} failed with error ${-rc}: does the machine have the memory?`);
  }

  /** Creates the domain and unpauses it. Yields now and then. */
  *create(id: number, spec: DomuSpec): Generator<void, Domain> {
    const domain = yield* this.build(id, spec);
    this.xen.unpause(id);
    this.touch();
    return domain;
  }

  /**
   * Creates the domain, gives it memory and its images, in libxenguest's order: what is mapped to be filled stays mapped until
   * all is done (xc_dom_unmap_all), and the magic pages come in between. Yields now and then.
   */
  *build(id: number, spec: DomuSpec): Generator<void, Domain> {
    this.check(this.xen.createDomain(id, spec.vcpus), `creating domain ${id}`);
    this.touch();
    this.populate(id, spec);
    const mapped: Mapping[] = [];
    let at = 0;
    const blocks = this.scenario.toolstack["mapping-order"] > 0;
    for (const { name, gfn: first, pages } of spec.segment) {
      if (blocks) at += (((first - this.foreignGfn - at) % BLOCK) + BLOCK) % BLOCK;
      const segment = { name, gfn: first, pages, at };
      at += pages;
      yield* this.map(id, segment);
      yield* this.copy(segment);
      mapped.unshift(segment);
    }
    const end = GUEST_RAM_GFN + spec["memory-mib"] * 256;
    for (let i = 0; i < this.scenario.toolstack["special-pages"]; i++)
      yield* this.clear(id, { name: "special page", gfn: end - 1 - i, pages: 1, at });
    yield* this.clearMagicPages(id, at);
    for (const segment of mapped) yield* this.unmap(segment);
    yield* this.seedGrantTable(id);
    return this.xen.domain(id)!;
  }

  /** alloc_magic_pages: pages beside the RAM, each cleared through a mapping of its own (xc_clear_domain_pages). */
  private *clearMagicPages(id: number, at: number): Generator<void> {
    const extents = Array.from({ length: this.scenario.toolstack["magic-pages"] }, (_, i) => MAGIC_GFN + i);
    if (extents.length === 0) return;
    if (this.physmap.populate(id, extents, 0) < extents.length)
      throw InputError.at(this.scenario.file, 0, `domain ${id} has no memory left for its magic pages`);
    this.touch();
    for (const frame of extents) yield* this.clear(id, { name: "magic page", gfn: frame, pages: 1, at });
  }

  /** xc_dom_gnttab_seed: dom0 maps the domU's grant table, enters the console's and xenstore's rings, and unmaps it. */
  private *seedGrantTable(id: number): Generator<void> {
    const pages = this.scenario.toolstack["grant-frames"];
    if (pages === 0) return;
    this.check(
      this.physmap.acquireGrantFrames(this.dom0.id, id, this.foreignGfn, pages),
      `mapping the grant table of domain ${id}`,
    );
    this.touch();
    const frames = { name: "grant table", gfn: 0, pages, at: 0 };
    yield* this.copy(frames);
    yield* this.unmap(frames);
  }

  /** XENMEM_populate_physmap with the largest extents that fit: 1 GiB, 2 MiB, 4 KiB. */
  private populate(id: number, spec: DomuSpec): void {
    const end = GUEST_RAM_GFN + spec["memory-mib"] * 256;
    let at = GUEST_RAM_GFN;
    for (const order of [18, 9, 0]) {
      const extents: number[] = [];
      for (; at % 2 ** order === 0 && at + 2 ** order <= end; at += 2 ** order) extents.push(at);
      if (extents.length === 0) continue;
      const done = this.physmap.populate(id, extents, order);
      if (done < extents.length)
        throw InputError.at(
          this.scenario.file,
          0,
          `domain ${id} with ${spec["memory-mib"]} MiB does not fit into the machine's RAM`,
        );
      this.touch();
    }
  }

  /** Pages that are mapped, filled and unmapped at once. */
  private *clear(id: number, pages: Mapping): Generator<void> {
    yield* this.map(id, pages);
    yield* this.copy(pages);
    yield* this.unmap(pages);
  }

  /**
   * The extents by which a mapping is made and removed: [first page, order]. The domU's own memory is mapped by blocks where
   * it is aligned to them, so that an aligned part of an image lies in one.
   */
  private *extents({ gfn, pages }: Mapping): Generator<readonly [number, number]> {
    const most = this.scenario.toolstack["mapping-order"];
    for (let i = 0; i < pages; ) {
      const order = most > 0 && (gfn + i) % 2 ** most === 0 && i + 2 ** most <= pages ? most : 0;
      yield [i, order];
      i += 2 ** order;
    }
  }

  /** privcmd maps page by page: XENMEM_add_to_physmap_batch of one page, space gmfn_foreign. */
  private *map(id: number, segment: Mapping): Generator<void> {
    if (!this.dom0.p2m.holds(this.foreignGfn + segment.at + segment.pages - 1))
      throw InputError.at(
        this.scenario.file,
        0,
        `segment '${segment.name}': a p2m of ${this.xen.ipaBits} bits (machine.ipa-bits) has no room for ${segment.pages} foreign mappings above the RAM`,
      );
    const one = {
      domid: this.dom0.id,
      space: MapSpace.gmfn_foreign,
      size: 1,
      foreignDomid: id,
      idxs: new Float64Array(1),
      gpfns: new Float64Array(1),
      errs: new Int32Array(1),
      order: 0,
    };
    for (const [i, order] of this.extents(segment)) {
      one.idxs[0] = segment.gfn + i;
      one.gpfns[0] = this.foreignGfn + segment.at + i;
      one.order = order;
      const rc = this.physmap.addToPhysmapBatch(one);
      if (rc < 0 || one.errs[0]! < 0)
        throw InputError.at(
          this.scenario.file,
          0,
          `segment '${segment.name}': gfn 0x${(segment.gfn + i).toString(16)} cannot be mapped, domain ${id} has no RAM there`,
        );
      this.touch();
      if (i % YIELD_PAGES === YIELD_PAGES - 1) yield;
    }
  }

  /**
   * The copy: dom0 writes each page through the mapping. (It reads the image once, elsewhere in its memory: no flush changes
   * what that costs, so it is left out.)
   */
  private *copy({ pages, at }: Mapping): Generator<void> {
    for (let i = 0; i < pages; i++) {
      this.xen.access(this.dom0, Access.write, MAPPING_VA + at + i, this.foreignGfn + at + i);
      if (i % YIELD_PAGES === YIELD_PAGES - 1) yield;
    }
  }

  /** munmap: XENMEM_remove_from_physmap for each page, or the batch call where the policy has one. */
  private *unmap(segment: Mapping): Generator<void> {
    if (this.xen.machine.frame.batch) {
      yield* this.unmapBatched(segment);
      return;
    }
    const { at } = segment;
    for (const [i, order] of this.extents(segment)) {
      this.physmap.removeFromPhysmap(this.dom0.id, this.foreignGfn + at + i, MAPPING_VA + at + i, order);
      this.touch();
      if (i % YIELD_PAGES === YIELD_PAGES - 1) yield;
    }
  }

  private *unmapBatched(segment: Mapping): Generator<void> {
    const { pages, at } = segment;
    const most = this.scenario.toolstack["removal-batch"];
    if (pages === 1 && this.recorded) {
      // privcmd with a batch call hands on a single page as before.
      this.physmap.removeFromPhysmap(this.dom0.id, this.foreignGfn + at, MAPPING_VA + at);
      this.touch();
      return;
    }
    let list: number[] = [];
    let listed = 0;
    for (const [i, order] of this.extents(segment)) {
      // A call has extents of one order.
      if (list.length > 0 && (order !== listed || list.length === most)) {
        this.removeBatch(list, at, listed);
        list = [];
        yield;
      }
      list.push(i);
      listed = order;
    }
    if (list.length > 0) this.removeBatch(list, at, listed);
  }

  /** One XENMEM_remove_from_physmap_batch: extents of 2^order pages, by their first pages of the mapping at `at`. */
  private removeBatch(list: readonly number[], at: number, order: number): void {
    const goes = this.recorded?.take(list.length);
    this.physmap.removeFromPhysmapBatch({
      domid: this.dom0.id,
      size: list.length,
      gpfns: Float64Array.from(list, (i) => this.foreignGfn + at + i),
      vas: Float64Array.from(list, (i) => MAPPING_VA + at + i),
      errs: new Int32Array(list.length),
      order,
      ...(goes ? { goes } : {}),
    });
    this.touch();
  }
}
