/** What domUs and dom0 do while domUs run, and a dom0 of several vCPUs: what it flushes, counted by the C code's rules. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../builtin/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import { accessOp } from "./mem-access.js";
import { parseScenario } from "./scenario.js";
import { possibleOccasions, simulate } from "./simulate.js";
import { Collector, orderOf, type Seen, testPolicy, tlbisOf, world } from "./world.fixture.js";

const A72 = builtInCpu("cortex-a72");

/** A scenario of a small machine: lines of its [dom0], [toolstack], [[domu]] (8 MiB) and of what follows it. */
const scenarioOf = ({ dom0 = "", toolstack = "", domu = "", rest = "" }) =>
  parseScenario(
    `name = "x"\ntitle = "x"\nsource = "a test"\n[machine]\npcpus = 2\nram-mib = 64\n[dom0]\nmemory-mib = 16\n${dom0}\n[toolstack]\n${toolstack}\n[[domu]]\nmemory-mib = 8\n${domu}\n${rest}\n`,
    "x.toml",
  );

/** Its events from the end of the boot on. */
function events(scenario: ReturnType<typeof scenarioOf>, policy = testPolicy()): Seen[] {
  const sink = new Collector();
  simulate(scenario, A72, [{ policy, sinks: [sink] }], { boot: false });
  return sink.list;
}

/** Those of a phase. */
function phase(list: readonly Seen[], name: string): Seen[] {
  const at = (kind: string): number => list.findIndex((e) => e.kind === kind && e.name === `phase:${name}`);
  return list.slice(at("begin"), at("end"));
}
const counted = (list: readonly Seen[], name: string): number => tlbisOf(list).filter((tlbi) => tlbi === name).length;
const called = (list: readonly Seen[], name: string): number =>
  list.filter((e) => e.kind === "begin" && e.name === `hypercall:${name}`).length;

test("a balloon's pages go one flush each, with a split for each block that is touched first, 512 a call, and come back without", () => {
  const run = phase(events(scenarioOf({ domu: "balloon-mib = 4" })), "run");
  assert.equal(called(run, "XENMEM_decrease_reservation"), 2);
  assert.equal(called(run, "XENMEM_populate_physmap"), 2);
  assert.equal(counted(run, "VMALLS12E1IS"), 1024 + 2);
  const back = run.slice(run.findIndex((e) => e.name === "hypercall:XENMEM_populate_physmap"));
  assert.equal(counted(back, "VMALLS12E1IS"), 0);
  // After the creation alloc_heap_pages() flushes for each page that a domain had: these, but where the heap has others.
  const flushed = counted(back, "ALLE1IS");
  assert.ok(flushed > 0 && flushed <= 1024, `${flushed}`);
  assert.equal(counted(back, "ALLE1IS"), counted(run, "ALLE1IS"));
});

test("a backend maps a request's grants in one call without a flush, and unmaps them in one with a flush for each", () => {
  const run = phase(events(scenarioOf({ domu: "disk-pages = 40\ngrant-batch = 16" })), "run");
  assert.equal(called(run, "GNTTABOP_map_grant_ref"), 3);
  assert.equal(called(run, "GNTTABOP_unmap_grant_ref"), 3);
  assert.deepEqual([counted(run, "VMALLS12E1IS"), tlbisOf(run).length], [40, 40]);
  const vmids = new Set(run.filter((e) => e.kind === "tlbi").map((e) => e.vmid));
  assert.deepEqual([...vmids], [1], "dom0's VMID: it is dom0's p2m");
});

test("XENMEM_access_op splits blocks, invalidates each entry before it is written anew, and flushes once, at its end", () => {
  const w = world();
  w.domain(1, 0);
  w.physmap.populate(1, [0x200], 9);
  w.take();
  assert.equal(accessOp(w.xen, 1, 0x200, 512, false), 0);
  const order = orderOf(w.take());
  const split = [...Array.from({ length: 512 }, () => "set"), "clear", "VMALLS12E1IS", "set"];
  const pages = Array.from({ length: 512 }, () => ["clear", "set"]).flat();
  assert.deepEqual(order, [...split, ...pages, "VMALLS12E1IS"]);
  const { p2m } = w.xen.domain(1)!;
  assert.ok(p2m.lookup(0x234) && !p2m.foundWritable && p2m.foundMfn % 512 === 0x34);
  assert.equal(w.xen.access(w.xen.domain(1)!, 1, 0, 0x234), true, "a write faults, and is let through");
  assert.deepEqual(orderOf(w.take()), ["clear", "set", "VMALLS12E1IS"]);
  assert.ok(p2m.lookup(0x234) && p2m.foundWritable);
  assert.ok(p2m.lookup(0x235) && !p2m.foundWritable);
});

