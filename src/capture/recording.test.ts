import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BASE,
  BRK,
  bNe,
  buildText,
  DSB_ISH,
  DSB_ISHST,
  DSB_SY,
  ISB,
  msrVtcr,
  msrVttbr,
  RET,
  str,
  tst7,
  VMALLS12E1IS,
  vae2is,
} from "../binary/build.testing.js";
import { Directmap } from "../binary/directmap.js";
import { findSites } from "../binary/sites.js";
import { Collected } from "../trace/events.testing.js";
import { KINDS } from "../trace/index.js";
import { Recording } from "./recording.js";
import { blockRecord } from "./records.testing.js";

/** Where the direct map of the test machine begins. */
const DIRECT = 0x8000_0000_0000n;
/** VTCR_EL2 of a p2m of 48 bits: T0SZ 16, SL0 2 (level 0). */
const VTCR = 0x8000_0090;
const ROOT = 0x13_0000n;

const text = buildText({
  code: {
    setup: [msrVtcr(4), ISB, RET],
    p2m_flush: [msrVttbr(7), ISB, DSB_ISHST, VMALLS12E1IS, DSB_ISH, ISB, RET],
    p2m_write: [DSB_SY, str(3, 9), DSB_SY, RET],
    xen_pt_update: [vae2is(20), "call setup", RET],
    p2m_clear_root_pages: ["call p2m_flush", RET],
    get_page: [0xd50c7881, ISB, 0xd5387404, RET],
    do_memory_op: ["page", "call p2m_flush", RET],
    do_trap_hypercall: ["page", "call do_memory_op", RET],
    domain_create: ["page", "call arch_domain_create", RET],
    arch_domain_create: ["page", RET],
    vcpu_create: ["page", "call arch_vcpu_create", RET],
    arch_vcpu_create: ["page", RET],
    p2m_restore_state: ["page", RET],
    p2m_save_state: ["page", RET],
    schedule_tail: ["page", "call p2m_restore_state", RET],
    do_domctl: ["page", "call domain_create", RET],
  },
});
const at = (name: string): number => text.functionNamed(name)!.address;

/** The events of a trace with kinds as words and 64-bit values as hexadecimal digits. */
const eventsOf = (trace: Collected) =>
  trace.list.map((event) => {
    const value = (i: number): string =>
      ((BigInt(event.words[2 * i + 1]!) << 32n) | BigInt(event.words[2 * i]!)).toString(16);
    return { ...event, kind: KINDS[event.kind]!, address: value(0), from: value(1), to: value(2) };
  });

function start() {
  const trace = new Collected();
  const recording = new Recording(text, findSites(text), 0, 2, [trace]);
  recording.setDirectmap(new Directmap({ virtStart: DIRECT, basePdx: 0n }));
  const record = (cpu: number, pc: number, registers: Record<number, bigint | number> = {}): void =>
    recording.record(blockRecord(cpu, pc, { 31: 0xa000_0300_000, ...registers }));
  const vttbr = (vmid: bigint, root: bigint, cpu = 0): void =>
    record(cpu, at("p2m_flush") + 4, { 7: (vmid << 48n) | (root << 12n) });
  const write = (page: bigint, slot: number, value: bigint): void =>
    record(0, at("p2m_write") + 4, { 3: value, 9: DIRECT + (page << 12n) + BigInt(8 * slot) });
  record(0, at("setup") + 4, { 4: VTCR });
  const finish = () => {
    recording.finish();
    return eventsOf(trace);
  };
  return { record, vttbr, write, finish, recording };
}

test("a TLBI has its operand, the VMID that VTTBR_EL2 holds on its CPU, and its barriers", () => {
  const { record, vttbr, finish } = start();
  vttbr(5n, ROOT);
  vttbr(6n, ROOT + 1n, 1);
  record(0, at("p2m_flush") + 16);
  record(1, at("p2m_flush") + 16);
  record(1, at("xen_pt_update") + 4, { 20: 0x1234n });
  const events = finish();
  const tlbis = events.filter(({ kind }) => kind === "tlbi");
  assert.deepEqual(
    tlbis.map(({ name, pcpu, vmid, to }) => [name, pcpu, vmid, to]),
    [
      ["VMALLS12E1IS", 0, 5, "0"],
      ["VMALLS12E1IS", 1, 6, "0"],
      ["VAE2IS", 1, 6, "1234"],
    ],
  );
  const i = events.indexOf(tlbis[0]!);
  assert.deepEqual(
    events.slice(i, i + 3).map(({ name }) => name),
    ["VMALLS12E1IS", "DSB ISH", "ISB"],
  );
});

test("a descriptor has table, level, slot, and what stood there before; a table is known by its link", () => {
  const { vttbr, write, finish } = start();
  vttbr(1n, ROOT);
  write(ROOT, 3, 0x80_0001_4000_07ffn); // -> table 0x14000
  write(0x140000n, 5, 0x40_0000_07fdn);
  write(0x140000n, 5, 0n);
  const writes = finish().filter(({ kind }) => kind === "write");
  assert.deepEqual(
    writes.map(({ level, slot, from, to }) => [level, slot, from, to]),
    [
      [0, 3, "0", "800001400007ff"],
      [1, 5, "0", "40000007fd"],
      [1, 5, "40000007fd", "0"],
    ],
  );
  assert.equal(writes[1]!.address, "140000028");
});

