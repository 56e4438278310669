/**
 * The wrapper around __p2m_set_entry(p2m, gfn, order, mfn, type, access), by its registers of the procedure call standard: which
 * entry a call is about, whether it has one to flush, and, for code that runs at the unlock, the list of all that is pending. The
 * list is a pCPU's own: the p2m's lock is held from the first entry to the flush, and no vCPU changes in between.
 */
import { type Assembler, disassemble, SP, XZR } from "../arch/index.js";
import type { Stretch } from "../binary/index.js";
import { type Note, RECORD } from "./emit.js";
import type { Needs } from "./needs.js";
import type { XenSites } from "./sites.js";

/** A pCPU's data: whose list it is, its records and 4 KiB pages, the entry at hand, what stood there before, the list. */
export const SLOT = { p2m: 0, records: 8, pages: 12, entry: 16, before: 24, list: 32 } as const;
/** Bytes of data that code needs at least: with room for two records. */
export const LEAST_DATA = SLOT.list + 16;
/** need_flush where all that is pending is listed: set, with a bit more, which nobody else stores. */
export const LISTED = 3;
/** need_flush as Xen itself sets it. */
const PENDING = 1;
/** Most order of an entry: 1 GiB. */
const MOST_ORDER = 18;

/** The wrapper's frame. */
const FRAME = {
  x30: 0,
  x0: 8,
  x9: 16,
  x11: 32,
  x13: 48,
  needFlush: 64,
  result: 72,
  x1: 80,
  x3: 96,
  x5: 112,
  order: 120,
  size: 128,
} as const;

/** d := the address of this pCPU's data; t is changed. TPIDR_EL2: how far per-CPU data is from its link addresses. */
export function slotOf(a: Assembler<Note>, d: number, t: number, data: Stretch): void {
  a.adrp(d, data.first)
    .addi(d, d, data.first % 4096)
    .mrs(t, "tpidr_el2")
    .add(d, d, t);
}

interface Wrapper {
  readonly sites: XenSites;
  readonly needs: Needs;
  readonly slot: Stretch | undefined;
  /** revoke code runs when the entry is written; else at the unlock */
  readonly atOnce: boolean;
  /** removals need no flush */
  readonly drops: boolean;
}

/** Emits it, from label `set` on; the flush it asks for comes back to label `atOnce`. */
export function setEntryWrapper(a: Assembler<Note>, wrapper: Wrapper): void {
  const { sites, needs, slot, atOnce, drops } = wrapper;
  a.note = { within: "setEntry" };
  a.label("set").push(30, 0, FRAME.size).stp(9, 10, SP, FRAME.x9).stp(11, 12, SP, FRAME.x11).stp(13, 14, SP, FRAME.x13);
  a.ldrb(9, 0, sites.needFlush).strw(9, SP, FRAME.needFlush).strb(XZR, 0, sites.needFlush);
  if (slot) noteEntry(a, wrapper, slot);
  a.bl("original").str(0, SP, FRAME.result).ldr(0, SP, FRAME.x0);
  // X9: this call has something to flush. X11: what was pending before.
  a.ldrb(9, 0, sites.needFlush).ldrw(11, SP, FRAME.needFlush);
  if (atOnce && !drops) a.cbz(9, "keep").bl(sites.flush.in.address).label("atOnce").ldrw(11, SP, FRAME.needFlush);
  else if (needs.lists) list(a, slot!);
  else if (!drops) a.orr(11, 11, 9);
  a.label("keep").strb(11, 0, sites.needFlush);
  a.ldr(0, SP, FRAME.result).ldp(9, 10, SP, FRAME.x9).ldp(11, 12, SP, FRAME.x11).ldp(13, 14, SP, FRAME.x13);
  a.ldr(30, SP, FRAME.x30).addi(SP, SP, FRAME.size).ret();
  a.label("original")
    .word(sites.displaced, disassemble(sites.displaced, a.here) ?? `.word 0x${sites.displaced.toString(16)}`)
    .b(sites.setEntry.address + 4);
}

/**
 * X9 := the record of the entry, X13 := of what maps its first gfn now; 0 where either cannot be used. A table in the entry's place
 * maps less than the entry: one invalidation is not for all of it.
 */
