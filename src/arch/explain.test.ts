import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addressOperand,
  type CachedEntry,
  decodeOperand,
  explainTlbi,
  GLOBAL_ASID,
  type GranuleBits,
  levelShift,
  mustGo,
  nameOtherWord,
  operandHalves,
  rangeOperand,
  TLBI_OPS,
  tlbiOp,
} from "./index.js";

const explain = (name: string, xt?: bigint, rt = 0) => explainTlbi(tlbiOp(name), rt, xt);
const rangeOf = (name: string, xt: bigint) => explain(name, xt).operand!.range;
const meaning = (name: string, xt: bigint, field: string) =>
  explain(name, xt).operand!.fields.find((f) => f.name === field)!.meaning;
const says = (remarks: readonly string[], part: RegExp) => remarks.some((r) => part.test(r));

test("the fields of an operand are its 64 bits, once each, and put together its value", () => {
  for (const op of TLBI_OPS)
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (xt) => {
        const { operand } = explainTlbi(op, 0, xt);
        if (op.operand === "none") return assert.equal(operand, undefined);
        let next = 63;
        let value = 0n;
        for (const field of operand!.fields) {
          assert.equal(field.bits[0], next);
          next = field.bits[1] - 1;
          value |= field.value! << BigInt(field.bits[1]);
        }
        assert.equal(next, -1);
        assert.equal(value, xt);
      }),
      { numRuns: 20 },
    );
});

test("a range names (NUM + 1) * 2^(5 * SCALE + 1) granules from BaseADDR, for each granule", () => {
  for (const granuleBits of [12, 14, 16] as GranuleBits[]) {
    const range = rangeOf("RIPAS2E1IS", BigInt(rangeOperand(0x40000, 1, 31, granuleBits)))!;
    assert.equal(range.start, 0x40000n << BigInt(granuleBits));
    assert.equal(range.end - range.start, 2048n << BigInt(granuleBits));
  }
});

test("a VA of the upper half is sign-extended, from bit 55 or from the top of BaseADDR", () => {
  assert.equal(rangeOf("VAE1", 0xfff_ffff_ffffn)!.start, 0xffff_ffff_ffff_f000n);
  assert.equal(rangeOf("VAE1", 0xfff_ffff_ffffn)!.end, 1n << 64n);
  assert.equal(rangeOf("VAE1", 0x7ff_ffff_ffffn)!.start, 0x007f_ffff_ffff_f000n);
  assert.equal(rangeOf("RVAE1", BigInt(rangeOperand(2 ** 36, 0, 0)))!.start, 0xffff_0000_0000_0000n);
  assert.equal(rangeOf("RVAE1", BigInt(rangeOperand(2 ** 37 - 1, 3, 31)))!.end, 1n << 64n, "it ends at the top");
  assert.equal(rangeOf("RIPAS2E1", BigInt(rangeOperand(2 ** 36, 0, 0)))!.start, 1n << 48n, "an IPA is not");
});

test("a TTL hint makes the range the block of that level; without it, it is the 4 KiB page", () => {
  const page = 0x12345n;
  assert.deepEqual(rangeOf("IPAS2E1", page), { start: 0x1234_5000n, end: 0x1234_6000n });
  for (const [granule, granuleBits] of [
    [1n, 12],
    [2n, 14],
    [3n, 16],
  ] as const)
    for (const level of [2, 3]) {
      const { start, end } = rangeOf("IPAS2E1", (((granule << 2n) | BigInt(level)) << 44n) | page)!;
      assert.equal(end - start, 1n << BigInt(levelShift(level, granuleBits)));
      assert.equal(start % (end - start), 0n);
      assert.ok(start <= 0x1234_5000n && 0x1234_5000n < end);
    }
});

test("a TTL level that the granule does not have is no hint, and FEAT_LPA2's levels are named as such", () => {
  const ttl = (value: bigint) => meaning("VAE1", value << 44n, "TTL")!;
  assert.equal(ttl(0b0000n), "no hint: any level");
  assert.match(ttl(0b0010n), /^no hint .*RES0/);
  assert.match(ttl(0b0100n), /4 KiB granule, leaf at level 0 with FEAT_LPA2; without it no hint/);
  assert.match(ttl(0b0110n), /^4 KiB granule, leaf at level 2$/);
  assert.match(ttl(0b1000n), /reserved: the 16 KiB granule has no leaf at level 0/);
  assert.match(ttl(0b1001n), /16 KiB granule, leaf at level 1 with FEAT_LPA2/);
  assert.match(ttl(0b1100n), /reserved: the 64 KiB granule has no leaf at level 0/);
  assert.match(ttl(0b1111n), /^64 KiB granule, leaf at level 3$/);
  assert.deepEqual(rangeOf("VAE1", 0b0100n << 44n), { start: 0n, end: 0x1000n });
});

