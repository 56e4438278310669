/** What the things of a story are called: PEs, addresses, entries, TLBIs, values. */
import type { World } from "../thread/index.js";
import { C_LEAF, C_STEP, EL20, type Invalidation, KINDS, NO_STAGE1, outputOf, S2_LEAF } from "../tlb/index.js";

/** Words for the things of one world. */
export class Words {
  constructor(private readonly world: World) {}

  /** A PE as the story calls it. */
  who(pe: number): string {
    const thread = this.world.program.threads[pe]!;
    return thread.title ?? `PE ${thread.name}`;
  }

  /** A TLBI with its operand in words: "IPAS2E1IS, ipa1". */
  tlbi(invalidation: Invalidation): string {
    const { op, regime } = invalidation;
    return `${this.named(invalidation)}${regime === EL20 && op.regime !== "EL2" ? " (for EL2&0)" : ""}`;
  }

  private named({ op, fields }: Invalidation): string {
    switch (fields.kind) {
      case "none":
        return op.name;
      case "asid":
        return `${op.name}, ASID ${fields.asid}`;
      case "va":
        return op.regime === "EL2" && fields.page === 0 ? op.name : `${op.name}, ${this.va(fields.page)}`;
      case "ipa":
        return `${op.name}, ${this.ipa(fields.page)}`;
      default: {
        const first = fields.kind === "va-range" ? this.va(fields.base) : this.ipa(fields.base);
        return `${op.name}, ${fields.granules} pages from ${first}`;
      }
    }
  }

  /** A cached entry: "its combined entry x -> pa1 (VMID 1, ASID 0)". */
  entry(id: number): string {
    const { catalogue } = this.world;
    const e = catalogue.entries[id]!;
    const kind = KINDS[e.kind]!;
    const tag =
      e.regime === 0
        ? `VMID ${e.vmid}${e.kind >= C_STEP ? this.asid(e.asid) : ""}`
        : e.regime === EL20
          ? `EL2&0${this.asid(e.asid)}`
          : "EL2";
    if (e.kind === S2_LEAF) return `${kind} entry ${this.ipa(e.page)} -> ${this.pa(outputOf(e.payload))} (${tag})`;
    if (e.kind === C_LEAF) {
      const leaf = catalogue.leaves[e.payload]!;
      return `its ${kind} entry ${this.va(e.page)} -> ${this.pa(leaf.page)} (${tag})`;
    }
    return `${kind} entry of ${this.va(e.page)} (${tag})`;
  }

  private asid(asid: number): string {
    return asid === NO_STAGE1 ? ", stage 1 off" : asid < 0 ? ", global" : `, ASID ${asid}`;
  }

  /** The name of a page's address, or that in hexadecimal. */
  va = (page: number): string => this.name("virtual", page);
  ipa = (page: number): string => this.name("intermediate", page);
  pa = (page: number): string => this.name("physical", page);

  private name(kind: "virtual" | "intermediate" | "physical", page: number): string {
    return this.world.program.names[kind].get(page * 4096) ?? `0x${(page * 4096).toString(16)}`;
  }

  /** The name of the table at a page. */
  table(page: number): string {
    return this.world.program.names.tables.get(page * 4096) ?? `table 0x${(page * 4096).toString(16)}`;
  }

  /** What stands at a PA. */
  cell(pa: number): string {
    const { program } = this.world;
    return program.memory.describe(pa) ?? program.names.physical.get(pa) ?? `0x${pa.toString(16)}`;
  }

  /** A value in words; descriptors as what they map. */
  value(value: number, cell: number): string {
    const big = this.world.values.big(value);
    if (!this.world.cache.descriptors.has(cell)) return `0x${big.toString(16)}`.replace(/^0x(\d)$/, "$1");
    if ((big & 1n) === 0n) return big === 0n ? "0 (invalid)" : `0x${big.toString(16)} (invalid)`;
    const page = Number((big & 0xffff_ffff_f000n) >> 12n);
    const { physical, intermediate } = this.world.program.names;
    const to = physical.get(page * 4096) ?? intermediate.get(page * 4096) ?? `0x${(page * 4096).toString(16)}`;
    return `a descriptor of ${to}`;
  }
}
