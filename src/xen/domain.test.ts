import assert from "node:assert/strict";
import { test } from "node:test";
import { gfn } from "../arch/index.js";
import { EBUSY, ESRCH } from "./errno.js";
import { orderOf, type Seen, testPolicy, tlbisOf, world } from "./world.fixture.js";

const PER_VCPU = testPolicy({ vmidPer: "vcpu" });

/** VTTBR_EL2 of each pCPU changes from what it was. */
function assertVttbrContinuous(events: readonly Seen[]): void {
  const held = new Map<number, string>();
  for (const e of events)
    if (e.kind === "sysreg") {
      assert.equal(e.from, held.get(e.pcpu) ?? "0");
      held.set(e.pcpu, e.to);
    }
}

test("a domain is created with a VMID of its own and one flush of that VMID", () => {
  const { xen, take } = world();
  assert.equal(xen.createDomain(1, 4), 0);
  const events = take();
  assert.deepEqual(tlbisOf(events), ["VMALLS12E1IS"]);
  assert.equal(events.find((e) => e.kind === "tlbi")!.vmid, 1);
  assert.deepEqual(xen.domain(1)!.p2m.vmids, [1]);
});

test("8-bit VMIDs: the 256th domain is refused with -EBUSY and takes no memory; one that goes makes room", () => {
  const { xen, machine } = world({ ramMib: 8 });
  for (let id = 1; id <= 255; id++) assert.equal(xen.createDomain(id, 1), 0);
  const free = machine.heap.freePages;
  assert.equal(xen.createDomain(256, 1), -EBUSY);
  assert.equal(machine.heap.freePages, free);
  assert.equal(xen.domain(256), undefined);
  assert.equal(xen.destroy(100, 4096), 0);
  assert.equal(xen.createDomain(256, 1), 0);
  assert.deepEqual(xen.domain(256)!.p2m.vmids, [100]);
});

test("16-bit VMIDs do not run out there", () => {
  const { xen } = world({ cpu: "neoverse-v2", ramMib: 8 });
  for (let id = 1; id <= 300; id++) assert.equal(xen.createDomain(id, 1), 0);
});

test("VMIDs per vCPU roll over with one ALLE1IS; what runs keeps its own, the others get new ones", () => {
  const { xen, take } = world({ policy: PER_VCPU, ramMib: 8 });
  for (let id = 1; id <= 2; id++) assert.equal(xen.createDomain(id, 100), 0);
  const [a, b] = [xen.domain(1)!, xen.domain(2)!];
  xen.run(0, a.vcpus[6]!);
  xen.run(1, b.vcpus[3]!);
  take();
  assert.equal(xen.createDomain(3, 60), 0); // 100 + 100 + 60 > 255
  const rolled = take();
  assert.equal(tlbisOf(rolled).filter((name) => name === "ALLE1IS").length, 1);
  assert.equal(rolled.find((e) => e.name === "ALLE1IS")!.site, "vmid_rollover");
  assert.deepEqual([a.vcpus[6]!.vmid, b.vcpus[3]!.vmid], [7, 104]);
  assert.deepEqual([a.p2m.vmids, b.p2m.vmids], [[7], [104]], "nothing else of theirs can be cached");
});

test("no two vCPUs hold one VMID in one generation, and every VTTBR_EL2 has its domain's root", () => {
  const { xen, take, machine } = world({ policy: PER_VCPU, ramMib: 8, pcpus: 3 });
  for (let id = 1; id <= 4; id++) assert.equal(xen.createDomain(id, 90), 0);
  const vcpus = [1, 2, 3, 4].flatMap((id) => xen.domain(id)!.vcpus);
  // 360 vCPUs on 255 VMIDs, in an order without a pattern: several generations pass.
  for (let i = 0; i < 2000; i++) {
    const vcpu = vcpus[(i * 97 + (i >> 3)) % vcpus.length]!;
    xen.run(i % 3, vcpu);
    const running = machine.currentVmid;
    assert.equal(running, vcpu.vmid);
    const holders = vcpus.filter((v) => v.generation === machine.vmids.generation && v.vmid === vcpu.vmid);
    assert.deepEqual(
      holders.map((v) => `d${v.domain.id}v${v.id}`),
      [`d${vcpu.domain.id}v${vcpu.id}`],
    );
    assert.ok(vcpu.domain.p2m.vmids.includes(vcpu.vmid));
  }
  assert.ok(machine.vmids.generation > 2);
  const events = take();
  assertVttbrContinuous(events);
  const roots = new Map([1, 2, 3, 4].map((id) => [id, (xen.domain(id)!.p2m.rootPage * 4096).toString(16)]));
  const last = events.filter((e) => e.kind === "sysreg" && e.site === "p2m_restore_state").slice(-50);
  // The register's own event is stamped with the context before it: the next ISB has the new one.
  for (const e of last) {
    const isb = events[events.indexOf(e) + 1]!;
    assert.equal((BigInt(`0x${e.to}`) & 0xffff_ffff_ffffn).toString(16), roots.get(isb.domain));
  }
});

