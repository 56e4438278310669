import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type CodeFile, openCode } from "../binary/index.js";
import { type CodeSetting, functionOf, type Lifted, liftFunction } from "./function.js";

const EXAMPLE = openCode(fileURLToPath(new URL("../../examples/code/flush.o", import.meta.url)));
const NOTHING: CodeSetting = {
  operands: new Map(),
  capabilities: new Map(),
  vhe: false,
  when: [],
  others: new Set(),
  guests: false,
};

const lift = (code: CodeFile, name: string, setting: Partial<CodeSetting> = {}): Lifted =>
  liftFunction(code, functionOf(code, name), { ...NOTHING, ...setting });
/** Lines of a way, joined; blocks show by their words. */
const codeOf = ({ ways }: Lifted, i = 0): string => ways[i]!.lines.map(({ text }) => text).join("; ");
const REMOVAL = "dsb ishst; tlbi ipas2e1is, ipa; dsb ish; tlbi vmalle1is; dsb ish; isb";

test("both ways of a comparison with VTTBR_EL2 are one policy, with the owner's VMID around", () => {
  const { ways } = lift(EXAMPLE, "flush_page");
  assert.deepEqual(
    ways.map(({ lines }) => lines.map(({ text }) => text).join("; ")),
    [`for entry; with owner-vmid; ${REMOVAL}; end; end`],
  );
});

test("a loop is one loop over pages, and a way without a TLBI stands beside it with its condition", () => {
  const lifted = lift(EXAMPLE, "flush_pages");
  assert.deepEqual(
    lifted.ways.map(({ flushes, when }) => [flushes, when]),
    [
      [false, [[{ text: "X3 == 0", is: true }]]],
      [true, [[{ text: "X3 == 0", is: false }]]],
    ],
  );
  assert.equal(
    codeOf(lifted, 1),
    "dsb ishst; for page; tlbi ipas2e1is, ipa; end; dsb ish; tlbi vmalle1is; dsb ish; isb",
  );
  assert.equal(lift(EXAMPLE, "flush_pages", { when: ["not X3 == 0"] }).ways.length, 1);
});

test("what a capability is decides: a condition of the policy, one way, or both", () => {
  const flush = (word: string | undefined): string[] => {
    const capabilities = new Map(word === undefined ? [] : [[11, word]]);
    const lifted = lift(EXAMPLE, "flush_guest", { capabilities });
    return lifted.ways.map((_, i) => codeOf(lifted, i));
  };
  const [plain, repeat] = ["dsb ishst; tlbi vmalls12e1is; dsb ish; isb", "dsb ish; tlbi vale2is, xzr; "];
  const repeated = plain.replace("dsb ish; ", `${repeat}dsb ish; `);
  assert.deepEqual(flush("no"), [plain]);
  assert.deepEqual(flush("yes"), [repeated]);
  assert.deepEqual(flush(undefined), [repeated, plain]);
  assert.deepEqual(flush("repeat-tlbi"), [
    "dsb ishst; tlbi vmalls12e1is; dsb ish; if repeat-tlbi; tlbi vale2is, xzr; dsb ish; end; isb",
  ]);
});

test("an operand's meaning is a guess until it is confirmed, and a contradiction is a problem", () => {
  const remarks = (says: readonly (readonly [string, "ipa" | "page" | "va"])[]): string[] =>
    lift(EXAMPLE, "flush_page_at_once", { operands: new Map(says) }).ways[0]!.remarks.map(
      ({ kind, text }) => `${kind}: ${text}`,
    );
  assert.match(remarks([]).join("\n"), /taken: TLBI IPAS2E1IS .* bits from 12 on of X1, so X1 is taken for the IPA/);
  assert.doesNotMatch(remarks([["x1", "ipa"]]).join("\n"), /IPAS2E1IS/);
  assert.match(remarks([["x1", "page"]]).join("\n"), /problem: .* X1 is the page number: another page/);
});

test("a part of a function can be meant, and what is not there is said by what is", () => {
  assert.equal(codeOf(lift(EXAMPLE, "flush_page", { from: 0x18, to: 0x34 })), `for entry; ${REMOVAL}; end`);
  assert.throws(() => functionOf(EXAMPLE, "flush_pag"), /no function 'flush_pag'; there is flush_page/);
  assert.throws(
    () => functionOf(EXAMPLE, undefined),
    /has 4 functions that flush, expected FILE:FUNCTION .* flush_page, flush_page_at_once/,
  );
  assert.throws(() => functionOf(EXAMPLE, "0x10"), /no function at 0x10/);
});

const folder = mkdtempSync(join(tmpdir(), "shootdown-function-"));
after(() => rmSync(folder, { recursive: true }));

