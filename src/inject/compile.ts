/**
 * The code that is put into a Xen, and the branches to it. It stands in a cave, whose first word returns; at the flush it branches
 * off, executes the policy's code where it is certain which pages that is about, and else goes on with Xen's own flush of the whole
 * VMID. Xen's own stand around both: VTTBR_EL2, interrupts, errata.
 */
import { type AssembledWord, Assembler, barrierFromWord, SP, XZR } from "../arch/index.js";
import type { Stretch, XenFunction } from "../binary/index.js";
import type { Sequence } from "../policy/index.js";
import { emit, Labels, type Note, RECORD, REGISTERS } from "./emit.js";
import { LISTED, SLOT, setEntryWrapper, slotOf } from "./list.js";
import { type Needs, needsOf } from "./needs.js";
import { asksPages, type InjectedProgram, straightWords } from "./program.js";
import { refusePolicy, refuseXen } from "./refusal.js";
import type { XenSites } from "./sites.js";

/** A branch that is put where Xen's own word stood. */
interface Hook {
  readonly from: number;
  readonly label: string;
  readonly note: Note;
}

/** What is put in. */
interface Compiled {
  /** of the cave, and of the hooks and what stands in place elsewhere, each in ascending order */
  readonly cave: readonly AssembledWord<Note>[];
  readonly hooks: readonly AssembledWord<Note>[];
  readonly places: ReadonlyMap<string, number>;
}

/** Registers that are kept while the policy's code runs: X3 to X16. */
const KEPT = [3, 5, 7, 9, 11, 13, 15] as const;
const FRAME = 8 * 2 * KEPT.length;

/** Code that stands in one place, wherever that is: it ends in a branch. */
type Piece = (a: Assembler<Note>, labels: Labels) => void;

/** Makes the code. `caves`: the largest first. Throws an InputError where it does not fit. */
export function compile(
  program: InjectedProgram,
  sites: XenSites,
  caves: readonly XenFunction[],
  data: Stretch | undefined,
): Compiled {
  const { code, atOnce, policy } = program;
  const needs = needsOf(program);
  const pieces: Piece[] = [];
  const hooks: Hook[] = [];
  const hook = (from: number, label: string, within: Note["within"]): void => {
    hooks.push({ from, label, note: { within } });
  };
  if (needs.wraps) {
    const drops = code.get("revoke")?.length === 0;
    pieces.push((a) => setEntryWrapper(a, { sites, needs, slot: data, atOnce: atOnce && code.has("revoke"), drops }));
    hook(sites.setEntry.address, "set", "setEntry");
  }
  if (needs.flushes) {
    // Where p2m_tlb_flush_sync jumps to the flush, X30 is its caller's: a call in between tells it.
    const jumps = code.has("revoke") && !atOnce && !sites.deferred.call;
    if (jumps) hook(sites.deferred.from, "deferred", "deferred");
    if (jumps) pieces.push((a) => deferred(a, sites));
    pieces.push((a) => atFlush(a, program, sites, needs, data));
    const [split, revoke, assigned] = [code.get("split"), code.get("revoke") ?? [], code.get("vmid-assigned")];
    if (split) pieces.push((a, labels) => atSplit(a, split, needs, labels));
    if (revoke.length > 0) pieces.push((a, labels) => atRevoke(a, revoke, needs, sites, labels));
    if (assigned) pieces.push((a, labels) => atAssigned(a, assigned, labels));
    hook(sites.flush.first, "flush", "flush");
  }
  const inPlace = wordsAtSwitch(program, sites);
  if (code.has("switch") && inPlace.length === 0) {
    pieces.push((a, labels) => atSwitch(a, code.get("switch")!, sites, labels));
    hook(sites.vcpu.first, "switch", "vcpu");
  }
  try {
    const { words, labels } = placed(pieces, caves, policy.name);
    const branches = hooks.map(
      ({ from, label, note }) => new Assembler<Note>(from, note).b(labels.get(label)!).link()[0]!,
    );
    return {
      cave: words,
      hooks: [...branches, ...inPlace].sort((one, other) => one.address - other.address),
      places: new Map(hooks.map(({ label }) => [label, labels.get(label)!])),
    };
  } catch (error) {
    if (error instanceof RangeError) refuseXen(error.message);
    throw error;
  }
}

/** Puts the pieces into the caves, the largest first, each where there is still room. A cave begins with a return. */
function placed(
  pieces: readonly Piece[],
  caves: readonly XenFunction[],
  policy: string,
): { words: AssembledWord<Note>[]; labels: ReadonlyMap<string, number> } {
  const sizeOf = (piece: Piece): number => {
    const a = new Assembler<Note>(0, { within: "flush" });
    piece(a, new Labels());
    return a.here;
  };
  const addresses = new Map<string, number>();
  const [labels, note] = [new Labels(), { within: "flush" } as const];
  const filled = caves.map(({ address }) => new Assembler<Note>(address, note, addresses).ret());
  const sized = pieces.map((piece) => ({ piece, size: sizeOf(piece) })).sort((a, b) => b.size - a.size);
  for (const { piece, size } of sized) {
    const to = filled.find((a, i) => a.here + size <= caves[i]!.address + caves[i]!.size);
    if (!to) {
      const all = sized.reduce((sum, of) => sum + of.size, 0);
      return refuseXen(
        `policy ${policy} takes ${all / 4} words, and there is room for ${caves.map((f) => `${f.size / 4 - 1} in ${f.name}`).join(", ")}`,
      );
    }
    to.note = note;
    piece(to, labels);
  }
  return {
    words: filled.flatMap((a, i) => (a.here > caves[i]!.address + 4 ? a.link() : [])),
    labels: addresses,
  };
}

