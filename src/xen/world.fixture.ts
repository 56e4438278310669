/** A small machine with Xen on it, and its trace as plain objects, for tests. */
import { builtInCpu } from "../builtin/index.js";
import { type Policy, parsePolicy, policyOn } from "../policy/index.js";
import { nameOf } from "../trace/event.js";
import { type EventBuffer, KINDS, type Names, Recorder, type TraceSink } from "../trace/index.js";
import { type Domain, Xen } from "./domain.js";
import { Machine } from "./machine.js";
import { Physmap } from "./physmap.js";
import { DEFAULT_VERSION, xenVersion } from "./versions.js";

/** One event. The 64-bit columns are numbers here, `to` of an end mark signed; values above 2^53 lose low bits. */
export interface Seen {
  readonly kind: (typeof KINDS)[number];
  readonly name: string;
  readonly pcpu: number;
  readonly domain: number;
  readonly vmid: number;
  readonly site: string;
  readonly level: number;
  readonly slot: number;
  readonly address: string;
  readonly from: string;
  readonly to: string;
}

/** A sink that keeps everything. */
export class Collector implements TraceSink {
  readonly list: Seen[] = [];

  events(b: EventBuffer, names: Names): void {
    const wide = (column: Uint32Array, i: number): string =>
      ((BigInt(column[2 * i + 1]!) << 32n) | BigInt(column[2 * i]!)).toString(16);
    for (let i = 0; i < b.length; i++)
      this.list.push({
        kind: KINDS[b.kind[i]!]!,
        name: nameOf(b.kind[i]!, b.code[i]!, names),
        pcpu: b.pcpu[i]!,
        domain: b.domain[i]!,
        vmid: b.vmid[i]!,
        site: names.list[b.site[i]!]!,
        level: b.level[i]!,
        slot: b.slot[i]!,
        address: wide(b.address, i),
        from: wide(b.from, i),
        to: wide(b.to, i),
      });
  }
}

const WHOLE = "dsb ishst\ntlbi vmalls12e1is\ndsb ish\nisb";

/** A policy that flushes the whole VMID (no domain's own code), or with `revoke` code of its own. */
export function testPolicy({
  due = "unlock",
  revoke = WHOLE,
  vmidPer = "domain",
  batchEnd = "",
}: {
  due?: Policy["due"];
  revoke?: string;
  vmidPer?: "domain" | "vcpu";
  batchEnd?: string;
} = {}): Policy {
  const each = (code: string): string =>
    vmidPer === "vcpu" ? `for vmid\nwith owner-vmid\n${code}\nend\nend` : `with owner-vmid\n${code}\nend`;
  const section = (name: string, code: string): string => `[${name}]\ncode = """\n${code}\n"""\n`;
  const toml = `name = "test-policy"
title = "t"
source = "s"
vmid-per = "${vmidPer}"
[revoke]
due = "${due}"
code = """
${each(revoke)}
"""
${section("switch", "tlbi vmalls12e1\ndsb nsh")}${section("split", each(WHOLE))}${section("vmid-assigned", each(WHOLE))}${section("batch-end", batchEnd)}`;
  return parsePolicy(toml, "test-policy.toml", () => {
    throw new Error("no base");
  });
}

export interface World {
  readonly xen: Xen;
  readonly machine: Machine;
  readonly physmap: Physmap;
  /** events since the last call */
  take(): Seen[];
  /** creates a domain with `pages` 4 KiB pages at gfn 0 (or `at`) and takes the events away */
  domain(id: number, pages: number, vcpus?: number, at?: number): Domain;
}

/** A machine without scenario. Defaults: 2 pCPUs, 64 MiB, 40 bits, no erratum, 8-bit VMIDs, Xen 4.20.4. */
export function world({
  policy = testPolicy(),
  ipaBits = 40,
  cpu = "cortex-a72",
  ramMib = 64,
  pcpus = 2,
  preemptAfter = 4096,
  populatePreemptAfter = Number.POSITIVE_INFINITY,
  version = DEFAULT_VERSION,
} = {}): World {
  const sink = new Collector();
  const recorder = new Recorder(pcpus, [sink]);
  const profile = builtInCpu(cpu);
  const machine = new Machine(recorder, [policyOn(policy, profile)], profile, pcpus, ramMib * 256, xenVersion(version));
  const xen = new Xen(machine, ipaBits);
  const physmap = new Physmap(xen, preemptAfter, populatePreemptAfter);
  const take = (): Seen[] => {
    recorder.flush();
    return sink.list.splice(0);
  };
  return {
    xen,
    machine,
    physmap,
    take,
    domain(id, pages, vcpus = 1, at = 0) {
      if (xen.createDomain(id, vcpus) !== 0) throw new Error("the domain cannot be created");
      const list = Array.from({ length: pages }, (_, i) => at + i);
      if (pages > 0 && physmap.populate(id, list, 0) !== pages) throw new Error("no memory");
      xen.unpause(id);
      take();
      return xen.domain(id)!;
    },
  };
}

/** Names of the TLBIs, in order. */
export const tlbisOf = (events: readonly Seen[]): string[] =>
  events.filter((e) => e.kind === "tlbi").map((e) => e.name);

/** What matters of the order of a break-before-make: "clear" and "set" of entries, TLBIs, owner changes. */
export function orderOf(events: readonly Seen[]): string[] {
  return events.flatMap((e) => {
    if (e.kind === "write") return [e.to === "0" ? "clear" : "set"];
    if (e.kind === "tlbi") return [e.name];
    return e.kind === "owner" ? ["owner"] : [];
  });
}