/** A function f of these words, as `objdump -d` prints it. */
function functionOfWords(...words: string[]): CodeFile {
  const file = join(folder, "f.txt");
  const lines = words.map((word, i) => `    ${(0x1000 + 4 * i).toString(16)}:\t${word} \tinstruction`);
  writeFileSync(file, ["0000000000001000 <f>:", ...lines, ""].join("\n"));
  return openCode(file);
}
const [ISHST, ISH, ISB, RET] = ["d5033a9f", "d5033b9f", "d5033fdf", "d65f03c0"];
const [VMALLE1IS, ASIDE1IS_X1, VAE2IS_X0, VMALLS12E1IS] = ["d508831f", "d5088341", "d50c8320", "d50c83df"];
/** HCR_EL2.TGE := 0 through X0 */
const CLEAR_TGE = ["d53c1100", "9264f800", "d51c1100"];
const kinds = ({ ways }: Lifted): string => ways[0]!.remarks.map(({ kind, text }) => `${kind}: ${text}`).join("\n");

test("a TLBI by ASID is by the guest's, which a user confirms, or says to be something else", () => {
  const code = functionOfWords(ISHST, ASIDE1IS_X1, ISH, RET);
  const lifted = lift(code, "f");
  assert.equal(codeOf(lifted), "dsb ishst; tlbi aside1is, asid; dsb ish");
  assert.match(kinds(lifted), /taken: TLBI ASIDE1IS at 0x1004: its ASID is X1, taken for the guest's/);
  assert.equal(kinds(lift(code, "f", { operands: new Map([["x1", "asid"]]) })), "");
  const wrong = lift(code, "f", { operands: new Map([["x1", "va"]]) });
  assert.match(kinds(wrong), /problem: .* takes X1 for its ASID, and --operand says that it is the VA/);
});

test("with VHE HCR_EL2.TGE decides of whom a TLBI of EL1's own is, from the ISB behind its write on", () => {
  const of = (words: readonly string[], setting: Partial<CodeSetting> = {}): string =>
    codeOf(lift(functionOfWords(...words, RET), "f", { vhe: true, ...setting }));
  const flush = [VMALLE1IS, ISH];
  const host = "tlbi alle2is; dsb ish";
  assert.equal(of(flush), host);
  assert.equal(of([...CLEAR_TGE, ISB, ...flush]), "isb; tlbi vmalle1is; dsb ish");
  assert.equal(of([...CLEAR_TGE, ...flush]), host, "TGE may still be 1");
  assert.equal(of([VMALLS12E1IS, ISH]), "tlbi vmalls12e1is; dsb ish", "always EL1&0's");
  assert.equal(of([ASIDE1IS_X1, ISH]), host);
  assert.equal(of(flush, { vhe: false }), "tlbi vmalle1is; dsb ish");
});

test("a kernel's own stage 1 with VHE stands for a guest's where that is asked about, under its VMID", () => {
  const lifted = lift(functionOfWords(ISHST, ASIDE1IS_X1, ISH, RET), "f", { vhe: true, guests: true });
  assert.equal(codeOf(lifted), "with owner-vmid; dsb ishst; tlbi aside1is, asid; dsb ish; end");
  assert.match(kinds(lifted), /taken: TLBI ASIDE1IS .* is for EL2&0, .* judged as if that were a guest's stage 1/);
});

test("a TLBI of the hypervisor's own regime removes nothing of a guest, whatever its operand", () => {
  const lifted = lift(functionOfWords(VAE2IS_X0, ISH, RET), "f");
  assert.equal(codeOf(lifted), "tlbi vae2is, xzr; dsb ish");
  assert.match(kinds(lifted), /taken: .* of a guest it removes nothing/);
});

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "shootdown", "debian", "arm64");
const XEN = join(CACHE, "usr", "lib", "debug", "boot", "xen-syms-4.20-arm64");
const KERNEL = join(CACHE, "boot", "vmlinuz-6.12.117+deb13-arm64");
let opened: CodeFile | undefined;
const linux = (): CodeFile => (opened ??= openCode(KERNEL));
const REPEAT = "if repeat-tlbi; tlbi vale2is, xzr; dsb ish; end";

test("Debian's Xen: p2m_force_tlb_flush_sync() and p2m_restore_state() are what xen-today says", {
  skip: !existsSync(XEN) && "SKIPPED: no xen-syms in the cache, run `shootdown capture --setup`",
}, () => {
  const xen = openCode(XEN);
  assert.equal(
    codeOf(lift(xen, "p2m_force_tlb_flush_sync")),
    `with owner-vmid; dsb ishst; tlbi vmalls12e1is; dsb ish; ${REPEAT}; isb; end`,
  );
  const restore = lift(xen, "p2m_restore_state");
  const [flush] = restore.ways.filter(({ flushes }) => flushes);
  assert.equal(
    flush!.lines.map(({ text }) => text).join("; "),
    "msr vttbr_el2, owner; isb; dsb nshst; tlbi vmalls12e1; dsb nsh; isb",
  );
});

test("Debian's Linux: a flush of stage 1 by VA is that of one page, under the guest's ASID", {
  skip: !existsSync(KERNEL) && "SKIPPED: no kernel in the cache, run `shootdown capture --setup`",
}, () => {
  const part = { from: 0x68, to: 0x94, capabilities: new Map([[68, "no"]]) };
  const lifted = lift(linux(), "ptep_clear_flush", part);
  assert.equal(
    codeOf(lifted),
    `for va-page; dsb ishst; tlbi vale1is, va; dsb ish; ${REPEAT.replace("vale2is", "vale1is")}; end`,
  );
  const remarks = lifted.ways[0]!.remarks.map(({ kind, text }) => `${kind}: ${text}`).join("\n");
  assert.match(remarks, /taken: .* its ASID is .* taken for the guest's/);
  assert.match(remarks, /taken: it is called once for each page, by the guest's VA/);
  assert.doesNotMatch(remarks, /problem/);
});

test("Debian's Linux: KVM's own functions, of VHE and not, come out as its source has them", {
  skip: !existsSync(KERNEL) && "SKIPPED: no kernel in the cache, run `shootdown capture --setup`",
}, () => {
  const all = (name: string, vhe: boolean): string[] => {
    const lifted = lift(linux(), name, { vhe, when: ["not X2 == 0"] });
    return lifted.ways.map((_, i) => codeOf(lifted, i));
  };
  const end = `dsb ish; tlbi vmalle1is; dsb ish; ${REPEAT}; isb`;
  const ipa = all("__kvm_tlb_flush_vmid_ipa", true);
  assert.ok(
    ipa.includes(
      `for entry; dsb ishst; msr vttbr_el2, owner; isb; tlbi ipas2e1is, ipa, ttl; ${end}; isb; msr vttbr_el2, current; end`,
    ),
    ipa.join("\n"),
  );
  const nvhe = all("__kvm_nvhe___kvm_tlb_flush_vmid_ipa", false);
  assert.ok(
    nvhe.includes(
      `for entry; dsb ish; msr vttbr_el2, owner; isb; tlbi ipas2e1is, ipa, ttl; ${end}; msr vttbr_el2, current; isb; end`,
    ),
    nvhe.join("\n"),
  );
  assert.ok(
    all("__kvm_tlb_flush_vmid_range", true).some((code) =>
      code.includes("if FEAT_TLBIRANGE; for range; tlbi ripas2e1is, ipa"),
    ),
  );
  assert.deepEqual(all("__kvm_flush_vm_context", true), [`dsb ishst; tlbi alle1is; dsb ish; ${REPEAT}`]);
  assert.deepEqual(all("__kvm_nvhe___kvm_flush_vm_context", false), [`dsb ish; tlbi alle1is; dsb ish; ${REPEAT}`]);
  const current = ["X0 == 0xf8000823fcf08", "x0 == [[tpidr_el2 + 0xf800081f8bc10] + 3376]"];
  const operands = new Map(current.map((text) => [text.toLowerCase(), "owner-current"] as const));
  const twin = lift(linux(), "__kvm_nvhe___kvm_tlb_flush_vmid", { operands });
  assert.equal(codeOf(twin), `dsb ish; with owner-vmid; tlbi vmalls12e1is; dsb ish; ${REPEAT}; isb; end`);
  assert.ok(all("__kvm_tlb_flush_vmid", true).every((code) => code.includes("tlbi vmalls12e1is")));
});

test("Debian's Linux: a kernel's flush of a whole address space by ASID is one policy, also with VHE", {
  skip: !existsSync(KERNEL) && "SKIPPED: no kernel in the cache, run `shootdown capture --setup`",
}, () => {
  const capabilities = new Map([[68, "no"]]);
  const lifted = lift(linux(), "flush_tlb_batched_pending", { vhe: true, guests: true, capabilities });
  const [flush, ...others] = lifted.ways.filter(({ flushes }) => flushes);
  assert.equal(others.length, 0);
  assert.equal(
    flush!.lines.map(({ text }) => text).join("; "),
    `with owner-vmid; dsb ishst; tlbi aside1is, asid; dsb ish; ${REPEAT.replace("vale2is", "vale1is")}; end`,
  );
});