test("a TTL hint must be right, and its remark says so", () => {
  assert.ok(says(explain("IPAS2E1IS", 0b0110n << 44n).remarks, /TTL needs FEAT_TTL.*must be right/));
  assert.ok(!says(explain("IPAS2E1IS", 0n).remarks, /TTL needs/));
});

test("TG = 0 is reserved: no range, and a finding", () => {
  const { operand, lint } = explain("RIPAS2E1", 0x40000n);
  assert.equal(operand!.range, undefined);
  assert.deepEqual(
    lint.map((l) => l.name),
    ["tg-reserved"],
  );
});

test("bits that are RES0 and not 0 are found, and only those", () => {
  const res0 = (name: string, xt?: bigint, rt = 0) =>
    explain(name, xt, rt).lint.flatMap((l) => (l.name === "res0" ? [l.sentence] : []));
  assert.ok(says(res0("IPAS2E1", 1n << 40n), /Bits \[43:40\] are RES0 .* hold 0x1/));
  assert.ok(says(res0("RIPAS2E1", 1n << 63n), /Bits \[63:48\] are RES0 .*NS in the Secure state/));
  assert.ok(says(res0("VAAE1", 5n << 48n), /Bits \[63:48\] are RES0/), "VAA* looks at no ASID");
  assert.ok(says(res0("ASIDE1", 1n), /Bits \[47:0\] are RES0/));
  for (const op of TLBI_OPS) assert.deepEqual(res0(op.name, undefined, 31), [], op.name);
  assert.deepEqual(res0("VAE1", (0b0111n << 44n) | ((1n << 44n) - 1n) | (0xffffn << 48n)), [], "4 KiB has no RES0 bit");
  assert.ok(
    says(res0("VAE1", (1n << 64n) - 1n), /Bits \[3:0\] are RES0/),
    "TTL says 64 KiB, VA[15:12] is below a page",
  );
});

test("IPAS2* must remove stage-2 entries, and is not required to remove combined ones: a VMALLE1 must follow", () => {
  const { removes, remarks } = explain("IPAS2E1IS");
  assert.equal(removes.stage1.status, "no");
  assert.match(removes.stage2.matches!, /^the current VMID; the IPA; every level/);
  assert.equal(removes.combined.status, "not required");
  assert.ok(says(remarks, /a VMALLE1 of the same reach must follow/));
  assert.ok(!says(explain("VMALLS12E1IS").remarks, /must follow/));
});

test("what is removed is told by row: VMID, ASID, address and level", () => {
  assert.equal(
    explain("VALE1").removes.stage1.matches,
    "the current VMID; the operand's ASID or global; the VA; last level only",
  );
  assert.equal(
    explain("ASIDE1").removes.combined.matches,
    "the current VMID; the operand's ASID, not global; every level of the walk",
  );
  assert.equal(explain("ALLE1").removes.stage2.matches, "every VMID; every level of the walk");
  assert.equal(explain("RVAE2").removes.stage1.matches, "VAs in the range; every level of the walk");
  assert.equal(explain("ALLE2").removes.stage2.status, "absent");
  for (const op of TLBI_OPS) {
    const { stage1, stage2, combined } = explainTlbi(op, 31).removes;
    assert.deepEqual(
      [stage1, stage2, combined].map((r) => r.status === "yes"),
      [op.stage1, op.stage2, op.combined],
      op.name,
    );
    for (const r of [stage1, stage2, combined]) assert.equal(r.matches !== undefined, r.status === "yes");
  }
});

test("the DSBs that complete it are listed, the narrowest first", () => {
  assert.deepEqual(explain("VMALLE1").completedBy, ["DSB NSH", "DSB ISH", "DSB OSH", "DSB SY"]);
  assert.deepEqual(explain("VAE1IS").completedBy, ["DSB ISH", "DSB OSH", "DSB SY"]);
  assert.deepEqual(explain("VAE1OS").completedBy, ["DSB OSH", "DSB SY"]);
});

test("XZR is an operand of 0; another register without a value shows the layout alone", () => {
  assert.deepEqual(explain("VALE2IS", undefined, 31).operand!.range, { start: 0n, end: 0x1000n });
  const { operand } = explain("VALE2IS");
  assert.equal(operand!.value, undefined);
  assert.deepEqual(operand!.fields, [
    { name: "ASID", bits: [63, 48] },
    { name: "TTL", bits: [47, 44] },
    { name: "VA[55:12]", bits: [43, 0] },
  ]);
});

test("a register where there is no operand is CONSTRAINED UNPREDICTABLE", () => {
  assert.ok(says(explain("VMALLE1IS", undefined, 3).remarks, /Rt should be 31, not 3: CONSTRAINED UNPREDICTABLE/));
  assert.ok(!says(explain("VMALLE1IS", undefined, 31).remarks, /UNPREDICTABLE/));
  assert.equal(explain("VMALLE1IS", undefined, 31).assembly, "TLBI VMALLE1IS");
});

