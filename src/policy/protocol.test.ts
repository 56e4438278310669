/** When code runs, by the words of a policy file: "due", [batch-end], [domain-dies]. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "./index.js";
import { type Entry, Protocol, removal, runTogether } from "./protocol.js";

type Timing = Pick<Policy, "due" | "batch" | "own">;
const timing = (due: Policy["due"], more: Partial<Timing> = {}): Timing => ({
  due,
  batch: due === "batch-end",
  own: [],
  ...more,
});

/** A protocol that says what it runs: "revoke 3,4", the pages behind it, and of which policy if there are several. */
function protocolOf(...policies: readonly Timing[]): { protocol: Protocol; done: string[] } {
  const done: string[] = [];
  const protocol = new Protocol(policies, { vmids: [7], asid: 9 }, (policy, occasion, on) => {
    assert.equal(on.asid, 9);
    const ranges = Array.from({ length: on.count }, (_, r) =>
      Array.from({ length: on.length[r]! }, (_, n) => on.base[r]! + n),
    );
    done.push(`${policies.length > 1 ? `${policy}: ` : ""}${[occasion, ranges.flat().join()].join(" ").trim()}`);
    if (occasion === "switch") assert.deepEqual(on.ownerVmids, [8]);
    else assert.deepEqual(on.ownerVmids, [7]);
  });
  return { protocol, done };
}

const page = (gfn: number): Entry => ({ gfn, pages: 1, va: -1, step: 1, level: 3 });

/** What happens in calls that each remove these pages. */
function steps(policy: Timing, calls: readonly (readonly number[])[], how: Parameters<typeof removal>[3]): string[] {
  const { protocol, done } = protocolOf(policy);
  const numbers = (entries: readonly Entry[]): string => entries.map(({ gfn }) => gfn).join();
  removal(
    protocol,
    calls.map((pages) => pages.map(page)),
    {
      write: (entry) => done.push(`write ${entry.gfn}`),
      free: (entries) => done.push(`free ${numbers(entries)}`),
    },
    how,
  );
  return done;
}

const ALONE = { batch: false };
const BATCH = { batch: true };

test("revoke code that is due at once runs behind each entry, about it; at unlock once, about all that the lock covered", () => {
  assert.deepEqual(steps(timing("at-once"), [[3, 4]], ALONE), [
    "write 3",
    "revoke 3",
    "write 4",
    "revoke 4",
    "free 3,4",
  ]);
  assert.deepEqual(steps(timing("unlock"), [[3, 4], [9]], ALONE), [
    "write 3",
    "write 4",
    "revoke 3,4",
    "free 3,4",
    "write 9",
    "revoke 9",
    "free 9",
  ]);
});

test("in a batch, revoke code due at its end runs once, then the batch-end code, and only then anything is freed", () => {
  assert.deepEqual(steps(timing("batch-end"), [[3], [4]], BATCH), [
    "write 3",
    "write 4",
    "revoke 3,4",
    "batch-end 3,4",
    "free 3,4",
  ]);
  const each = ["write 3", "revoke 3", "write 4", "revoke 4"];
  for (const due of ["unlock", "at-once"] as const)
    assert.deepEqual(steps(timing(due, { batch: true }), [[3], [4]], BATCH), [...each, "batch-end 3,4", "free 3,4"]);
});

test("a batch that frees early does so at each unlock, before what is due at its end", () => {
  const steps3 = steps(timing("batch-end"), [[3], [4]], { batch: true, early: true });
  assert.deepEqual(steps3, ["write 3", "free 3", "write 4", "free 4", "revoke 3,4", "batch-end 3,4"]);
});

test("a removal outside a batch is a batch of one", () => {
  assert.deepEqual(steps(timing("batch-end"), [[3, 4]], ALONE), [
    "write 3",
    "write 4",
    "revoke 3,4",
    "batch-end 3,4",
    "free 3,4",
  ]);
});

test("code of its own for a dying domain takes the place of revoke and batch-end code, at each unlock", () => {
  for (const due of ["at-once", "unlock", "batch-end"] as const) {
    const { protocol, done } = protocolOf(timing(due, { batch: true, own: ["domain-dies"] }), timing(due));
    protocol.beginDying();
    protocol.removed(3, 1, -1);
    protocol.removed(4, 1, -1);
    protocol.unlocking();
    const own = done.filter((step) => step.startsWith("0: "));
    assert.deepEqual(own, ["0: domain-dies 3,4"]);
    const other = done.filter((step) => step.startsWith("1: revoke"));
    assert.deepEqual(other, due === "at-once" ? ["1: revoke 3", "1: revoke 4"] : ["1: revoke 3,4"]);
  }
});

test("a change of permissions is a removal to a policy without code for it, and its own code's affair at the unlock to one with", () => {
  for (const due of ["at-once", "unlock", "batch-end"] as const) {
    const { protocol, done } = protocolOf(timing(due, { own: ["write-protected"] }), timing(due));
    protocol.changed("write-protected", 3, 1, -1);
    protocol.changed("write-protected", 4, 1, -1);
    protocol.unlocking();
    const each = due === "at-once" ? ["1: revoke 3", "1: revoke 4"] : ["1: revoke 3,4"];
    const own = done.filter((step) => step.startsWith("0: "));
    assert.deepEqual(own, ["0: write-protected 3,4"]);
    assert.deepEqual(
      done.filter((step) => step.startsWith("1: revoke")),
      each,
    );
    done.length = 0;
    protocol.changed("permission-relaxed", 3, 1, -1);
    protocol.unlocking();
    assert.deepEqual(
      done.filter((step) => step.endsWith("revoke 3")),
      ["0: revoke 3", "1: revoke 3"],
      "the other change has no code of its own",
    );
    done.length = 0;
    protocol.unlocking();
    assert.deepEqual(done, []);
  }
});

