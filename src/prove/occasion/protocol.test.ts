/**
 * What is proved is what is priced: the instructions that a scenario's Xen executes are those that the model of Xen emits when
 * the same happens to a real table of it, for every policy, CPU and shape.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CpuProfile, decodeOperand, halvesOf, TLBI_OPS, tlbiIndex } from "../../arch/index.js";
import { builtInCpu } from "../../builtin/index.js";
import { loadPolicy, policyNames } from "../../catalog/index.js";
import { missingFeature, type Policy, parsePolicy } from "../../policy/index.js";
import type { Domain } from "../../xen/domain.js";
import { INVALID_MFN } from "../../xen/p2m.js";
import { P2m } from "../../xen/types.js";
import { type Seen, type World, world } from "../../xen/world.fixture.js";
import type { Instruction } from "../program.js";
import { ASID, OTHER_VMID } from "./domains.js";
import { PROVED, type ProvedOccasion, programOf, type Scenario } from "./index.js";

const WHOLE = "dsb ishst\ntlbi vmalls12e1is\ndsb ish\nisb";
const LOOPS = `dsb ishst
for entry
tlbi ipas2e1is, ipa, ttl
end
dsb ish
if va-known
  for va-page
  tlbi vae1is, va
  end
end
if pages > 7
  tlbi vmalle1is
else
  tlbi vmalle1
end
dsb ish`;

/** A policy as users may write it: revoke code due then, code at the end of batches or not, a VMID a domain or a vCPU. */
function policyOf(due: Policy["due"], batchEnd: boolean, vmidPer: "domain" | "vcpu", revoke: string): Policy {
  const each = (code: string): string =>
    vmidPer === "vcpu" ? `for vmid\nwith owner-vmid\n${code}\nend\nend` : `with owner-vmid\n${code}\nend`;
  const section = (name: string, code: string, more = ""): string => `[${name}]\n${more}code = """\n${code}\n"""\n`;
  const name = `${due}${batchEnd ? "-and-end" : ""}-${vmidPer}${revoke === WHOLE ? "-whole" : ""}`;
  const atEnd = revoke === WHOLE ? "tlbi alle1is" : "if pages > 7\ntlbi alle1is\nelse\ntlbi vmalle1is\nend";
  const text = [
    `name = "${name}"\ntitle = "t"\nsource = "s"\nvmid-per = "${vmidPer}"\n`,
    section("revoke", each(revoke), `due = "${due}"\n`),
    section("switch", "dsb nshst\ntlbi vmalle1\ndsb nsh"),
    section("split", each(LOOPS)),
    section("vmid-assigned", each(WHOLE)),
    section("batch-end", batchEnd ? `${atEnd}\ndsb ish` : ""),
  ].join("");
  return parsePolicy(text, `${name}.toml`, () => assert.fail("no base"));
}

const BUILT_IN = policyNames().map(loadPolicy);
const POLICIES = [
  ...BUILT_IN,
  ...(["at-once", "unlock", "batch-end"] as const).flatMap((due) =>
    [false, true].flatMap((end) => [
      ...(["domain", "vcpu"] as const).map((per) => policyOf(due, end, per, LOOPS)),
      policyOf(due, end, "domain", WHOLE),
    ]),
  ),
];

/** The first page, of a 2 MiB block, and the guest's VA of it. */
const GFN = 0x40000;
const VPN = 0x7000_0000;

/** Owner's VMIDs as o0, o1; a TLBI's pages from the first page on. */
function vmidWord(vmid: number, owners: readonly number[]): string {
  const n = owners.indexOf(vmid);
  return `vttbr ${n < 0 ? "other" : `o${n}`}`;
}

function tlbiWord(op: number, operand: bigint, gfn: number, vpn: number): { word: string; page: number } {
  const { lo, hi } = halvesOf(operand);
  const fields = decodeOperand(TLBI_OPS[op]!.operand, lo, hi);
  const first = fields.kind.startsWith("va") ? vpn : gfn;
  const words = Object.entries(fields).map(([key, value]) =>
    key === "page" || key === "base" ? `${key} ${operand === 0n ? 0 : Number(value) - first}` : `${key} ${value}`,
  );
  const single = (fields.kind === "ipa" || fields.kind === "va") && operand !== 0n;
  return { word: [TLBI_OPS[op]!.name, ...words].join(" "), page: single ? fields.page - first : 0 };
}

