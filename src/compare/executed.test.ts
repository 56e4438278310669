/** Which policy a trace executes: every built-in policy against every other, and against itself with an instruction changed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BARRIERS, tlbiIndex } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { loadPolicy, policyNames } from "../catalog/index.js";
import { InputError } from "../input/index.js";
import { OCCASIONS, type Occasion, type Policy, parsePolicy, type Sequence } from "../policy/index.js";
import { readTrace, traceDigest } from "../trace/file.js";
import { EventBuffer, Kind, type Names, type TraceSink } from "../trace/index.js";
import { parseScenario, simulate } from "../xen/index.js";
import { type Blind, type Executed, executedPolicies, SEES_ALL, SEES_SITES } from "./executed.js";
import { Flushes } from "./flushes.js";
import { scenarioOf } from "./small.fixture.js";

const CPU = builtInCpu("neoverse-v2");
const EVERYTHING = builtInCpu("arch-maximal");
const POLICIES = policyNames().map(loadPolicy);

/** What the flushes of a simulation are, held against `policies`; and the trace's digest. */
function executed(policy: Policy, cpu = CPU, policies = POLICIES): Executed & { digest: string } {
  const [flushes, digest] = [new Flushes(), traceDigest()];
  simulate(scenarioOf(policy.name !== "va-ipa-range"), cpu, [{ policy, sinks: [flushes, digest] }]);
  flushes.finish();
  const names = policies.map(({ name }) => name);
  return { ...executedPolicies(flushes, policies, cpu, SEES_ALL, names), digest: digest.digest() };
}

for (const policy of POLICIES)
  test(`a simulation of ${policy.name} is recognised as it and as no other, on every occasion`, () => {
    const is = executed(policy, EVERYTHING);
    for (const { occasion, executes } of is.occasions)
      assert.ok(executes.includes(policy.name), `${occasion}: ${executes.join(", ")}`);
    assert.deepEqual([is.executes, is.unknown, is.beyond, is.unplaced, is.unfinished], [[policy.name], [], 0, 0, 0]);
  });

test("on a CPU without FEAT_nTLBPA the two patches of the series execute the same", () => {
  const both = ["series-v3-patch1", "series-v3-patch2"];
  for (const name of both) assert.deepEqual(executed(loadPolicy(name)).executes, both);
});

test("a policy with a VMID for each vCPU is recognised by the code that it runs at a switch all the same", () => {
  const text = `name = "x"\ntitle = "t"\nsource = "s"\nbase = "vmid-per-vcpu"\n[switch]\ncode = "isb"\n`;
  const policy = parsePolicy(text, "x.toml", loadPolicy);
  const { executes, flushes } = executed(policy, CPU, [policy, loadPolicy("vmid-per-vcpu")]);
  assert.deepEqual(executes, ["x"]);
  assert.ok(flushes.some(({ occasion, instructions }) => occasion === "switch" && instructions.join() === "isb"));
});

/** Changes of permissions, and the end of the domain. */
const DIRTY = parseScenario(
  `name = "dirty"\ntitle = "t"\nsource = "s"\ndestroy = true\n[machine]\npcpus = 2\nram-mib = 64\n[dom0]\nmemory-mib = 16\n[[domu]]\nmemory-mib = 2\n[domu.log-dirty]\nrounds = 2\npages = 3\n`,
  "dirty.toml",
);
const simulated = (policy: Policy, policies: readonly Policy[]): Executed => {
  const flushes = new Flushes();
  simulate(DIRTY, CPU, [{ policy, sinks: [flushes] }]);
  flushes.finish();
  return executedPolicies(flushes, policies, CPU, SEES_ALL, [policy.name]);
};

test("own code for a domain's end, and for changes of permissions, is recognised as that, and not as another's", () => {
  const section = (name: string, code: string): string => `[${name}]\ncode = """\n${code}\n"""\n`;
  for (const base of ["xen-today", "kvm-ipa", "remove-batch"]) {
    const head = (name: string): string => `name = "${name}"\ntitle = "t"\nsource = "s"\nbase = "${base}"\n`;
    const whole = "with owner-vmid\ndsb ishst\ntlbi vmalls12e1is\ndsb ish\nend";
    const own = ["domain-dies", "write-protected", "permission-relaxed"].map((occasion) =>
      parsePolicy(head(`own-${occasion}`) + section(occasion, whole), "own.toml", loadPolicy),
    );
    const all = [...own, loadPolicy(base)];
    for (const policy of all) {
      const is = simulated(policy, all);
      assert.deepEqual([is.executes, is.unknown, is.unfinished], [[policy.name], [], 0], `${policy.name} on ${base}`);
      for (const { occasion, executes } of is.occasions) assert.ok(executes.includes(policy.name), occasion);
    }
  }
});