test("XENMEM_access_op passes holes over, and flushes each time that it gives way, after 64 entries", () => {
  const w = world();
  w.domain(1, 100);
  assert.equal(accessOp(w.xen, 1, 0, 1024, false, 64), 0);
  const order = orderOf(w.take());
  assert.equal(order.filter((what) => what === "VMALLS12E1IS").length, 2);
  assert.equal(order.filter((what) => what === "clear").length, 100);
});

test("each round of a log-dirty protects all RAM with one flush, and each page written costs one more", () => {
  const run = phase(events(scenarioOf({ rest: "[domu.log-dirty]\nrounds = 3\npages = 5" })), "run");
  // 8 MiB: four blocks are split in the first round.
  assert.equal(counted(run, "VMALLS12E1IS"), 4 + 3 * (1 + 5));
  assert.equal(called(run, "XENMEM_access_op"), 3);
});

test("code of a policy's own for a change of permissions takes the revoke code's place", () => {
  const policy = parsePolicy(
    'name = "own"\ntitle = "t"\nsource = "s"\nbase = "b"\n[write-protected]\ncode = """\nfor page\ntlbi ipas2e1is, ipa\nend\n"""\n',
    "own.toml",
    () => testPolicy(),
  );
  assert.deepEqual(policy.own, ["write-protected"]);
  const run = phase(events(scenarioOf({ rest: "[domu.log-dirty]\nrounds = 2\npages = 1" }), policy), "run");
  assert.equal(counted(run, "IPAS2E1IS"), 2 * 2048);
  assert.equal(counted(run, "VMALLS12E1IS"), 4 + 2, "the splits, and the writes: permission-relaxed has no own code");
});

const KERNEL = '[[domu.segment]]\nname = "kernel"\ngfn = 0x40000\npages = 520';

test("a dom0 whose vCPUs take turns flushes at both switches of a turn, in no other VMID", () => {
  const create = phase(events(scenarioOf({ dom0: "vcpus = 3\nswitch-after = 100", rest: KERNEL })), "create");
  // Hypercalls: creation, one populate_physmap, 520 mappings, 520 removals, the unpausing.
  assert.equal(counted(create, "VMALLS12E1"), 2 * Math.floor((1 + 1 + 520 + 520 + 1) / 100));
  const order = create.filter((e) => e.kind === "begin" && e.name === "vcpu-switch:d0").map((e) => e.to);
  assert.deepEqual(order.slice(0, 7), ["0", "1", "0", "2", "0", "1", "0"]);
});

test("busy vCPUs of dom0 compete with a domU's for the pCPUs: a switch between domains flushes nothing", () => {
  const busy = (vcpus: number): Seen[] => {
    const run = '[run]\ntime-us = 100000\nscheduler = "affinity"';
    const dom0 = `vcpus = 2\nbusy-vcpus = ${vcpus}\naffinity = [[0], [0]]`;
    return phase(events(scenarioOf({ dom0, domu: "affinity = [[0]]", rest: run })), "run");
  };
  assert.equal(counted(busy(1), "VMALLS12E1"), 0);
  assert.ok(counted(busy(2), "VMALLS12E1") >= 6, "ten slots of three vCPUs: dom0's are never the ones that ran last");
});

test("mapped by blocks, an aligned part of an image is one mapping and one removal, with a reference for each page", () => {
  const scenario = scenarioOf({
    toolstack: "mapping-order = 9",
    rest: `destroy = false\n${KERNEL}`.replace("destroy = false\n", ""),
  });
  const create = phase(events(scenario), "create");
  assert.equal(called(create, "XENMEM_remove_from_physmap"), 1 + 8);
  assert.equal(called(create, "XENMEM_add_to_physmap_batch"), 1 + 8);
  const cleared = create.filter((e) => e.kind === "write" && e.to === "0").map((e) => e.level);
  assert.deepEqual(cleared, [2, 3, 3, 3, 3, 3, 3, 3, 3]);
  const w = world();
  w.domain(0, 0);
  w.domain(1, 0);
  w.physmap.populate(1, [0x200], 9);
  const one = { domid: 0, space: 4, size: 1, foreignDomid: 1, idxs: [0x200], gpfns: [0x400], errs: [0], order: 9 };
  assert.deepEqual([w.physmap.addToPhysmapBatch(one), one.errs[0]], [0, 0]);
  w.xen.destroy(1, 4096);
  const free = w.machine.heap.freePages;
  assert.equal(w.physmap.removeFromPhysmap(0, 0x400, -1, 9), 0);
  // The table between, if any, stays: 512 pages of the dead domain's come back.
  assert.equal(w.machine.heap.freePages, free + 512);
});

