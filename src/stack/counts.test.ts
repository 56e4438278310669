/** What the plugin writes, as items; and a trace joined with them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tlbiIndex } from "../arch/index.js";
import { type EventBuffer, HostSumming, Kind, type Names, nameOf, Recorder, type TraceSink } from "../trace/index.js";
import { type CountedItem, countedItems, spansOf } from "./counts.js";
import { Joined } from "./join.js";

const counts = (instructions: number, calls = {}, tlbi = {}) =>
  `"host":${instructions},"hostTlbi":${JSON.stringify(tlbi)},"calls":${JSON.stringify({ __guest_enter: 1, ...calls })}`;
const FLUSH = { d50c8040: 4, d5088300: 4 };
const window = (word: string, operand: string, instructions: number) =>
  `{"tlbi":"${word}","pc":"a0000","operand":"${operand}","at":7,${counts(instructions, {}, FLUSH)}}`;
const mark = (n: number, instructions: number) => `{"phase":${n},${counts(instructions)}}`;
const exit = (syndrome: number, instructions: number, calls = {}, leaf = "") =>
  `{"exit":"${syndrome.toString(16)}","vttbr":"1000080000001"${leaf},${counts(instructions, calls)}}`;
const ALL = "d50c83c0";
const IPA = "d50c8020";
const ABORT = 0x24 * 2 ** 26;
const SYSTEM = 0x18 * 2 ** 26;
const LEAF = `,"address":"40200000","bytes":2097152,"prot":"10000000000000f"`;

test("an exit is told by its syndrome and by what KVM called: each kind", () => {
  const lines = [
    exit(ABORT, 1, { kvm_walk_nested_s2: 1 }, LEAF),
    exit(ABORT, 1, {}, LEAF),
    exit(ABORT, 1, { io_mem_abort: 1 }),
    exit(ABORT, 1, { kvm_walk_nested_s2: 1, kvm_inject_nested_sync: 1 }),
    exit(0, 1, { kvm_inject_nested_irq: 1, gic_handle_irq: 1 }),
    exit(0x1a * 2 ** 26, 1, { kvm_emulate_nested_eret: 1 }),
    exit(SYSTEM + (1 << 20) + (4 << 17) + (4 << 14) + (7 << 10) + (8 << 1), 1),
    exit(SYSTEM + (1 << 20) + (4 << 14) + (7 << 10) + (8 << 1), 1),
    exit(SYSTEM + (3 << 20) + (4 << 14) + (14 << 10) + (2 << 1), 1),
    exit(0, 1, { gic_handle_irq: 1 }),
    exit(0, 1),
  ];
  const names = countedItems(lines).map((item) => (item.what === "exit" ? item.name : item.what));
  assert.deepEqual(names, [
    ...["shadow-fault", "host-fault", "device", "to-hypervisor", "to-hypervisor", "to-guest"],
    ...["translate", "register", "register", "interrupt", "other"],
  ]);
  const [fault] = countedItems(lines);
  assert.ok(fault?.what === "exit");
  assert.deepEqual(
    [fault.leaf, fault.vmid, fault.faults],
    [{ address: 0x4020_0000, bytes: 2 ** 21, level: 2 }, 1, 1],
    "the leaf, with the guest hypervisor's level",
  );
});

const LINES = [
  mark(16, 100),
  exit(ABORT, 30, { kvm_walk_nested_s2: 1 }, LEAF),
  window(ALL, "0", 700),
  window(IPA, "1000", 50),
  exit(0, 20, { gic_handle_irq: 1 }),
  window(ALL, "0", 900),
  mark(17, 1800),
];

test("a span is what lies between two marks: in TLBIs, and the rest by what it was, which sum up to all", () => {
  const [span] = spansOf(countedItems(LINES));
  assert.deepEqual(span, {
    ...{ from: 16, to: 17, tlbi: {}, instructions: 1700, exits: 0, faults: 1, inHandlers: 1650 },
    between: { "shadow-fault": { count: 1, instructions: 30 }, interrupt: { count: 1, instructions: 20 } },
  });
  const between = Object.values(span!.between).reduce((sum, { instructions }) => sum + instructions, 0);
  assert.equal(between + span!.inHandlers, span!.instructions);
});

/** Rows as they come out, in short. */
class Seen implements TraceSink {
  readonly rows: unknown[] = [];
  events(b: EventBuffer, names: Names): void {
    for (let i = 0; i < b.length; i++)
      this.rows.push([nameOf(b.kind[i]!, b.code[i]!, names), b.hostInstructions[2 * i], b.hostFaults[2 * i]]);
  }
}

