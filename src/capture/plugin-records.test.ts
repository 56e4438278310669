import assert from "node:assert/strict";
import { test } from "node:test";
import { PluginRecords } from "./plugin-records.js";
import { pluginRecord } from "./records.testing.js";

function readAll(bytes: Buffer, size: number, ...runs: ConstructorParameters<typeof PluginRecords>[1][]): string[] {
  const seen: string[] = [];
  const reader = new PluginRecords(
    (r) =>
      seen.push([r.cpu, r.pc, r.hi(0), r.lo(0), r.lo(30), r.hi(31), r.lo(31)].map((n) => n.toString(16)).join(" ")),
    ...runs,
  );
  for (let at = 0; at < bytes.length; at += size) reader.feed(bytes.subarray(at, at + size));
  reader.end();
  return seen;
}

test("a record tells CPU, PC and registers, however the stream is cut into pieces", () => {
  const bytes = Buffer.concat([
    pluginRecord(0, 0xa000025b6a8, { 0: 0x8000fffcd208n, 30: 0xa000025cb2cn, 31: 0xa00002f7d00n }),
    pluginRecord(11, 0xa00002688b8, { 0: 0xfedcba9876543210n }),
  ]);
  const wanted = ["0 a000025b6a8 8000 fffcd208 25cb2c a00 2f7d00", "b a00002688b8 fedcba98 76543210 0 0 0"];
  for (const size of [1, 7, 64, 272, 500]) assert.deepEqual(readAll(bytes, size), wanted, `pieces of ${size}`);
  assert.equal(readAll(bytes.subarray(0, bytes.length - 1), 64).length, 1, "one that is not whole is none");
});

test("what runs at another EL at an address of Xen's is not Xen's, nor what runs in AArch32 state", () => {
  const at = (el: number, state = 0): Buffer => pluginRecord(0, 0x1000, {}, el, state);
  const bytes = Buffer.concat([at(0), at(1), at(2), at(2, 0x10)]);
  assert.equal(readAll(bytes, 100).length, 1);
  assert.equal(readAll(bytes, 100, { el: 1 }).length, 1);
});

test("of a host's guest nothing counts until Xen has begun, which a program at EL0 says", () => {
  const bytes = Buffer.concat([
    pluginRecord(0, 0x1000, {}, 1),
    pluginRecord(0, 0x7000, {}, 0),
    pluginRecord(0, 0x1000, {}, 1),
  ]);
  assert.equal(readAll(bytes, 100, { el: 1, begins: 0x7000 }).length, 1);
});
