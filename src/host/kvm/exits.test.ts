/** What a counted host tells by its exits, and what the whole stack showed that no model had: each comes out by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOperand, TWO32 } from "../../arch/index.js";
import { EventBuffer, type ExitName, exitCode, Kind, Names, NO_DOMAIN } from "../../trace/index.js";
import { builtInHost } from "../builtin.fixture.js";
import { parseHost } from "../host-file.js";
import { ipaNotes } from "../models.js";
import { instructionsOf } from "../price.js";
import { Guest } from "./guest.testing.js";
import { kvmOf, withKvm } from "./settings.js";

const CHUNK = 2 ** 18;

/** An exit as a capture on a counted host has it; a shadow fault on that page under that VMID. */
function told(guest: Guest, name: ExitName, page = 0, vmid = 1): void {
  guest.trace.flush();
  const b = new EventBuffer(1);
  b.length = 1;
  b.kind[0] = Kind.exit;
  b.code[0] = exitCode(name);
  b.domain[0] = NO_DOMAIN;
  b.vmid[0] = vmid;
  b.level[0] = 3;
  b.from.set([(page * 4096) % TWO32, Math.floor((page * 4096) / TWO32)]);
  guest.nested.events(b, new Names());
}

test("a told fault faults where the model's shadow has no leaf, and only there", () => {
  const guest = new Guest().enter(0, 1);
  for (const page of [5, 5, 6]) told(guest, "shadow-fault", page);
  assert.deepEqual([guest.counts().firstFaults, guest.counts().refaults], [2, 0]);
  guest.tlbi(0, "vmalls12e1is");
  told(guest, "shadow-fault", 5);
  assert.deepEqual([guest.counts().firstFaults, guest.counts().refaults], [2, 1]);
});

test("where exits are told, what the hypervisor looks up for itself is no access of its guest", () => {
  const guest = new Guest().enter(0, 1);
  told(guest, "translate");
  guest.touch(0, 9);
  assert.equal(guest.counts().firstFaults, 0);
});

test("told exits stand for the hypercalls' round trips, each with its own price", () => {
  const guest = new Guest().enter(0, 1);
  guest.mark(0, "hypercall:XENMEM_remove_from_physmap");
  assert.deepEqual(guest.counts().rest, { exit: 2, "shadow-fault": 0, "round-trip": 1 });
  for (const name of ["to-hypervisor", "to-guest", "register", "translate", "device"] as const) told(guest, name);
  const { rest, exitKinds } = guest.counts();
  assert.deepEqual(
    { ...rest },
    {
      ...{ exit: 5, "shadow-fault": 0, "host-fault": 0, "round-trip": 1 },
      ...{ translate: 1, register: 1, device: 1, interrupt: 0 },
    },
  );
  assert.equal(exitKinds.kvm_inject_nested, 1);
  assert.equal(exitKinds.io_mem_abort, 1);
});

test("exits of TLBIs are counted by KVM's handler", () => {
  const guest = new Guest()
    .enter(0, 1)
    .tlbi(0, "vmalls12e1is")
    .tlbi(0, "alle1is")
    .tlbi(0, "ipas2e1is")
    .tlbi(0, "vae2is");
  const { exitKinds, exits } = guest.counts();
  assert.deepEqual(exitKinds, {
    ...{ handle_vmalls12e1is: 1, handle_alle1is: 1, handle_ipas2e1is: 1, kvm_hyp_handle_tlbi_el2: 1 },
  });
  assert.equal(exits, 4);
});

// The three findings of the whole stack.

/** A removal by IPA, behind which the guest touches its working set again; leaves dropped by each of `times`. */
function removals(ttl: number, times: number): number[] {
  const guest = new Guest().enter(0, 1);
  const working = [CHUNK + 1, CHUNK + 2, CHUNK + 3];
  guest.touch(0, ...working).tlbi(0, "alle1is");
  let before = guest.counts().leavesDropped;
  return Array.from({ length: times }, (_, i) => {
    guest.touch(0, ...working);
    guest.tlbi(0, "ipas2e1is", addressOperand(CHUNK + 1000 + i, ttl));
    const dropped = guest.counts().leavesDropped - before;
    before += dropped;
    return dropped;
  });
}

test("IPAS2E1IS without TTL cascades: each finds an emptied shadow, takes 1 GiB, and empties it for the next", () => {
  assert.deepEqual(removals(0, 4), [3, 3, 3, 3]);
});

test("with TTL each is exact, and drops nothing of what the guest works with", () => {
  assert.deepEqual(removals(0b0111, 4), [0, 0, 0, 0]);
});

test("ALLE1IS of the allocator and the scrubber unmap every valid shadow whole, whoever owned the page: 141 M instructions each at 48 bits", () => {
  const guest = new Guest().enter(0, 1).touch(0, 1).tlbi(0, "alle1is");
  const { parts, hardwareTlbi } = guest.counts(48);
  assert.equal(hardwareTlbi.RIPAS2E1IS, 2 ** 18);
  const host = builtInHost("kvm-nested-7.2");
  const instructions = instructionsOf(parts.walk, host);
  assert.ok(Math.abs(instructions / 134.9e6 - 1) < 0.01, `${instructions}, of which neoverse-n2 takes 537 a step`);
});

test("the second shadow is there as soon as the domU has run, and stays when it is dead: ALLE1IS takes twice the steps", () => {
  const one = new Guest().enter(0, 1).tlbi(0, "alle1is").steps();
  const guest = new Guest().enter(0, 1).enter(0, 2).enter(0, 1);
  assert.deepEqual([one, guest.tlbi(0, "alle1is").steps()], [1024, 2048]);
});

test("with NV3's elision the hypervisor's own TLBIs take no exit; where it is unknown they do, and it is said", () => {
  const counts = (nv3Elision: "none" | "own-stage-1" | "unknown") => {
    const guest = new Guest().enter(0, 1).tlbi(0, "vae2is").tlbi(0, "vmalls12e1is");
    guest.trace.flush();
    const host = withKvm(builtInHost("kvm-nested-7.2"), { nv3Elision });
    return { exits: guest.nested.counts(host, 40).exits, said: ipaNotes([host], [40]).length };
  };
  assert.deepEqual(counts("none"), { exits: 2, said: 0 });
  assert.deepEqual(counts("own-stage-1"), { exits: 1, said: 0 });
  assert.deepEqual(counts("unknown"), { exits: 2, said: 1 });
});

test("a host file says whether the host keeps a reverse map, and what of that is unknown", () => {
  const file = parseHost(
    'base = "kvm-nested-7.2"\nname = "mine"\ntitle = "Mine"\nsource = "me"\nreverse-map = true',
    "mine.toml",
    builtInHost,
  );
  assert.equal(kvmOf(file).reverseMap, true);
  assert.match(ipaNotes([file], [40]).join(), /reverse map of its shadows takes is unknown/);
});