test("changes of permissions are counted by what became of the pages", () => {
  const count = (is: Executed): (string | number)[][] =>
    is.occasions.map(({ occasion, flushes }) => [occasion, flushes]);
  // One block is split; two rounds protect, and in each three pages are written.
  assert.deepEqual(count(simulated(loadPolicy("xen-today"), POLICIES)).slice(0, 2), [
    ["split", 1],
    ["vmid-assigned", 3],
  ]);
  assert.deepEqual(count(simulated(loadPolicy("xen-today"), POLICIES)).slice(2), [
    ["domain-dies", 1],
    ["write-protected", 2],
    ["permission-relaxed", 6],
  ]);
});

/** The programs that lack one instruction of this one, each with the words for it. */
function* withoutOne(program: Sequence): Generator<Sequence> {
  for (const [i, s] of program.entries()) {
    const put = (...to: Sequence): Sequence => [...program.slice(0, i), ...to, ...program.slice(i + 1)];
    if (s.kind === "barrier" || s.kind === "tlbi" || s.kind === "msr-vttbr") yield put();
    if (s.kind === "for" || s.kind === "with-owner" || s.kind === "if")
      for (const body of withoutOne(s.body)) yield put({ ...s, body });
    if (s.kind === "if") for (const otherwise of withoutOne(s.otherwise)) yield put({ ...s, otherwise });
    if (s.kind === "with-owner") yield put(...s.body);
  }
}

test("no policy is recognised when one instruction of it is missing, if the trace is another for it", () => {
  let [same, differ] = [0, 0];
  for (const policy of POLICIES) {
    const whole = executed(policy, CPU, [policy]).digest;
    for (const occasion of Object.keys(OCCASIONS) as Occasion[])
      for (const program of withoutOne(policy.code[occasion])) {
        const broken = { ...policy, code: { ...policy.code, [occasion]: program } };
        const flushes = new Flushes();
        const digest = traceDigest();
        try {
          simulate(scenarioOf(policy.name !== "va-ipa-range"), CPU, [{ policy: broken, sinks: [flushes, digest] }]);
        } catch (error) {
          if (error instanceof InputError) continue; // it leaves VTTBR_EL2 elsewhere
          throw error;
        }
        flushes.finish();
        const is = executedPolicies(flushes, [policy], CPU, SEES_ALL, [policy.name]);
        const equal = digest.digest() === whole;
        assert.equal(is.executes.length === 1, equal, `${policy.name}, ${occasion}: ${JSON.stringify(program)}`);
        assert.deepEqual(is.unknown, []);
        if (equal) same++;
        else {
          differ++;
          const beside = is.flushes.flatMap((flush) => flush.beside.map((b) => ({ flush, b })));
          assert.ok(beside.some(({ flush, b }) => b.first <= flush.instructions.length && b.execution === "differs"));
        }
      }
  }
  assert.ok(differ > 100, `${differ} differ, ${same} are the same`);
});

const TRACES = fileURLToPath(new URL("../../traces", import.meta.url));

/** Passes events on but those that `drops` names. */
class Without implements TraceSink {
  constructor(
    private readonly drops: (b: EventBuffer, i: number, names: Names) => boolean,
    private readonly to: TraceSink,
  ) {}

  events(b: EventBuffer, names: Names): void {
    let from = 0;
    const pass = (end: number): void => {
      if (from < end) this.to.events(new EventBuffer(end - from, b, from), names);
    };
    for (let i = 0; i < b.length; i++) {
      if (!this.drops(b, i, names)) continue;
      pass(i);
      from = i + 1;
    }
    pass(b.length);
  }
}

/** A shipped capture, with some of its events left out. */
async function captured(
  name: string,
  blind: Blind = SEES_SITES,
  drops: (b: EventBuffer, i: number, names: Names) => boolean = () => false,
): Promise<Executed> {
  const flushes = new Flushes();
  await readTrace(join(TRACES, `${name}.parquet`), [new Without(drops, flushes)]);
  flushes.finish();
  return executedPolicies(flushes, POLICIES, EVERYTHING, blind, ["xen-today"]);
}