test("before a table is freed all that is due at an unlock runs, and the unlock has nothing left; in a batch the table is kept", () => {
  const { protocol, done } = protocolOf(timing("batch-end"));
  protocol.removed(512, 2, -1, 1);
  protocol.freeing();
  assert.deepEqual(done.splice(0), ["revoke 512,513", "batch-end 512,513"]);
  protocol.unlocking();
  assert.deepEqual(done, []);
  protocol.beginBatch();
  protocol.removed(512, 2, -1, 1);
  protocol.freeing();
  assert.deepEqual([done, protocol.keeps], [[], true]);
  protocol.endBatch();
  assert.deepEqual([done, protocol.keeps], [["revoke 512,513", "batch-end 512,513"], false]);
});

test("a switch is about the VMID that comes in, a VMID's assignment about none of the pages, a split about its entry", () => {
  const { protocol, done } = protocolOf(timing("unlock"), timing("at-once"));
  protocol.assigned();
  protocol.switched(8);
  protocol.broken(512, 2, -1);
  const each = (what: string): string[] => [`0: ${what}`, `1: ${what}`];
  assert.deepEqual(done, [...each("vmid-assigned"), ...each("switch"), ...each("split 512,513")]);
});

test("an error midway: code of its own in place of all that is due yet, once; without, what is due; and the next is no error", () => {
  for (const [due, batch] of [
    ["unlock", false],
    ["batch-end", true],
    ["at-once", false],
  ] as const) {
    const { protocol, done } = protocolOf(timing(due, { batch, own: ["fails-midway"] }), timing(due, { batch }));
    if (batch) protocol.beginBatch();
    protocol.removed(3, 1, -1);
    protocol.failing();
    protocol.unlocking();
    if (batch) protocol.endBatch();
    const of = (policy: number): string[] => done.filter((step) => step.startsWith(`${policy}: `));
    assert.deepEqual(of(0), due === "at-once" ? ["0: revoke 3"] : ["0: fails-midway 3"]);
    assert.deepEqual(of(1), batch ? ["1: revoke 3", "1: batch-end 3"] : ["1: revoke 3"]);
    done.length = 0;
    protocol.removed(4, 1, -1);
    protocol.unlocking();
    assert.deepEqual(of(0).slice(0, 1), ["0: revoke 4"]);
  }
});

test("a table that goes has code of its own, for policies that all have some; its pages before it are removals", () => {
  const { protocol, done } = protocolOf(timing("unlock", { own: ["table-freed"] }));
  protocol.removed(3, 1, -1);
  protocol.removed(512, 2, -1, 1);
  protocol.freeing();
  assert.deepEqual(done, ["revoke 3", "table-freed 512,513"]);
});

test("a merge is a split to a policy without code for it; ageing and a guest's stage 1 are nothing to one", () => {
  const { protocol, done } = protocolOf(
    timing("unlock", { own: ["block-merged", "access-flag-cleared", "vcpu-moved"] }),
    timing("unlock"),
  );
  protocol.merged(512, 2, -1, 1);
  protocol.changed("access-flag-cleared", 3, 1, -1);
  protocol.changed("stage1-edited", 3, 1, -1);
  protocol.unlocking();
  assert.deepEqual(done, ["0: block-merged 512,513", "1: split 512,513", "0: access-flag-cleared 3"]);
});

test("what was removed is old where no entry's access flag was set", () => {
  const ages: boolean[] = [];
  const protocol = new Protocol([timing("unlock")], { vmids: [7], asid: 9 }, (_, __, on) => ages.push(!on.young));
  for (const old of [
    [true, true],
    [true, false],
    [false, false],
  ]) {
    old.forEach((one, n) => {
      protocol.removed(n, 1, -1, 1, 3, one);
    });
    protocol.unlocking();
  }
  assert.deepEqual(ages, [true, false, false]);
});

test("where no policy has code at a moment, none runs: an unlock without a removal, too", () => {
  const { protocol, done } = protocolOf(timing("unlock"));
  protocol.unlocking();
  protocol.beginBatch();
  protocol.endBatch();
  assert.deepEqual(done, []);
});

test("batch-end code runs right behind the revoke code, but for a batch whose revoke code is not due at its end", () => {
  const both = ["revoke", "batch-end"];
  assert.deepEqual(runTogether(timing("unlock"), "removed", false), ["revoke"]);
  assert.deepEqual(runTogether(timing("unlock", { batch: true }), "removed", false), both);
  assert.deepEqual(runTogether(timing("unlock", { batch: true }), "removed", true), ["revoke"]);
  assert.deepEqual(runTogether(timing("at-once", { batch: true }), "removed", false), ["revoke"]);
  for (const inBatch of [false, true]) assert.deepEqual(runTogether(timing("batch-end"), "removed", inBatch), both);
});