/** Where mappings go, tables may, and heap may run out; where blocks are split, they may be made again. */
const REMOVALS = ["revoke", "batch-end", "table-freed", "fails-midway", "split", "block-merged"];

test("a vCPU that comes from another pCPU has code of its own, behind that of the switch, where a policy has some", () => {
  const policy = parsePolicy(
    'name = "moves"\ntitle = "t"\nsource = "s"\nbase = "b"\n[vcpu-moved]\ncode = """\ntlbi alle1\n"""\n',
    "moves.toml",
    () => testPolicy(),
  );
  const runs = (own: Policy): number => {
    const w = world({ policy: own });
    const domain = w.domain(1, 0, 2);
    w.take();
    w.xen.run(0, domain.vcpus[0]!);
    w.xen.run(0, domain.vcpus[0]!);
    w.xen.run(1, domain.vcpus[0]!);
    w.xen.run(1, domain.vcpus[1]!);
    w.xen.run(0, domain.vcpus[0]!);
    return counted(w.take(), "ALLE1");
  };
  assert.deepEqual([runs(testPolicy()), runs(policy)], [0, 2], "to pCPU 1, and back");
});

test("a policy that sends IPIs is not simulated, and so not priced: one sentence, with its line", () => {
  const policy = parsePolicy(
    'name = "ipi"\ntitle = "t"\nsource = "s"\nbase = "b"\n[switch]\ncode = """\nif owner-current\non every-pe\ntlbi vmalle1\nend\nend\n"""\n',
    "ipi.toml",
    () => testPolicy(),
  );
  assert.throws(() => events(scenarioOf({}), policy), /^InputError: ipi\.toml:8: \[switch\] sends IPIs .* not priced/);
});

test("occasions of the work that domUs have, those of changes of permissions with the code that they fall back on", () => {
  assert.deepEqual(possibleOccasions(scenarioOf({})), ["vmid-assigned"]);
  for (const domu of ["balloon-mib = 2", "disk-pages = 32"])
    assert.deepEqual(possibleOccasions(scenarioOf({ domu })), ["vmid-assigned", ...REMOVALS]);
  assert.deepEqual(possibleOccasions(scenarioOf({ rest: "[domu.log-dirty]\nrounds = 1\npages = 0" })), [
    ...["vmid-assigned", ...REMOVALS],
    ...["write-protected", "permission-relaxed"],
  ]);
  assert.deepEqual(possibleOccasions(scenarioOf({ dom0: "vcpus = 2\nswitch-after = 9" })), [
    ...["vmid-assigned", "switch", "vcpu-moved"],
  ]);
});

test("what cannot be is refused, with file and line", () => {
  const refused = (how: Parameters<typeof scenarioOf>[0], why: RegExp): void => {
    assert.throws(() => scenarioOf(how), why);
  };
  refused({ dom0: "busy-vcpus = 2" }, /^InputError: x\.toml:9: dom0\.busy-vcpus: 2 of 1 vCPUs/);
  refused({ dom0: "switch-after = 2" }, /x\.toml:9: dom0\.switch-after: dom0 has no other vCPU/);
  refused({ domu: "balloon-mib = 8" }, /x\.toml:14: domu\.0\.balloon-mib: 8 of 8 MiB, expected less than memory-mib/);
  refused({ domu: "disk-pages = 5" }, /x\.toml:14: domu\.0\.disk-pages: 5, expected at least the grant-batch of 32/);
  refused(
    { rest: "[domu.log-dirty]\nrounds = 1\npages = 2049" },
    /x\.toml:17: .*2049 pages, expected at most the 2048/,
  );
  refused({ dom0: "vcpus = 2\naffinity = [[0, 0]]" }, /x\.toml:10: dom0\.affinity: vCPU 0 has pCPU 0 twice/);
});
