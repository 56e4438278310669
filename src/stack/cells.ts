/** What a probe counts: TLBIs with operands, each executed in states of the shadow that it may reach. */
import {
  addressOperand,
  type GranuleBits,
  levelShift,
  minBlockLevel,
  PAGE_SHIFT,
  rangeOperand,
  TLBI_OPS,
  type TlbiOp,
} from "../arch/index.js";
import type { TouchedPages } from "../host/index.js";
import { InputError } from "../input/index.js";
import type { PageSize } from "./setup.js";

export const GRANULE_BITS: Readonly<Record<PageSize, GranuleBits>> = { "4K": 12, "16K": 14 };

/** Pages that the guest hypervisor's guest touches, and how its hypervisor maps them. */
interface Touched {
  readonly pages: number;
  /** level of the guest hypervisor's own mapping: 3 a page, 2 a block */
  readonly level: 2 | 3;
}

/** A state of the shadow stage-2 tables when a TLBI is executed. */
export interface State {
  readonly name: string;
  readonly title: string;
  /** the shadow of the current VMID; undefined: none has it */
  readonly shadow: Touched | "empty" | undefined;
  /** a second shadow, of another VMID, which stays valid from then on */
  readonly second?: Touched;
}

/** In the order in which they are counted: what has a second shadow comes last, for it stays. */
export const STATES: readonly State[] = [
  { name: "none", title: "no shadow has the VMID", shadow: undefined },
  { name: "empty", title: "a shadow that is valid, with nothing mapped", shadow: "empty" },
  { name: "leaves-2", title: "a shadow of 2 leaves: the guest's code, and page 0", shadow: { pages: 1, level: 3 } },
  { name: "leaves-601", title: "a shadow of 601 leaves: code, and pages 0 to 599", shadow: { pages: 600, level: 3 } },
  {
    ...{ name: "block", title: "the hypervisor maps a block, of which its guest has touched 10 pages" },
    shadow: { pages: 10, level: 2 },
  },
  {
    ...{ name: "two", title: "601 leaves, and a second shadow of 11 under another VMID" },
    shadow: { pages: 600, level: 3 },
    second: { pages: 10, level: 3 },
  },
];

/** An operand of a TLBI, with what it is called. */
interface Operand {
  readonly name: string;
  readonly value: bigint;
}

/** One thing to be counted. */
export interface Cell {
  readonly op: TlbiOp;
  readonly operand: Operand;
  readonly state: State;
}

const chunkShift = (granule: GranuleBits): number => levelShift(minBlockLevel(granule), granule);

/** Steps of an ALLE1: one for each chunk of each of the two shadows that a probe has at most. */
export const longestUnmap = (paBits: number, granule: GranuleBits): number => 2 * 2 ** (paBits - chunkShift(granule));

/**
 * The page of the guest's code: the last of the first chunk; of the second where a chunk is a block, since the first is mapped as
 * one in a state.
 */
export function codePage(granule: GranuleBits): number {
  const chunks = minBlockLevel(granule) === 2 ? 2 : 1;
  return chunks * 2 ** (chunkShift(granule) - PAGE_SHIFT) - 2 ** (granule - PAGE_SHIFT);
}

/** An address operand's TTL for the granule (TG in its upper bits, DDI 0487 D8.14). */
const ttl = (granule: GranuleBits, level: number): number =>
  ((granule === 12 ? 1 : granule === 14 ? 2 : 3) << 2) | level;

function operandsOf(op: TlbiOp, granule: GranuleBits): Operand[] {
  const range = (scale: number, num: number): bigint => BigInt(rangeOperand(0, scale, num, granule));
  switch (op.operand) {
    case "ipa": {
      const near = 3 * 2 ** (chunkShift(granule) - PAGE_SHIFT - 2);
      const at = (page: number, hint = 0): bigint => BigInt(addressOperand(page, hint));
      return [
        { name: "page 0", value: at(0) },
        { name: "page 0, TTL 3", value: at(0, ttl(granule, 3)) },
        { name: "page 0, TTL 2", value: at(0, ttl(granule, 2)) },
        { name: "near", value: at(near) },
      ];
    }
    case "ipa-range": {
      // 2^17 times 2 granules are 4 chunks of 4 KiB granules: SCALE 3, NUM 15.
      return [
        { name: "2 pages", value: range(0, 0) },
        { name: "512 pages", value: range(1, 7) },
        { name: "2^20 pages", value: range(3, 15) },
      ];
    }
    case "va-range":
      return [{ name: "", value: range(0, 0) }];
    default:
      return [{ name: "", value: 0n }];
  }
}

/** Full unmaps meet every state; those of a part all but two shadows; stage 1 does not look at what is mapped. */
function statesOf(op: TlbiOp): readonly string[] {
  if (op.regime === "EL2") return ["none", "empty"];
  if (op.stage2 && op.stage1) return STATES.map(({ name }) => name);
  return op.stage2 ? ["none", "empty", "leaves-2", "leaves-601", "block"] : ["none", "empty", "leaves-2"];
}

/** TLBIs by name, each with its local, IS and OS forms; an InputError for what none is called. All without nXS by default. */
export function opsNamed(names: readonly string[] | undefined): TlbiOp[] {
  if (names === undefined) return TLBI_OPS.filter(({ nXS }) => !nXS);
  return names.map((name) => {
    const found = TLBI_OPS.find((op) => op.name === name.trim().toUpperCase());
    if (!found) throw new InputError(`--op: unknown TLBI '${name}', expected a name as VMALLS12E1IS`);
    return found;
  });
}

/** All cells of some TLBIs, state by state. */
export function cellsOf(ops: readonly TlbiOp[], pageSize: PageSize): Cell[] {
  const granule = GRANULE_BITS[pageSize];
  return STATES.flatMap((state) =>
    ops
      .filter((op) => statesOf(op).includes(state.name))
      .flatMap((op) => operandsOf(op, granule).map((operand) => ({ op, operand, state }))),
  );
}

/** What a state's touches are to the model: 4 KiB pages, which a larger granule holds several of. */
export function touchedPages(touched: Touched, granule: GranuleBits): TouchedPages[] {
  const each = 2 ** (granule - PAGE_SHIFT);
  return [
    { first: 0, pages: touched.pages * each, level: touched.level },
    { first: codePage(granule), pages: each, level: 3 },
  ];
}