/** What Xen executes in a scenario on a pCPU, in words; `handler`: as its EL2 handler. */
function proved(scenario: Scenario, pcpu = 0, handler = false): string[] {
  const { threads, names } = programOf(scenario);
  const at = (map: ReadonlyMap<number, string>, name: string): number => {
    for (const [address, known] of map) if (known === name) return address / 4096;
    return 0;
  };
  const [gfn, vpn] = [at(names.intermediate, "ipa1"), at(names.virtual, "x")];
  const { code, registers } = threads[pcpu]!;
  const value = (reg: number): bigint => registers[reg] ?? 0n;
  const word = (i: Instruction): string[] => {
    if (i.op === "barrier") return [`barrier ${i.text.toUpperCase()}`];
    if (i.op === "tlbi") return [tlbiWord(i.tlbi, i.rt === 31 ? 0n : value(i.rt), gfn, vpn).word];
    if (i.op === "msr" && i.sysreg === "VTTBR_EL2") {
      const vmid = Number(value(i.rt) >> 48n);
      return [vmidWord(vmid, vmid === OTHER_VMID ? [] : [1, 2])];
    }
    return i.op === "store" && !i.release ? [value(i.rt) === 0n ? "clear" : "make"] : [];
  };
  const own = scenario.pcpus[pcpu]!.lines.filter((line) => !/^\w+:$/.test(line)).length;
  const [from, to] = handler ? [own, own + 5 + scenario.pcpus[pcpu]!.hypervisor.length] : [0, own];
  return code.slice(from, to).flatMap(word);
}

/**
 * What the model emitted, in the same words; of pages from `looked` on a scenario leaves out descriptors, single TLBIs, and the
 * code that follows each of these descriptors at once.
 */
function emitted(events: readonly Seen[], owners: readonly number[], looked: number, gfn = GFN, vpn = VPN): string[] {
  let cleared = 0;
  return events.flatMap((e): string[] => {
    const beyond = cleared > looked;
    if (e.kind === "write") {
      if (e.to !== "0") return ["make"];
      return ++cleared > looked ? [] : ["clear"];
    }
    if (beyond && e.site === "__p2m_set_entry") return [];
    if (e.kind === "barrier") return [`barrier ${e.name}`];
    if (e.kind === "sysreg") return [vmidWord(Number(BigInt(`0x${e.to}`) >> 48n), owners)];
    if (e.kind !== "tlbi") return [];
    const { word, page } = tlbiWord(tlbiIndex(e.name)!, BigInt(`0x${e.to}`), gfn, vpn);
    return page >= looked ? [] : [word];
  });
}

/** A domain that owns pages, and another one; one of them runs on pCPU 0. */
function stageOf(policy: Policy, cpu: CpuProfile, current: boolean, ipaBits = 40): { w: World; owner: Domain } {
  const w = world({ policy, cpu: cpu.name, ramMib: 8, ipaBits });
  const other = w.domain(0, 0);
  const owner = w.domain(1, 0, 2);
  owner.p2m.asid = ASID;
  w.xen.run(0, (current ? owner : other).vcpus[0]!);
  w.take();
  return { w, owner };
}

interface Shape {
  /** pages mapped first: single ones, or a block */
  readonly mapped: number | "block";
  readonly does: (w: World, owner: Domain) => void;
  /** pages from the first that the scenario looks at, and its name */
  readonly looked: number;
  readonly scenario: string;
}

/** True when the code for removals goes page by page, or asks how many there are. */
const countsPages = ({ code }: Policy): boolean =>
  /"over":"(?!vmid)|"test":"pages"/.test(JSON.stringify([code.revoke, code["batch-end"]]));

/** There is no such scenario. */
const NONE = "batch.none";

/** Under one lock of the p2m. */
const removes =
  (pages: number, va = VPN) =>
  (_: World, { p2m }: Domain): void => {
    p2m.lock();
    assert.equal(p2m.setEntry(GFN, pages, INVALID_MFN, P2m.invalid, va), 0);
    p2m.unlock();
  };

/** In a call a page, or in the batch call. */
const calls =
  (size: number, batch: boolean) =>
  ({ physmap }: World): void => {
    const each = (from: number): number[] => Array.from({ length: size }, (_, n) => from + n);
    const errs = each(0);
    if (batch) physmap.removeFromPhysmapBatch({ domid: 1, size, gpfns: each(GFN), errs, vas: each(VPN) });
    else for (const n of each(0)) errs[n] = physmap.removeFromPhysmap(1, GFN + n, VPN + n);
    assert.deepEqual(errs, new Array<number>(size).fill(0));
  };