test("a table that is filled before it is linked gets its level, in order with what comes between", () => {
  const { record, vttbr, write, finish } = start();
  vttbr(1n, ROOT);
  write(0x150000n, 0, 0x40_0000_07ffn);
  record(0, at("p2m_flush") + 16);
  write(ROOT, 0, 0x80_0001_5000_07ffn);
  const events = finish().filter(({ kind }) => kind === "write" || kind === "tlbi");
  assert.deepEqual(
    events.map(({ kind, level }) => `${kind} ${level}`),
    ["write 1", "tlbi -1", "write 0"],
  );
});

test("a table that is unlinked is forgotten: its page may be a table of another level", () => {
  const { vttbr, write, finish } = start();
  vttbr(1n, ROOT);
  write(ROOT, 0, 0x80_0001_4000_07ffn);
  write(0x140000n, 0, 0x80_0001_5000_07ffn);
  write(0x150000n, 9, 0x123_4000_07fdn);
  write(ROOT, 0, 0n);
  write(ROOT, 1, 0x80_0001_5000_07ffn);
  write(0x150000n, 9, 0x40_0000_07fdn);
  const last = finish().findLast(({ kind }) => kind === "write")!;
  assert.deepEqual([last.level, last.from], [1, "0"]);
});

test("a write_pte that serves Xen's own tables too is recorded when a p2m function has called it", () => {
  const build = buildText({
    code: {
      write_pte: [DSB_SY, tst7(9), bNe(4), str(3, 9), DSB_SY, RET, BRK],
      xen_pt_update: ["call write_pte", RET],
      __p2m_set_entry: ["call write_pte", RET],
    },
  });
  const trace = new Collected();
  const recording = new Recording(build, findSites(build), 0, 1, [trace]);
  for (const caller of ["xen_pt_update", "__p2m_set_entry"])
    recording.record(
      blockRecord(0, BASE + 12, {
        3: 5n,
        9: DIRECT,
        30: build.functionNamed(caller)!.address + 4,
        31: 0xa000_0300_000,
      }),
    );
  recording.finish();
  assert.deepEqual(
    eventsOf(trace).flatMap(({ kind, site, name }) => (kind === "begin" || kind === "end" ? [] : [`${name} ${site}`])),
    ["DSB SY", "PTE", "DSB SY"].map((name) => `${name} write_pte < __p2m_set_entry`),
  );
});

test("a descriptor's address has its index, and a pair is two writes", () => {
  const STR_X3_X9_W2_SXTW_3 = 0xf822d923;
  const STP_X3_X4_X9_16 = 0xa9011123;
  const build = buildText({ code: { p2m_write: [DSB_SY, STR_X3_X9_W2_SXTW_3, DSB_SY, STP_X3_X4_X9_16, DSB_SY, RET] } });
  const trace = new Collected();
  const recording = new Recording(build, findSites(build), 0, 1, [trace]);
  recording.setDirectmap(new Directmap({ virtStart: DIRECT, basePdx: 0n }));
  const table = DIRECT + 0x14_0000_0000n;
  const registers = { 2: 0xffff_fffen, 3: 5n, 4: 6n, 9: table + 0x80n, 31: 0xa000_0300_000 };
  recording.record(blockRecord(0, BASE + 4, registers));
  recording.record(blockRecord(0, BASE + 12, registers));
  recording.finish();
  assert.deepEqual(
    eventsOf(trace)
      .filter(({ kind }) => kind === "write")
      .map(({ address, to }) => [address, to]),
    [
      ["1400000070", "5"],
      ["1400000090", "5"],
      ["1400000098", "6"],
    ],
  );
});

test("a store into Xen's stack is no descriptor", () => {
  const { record, finish } = start();
  record(0, at("p2m_write") + 4, { 3: 0x80_0001_4000_07ffn, 9: DIRECT + 0x7a80n, 31: DIRECT + 0x7a00n });
  assert.equal(finish().filter(({ kind }) => kind === "write").length, 0);
});

test("clearing a root as a whole is recorded as the writes that it comes to", () => {
  const { record, vttbr, write, finish } = start();
  vttbr(1n, ROOT);
  write(ROOT, 3, 0x80_0001_4000_07ffn);
  record(0, at("p2m_flush") + 16, { 30: at("p2m_clear_root_pages") + 4 });
  const events = finish().filter(({ kind }) => kind === "write" || kind === "tlbi");
  assert.deepEqual(
    events.slice(1).map(({ kind, slot, from, to }) => [kind, slot, from, to]),
    [
      ["write", 3, "800001400007ff", "0"],
      ["tlbi", 0, "0", "0"],
    ],
  );
});

