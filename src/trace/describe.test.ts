import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AF,
  AP_EL0,
  AP_RO,
  addressOperand,
  barrierIndex,
  CONTIG_HI,
  leafHi,
  leafLo,
  NG,
  rangeOperand,
  S2AP_R,
  S2AP_W,
  sysregIndex,
  tlbiIndex,
  ttlOf,
  vttbr,
  XN_HI,
} from "../arch/index.js";
import { describeEvent } from "./describe.js";
import { Access, NO_DOMAIN } from "./event.js";
import { Recorder } from "./recorder.js";

function described(source: (r: Recorder) => void): string[] {
  const lines: string[] = [];
  const recorder = new Recorder(1, [
    {
      events(b, names) {
        for (let i = 0; i < b.length; i++) lines.push(describeEvent(b, i, names));
      },
    },
  ]);
  source(recorder);
  recorder.flush();
  return lines;
}

test("a descriptor is said as its kind, address, permissions and flags, at both stages", () => {
  const write = (stage: 1 | 2, level: number, lo: number, hi: number): string =>
    described((r) => r.write(0, 0x90000, stage, level, 5, 0, 0, lo, hi))[0]!;
  const head = "[5] 0x90000028: 0 -> ";
  assert.equal(write(2, 2, 0x1234_5003, 0), `S2 L2${head}table 0x12345000`);
  assert.equal(
    write(2, 3, leafLo(0x40000, 3, AF | S2AP_R | S2AP_W), leafHi(0x40000, XN_HI)),
    `S2 L3${head}page 0x40000000 rw- AF`,
  );
  assert.equal(
    write(2, 1, leafLo(2 ** 35, 1, AF | S2AP_R), leafHi(2 ** 35, CONTIG_HI)),
    `S2 L1${head}block 0x800000000000 r-x AF contiguous`,
  );
  assert.equal(
    write(1, 3, leafLo(0x40000, 3, AF | AP_RO | AP_EL0 | NG), leafHi(0x40000, 0)),
    `S1 L3${head}page 0x40000000 r-x EL0 nG AF`,
  );
  assert.equal(write(2, 3, 0x1000, 0x80_0000), `S2 L3${head}invalid 0x80000000001000`);
  assert.equal(write(2, 3, 1, 0), `S2 L3${head}reserved 0x1`);
});

test("a TLBI is said with what its operand names", () => {
  const tlbi = (name: string, operand: number, asid = 0): string =>
    described((r) => r.tlbi(0, tlbiIndex(name)!, operand, asid))[0]!;
  assert.equal(tlbi("vmalls12e1is", 0), "TLBI VMALLS12E1IS");
  assert.equal(tlbi("aside1", 0, 7), "TLBI ASIDE1 ASID 7");
  assert.equal(tlbi("vae1is", addressOperand(0x7f000, ttlOf(3)), 7), "TLBI VAE1IS VA 0x7f000000 ASID 7 TTL L3");
  assert.equal(tlbi("ipas2e1is", addressOperand(0x40000)), "TLBI IPAS2E1IS IPA 0x40000000");
  assert.equal(
    tlbi("ripas2e1is", rangeOperand(0x40000, 1, 31)),
    "TLBI RIPAS2E1IS IPA 0x40000000 + 2,048 pages (SCALE 1 NUM 31)",
  );
  assert.equal(
    tlbi("rvae1is", rangeOperand(0x100, 0, 0, 16, 3), 9),
    "TLBI RVAE1IS VA 0x1000000 + 2 pages of 64 KiB (SCALE 0 NUM 0) ASID 9 TTL 3",
  );
  assert.equal(tlbi("ripas2e1", 5), "TLBI RIPAS2E1 0x5 (TG reserved: reaches nothing)");
});

test("barriers, registers, accesses, owners and faults are said with their addresses", () => {
  assert.deepEqual(
    described((r) => {
      r.barrier(0, barrierIndex("dsb ish")!);
      r.sysreg(0, sysregIndex("vttbr_el2")!, vttbr(1, 0x1000), vttbr(2, 0x2000));
      r.access(0, Access.read, 3, 0x10, 0x20, 0x30);
      r.owner(0, 0x40, 3, NO_DOMAIN);
      r.fault(0, 0, 2, 1, 0x10, 0x20);
    }),
    [
      "DSB ISH",
      "VTTBR_EL2 := 0x2000002000000 (VMID 2), was 0x1000001000000",
      "read VA 0x10000 -> IPA 0x20000 -> PA 0x30000, mapped at L3",
      "PA 0x40000: d3 -> no domain",
      "translation fault at stage 2 L1: VA 0x10000, IPA 0x20000",
    ],
  );
});

test("marks open and close, with the domain, vCPU or result that they carry", () => {
  assert.deepEqual(
    described((r) => {
      const call = r.names.id("hypercall:XENMEM_populate_physmap");
      r.begin(0, r.names.id("domain:create"), 5);
      r.begin(0, r.names.id("vcpu-switch:credit2"), 1);
      r.begin(0, call);
      r.end(0, call, 0);
      r.end(0, call, -12);
      r.end(0, r.names.id("phase:run"));
    }),
    [
      "{ domain create d5",
      "{ vcpu-switch credit2 to vCPU 1",
      "{ hypercall XENMEM_populate_physmap",
      "} hypercall XENMEM_populate_physmap = 0",
      "} hypercall XENMEM_populate_physmap = -12",
      "} phase run",
    ],
  );
});