function deferred(a: Assembler<Note>, sites: XenSites): void {
  a.note = { within: "deferred" };
  a.label("deferred").push(30, XZR, 16).bl(sites.flush.in.address).label("unlock").pop(30, XZR, 16).ret();
}

/** Who asks for the flush is told by X30; code of which it is not certain what it is about ends in Xen's own. */
function atFlush(
  a: Assembler<Note>,
  { code, atOnce }: InjectedProgram,
  sites: XenSites,
  needs: Needs,
  data: Stretch | undefined,
): void {
  const revoke = code.get("revoke");
  const asked = (returnsTo: number | string, to: string): void => {
    a.adr(3, returnsTo).cmp(30, 3).bc("eq", to);
  };
  a.label("flush").push(3, 4, FRAME);
  for (const register of KEPT.slice(1)) a.stp(register, register + 1, SP, 8 * (register - 3));
  if (data) slotOf(a, REGISTERS.slot, 3, data);
  if (code.has("split")) {
    asked(sites.split, "split");
    asked(sites.replaced, "replaced");
  }
  if (revoke && revoke.length > 0)
    asked(atOnce ? "atOnce" : sites.deferred.call ? sites.deferred.from + 4 : "unlock", "revoke");
  if (code.has("vmid-assigned")) for (const from of sites.assigned) asked(from, "assigned");
  a.label("xens");
  // Xen's own flush takes all that is listed with it.
  if (needs.lists)
    a.ldr(3, REGISTERS.slot, SLOT.p2m).cmp(3, 0).bc("ne", "others").str(XZR, REGISTERS.slot, SLOT.p2m).label("others");
  restore(a);
  a.barrier(barrierFromWord(sites.flush.words[0]!)!).b(sites.flush.first + 4);
  a.label("end");
  restore(a);
  a.b(sites.flush.end);
}

function atAssigned(a: Assembler<Note>, assigned: Sequence, labels: Labels): void {
  a.label("assigned");
  policyCode(a, "vmid-assigned", assigned, labels);
  a.b("end");
}

function restore(a: Assembler<Note>): void {
  for (const register of KEPT.slice(1)) a.ldp(register, register + 1, SP, 8 * (register - 3));
  a.pop(3, 4, FRAME);
}

function policyCode(a: Assembler<Note>, occasion: string, code: Sequence, labels: Labels): void {
  const around = a.note;
  a.note = { ...around, occasion };
  emit(a, code, labels);
  a.note = around;
}

/** What is split is a block; what is replaced may be a table, of which not all is known. */
function atSplit(a: Assembler<Note>, split: Sequence, needs: Needs, labels: Labels): void {
  const { slot, scratch, first } = REGISTERS;
  a.label("replaced");
  if (needs.splitPages) {
    a.ldr(3, slot, SLOT.before).ubfx(3, 3, RECORD.usable, 1).cbz(3, "xens");
    a.addi(first, slot, SLOT.entry).b("broken");
  }
  a.label("split");
  if (needs.splitPages) {
    a.ldr(3, slot, SLOT.before).ubfx(3, 3, RECORD.usable, 1).cbz(3, "xens");
    a.addi(first, slot, SLOT.before).label("broken").ldr(scratch, first, 0);
    one(a);
  }
  policyCode(a, "split", split, labels);
  a.b("end");
}

/** The code is about the one record that `first` points to. */
function one(a: Assembler<Note>): void {
  const { scratch, pages, records } = REGISTERS;
  a.ubfx(pages, scratch, RECORD.pages, RECORD.pagesBits).cbz(pages, "xens").imm(records, 1n);
}

function atRevoke(a: Assembler<Note>, revoke: Sequence, needs: Needs, sites: XenSites, labels: Labels): void {
  const { slot, scratch, first, pages, records } = REGISTERS;
  a.label("revoke");
  if (needs.lists) {
    a.ldrb(3, 0, sites.needFlush).cmpi(3, LISTED).bc("ne", "xens").ldr(3, slot, SLOT.p2m).cmp(3, 0).bc("ne", "xens");
    a.ldrw(pages, slot, SLOT.pages).ldrw(records, slot, SLOT.records).addi(first, slot, SLOT.list);
    a.str(XZR, slot, SLOT.p2m);
  } else if (asksPages(revoke)) {
    a.addi(first, slot, SLOT.entry).ldr(scratch, first, 0).ubfx(3, scratch, RECORD.usable, 1).cbz(3, "xens");
    one(a);
  }
  policyCode(a, "revoke", revoke, labels);
  a.b("end");
}

/** At the switch there is no doubt: the words stand in place where they fit and Xen patches none of them. */
function wordsAtSwitch({ code, policy }: InjectedProgram, { vcpu }: XenSites): AssembledWord<Note>[] {
  const body = code.get("switch");
  if (body === undefined) return [];
  const words = straightWords(body) ?? refusePolicy(policy.name, "its [switch] has loops or conditions");
  const room = (vcpu.end - vcpu.first) / 4;
  if (vcpu.repeated !== undefined || words.length > room) return [];
  const a = new Assembler<Note>(vcpu.first, { within: "vcpu", occasion: "switch" });
  emit(a, body, new Labels());
  a.note = { within: "vcpu" };
  for (let i = words.length; i < room; i++) a.nop();
  return a.link();
}

/** Else they stand in a cave. */
function atSwitch(a: Assembler<Note>, body: Sequence, { vcpu }: XenSites, labels: Labels): void {
  a.note = { within: "vcpu" };
  a.label("switch");
  policyCode(a, "switch", body, labels);
  a.b(vcpu.end);
}