const flushesOf = (is: Executed, occasion: Occasion): number | undefined =>
  is.occasions.find((o) => o.occasion === occasion)?.flushes;

test("the shipped captures execute xen-today, in each of their flushes", async () => {
  // Without a switch there is nothing that tells these apart.
  const noSwitch = ["xen-today", "xen-4.17", "switch-no-flush", "switch-vmalle1", "vmid-per-vcpu"];
  for (const name of ["xen-4.20-create-small", "xen-4.20-create-ramdisk"]) {
    const is = await captured(name);
    assert.deepEqual([is.executes, is.unknown, is.beyond, is.unplaced, is.unfinished], [noSwitch, [], 0, 0, 0]);
    assert.equal(flushesOf(is, "switch"), undefined);
  }
  const two = await captured("xen-4.20-dom0-2vcpu");
  assert.deepEqual([two.executes, two.unknown], [["xen-today"], []]);
  assert.equal(flushesOf(two, "switch"), 778);
  // By call path: 9,701 removals and two grants unmapped; two goes of relinquish_p2m_mapping().
  assert.deepEqual([flushesOf(two, "revoke"), flushesOf(two, "domain-dies")], [9703, 2]);
});

test("so do those of the whole stack, whose Xen invalidates roots when a domain is unpaused", async () => {
  const { executes, unknown, flushes, others } = await captured("../probes/stack-one-page-36");
  assert.deepEqual([executes.includes("xen-today"), executes.includes("remove-no-flush"), unknown], [true, false, []]);
  assert.deepEqual(
    flushes.filter(({ occasion }) => occasion === "revoke").map(({ count, entries }) => [count, entries]),
    [[7, 1]],
  );
  assert.ok(others.some(({ caller }) => caller.includes("p2m_resolve_translation_fault")));
});

const isDsbIsh = (b: EventBuffer, i: number): boolean =>
  b.kind[i] === Kind.barrier && BARRIERS[b.code[i]!]!.name === "DSB ISH";

test("a capture without a barrier before its flushes may have missed it: unknown, unless everything is seen", async () => {
  const isDsbIshst = (b: EventBuffer, i: number): boolean =>
    b.kind[i] === Kind.barrier && BARRIERS[b.code[i]!]!.name === "DSB ISHST";
  const blind = await captured("xen-4.20-create-small", SEES_SITES, isDsbIshst);
  assert.deepEqual(blind.executes, []);
  assert.ok(blind.unknown.includes("xen-today"));
  const seen = await captured("xen-4.20-create-small", SEES_ALL, isDsbIshst);
  assert.deepEqual([seen.executes, seen.unknown], [[], []]);
});

test("a barrier missing between a TLBI and the ISB behind it was not executed: all on that way is seen", async () => {
  const seen = await captured("xen-4.20-create-small", SEES_SITES, isDsbIsh);
  assert.deepEqual([seen.executes, seen.unknown], [[], []]);
  const { beside, instructions } = seen.flushes[0]!;
  assert.deepEqual(instructions, ["dsb ishst", "tlbi vmalls12e1is", "isb"]);
  assert.deepEqual(beside, [
    {
      policy: "xen-today",
      execution: "differs",
      first: 2,
      expected: ["dsb ishst", "tlbi vmalls12e1is", "dsb ish", "isb"],
    },
  ]);
});

test("a capture whose removals lack their TLBI is a removal without a flush, not a smaller count", async () => {
  const vmalls12e1is = tlbiIndex("vmalls12e1is")!;
  const is = await captured(
    "xen-4.20-create-small",
    SEES_SITES,
    (b, i, names) =>
      names.list[b.site[i]!]!.includes("p2m_remove_mapping") &&
      ((b.kind[i] === Kind.tlbi && b.code[i] === vmalls12e1is) || (b.kind[i] === Kind.barrier && !isDsbSy(b, i))),
  );
  assert.deepEqual(is.executes, []);
  const none = is.flushes.filter(({ occasion, instructions }) => occasion === "revoke" && instructions.length === 0);
  assert.equal(
    none.reduce((sum, { count }) => sum + count, 0),
    9701,
  );
  assert.equal(is.unfinished, 2, "dom0's daemons unmap at the very end");
  assert.deepEqual(none[0]!.executes, ["remove-no-flush"]);
});

const isDsbSy = (b: EventBuffer, i: number): boolean => BARRIERS[b.code[i]!]!.name === "DSB SY";
