/** The two ways in which a capture hears what is executed. Needs QEMU and a compiler; where these are not there it says that it is skipped. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findDistribution, type MachineSpec, Qemu } from "../capture/index.js";
import { ExecutionLog } from "../capture/log.js";
import { Pipe } from "../capture/pipe.js";
import { PluginRecords } from "../capture/plugin-records.js";
import { loadAddress, qemuArguments } from "../capture/qemu.js";
import type { BlockRecord } from "../capture/records.js";
import { build, findStack } from "./index.js";

const [debian, parts] = [findDistribution(), findStack()];
const skip =
  debian && parts ? false : "SKIPPED: no QEMU and no compiler are here for the recorders: run scripts/setup-debian.sh";
const folder = mkdtempSync(join(tmpdir(), "shootdown-recorders-"));
after(() => rmSync(folder, { recursive: true }));

/** Behind the TLBI, which ends its block. */
const LOGGED = 2;
/** Three rounds of a TLBI at EL2, and PSCI's SYSTEM_OFF. */
const CODE = [
  0xd2800001, // mov x1, #0
  0xd50c83df, // tlbi vmalls12e1is
  0x91000421, // add x1, x1, #1
  0xf1000c3f, // cmp x1, #3
  0x54ffffa1, // b.ne to the tlbi
  0xd2800100, // mov x0, #8
  0xf2b08000, // movk x0, #0x8400, lsl #16
  0xd4000003, // smc #0
];
const HEADER = 64;

/** An arm64 Image of the code (Linux, Documentation/arch/arm64/booting.rst). */
function image(): Buffer {
  const bytes = Buffer.alloc(HEADER + 4 * CODE.length);
  bytes.writeUInt32LE(0x14000000 + HEADER / 4, 0); // b to the code
  bytes.writeBigUInt64LE(BigInt(bytes.length), 16);
  bytes.write("ARM\x64", 56, "latin1");
  CODE.forEach((word, i) => void bytes.writeUInt32LE(word, HEADER + 4 * i));
  return bytes;
}

const addressOf = (i: number): number => loadAddress(image()) + HEADER + 4 * i;

/** What a recorder says of executions at these addresses, how QEMU ended, and its last words. */
async function recorded(recorder: string | undefined, logged: readonly number[]) {
  const own = mkdtempSync(join(folder, "run-"));
  const at = (name: string): string => join(own, name);
  const xen = image();
  for (const name of ["xen", "kernel", "initramfs"]) writeFileSync(at(name), xen);
  const log = at(recorder === undefined ? "log" : "records");
  const spec: MachineSpec = {
    ...{ qemu: debian!.qemu, cpu: "max", cpus: 2, memoryGib: 4, xen: at("xen"), xenArguments: "" },
    ...{ dom0Vcpus: 1, dom0Kernel: at("kernel"), dom0Arguments: "", dom0Initramfs: at("initramfs") },
    ...{ console: at("console"), gdb: at("gdb"), log, recorder },
    logged,
  };
  const { signal } = new AbortController();
  const pipe = await Pipe.make(log, signal);
  const seen: string[] = [];
  const reader = new (recorder === undefined ? ExecutionLog : PluginRecords)((r: BlockRecord) =>
    seen.push([r.cpu, r.pc, r.lo(1), r.hi(31), r.lo(31)].map((n) => n.toString(16)).join(" ")),
  );
  const ended = pipe.read((piece) => reader.feed(piece));
  const qemu = new Qemu(
    spec.qemu,
    qemuArguments(spec).filter((word) => word !== "-S"),
    signal,
  );
  const status = await qemu.ended;
  pipe.close();
  await ended;
  reader.end();
  return { seen, status, said: qemu.lastWords };
}

test("QEMU's log and the plugin record the same executions, each with the registers as they were", {
  skip,
}, async () => {
  const { record } = await build(parts!, new AbortController().signal);
  const at = [addressOf(LOGGED)];
  const [log, plugin] = [await recorded(undefined, at), await recorded(record, at)];
  assert.deepEqual([log.status, plugin.status], [0, 0], log.said + plugin.said);
  assert.deepEqual(
    log.seen.map((line) => line.split(" ")[2]),
    ["0", "1", "2"],
    "each round once, before X1 goes up",
  );
  assert.deepEqual(plugin.seen, log.seen);
});

test("the plugin records wherever in a block an instruction stands, with the registers as they are there", {
  skip,
}, async () => {
  const { record } = await build(parts!, new AbortController().signal);
  const every = CODE.map((_, i) => addressOf(i));
  const { seen, status, said } = await recorded(record, every);
  assert.equal(status, 0, said);
  const rounds = [0, 1, 2].flatMap((x1) => [[1, x1], [2, x1], [3, x1 + 1], [4, x1 + 1]] as const); // biome-ignore format: one row
  const wanted = [...rounds, [5, 3], [6, 3], [7, 3]] as const;
  assert.deepEqual(
    seen.slice(1).map((line) => line.split(" ").slice(1, 3)),
    wanted.map(([i, x1]) => [addressOf(i).toString(16), x1.toString(16)]),
  );
});

test("more addresses than the plugin takes end QEMU, and nothing of a record is there", { skip }, async () => {
  const { record } = await build(parts!, new AbortController().signal);
  const many = Array.from({ length: 1025 }, (_, i) => addressOf(0) + 4 * i);
  assert.equal((await recorded(record, many.slice(1))).status, 0);
  const { seen, status } = await recorded(record, many);
  assert.deepEqual([seen, status === 0], [[], false]);
});
