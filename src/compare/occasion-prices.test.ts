import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInHost, builtInPolicy, hostNames } from "../builtin/index.js";
import { isNested, priceTlbi } from "../host/index.js";
import { InputError } from "../input/index.js";
import { parsePolicy } from "../policy/index.js";
import { PROVED, type ProvedOccasion } from "../prove/index.js";
import { priceOccasions } from "./occasion-prices.js";

type Asked = Parameters<typeof priceOccasions>[0];

const ALL = Object.keys(PROVED) as ProvedOccasion[];
const [cpu, hosts] = [builtInCpu("neoverse-v2"), hostNames().map(builtInHost)];
const nested = hosts.filter(isNested);
const priced = (policy: string, asked: Partial<Asked> = {}) =>
  priceOccasions({
    ...{ policy: builtInPolicy(policy), cpu, hosts, occasions: ALL, ipaBits: [40], pages: 1, touched: 0 },
    ...asked,
  });
const mine = (toml: string) =>
  parsePolicy(`name = "mine"\ntitle = "t"\nsource = "s"\nbase = "xen-today"\n${toml}`, "mine.toml", builtInPolicy);

test("without refaults, an occasion costs on bare metal what the TLBIs that its code executes cost one by one", () => {
  const host = builtInHost("bare-metal");
  const { rows } = priced("kvm-ipa", { hosts: [host] });
  assert.ok(rows.length > 5);
  for (const { occasion, tlbi, microseconds } of rows) {
    const each = Object.entries(tlbi).map(
      ([op, n]) => n * priceTlbi({ op, operand: 0n, host, ipaBits: 40, shadow: 0 }).microseconds,
    );
    const sum = each.reduce((all, one) => all + one, 0);
    assert.ok(Math.abs(microseconds - sum) < 1e-9, `${occasion}: ${microseconds}, expected ${sum}`);
  }
});

test("a nested host drops what the guest has touched, and what it touches again is in the price", () => {
  const revoke = (policy: string, touched: number) =>
    priced(policy, { hosts: nested.slice(0, 1), occasions: ["revoke"], pages: 4, touched }).rows[0]!;
  // The whole VMID goes: the four pages that were removed are not touched again, all others are.
  const { leavesDropped, refaults, parts } = revoke("xen-today", 300);
  assert.deepEqual([leavesDropped, refaults], [304, 300]);
  assert.ok(parts.refault > 0 && parts.walk > 0);
  const byIpa = revoke("kvm-ipa", 300);
  assert.deepEqual([byIpa.leavesDropped, byIpa.refaults], [4, 0]);
  assert.equal(revoke("remove-no-flush", 300).microseconds, 0);
});

test("the price of a flush of the whole VMID grows with the IPA size, and on bare metal nothing does", () => {
  const { rows } = priced("xen-today", { occasions: ["switch"], ipaBits: [40, 44, 48], touched: 512 });
  for (const host of hosts) {
    const [small, middle, large] = rows.filter((row) => row.host === host.name).map(({ microseconds }) => microseconds);
    if (isNested(host)) assert.ok(small! < middle! && middle! <= large!, host.name);
    else assert.deepEqual([small, middle], [large, large]);
  }
});

test("a batch is as many removals, with one flush where the policy has batches", () => {
  const tlbis = (policy: string, occasion: ProvedOccasion) =>
    priced(policy, { occasions: [occasion], pages: 16, hosts: nested.slice(0, 1), cpu: builtInCpu("cortex-a72") })
      .rows[0]!.tlbi;
  assert.deepEqual(tlbis("xen-today", "batch"), { VMALLS12E1IS: 16 });
  assert.deepEqual(tlbis("xen-today", "revoke"), { VMALLS12E1IS: 1 });
  assert.deepEqual(tlbis("remove-batch", "batch"), tlbis("remove-batch", "revoke"));
});

test("what the policy does not say, does not know, or sends to other PEs has no price, and why is said", () => {
  const { rows, without } = priceOccasions({
    ...{ cpu, hosts: nested, occasions: ALL, ipaBits: [40], pages: 1, touched: 0 },
    policy: mine(`[switch]\ncode = "unknown"\n[split]\ncode = """\non every-pe\n  tlbi vmalle1\n  dsb nsh\nend\n"""\n`),
  });
  const reasons = Object.fromEntries(without.map(({ occasion, reason }) => [occasion, reason]));
  assert.match(reasons["stage1-edited"]!, /does not say what it executes/);
  assert.match(reasons.switch!, /^mine\.toml:6: .*unknown/);
  assert.match(reasons.split!, /sends IPIs/);
  assert.deepEqual(new Set([...rows.map(({ occasion }) => occasion), ...Object.keys(reasons)]), new Set(ALL));
});

test("every occasion of every policy that is built in has a price, or a reason why it has none", () => {
  for (const name of ["xen-today", "vmid-per-vcpu", "remove-batch", "va-ipa-range", "series-v3-patch2"]) {
    const { rows, without } = priced(name, { pages: 64, touched: 8, hosts: nested.slice(0, 1) });
    assert.deepEqual([...rows, ...without].map(({ occasion }) => occasion).sort(), [...ALL].sort(), name);
  }
});

test("a policy that the CPU cannot run, or whose operands are of other tables, is refused", () => {
  assert.throws(() => priced("va-ipa-range", { cpu: builtInCpu("cortex-a72") }), InputError);
  const other = { ...builtInPolicy("xen-today"), granule: 16 } as const;
  assert.throws(() => priced("xen-today", { policy: other }), /granule/);
});