/** The first page's permission changes, as p2m_set_mem_access() does it. */
const allows = ({ p2m }: Domain, writable: boolean): void => {
  p2m.memAccessEnabled = true;
  p2m.lock();
  assert.ok(p2m.lookup(GFN));
  assert.equal(p2m.setEntry(GFN, 1, p2m.foundMfn, p2m.foundType, undefined, writable), 0);
  p2m.unlock();
};

const SHAPES: Readonly<Record<string, (policy: Policy, current: string) => Shape>> = {
  "a page": (_, c) => ({
    mapped: 1,
    does: removes(1),
    looked: 1,
    scenario: `revoke.other-pcpu.${c}.page.read`,
  }),
  "a page whose VA nobody told": (_, c) => ({
    mapped: 1,
    does: removes(1, -1),
    looked: 1,
    scenario: `revoke.other-pcpu.${c}.page.va-unknown.read`,
  }),
  "two pages": (_, c) => ({
    mapped: 2,
    does: removes(2),
    looked: 2,
    scenario: `revoke.other-pcpu.${c}.two-pages.1.read`,
  }),
  "a block": (_, c) => ({
    mapped: "block",
    does: removes(512),
    looked: 1,
    scenario: `revoke.other-pcpu.${c}.block.read`,
  }),
  "more pages than a threshold": (_, c) => ({
    mapped: 8,
    does: removes(8),
    looked: 2,
    scenario: `revoke.other-pcpu.${c}.above-7.1.read`,
  }),
  // A scenario's table spans the one page that it maps, Xen's 512: comparable where the code does not ask how many.
  "a table": (policy, c) => ({
    mapped: 1,
    does: removes(512),
    looked: 1,
    scenario: c === "current" && !countsPages(policy) ? "revoke.other-pcpu.stage-2-table" : NONE,
  }),
  "two removals, in a batch where there are batches": ({ batch }, c) => ({
    mapped: 2,
    does: calls(2, batch),
    looked: 2,
    scenario: `batch.other-pcpu.${c}.1.read`,
  }),
  "a batch of more pages than a threshold": ({ due }, c) => ({
    mapped: 8,
    does: calls(8, true),
    looked: 2,
    // Code that is due before cannot tell how many will come.
    scenario: due === "batch-end" ? `revoke.other-pcpu.${c}.above-7.1.read` : NONE,
  }),
  "two removals that free early": ({ batch }, c) => ({
    mapped: 2,
    does: calls(2, batch),
    looked: 2,
    scenario: batch && c === "current" ? "batch.reallocated-between.read" : NONE,
  }),
  "a page write-protected": (_, c) => ({
    mapped: 1,
    does: (_w, domain) => allows(domain, false),
    looked: 1,
    scenario: `write-protected.other-pcpu.${c}.page`,
  }),
  "a page that may be written again": (_, c) => ({
    mapped: 1,
    does: (w, domain) => {
      allows(domain, false);
      w.take();
      allows(domain, true);
    },
    looked: 1,
    scenario: `permission-relaxed.other-pcpu.${c}.page`,
  }),
  "a page of a domain that dies": (_, c) => ({
    mapped: 1,
    does: (w, domain) => {
      domain.p2m.beginRelinquish();
      removes(1, -1)(w, domain);
    },
    looked: 1,
    scenario: c === "not-current" ? "domain-dies.last-write" : NONE,
  }),
  "a table that is freed": (policy, c) => ({
    mapped: 1,
    does: removes(512),
    looked: 1,
    scenario: countsPages(policy) ? NONE : `table-freed.other-pcpu.${c}.full`,
  }),
  "a split": (_, c) => ({
    mapped: "block",
    does: removes(1),
    looked: 1,
    scenario: `split.other-pcpu.${c}.read`,
  }),
};

/** A split is from the block's descriptor on to its successor; what comes before and after is no part of it. */
function onlySplit(events: readonly Seen[]): Seen[] {
  const from = events.findIndex((e) => e.kind === "write" && e.to === "0");
  const length = events.slice(from).findIndex((e) => e.kind === "write" && e.to !== "0");
  return events.slice(from, from + length + 1);
}