test("a switch between vCPUs of one domain flushes; back to the same vCPU, or first on a pCPU, not", () => {
  const w = world();
  const { vcpus } = w.domain(1, 0, 2);
  const other = w.domain(2, 0, 1);
  const flushed = (pcpu: number, vcpu: (typeof vcpus)[number]): string[] => {
    w.xen.run(pcpu, vcpu);
    return tlbisOf(w.take());
  };
  assert.deepEqual(flushed(0, vcpus[0]!), []);
  assert.deepEqual(flushed(0, vcpus[1]!), ["VMALLS12E1"]);
  assert.deepEqual(flushed(0, other.vcpus[0]!), []);
  assert.deepEqual(flushed(0, vcpus[1]!), [], "the other domain in between does not matter");
  assert.deepEqual(flushed(0, other.vcpus[0]!), []);
  assert.deepEqual(flushed(0, vcpus[0]!), ["VMALLS12E1"]);
  assert.deepEqual(flushed(1, vcpus[1]!), [], "another pCPU has its own memory of it");
});

test("create, destroy, create: one ALLE1IS before memory that a domain used is another's, none on a fresh heap", () => {
  const { xen, physmap, take } = world({ ramMib: 4 });
  const pages = Array.from({ length: 700 }, (_, i) => gfn(i));
  const fill = (id: number): Seen[] => {
    assert.equal(xen.createDomain(id, 1), 0);
    assert.equal(physmap.populate(id, pages.slice(0, 350), 0), 350);
    assert.equal(physmap.populate(id, pages.slice(350), 0), 350);
    return take();
  };
  const alle1 = (events: readonly Seen[]): number => tlbisOf(events).filter((name) => name === "ALLE1IS").length;
  assert.equal(alle1(fill(1)), 0);
  xen.destroy(1, 4096);
  take();
  const again = fill(2);
  assert.equal(alle1(again), 1, "one serves the whole batch, and the next batch too");
});

test("a running domain's memory is flushed page by page, until one flush has served them all", () => {
  const { xen, physmap, take, domain } = world({ ramMib: 4 });
  const pages = Array.from({ length: 600 }, (_, i) => gfn(i));
  domain(1, 600);
  xen.destroy(1, 4096);
  domain(2, 0);
  physmap.populate(2, pages, 0);
  const sites = take()
    .filter((e) => e.name === "ALLE1IS")
    .map((e) => e.site);
  assert.deepEqual(sites, ["alloc_heap_pages"], "everything was freed before it");
});

test("memory goes to another domain only after an ALLE1IS since it was free", () => {
  const { xen, physmap, take, domain } = world({ ramMib: 4 });
  domain(1, 300);
  const events: Seen[] = [];
  for (let life = 2; life < 6; life++) {
    xen.destroy(life - 1, 4096);
    xen.createDomain(life, 1);
    physmap.populate(
      life,
      Array.from({ length: 200 * (life % 3 === 0 ? 1 : 3) }, (_, i) => gfn(i)),
      0,
    );
    events.push(...take());
  }
  const freed = new Map<string, number>();
  const waiting: string[] = [];
  let clock = 0;
  for (const e of events)
    if (e.name === "ALLE1IS") {
      clock++;
      waiting.length = 0;
    } else if (e.kind === "owner" && e.from !== "7ff4") freed.set(e.address, clock);
    else if (e.kind === "owner" && freed.get(e.address) === clock) waiting.push(e.address);
    else if (e.kind === "end" && e.name.startsWith("hypercall:"))
      assert.deepEqual(waiting, [], "at the end of the batch");
  assert.ok(clock >= 3);
});

test("destroying gives everything back: memory, tables, VMID; and no owner change is out of order", () => {
  const { xen, take, machine, domain, physmap } = world({ ramMib: 8 });
  domain(0, 0);
  const free = machine.heap.freePages;
  domain(1, 700, 1, 500);
  physmap.populate(1, [gfn(2 ** 12)], 9);
  take();
  assert.equal(xen.destroy(1, 512), 0);
  assert.equal(machine.heap.freePages, free);
  assert.equal(xen.domain(1), undefined);
  assert.equal(xen.destroy(1, 512), -ESRCH);
  const events = take();
  assert.equal(events.filter((e) => e.kind === "owner").length, 700 + 512);
  // gfns 0 to 1535 one by one, holes too, the lock released each 512; the block at the end; then the root.
  assert.deepEqual(tlbisOf(events), new Array(3 + 1 + 1).fill("VMALLS12E1IS"));
  assert.equal(orderOf(events).at(-1), "VMALLS12E1IS");
});

test("VTTBR_EL2 goes on from what it was, also where a VMID has a new owner", () => {
  const { xen, take } = world({ ramMib: 8 });
  xen.createDomain(0, 1);
  for (let id = 1; id < 5; id++) {
    xen.createDomain(id, 2);
    xen.run(id % 2, xen.domain(id)!.vcpus[0]!);
    xen.run(0, xen.domain(0)!.vcpus[0]!);
    if (id > 1) xen.destroy(id - 1, 4096);
  }
  assertVttbrContinuous(take());
});

test("a policy that leaves VTTBR_EL2 with another VMID is refused: what runs next would use another's table", () => {
  // Outside the 'with owner-vmid' that the fixture puts around the code.
  const w = world({ policy: testPolicy({ revoke: "end\nmsr vttbr_el2, owner\nwith owner-vmid" }) });
  w.domain(1, 4);
  w.domain(2, 0);
  w.xen.run(0, w.xen.domain(2)!.vcpus[0]!);
  assert.throws(
    () => w.physmap.decreaseReservation(1, [gfn(0)]),
    /^InputError: test-policy\.toml: \[revoke\] ends with VMID 1 in VTTBR_EL2, expected 2/,
  );
});
