/** Mappings of pages that are nobody's RAM: shared info, grant tables, grants, magic pages. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, usualCpus } from "../builtin/index.js";
import { EINVAL, ESRCH } from "./errno.js";
import { Grants } from "./grants.js";
import { MapSpace } from "./physmap.js";
import { replay } from "./replay.js";
import { parseScenario, type Scenario } from "./scenario.js";
import { simulate } from "./simulate.js";
import { Collector, orderOf, type Seen, testPolicy, tlbisOf, world } from "./world.fixture.js";

const CPUS = usualCpus().map(builtInCpu);

test("a shared info page amid a 2 MiB block costs two flushes: the split, and the replacement", () => {
  const w = world();
  w.domain(1, 0);
  w.physmap.populate(1, [0x40000], 9);
  w.take();
  assert.equal(w.physmap.addToPhysmap(1, MapSpace.shared_info, 0, 0x40005), 0);
  const events = w.take();
  assert.deepEqual(tlbisOf(events), ["VMALLS12E1IS", "VMALLS12E1IS"]);
  assert.deepEqual(orderOf(events).slice(-6), ["clear", "VMALLS12E1IS", "set", "clear", "VMALLS12E1IS", "set"]);
});

test("a grant table at a gfn where nothing is mapped costs no flush", () => {
  const w = world();
  w.domain(1, 16);
  assert.equal(w.physmap.addToPhysmap(1, MapSpace.grant_table, 0, 0x38000), 0);
  assert.deepEqual(tlbisOf(w.take()), []);
});

test("grant-table frames of another domain are mapped without a flush, and removed with one each", () => {
  const w = world();
  w.domain(0, 0);
  w.domain(1, 4);
  assert.equal(w.physmap.acquireGrantFrames(0, 1, 0x500, 2), 0);
  assert.deepEqual(tlbisOf(w.take()), []);
  for (const frame of [0x500, 0x501]) assert.equal(w.physmap.removeFromPhysmap(0, frame), 0);
  assert.deepEqual(tlbisOf(w.take()), ["VMALLS12E1IS", "VMALLS12E1IS"]);
  assert.equal(w.physmap.acquireGrantFrames(0, 9, 0x500, 1), -ESRCH);
  assert.equal(w.physmap.acquireGrantFrames(0, 1, 2 ** 28, 1), -EINVAL);
});

test("grants are mapped without a flush, and unmapped with one each; a granted page outlives its owner until then", () => {
  const w = world();
  const grants = new Grants(w.xen);
  w.domain(0, 0);
  w.domain(1, 4);
  assert.equal(grants.map(0, 1, [3, 2], [0x500, 0x501]), 0);
  assert.equal(grants.map(0, 1, [99], [0x502]), -EINVAL, "nothing there to be granted");
  assert.deepEqual(tlbisOf(w.take()), []);
  assert.equal(grants.unmap(0, [0x500, 0x501]), 0);
  const events = w.take();
  assert.deepEqual(tlbisOf(events), ["VMALLS12E1IS", "VMALLS12E1IS"]);
  assert.equal(events.filter(({ kind, name }) => kind === "begin" && name.startsWith("hypercall:")).length, 1);
  assert.equal(grants.unmap(0, [0x500]), -EINVAL, "no grant is mapped there any more");
  assert.equal(grants.map(0, 1, [3], [0x500]), 0);
  w.xen.destroy(1, 4096);
  const free = w.machine.heap.freePages;
  w.take();
  assert.equal(grants.unmap(0, [0x500]), 0);
  assert.deepEqual(orderOf(w.take()), ["clear", "VMALLS12E1IS", "owner"], "freed behind its flush");
  assert.equal(w.machine.heap.freePages, free + 1);
  assert.equal(grants.unmap(9, [0x500]), -ESRCH);
});

const scenario = (toolstack: string, domu = ""): Scenario =>
  parseScenario(
    `name = "x"\ntitle = "x"\nsource = "a test"\n[machine]\npcpus = 2\nram-mib = 64\n[dom0]\nmemory-mib = 16\nvcpus = 2\n[toolstack]\n${toolstack}\n[[domu]]\nmemory-mib = 4\n${domu}[[domu.segment]]\nname = "kernel"\ngfn = 0x40000\npages = 7\n`,
    "x.toml",
  );
const A72 = CPUS.find(({ name }) => name === "cortex-a72")!;
const removals = (events: readonly Seen[]): number =>
  events.filter((e) => e.kind === "begin" && e.name === "hypercall:XENMEM_remove_from_physmap").length;

test("magic pages and grant frames are removals beyond the segments' pages, each with its flush", () => {
  const created = (toolstack: string): Seen[] => {
    const sink = new Collector();
    simulate(scenario(toolstack), A72, [{ policy: testPolicy(), sinks: [sink] }], { boot: false });
    return sink.list;
  };
  const plain = created("");
  const more = created("magic-pages = 4\ngrant-frames = 1");
  assert.equal(removals(plain), 7);
  assert.equal(removals(more), 7 + 4 + 1);
  const removed = (events: readonly Seen[]): number => tlbisOf(events).filter((name) => name === "VMALLS12E1IS").length;
  assert.equal(removed(more), removed(plain) + 5);
  assert.equal(
    tlbisOf(more).filter((name) => name === "ALLE1IS").length,
    2,
    "populate_physmap: the RAM, the magic pages",
  );
});

test("the toolstack keeps its mappings until the end: the magic pages come before the first removal of an image's page", () => {
  const sink = new Collector();
  simulate(scenario("magic-pages = 4\ngrant-frames = 1"), A72, [{ policy: testPolicy(), sinks: [sink] }], {
    boot: false,
  });
  const calls = sink.list
    .filter((e) => e.kind === "begin" && e.name.startsWith("hypercall:XENMEM_"))
    .map((e) => e.name.slice("hypercall:XENMEM_".length));
  const [add, remove] = ["add_to_physmap_batch", "remove_from_physmap"];
  const each = (name: string, n: number): string[] => new Array<string>(n).fill(name);
  assert.deepEqual(calls, [
    "populate_physmap",
    ...each(add, 7),
    "populate_physmap",
    ...each("", 4).flatMap(() => [add, remove]),
    ...each(remove, 7),
    "acquire_resource",
    remove,
  ]);
});

test("a Linux in the domU asks for its shared info page and its grant table when it runs first", () => {
  const sink = new Collector();
  const of = scenario("magic-pages = 4\ngrant-frames = 1");
  const linux = { ...of, domu: of.domu.map((domu) => ({ ...domu, linux: true })) };
  simulate(linux, A72, [{ policy: testPolicy(), sinks: [sink] }], { boot: false });
  const from = sink.list.findIndex((e) => e.kind === "begin" && e.name === "phase:run");
  const run = sink.list.slice(from);
  assert.deepEqual(tlbisOf(run), ["VMALLS12E1IS", "VMALLS12E1IS"], "its RAM's block is split, the page replaced");
  assert.equal(run.filter((e) => e.kind === "access" && e.domain === 1).length, 3, "its RAM, and two rings");
  assert.equal(run.at(-2)!.domain, 0, "dom0 goes on");
});

test("a replay flushes at switches as last_vcpu_ran says, and has the record's phases, and what a dead domU leaves to scrub", () => {
  type Replay = Parameters<typeof replay>[0];
  const run = (switches: Partial<Replay["switches"]>, phases: Replay["phases"]): Seen[] => {
    const sink = new Collector();
    const all = { boot: [], create: [], run: [], destroy: [], ...switches };
    replay(
      { scenario: scenario("magic-pages = 4", "linux = true\n"), switches: all, phases, batches: [] },
      A72,
      testPolicy(),
      [sink],
    );
    return sink.list;
  };
  const local = (events: Seen[]): number => tlbisOf(events).filter((name) => name === "VMALLS12E1").length;
  const dom0 = (pcpu: number, vcpu: number) => ({ pcpu, domain: 0, vcpu });
  const domu = (pcpu: number) => ({ pcpu, domain: 1, vcpu: 0 });
  assert.equal(local(run({}, ["create", "run"])), 0);
  assert.equal(local(run({ run: [dom0(0, 0), dom0(0, 1), dom0(0, 1), dom0(1, 0), dom0(0, 0)] }, ["create", "run"])), 2);
  assert.equal(
    local(run({ boot: [dom0(1, 0)], run: [domu(1), dom0(1, 1)] }, ["create", "run"])),
    1,
    "from the boot on",
  );
  const phasesOf = (events: Seen[]): string[] =>
    events.filter((e) => e.kind === "begin" && e.name.startsWith("phase:")).map(({ name }) => name.slice(6));
  assert.deepEqual(phasesOf(run({}, ["create"])), ["create"]);
  assert.deepEqual(phasesOf(run({}, ["create", "destroy"])), ["create", "destroy", "scrub"]);
  const unpaused = (events: Seen[]): number => events.findIndex(({ name }) => name === "domain:unpause");
  const both = run({}, ["create", "run"]);
  assert.ok(unpaused(both) > both.findIndex(({ name }) => name === "phase:run"), "a record's run begins with it");
  assert.equal(unpaused(run({}, ["create", "destroy"])), -1, "a domU that never runs");
  // The domU's Linux asks for its shared info page only where the domU ran.
  assert.equal(
    tlbisOf(run({ run: [domu(1)] }, ["create", "run"])).length - tlbisOf(run({}, ["create", "run"])).length,
    2,
  );
});