function trace(items: readonly CountedItem[], tlbis: number, fill: (recorder: Recorder) => void) {
  const [seen, summing] = [new Seen(), new HostSumming()];
  const joined = new Joined(items, tlbis, [seen, summing]);
  const recorder = new Recorder(1, [joined]);
  fill(recorder);
  recorder.flush();
  joined.finish();
  return { rows: seen.rows, unjoined: joined.unjoined, summing };
}

test("TLBIs get their windows, and what lies between stands before the next; one without a window is not guessed", () => {
  const { rows, unjoined, summing } = trace(countedItems(LINES), 4, (recorder) => {
    recorder.begin(0, recorder.names.id("phase:create"));
    // Before its MMU is on Xen's TLBIs have no window.
    recorder.tlbi(0, tlbiIndex("ALLE2")!, 0, 0);
    recorder.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0);
    recorder.tlbi(0, tlbiIndex("IPAS2E1IS")!, 0x1000, 0);
    recorder.barrier(0, 0);
    recorder.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0);
  });
  assert.deepEqual(
    rows.map((row) => (row as unknown[]).slice(0, 2)),
    [
      ["phase:create", 0],
      ["script:xl-create", 0],
      ["shadow-fault", 30],
      ["ALLE2", 0],
      ["VMALLS12E1IS", 700],
      ["IPAS2E1IS", 50],
      ["ISB", 0],
      ["interrupt", 20],
      ["VMALLS12E1IS", 900],
      ["script:xl-create", 0],
    ],
  );
  assert.equal(unjoined, 0);
  const [all] = summing.rows();
  assert.deepEqual(
    [all!.phase, all!.name, all!.count, all!.counted, all!.instructions, all!.median, all!.tlbi],
    ["create", "VMALLS12E1IS", 2, 2, 1600, 900, { RIPAS2E1IS: 8, VMALLE1IS: 8 }],
  );
  const sum = summing.scriptRows().reduce((total, { instructions }) => total + instructions, 0);
  assert.equal(sum, 1700, "within the script's marks stands all that the host did between them");
});

test("a trace that begins later than the machine is joined from its first TLBI on", () => {
  const { rows, unjoined } = trace(countedItems(LINES), 1, (recorder) =>
    recorder.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0),
  );
  assert.deepEqual(rows.slice(0, 2), [
    ["interrupt", 20, 0],
    ["VMALLS12E1IS", 900, 0],
  ]);
  assert.equal(unjoined, 0);
});

test("a window of another TLBI is not joined, and counted as such", () => {
  const items = countedItems([window(IPA, "1000", 50)]);
  const { rows, unjoined } = trace(items, 1, (recorder) => recorder.tlbi(0, tlbiIndex("IPAS2E1IS")!, 0x2000, 0));
  assert.deepEqual(rows, [["IPAS2E1IS", 0, 0]]);
  assert.equal(unjoined, 1);
});

test("each kind of exit has a code that the trace's table knows", () => {
  const { rows } = trace(countedItems([exit(0, 9), window(ALL, "0", 5)]), 1, (recorder) =>
    recorder.tlbi(0, tlbiIndex("VMALLS12E1IS")!, 0, 0),
  );
  assert.deepEqual((rows[0] as unknown[])[0], "other");
  assert.ok(Kind.exit > Kind.hint);
});
