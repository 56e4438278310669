import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { pageOf } from "../arch/index.js";
import { Directmap, FrameTable } from "../binary/index.js";
import { Collected } from "../trace/events.testing.js";
import { readTrace } from "../trace/file.js";
import { type EventBuffer, HYPERVISOR, Kind, NO_DOMAIN, Owners, Recorder } from "../trace/index.js";
import { Ownership } from "./ownership.js";
import { blockRecord } from "./records.testing.js";

const START = 0xa08_0000_0000;
const BYTES = 56;
/** Ids from here on are no guest's. */
const FIRST_SPECIAL = 0x7ff0;
const struct = (page: number): number => START + BYTES * page;
const [DOMAIN_1, DOMAIN_XEN] = [0x8000_0000_1000, 0x8000_0000_9000];

function start() {
  const trace = new Collected();
  const recorder = new Recorder(1, [trace]);
  const ownership = new Ownership((pointer) => (pointer === DOMAIN_1 ? 1 : undefined));
  const shape = { virtStart: BigInt(START), bytes: BigInt(BYTES), basePdx: 0 };
  ownership.setFrameTable(new FrameTable(shape, 0n, new Directmap({ virtStart: 0n, basePdx: 0n })));
  const put = (event: (to: Recorder) => void): void => event(recorder);
  const enter = (name: string, registers: Record<number, number>, holds = false): void =>
    ownership.entered(blockRecord(0, 0, registers), name, () => holds, put);
  const comeBack = (name: string, x0: number): void => ownership.returned(blockRecord(0, 0, { 0: x0 }), name, put);
  const events = () => {
    recorder.flush();
    return trace.list.map(({ kind, level, words: w }) => {
      const page = w[0]! / 4096 + w[1]! * 2 ** 20;
      return kind === Kind.owner ? `${page} L${level} ${w[2]} -> ${w[4]}` : `put ${page}`;
    });
  };
  return { enter, comeBack, events, tell: () => ownership.tell(put) };
}

test("what the allocator gives is Xen's until it is assigned, and goes back with all its pages", () => {
  const { enter, comeBack, events } = start();
  enter("alloc_heap_pages", { 2: 9 });
  comeBack("alloc_heap_pages", struct(512));
  enter("assign_pages", { 0: struct(512), 1: 512, 2: DOMAIN_1 });
  enter("free_heap_pages", { 0: struct(514), 1: 1 });
  assert.deepEqual(events(), [
    `512 L2 ${NO_DOMAIN} -> ${HYPERVISOR}`,
    `512 L2 ${HYPERVISOR} -> 1`,
    `514 L3 1 -> ${NO_DOMAIN}`,
    `515 L3 1 -> ${NO_DOMAIN}`,
  ]);
});

test("an allocation that fails, or one whose entry was not seen, gives nothing", () => {
  const { enter, comeBack, events } = start();
  comeBack("alloc_heap_pages", struct(512));
  enter("alloc_heap_pages", { 2: 0 });
  comeBack("alloc_heap_pages", 0);
  assert.deepEqual(events(), []);
});

test("assign_pages is understood in its older form too, and a struct domain that no guest has is Xen's own", () => {
  const { enter, events } = start();
  enter("assign_pages", { 0: DOMAIN_1, 1: struct(8), 2: 1 });
  enter("assign_pages", { 0: struct(16), 1: 1, 2: DOMAIN_XEN });
  enter("share_xen_page_with_guest", { 0: struct(17), 1: DOMAIN_1 });
  assert.deepEqual(events(), [
    `8 L3 ${NO_DOMAIN} -> 1`,
    `9 L3 ${NO_DOMAIN} -> 1`,
    `16 L3 ${NO_DOMAIN} -> ${HYPERVISOR}`,
    `17 L3 ${NO_DOMAIN} -> 1`,
  ]);
});

test("a reference is dropped where a mapping held it; a trace that begins late is told who owns what", () => {
  const { enter, events, tell } = start();
  enter("assign_pages", { 0: struct(1024), 1: 513, 2: DOMAIN_1 });
  enter("free_heap_pages", { 0: struct(1536), 1: 0 });
  enter("put_page", { 0: struct(1024) }, true);
  enter("put_page", { 0: struct(1025) }, false);
  tell();
  assert.deepEqual(events().slice(3), ["put 1024", "1024 L2 1 -> 1"]);
});

test("in a real Xen's record no page changes hands but through the allocator, and what dom0 unmapped of the domU was the domU's", async () => {
  const trace = fileURLToPath(new URL("../../traces/xen-4.20-create-small.parquet", import.meta.url));
  const owners = new Owners();
  const pages: Readonly<Record<number, number>> = { 1: 2 ** 18, 2: 512, 3: 1 };
  const put = new Map<number, number>();
  let wrong = 0;
  const events = (b: EventBuffer): void => {
    for (let i = 0; i < b.length; i++) {
      const page = pageOf(b.address[2 * i]!, b.address[2 * i + 1]!);
      if (b.kind[i] === Kind.hint) put.set(owners.of(page), (put.get(owners.of(page)) ?? 0) + 1);
      if (b.kind[i] !== Kind.owner) continue;
      const [known, before, after] = [owners.of(page), b.from[2 * i]!, b.to[2 * i]!];
      if (known >= 0 && known !== before) wrong++;
      if (before < FIRST_SPECIAL && after < FIRST_SPECIAL && before !== after) wrong++;
      owners.set(page, pages[b.level[i]!]!, after);
    }
  };
  await readTrace(trace, [{ events }]);
  assert.equal(wrong, 0);
  // The pages of the domU's image and its magic pages, and three of grants and of a frame of dom0's own.
  assert.deepEqual(Object.fromEntries(put), { 0: 1, 1: 9_704 });
});