/** One with nothing, one with most and the erratum, one with all features. */
const CPUS = ["cortex-a72", "neoverse-v2", "arch-maximal"].map((name) => builtInCpu(name));
const PAIRS = POLICIES.flatMap((policy) =>
  CPUS.filter((cpu) => missingFeature(policy, cpu) === undefined).map((cpu) => ({ policy, cpu })),
).filter(({ policy, cpu }) => BUILT_IN.includes(policy) || cpu !== CPUS[0]);

/** The scenarios of an occasion by name, made once for each pair. */
const made = new Map<string, Map<string, Scenario>>();
function scenariosOf(occasion: ProvedOccasion, policy: Policy, cpu: CpuProfile): Map<string, Scenario> {
  const key = `${occasion} ${policy.name} ${cpu.name}`;
  const known =
    made.get(key) ?? new Map(PROVED[occasion].scenarios(policy, cpu, { fb: true }).map((one) => [one.name, one]));
  made.set(key, known);
  return known;
}

for (const [name, shape] of Object.entries(SHAPES))
  test(`${name}: a scenario's Xen executes what the model of Xen emits, under every policy`, () => {
    let compared = 0;
    for (const { policy, cpu } of PAIRS)
      for (const current of ["current", "not-current"]) {
        const { mapped, does, looked, scenario } = shape(policy, current);
        const found = scenariosOf(scenario.split(".")[0] as ProvedOccasion, policy, cpu).get(scenario);
        if (found === undefined) continue;
        const { w, owner } = stageOf(policy, cpu, current === "current");
        const block = mapped === "block";
        const list = Array.from({ length: block ? 1 : mapped }, (_, i) => GFN + i);
        assert.equal(w.physmap.populate(1, list, block ? 9 : 0), list.length);
        w.take();
        does(w, owner);
        const events = name === "a split" ? onlySplit(w.take()) : w.take();
        const is = emitted(events, owner.p2m.vmids, looked);
        assert.deepEqual(proved(found), is, `${policy.name} on ${cpu.name}, ${scenario}`);
        compared++;
      }
    assert.ok(compared >= 8, `${compared} compared`);
  });

test("a VMID is given out, a vCPU comes in: a scenario's Xen executes what the model of Xen emits, under every policy", () => {
  for (const { policy, cpu } of PAIRS) {
    const of = (occasion: "switch" | "vmid-assigned", name: string): Scenario =>
      scenariosOf(occasion, policy, cpu).get(name)!;
    const { w, owner } = stageOf(policy, cpu, true);
    const says = `${policy.name} on ${cpu.name}`;

    w.xen.run(0, owner.vcpus[1]!);
    const switched = emitted(w.take(), owner.p2m.vmids, 1);
    assert.deepEqual(proved(of("switch", "switch.other-page.read"), 0, true), switched, says);

    // The new domain of a scenario has one vCPU.
    assert.equal(w.xen.createDomain(2, 1), 0);
    const created = w.take();
    const heir = w.xen.domain(2)!;
    const behind = (list: string[]): string[] => list.slice(list.indexOf("barrier ISB") + 1);
    const elsewhere = proved(of("vmid-assigned", "vmid-assigned.other-pcpu.not-current.read"));
    assert.deepEqual(behind(elsewhere), emitted(created, heir.p2m.vmids, 1), says);

    w.xen.run(0, heir.vcpus[0]!);
    w.take();
    heir.p2m.invalidateRoot();
    const there = proved(of("vmid-assigned", "vmid-assigned.other-pcpu.current.read"));
    const again = w.take().filter(({ kind }) => kind !== "write");
    assert.deepEqual(behind(there), emitted(again, heir.p2m.vmids, 1), says);
  }
});

test("the page allocator's flush is one for scenarios and the model", () => {
  const policy = loadPolicy("remove-batch");
  for (const cpu of CPUS) {
    const scenario = scenariosOf("batch", policy, cpu).get("batch.reallocated-between.read")!;
    const { w } = stageOf(policy, cpu, true);
    w.machine.flushAllGuests(0);
    const is = emitted(w.take(), [], 1);
    assert.ok(is.includes("ALLE1IS kind none"), is.join());
    assert.deepEqual(proved(scenario, scenario.pcpus.length - 1), [...is, "make"], "and then the page is used");
  }
});