test("the repeat-TLBI erratum concerns broadcast TLBIs only, HCR_EL2.FB the guest's local ones only", () => {
  for (const op of TLBI_OPS) {
    const { remarks } = explainTlbi(op, 31);
    assert.equal(says(remarks, /CVE-2025-10263/), op.reach !== "local", op.name);
    assert.equal(says(remarks, /HCR_EL2\.FB/), op.reach === "local" && op.op1 === 0, op.name);
  }
});

test("words that are no TLBI are named", () => {
  const known: [number, string | undefined][] = [
    [0xd5033b9f, "DSB ISH"],
    [0xd5033fdf, "ISB"],
    [0xd51c2100, "MSR VTTBR_EL2, X0"],
    [0xd53c2105, "MRS X5, VTTBR_EL2"],
    [0xd51c2141, "MSR VTCR_EL2, X1"],
    [0xd51c1102, "MSR HCR_EL2, X2"],
    [0xd5182003, "MSR TTBR0_EL1, X3"],
    [0xd5182023, "MSR TTBR1_EL1, X3"],
    [0xd5182044, "MSR TCR_EL1, X4"],
    [0xd5181004, "MSR SCTLR_EL1, X4"],
    [0xd51c2004, "MSR TTBR0_EL2, X4"],
    [0xd51c2044, "MSR TCR_EL2, X4"],
    [0xd51c1004, "MSR SCTLR_EL2, X4"],
    [0xd518a200, "MSR S3_0_C10_C2_0, X0"],
    [0xd50e831f, "SYS #6, C8, C3, #0, XZR (among the TLBIs, but none of EL1&0 or EL2)"],
    [0xd508751f, "SYS #0, C7, C5, #0, XZR (an IC, DC or AT)"],
    [0xd65f03c0, undefined],
    [0xd503201f, undefined],
    [0, undefined],
  ];
  for (const [word, name] of known) assert.equal(nameOtherWord(word), name, word.toString(16));
});

test("with FEAT_LPA2's 52-bit addresses BaseADDR counts 64 KiB, which a range of smaller granules is told", () => {
  const remarks = (name: string, xt: bigint) =>
    explain(name, xt).remarks.filter((remark) => remark.startsWith("With 52-bit"));
  const base = 0x1_2345_6789n;
  const [tg4k, tg64k] = [1n << 46n, 3n << 46n];
  assert.equal(remarks("ripas2e1is", tg4k | base).length, 1);
  assert.match(remarks("ripas2e1is", tg4k | base)[0]!, /VTCR_EL2\.DS = 1\) .* begins at 0x1234567890000\.$/);
  assert.match(
    remarks("rvae1is", tg4k | ((1n << 37n) - 1n))[0]!,
    /TCR_ELx\.DS = 1\) .* begins at 0xffffffffffff0000\.$/,
  );
  assert.deepEqual(remarks("ripas2e1is", tg64k | base), [], "64 KiB is the unit anyhow");
});

test("of every TLBI, what is said to match is what the model removes: kind, VMID, ASID, address and level", () => {
  const [vmid, asid, page] = [1, 5, 0x40];
  for (const op of TLBI_OPS) {
    const { removes } = explainTlbi(op, 31);
    const byIpa = op.operand === "ipa" || op.operand === "ipa-range";
    // TG = 4 KiB and SCALE = NUM = 0 in a range: two pages from 0x40.
    const low = op.operand.endsWith("-range") ? rangeOperand(page, 0, 0) : addressOperand(page);
    const { lo, hi } = operandHalves(low, asid);
    const fields = decodeOperand(op.operand, lo, hi);
    for (const kind of ["stage1", "stage2", "combined"] as const) {
      const entry: CachedEntry = {
        ...{ regime: op.regime, kind, step: false, vmid, asid, level: 3 },
        ...{ page, ipa: kind === "stage2" ? -1 : page },
      };
      const goes = (more: Partial<CachedEntry> = {}): boolean => mustGo(op, fields, vmid, { ...entry, ...more });
      const { status, matches = "" } = removes[kind];
      const title = `${op.name} ${kind}`;
      if (status === "absent") {
        assert.equal(op.regime, "EL2", title);
        continue;
      }

      assert.equal(goes(), status === "yes", title);
      if (status !== "yes") continue;
      assert.equal(goes({ vmid: 2 }), !matches.includes("the current VMID"), `${title}, another VMID`);
      assert.equal(goes({ asid: 6 }), !matches.includes("the operand's ASID"), `${title}, another ASID`);
      if (op.regime !== "EL2")
        assert.equal(goes({ asid: GLOBAL_ASID }), !matches.includes("not global"), `${title}, a global entry`);
      const elsewhere = byIpa ? { page: 0x99, ipa: 0x99 } : { page: 0x99 };
      assert.equal(goes(elsewhere), !/the (VA|IPA)|in the range/.test(matches), `${title}, another address`);
      assert.equal(goes({ step: true, level: 2 }), !matches.includes("last level only"), `${title}, of a table`);
    }
  }
});