function noteEntry(a: Assembler<Note>, { sites, needs }: Wrapper, slot: Stretch): void {
  const asks = needs.revokeLeaf || needs.splitPages;
  a.imm(9, 0n)
    .imm(13, 0n)
    .ubfx(11, 1, RECORD.gfnBits, 64 - RECORD.gfnBits)
    .cbnz(11, "noted");
  a.ubfx(12, 2, 0, 32).cmpi(12, MOST_ORDER).bc("hi", "noted");
  if (asks) {
    // A page is one, whatever stood around it, unless a block is split for it.
    if (!needs.splitPages) a.cbz(12, "leaf");
    askEntry(a, sites);
    a.ldrw(11, SP, FRAME.order).cmpi(11, MOST_ORDER).bc("hi", "noted");
    a.ubfx(12, 2, 0, 32).cmp(11, 12);
    if (needs.revokeLeaf && !needs.splitPages) a.bc("lo", "noted");
    else if (needs.splitPages) {
      // The order before is the entry's or more: a leaf, or nothing.
      a.bc("lo", needs.revokeLeaf ? "noted" : "leaf");
      a.lsr(13, 1, 11).lsl(13, 13, 11).imm(10, 1n).lsl(10, 10, 11);
      a.orr(13, 13, 11, RECORD.order).orr(13, 13, 10, RECORD.pages).imm(10, 1n).orr(13, 13, 10, RECORD.usable);
    }
    a.label("leaf");
  }
  a.imm(10, 1n).lsl(11, 10, 12).orr(9, 1, 12, RECORD.order).orr(9, 9, 11, RECORD.pages).orr(9, 9, 10, RECORD.usable);
  a.label("noted");
  slotOf(a, 10, 11, slot);
  a.str(9, 10, SLOT.entry);
  if (needs.splitPages) a.str(13, 10, SLOT.before);
}

/** Xen's own p2m_get_entry(p2m, gfn, NULL, NULL, &order, NULL), the arguments kept. */
function askEntry(a: Assembler<Note>, { getEntry }: XenSites): void {
  a.stp(1, 2, SP, FRAME.x1).stp(3, 4, SP, FRAME.x3).str(5, SP, FRAME.x5);
  a.imm(2, 0n).imm(3, 0n).addi(4, SP, FRAME.order).imm(5, 0n).bl(getEntry.address);
  a.ldr(0, SP, FRAME.x0).ldp(1, 2, SP, FRAME.x1).ldp(3, 4, SP, FRAME.x3).ldr(5, SP, FRAME.x5).imm(9, 0n).imm(13, 0n);
}

/**
 * X11 := need_flush with this call's entry. It is joined with the record before where it continues or precedes that one (Linux
 * hands out gfns downwards) with the same order. What cannot be listed leaves all of it to Xen's own flush.
 */
function list(a: Assembler<Note>, slot: Stretch): void {
  const most = Math.floor((slot.end - slot.first - SLOT.list) / 8);
  const end = (record: number): void => {
    a.ubfx(13, record, 0, RECORD.gfnBits);
  };
  a.cbz(9, "keep");
  slotOf(a, 10, 12, slot);
  a.ldr(9, 10, SLOT.entry).ubfx(12, 9, RECORD.usable, 1).cbz(12, "whole").ldr(12, 10, SLOT.p2m);
  a.cbz(11, "start").cmpi(11, LISTED).bc("ne", "whole").cmp(12, 0).bc("eq", "append").b("whole");
  a.label("start").cbz(12, "take").cmp(12, 0).bc("ne", "whole");
  a.label("take").str(0, 10, SLOT.p2m).str(XZR, 10, SLOT.records);
  // All pages together are fewer than a record can count.
  a.label("append").ubfx(12, 9, RECORD.pages, RECORD.pagesBits).ldrw(11, 10, SLOT.pages).add(11, 11, 12);
  a.ubfx(13, 11, RECORD.pagesBits, 64 - RECORD.pagesBits)
    .cbnz(13, "whole")
    .strw(11, 10, SLOT.pages);
  a.ldrw(11, 10, SLOT.records)
    .cbz(11, "new")
    .add(13, 10, 11, 3)
    .ldr(30, 13, SLOT.list - 8);
  a.ubfx(13, 30, RECORD.order, RECORD.orderBits)
    .ubfx(14, 9, RECORD.order, RECORD.orderBits)
    .cmp(13, 14)
    .bc("ne", "new");
  end(30);
  a.ubfx(14, 30, RECORD.pages, RECORD.pagesBits)
    .add(13, 13, 14)
    .ubfx(14, 9, 0, RECORD.gfnBits)
    .cmp(13, 14)
    .bc("eq", "join");
  a.add(14, 14, 12);
  end(30);
  a.cmp(13, 14).bc("ne", "new").sub(30, 30, 12);
  a.label("join")
    .add(30, 30, 12, RECORD.pages)
    .add(13, 10, 11, 3)
    .str(30, 13, SLOT.list - 8)
    .b("listed");
  a.label("new").cmpi(11, most).bc("hs", "whole").add(13, 10, 11, 3).str(9, 13, SLOT.list).addi(11, 11, 1);
  a.strw(11, 10, SLOT.records);
  a.label("listed").imm(11, BigInt(LISTED)).b("keep");
  a.label("whole").imm(11, BigInt(PENDING));
}
