import assert from "node:assert/strict";
import { test } from "node:test";
import { BARRIERS } from "../arch/index.js";
import {
  BASE,
  type BuildSpec,
  buildText,
  DSB_ISH,
  DSB_ISHST,
  DSB_SY,
  elfFile,
  ISB,
  msrVttbr,
  NOP,
  RET,
  str,
  VMALLS12E1IS,
  vae2is,
} from "./build.testing.js";
import { Elf } from "./elf.js";
import { findSites, type Site } from "./sites.js";
import { XenText } from "./text.js";

const CBZ_PLUS_8 = 0xb4000040;
const names = (list: readonly number[]): string[] => list.map((i) => BARRIERS[i]!.name);
const ofKind = <K extends Site["kind"]>(spec: BuildSpec, kind: K): Extract<Site, { kind: K }>[] =>
  findSites(buildText(spec)).list.filter((site): site is Extract<Site, { kind: K }> => site.kind === kind);

const FLUSH = [msrVttbr(7), ISB, DSB_ISHST, VMALLS12E1IS, NOP, NOP, DSB_ISH, ISB, RET];

test("a TLBI is found with its register, its function, and the barriers that are certain beside it", () => {
  const [plain, own] = ofKind({ code: { p2m_flush: FLUSH, xen_pt_update: [vae2is(20), RET] } }, "tlbi");
  assert.equal(plain!.op.name, "VMALLS12E1IS");
  assert.deepEqual([plain!.address, plain!.logged, plain!.in!.name], [BASE + 12, BASE + 16, "p2m_flush"]);
  assert.deepEqual(names(plain!.barriers.after), ["DSB ISH", "ISB"]);
  // The barriers before it belong to the MSR, which is executed just before.
  assert.deepEqual(names(plain!.barriers.before), []);
  assert.deepEqual([own!.op.name, own!.rt], ["VAE2IS", 20]);
});

test("behind a branch target barriers belong to the site after it", () => {
  // The CBZ goes behind the MSR's ISB: the DSB ISHST is executed with the TLBI, the ISB with the MSR.
  const code = [CBZ_PLUS_8 + 0x20, msrVttbr(7), ISB, DSB_ISHST, VMALLS12E1IS, DSB_ISH, ISB, RET];
  const spec = { code: { p2m_flush: code } };
  assert.deepEqual(names(ofKind(spec, "tlbi")[0]!.barriers.before), ["DSB ISHST"]);
  assert.deepEqual(names(ofKind(spec, "sysreg")[0]!.barriers.after), ["ISB"]);
});

test("where a branch may skip the TLBI, the TLBI itself is logged, its page an instruction a block", () => {
  const skipping = { code: { p2m_flush: [CBZ_PLUS_8, VMALLS12E1IS, RET] } };
  const { list, pages } = findSites(buildText(skipping));
  assert.equal(list.find(({ kind }) => kind === "tlbi")!.logged, BASE + 4);
  assert.deepEqual(pages, [BASE]);
});

test("writes of VTTBR_EL2 are found with their register", () => {
  const [site] = ofKind({ code: { p2m_flush: FLUSH } }, "sysreg");
  assert.deepEqual([site!.register, site!.rt, site!.logged], ["VTTBR_EL2", 7, BASE + 4]);
});

test("a p2m's descriptor store stands between two DSB SY; Xen's own tables and other stores are left out", () => {
  const store = (rt: number): number[] => [DSB_SY, str(rt, 9), DSB_SY, RET];
  const spec = {
    code: { p2m_write: store(3), xen_pt_write: store(4), p2m_other: [str(5, 9), DSB_SY, RET], p2m_flush: FLUSH },
  };
  const list = ofKind(spec, "store");
  assert.deepEqual(
    list.map(({ in: where, stores, logged }) => [where!.name, stores[0]!.rt, stores[0]!.rn, logged]),
    [["p2m_write", 3, 9, BASE + 4]],
  );
  assert.deepEqual(findSites(buildText(spec)).pages, [BASE]);
});

test("a translation of a guest's VA is found at the read of its result, also behind a jump", () => {
  const [AT_R_X1, AT_W_X1, MRS_X4, MRS_X1] = [0xd50c7881, 0xd50c78a1, 0xd5387404, 0xd5387401];
  // B.EQ to the last AT, which jumps back to the ISB behind the first.
  const code = [0x540000a0, AT_W_X1, ISB, NOP, MRS_X4, AT_R_X1, 0x17fffffc, RET];
  const list = ofKind({ code: { get_page_from_gva: code } }, "translation");
  assert.deepEqual(
    list.map(({ va, par, logged }) => [va, par, logged]),
    [[1, 4, BASE + 20]],
  );
  assert.deepEqual(ofKind({ code: { f: [AT_R_X1, ISB, MRS_X1, RET] } }, "translation"), [], "the VA is lost");
});

test("a function's entries count only where each of them is logged", () => {
  const code = {
    p2m_flush: FLUSH,
    // Called from its own page, where blocks are chained.
    p2m_unlock: ["call p2m_flush", RET],
    remove: ["page", "call p2m_unlock", RET],
    do_memory_op: ["page", "call remove", RET],
  };
  const entries = findSites(buildText({ code })).list.flatMap((site) => (site.kind === "entry" ? [site.of.name] : []));
  assert.ok(entries.includes("p2m_unlock") && entries.includes("remove") && entries.includes("do_memory_op"));
  const { pages } = findSites(buildText({ code }));
  assert.deepEqual(pages, [], "remove and do_memory_op are called from other pages only");
  const near = { ...code, remove: ["call p2m_unlock", RET] };
  assert.deepEqual(findSites(buildText({ code: near })).pages, [BASE]);
});

test("what a build does not tell is said by name", () => {
  const { unknown } = findSites(buildText({ code: { p2m_flush: FLUSH } }));
  assert.ok(unknown.some((sentence) => /do_memory_op/.test(sentence)));
  assert.ok(unknown.some((sentence) => /stage-2 descriptor writes/.test(sentence)));
  const none = findSites(buildText({ code: { f: [RET] } })).unknown;
  assert.ok(none.some((sentence) => /VTTBR_EL2/.test(sentence)));
});

test("a Xen without symbols, and what is no ELF file for AArch64, is refused in a sentence", () => {
  const refuses = (bytes: Uint8Array, message: RegExp): void =>
    assert.throws(() => new XenText(new Elf(bytes, "xen-syms")), message);
  refuses(elfFile({ code: { f: [RET] }, symbols: false }), /^InputError: xen-syms: has no function symbols/);
  refuses(Buffer.from("MZ"), /^InputError: xen-syms: not an ELF file/);
  const other = Buffer.from(elfFile({ code: { f: [RET] } }));
  other.writeUInt16LE(62, 18);
  refuses(other, /64-bit ELF file for AArch64/);
  refuses(elfFile({ code: { f: [RET] } }).subarray(0, 100), /ends too early/);
});
