/** What the checker keeps of each PE: its context, its marks, and what of its instructions is under way. */
import { NO_DOMAIN } from "../trace/index.js";

const PES = 256;

/** TLBIs that a PE has executed and no DSB completed, in columns. */
export class UnderWay {
  count = 0;
  at = new Float64Array(16);
  code = new Uint16Array(16);
  lo = new Uint32Array(16);
  hi = new Uint32Array(16);
  vmid = new Uint16Array(16);
  flags = new Uint8Array(16);
  site = new Uint16Array(16);

  push(at: number, code: number, lo: number, hi: number, vmid: number, flags: number, site: number): void {
    if (this.count === this.at.length) this.grow();
    const n = this.count++;
    this.at[n] = at;
    this.code[n] = code;
    this.lo[n] = lo;
    this.hi[n] = hi;
    this.vmid[n] = vmid;
    this.flags[n] = flags;
    this.site[n] = site;
  }

  /** Keeps TLBI `from` as number `to`. */
  keep(from: number, to: number): void {
    if (from === to) return;
    this.at[to] = this.at[from]!;
    this.code[to] = this.code[from]!;
    this.lo[to] = this.lo[from]!;
    this.hi[to] = this.hi[from]!;
    this.vmid[to] = this.vmid[from]!;
    this.flags[to] = this.flags[from]!;
    this.site[to] = this.site[from]!;
  }

  private grow(): void {
    const fields = this as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(this)) {
      if (!ArrayBuffer.isView(value)) continue;
      const array = value as Float64Array;
      const wider = new (array.constructor as new (n: number) => Float64Array)(2 * array.length);
      wider.set(array);
      fields[name] = wider;
    }
  }
}

/** A list of stale entries by number and serial: one that is gone, or is another's by now, is passed over. */
class EntryList {
  length = 0;
  private ids = new Int32Array(16);
  private serials = new Float64Array(16);

  push(id: number, serial: number): void {
    if (this.length === this.ids.length) this.grow();
    this.ids[this.length] = id;
    this.serials[this.length++] = serial;
  }

  private grow(): void {
    const { ids, serials } = this;
    this.ids = new Int32Array(2 * ids.length);
    this.ids.set(ids);
    this.serials = new Float64Array(2 * serials.length);
    this.serials.set(serials);
  }

  /** Visits those that are still there; keeps those for which `visit` says so. It must not push. */
  sweep(serial: Float64Array, visit: (id: number) => boolean): void {
    const { ids, serials } = this;
    let kept = 0;
    for (let i = 0; i < this.length; i++) {
      const id = ids[i]!;
      if (serial[id] !== serials[i] || !visit(id)) continue;
      ids[kept] = id;
      serials[kept++] = serials[i]!;
    }
    this.length = kept;
  }
}

export class Pes {
  /** VMID that VTTBR_EL2 was given last, and whether a context synchronisation came behind */
  readonly vmid = new Int32Array(PES).fill(-1);
  readonly synchronised = new Uint8Array(PES).fill(1);
  /** 1: the PE has executed something */
  readonly seen = new Uint8Array(PES);
  /** open marks, but for phases */
  readonly depth = new Uint16Array(PES);
  /** in a vCPU switch; of the vCPU that came in last: its domain and number */
  readonly switching = new Uint8Array(PES);
  readonly domain = new Uint16Array(PES).fill(NO_DOMAIN);
  readonly vcpu = new Float64Array(PES).fill(-1);
  /** 1: a vCPU comes in where another one of its domain was, or may have been: what is combined must go */
  readonly flushWanted = new Uint8Array(PES);
  private readonly ways: UnderWay[] = [];
  private readonly freshOf: EntryList[] = [];
  private readonly bornOf: EntryList[] = [];
  private readonly repeatOf: EntryList[] = [];

  /** TLBIs under way. */
  underWay(pcpu: number): UnderWay {
    this.ways[pcpu] ??= new UnderWay();
    return this.ways[pcpu];
  }

  /** Entries whose change is not visible to all yet. */
  fresh(pcpu: number): EntryList {
    this.freshOf[pcpu] ??= new EntryList();
    return this.freshOf[pcpu];
  }

  /** Entries made within the marks that are open, or under the lock held. */
  born(pcpu: number): EntryList {
    this.bornOf[pcpu] ??= new EntryList();
    return this.bornOf[pcpu];
  }

  /** Entries that only want the erratum's repeat. */
  repeats(pcpu: number): EntryList {
    this.repeatOf[pcpu] ??= new EntryList();
    return this.repeatOf[pcpu];
  }
}