test("calls tell hypercalls, domains, vCPUs, phases and who runs; the flush within has its way", () => {
  const { record, vttbr, finish } = start();
  record(0, at("domain_create"), { 0: 1, 30: at("do_domctl") + 4 });
  record(0, at("arch_domain_create"), { 0: DIRECT + 0x1000n, 30: at("domain_create") + 4 });
  record(0, at("do_domctl") + 4, { 0: DIRECT + 0x1000n });
  record(0, at("vcpu_create"), { 0: DIRECT + 0x1000n, 1: 2 });
  record(0, at("arch_vcpu_create"), { 0: DIRECT + 0x2000n });
  record(0, at("p2m_restore_state"), { 0: DIRECT + 0x2000n, 30: at("schedule_tail") + 4 });
  record(0, at("schedule_tail") + 4);
  vttbr(4n, ROOT);
  record(0, at("do_memory_op"), { 0: 15 | (3 << 6), 30: at("do_trap_hypercall") + 4 });
  record(0, at("p2m_flush") + 16, { 30: at("do_memory_op") + 4 });
  record(0, at("do_trap_hypercall") + 4, { 0: 0xffff_ffff_ffff_fffen });
  record(0, at("p2m_save_state"), {});
  record(0, at("p2m_flush") + 16, { 30: 0 });
  const events = finish();
  const marks = events.filter(({ kind }) => kind === "begin" || kind === "end");
  assert.deepEqual(
    marks.map(({ kind, name, to }) => `${kind} ${name} ${to}`),
    [
      "begin phase:xen-boot 0",
      "end phase:xen-boot 0",
      "begin phase:create 0",
      "begin domain:create 1",
      "end domain:create 0",
      "begin vcpu-switch:d1 2",
      "end vcpu-switch:d1 0",
      "begin hypercall:XENMEM_remove_from_physmap 0",
      "end hypercall:XENMEM_remove_from_physmap fffffffffffffffe",
      "end phase:create 0",
    ],
  );
  const [first, second] = events.filter(({ kind }) => kind === "tlbi");
  assert.deepEqual([first!.site, first!.domain, first!.vmid], ["p2m_flush < do_memory_op", 1, 4]);
  assert.deepEqual([second!.site, second!.domain], ["p2m_flush", 0x7ff4]);
});

test("a page that Xen reaches for a guest is an access, once until a flush, where it is mapped to itself", () => {
  const { record, vttbr, write, finish } = start();
  record(0, at("domain_create"), { 0: 0, 30: at("do_domctl") + 4 });
  record(0, at("arch_domain_create"), { 0: DIRECT + 0x1000n });
  record(0, at("vcpu_create"), { 0: DIRECT + 0x1000n, 1: 0 });
  record(0, at("arch_vcpu_create"), { 0: DIRECT + 0x2000n });
  const get = (page: bigint, failed = 0n): void =>
    record(0, at("get_page") + 12, { 1: 0xffff_8000_0123_4568n, 4: (page << 12n) | 0x980n | failed });
  vttbr(1n, ROOT);
  write(ROOT, 0, 0x80_0001_4000_07ffn);
  write(0x140000n, 3, 0x80_0000_c000_07fdn); // 1 GiB at 0xc0000000, to itself
  get(0xc0123n); // nobody runs yet
  record(0, at("p2m_restore_state"), { 0: DIRECT + 0x2000n });
  get(0xc0123n);
  get(0xc0123n);
  get(0xc0124n, 1n);
  get(0x80000n); // not mapped
  record(0, at("p2m_flush") + 16);
  get(0xc0123n);
  const events = finish().filter(({ kind }) => kind === "access" || kind === "tlbi");
  assert.deepEqual(
    events.map(({ kind, level, address, from, to }) => [kind, level, address, from, to]),
    [
      ["access", 1, "ffff800001234000", "c0123000", "c0123000"],
      ["tlbi", -1, "0", "0", "0"],
      ["access", 1, "ffff800001234000", "c0123000", "c0123000"],
    ],
  );
});

test("what runs before the MMU is on is found at its physical address", () => {
  const build = buildText({ code: { enable_mmu: [0xd50c871f, RET] } });
  const trace = new Collected();
  const recording = new Recording(build, findSites(build), 0x4020_0000 - BASE, 1, [trace]);
  recording.record(blockRecord(0, 0x4020_0004));
  recording.finish();
  assert.deepEqual(
    eventsOf(trace)
      .filter(({ kind }) => kind === "tlbi")
      .map(({ name, site }) => [name, site]),
    [["ALLE2", "enable_mmu"]],
  );
});

test("a block that begins at no site is counted, but not in pages where every instruction begins one", () => {
  const { record, recording } = start();
  record(0, at("schedule_tail") + 64 * 4096);
  assert.equal(recording.unmatched, 1);
  record(0, at("p2m_write") + 8);
  assert.equal(recording.unmatched, 1);
});

test("a hypercall whose command says from which extent on goes on with an earlier one", () => {
  const { record, recording } = start();
  for (const command of [6, 6 | (4 << 6), 6 | (8 << 6), 15]) record(0, at("do_memory_op"), { 0: command });
  assert.deepEqual(recording.continued, { "xen-boot": { XENMEM_populate_physmap: 2 } });
});
