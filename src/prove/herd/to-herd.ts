/**
 * A program as a test in herd's form, where that has the words: one stage-1 table of pages, no stage 2, no ASID and no VMID,
 * single addresses. What it has none for is refused by name.
 */
import { TLBI_OPS } from "../../arch/index.js";
import { addressOf, coverage, isLeaf, isTable } from "../litmus/descriptor.js";
import type { LitmusTest } from "../litmus/index.js";
import { offsetIn } from "../litmus/tables.js";
import { type Condition, Unsupported } from "../program.js";
import { codeOf } from "./herd-code.js";
import { herdText } from "./print.js";
import type { Descriptor, First, Place, Proposition, Setting, Value } from "./syntax.js";
import { TCR_HA, TCR_HD } from "./translate.js";
import { fieldsOf } from "./view.js";

const PAGE = 0x1000;

/** The text of the test. Throws Unsupported for what herd's form cannot say. */
export const toHerd = (test: LitmusTest): string => new ToHerd(test).text();

class ToHerd {
  private readonly root: number;
  /** names of variables by the pages of their addresses, and by physical pages */
  private readonly virtual: ReadonlyMap<number, string>;
  private readonly physical = new Map<number, string>();
  private readonly first: First[] = [];
  /** true when all accesses are of 64 bits */
  private readonly wide: boolean;
  /** variables by the addresses of their level-3 descriptors */
  private readonly ptes = new Map<number, string>();

  constructor(private readonly test: LitmusTest) {
    const { threads, names } = test.program;
    const { TTBR0_EL1: ttbr = 0n } = threads[0]!.sysregs;
    this.root = Number(ttbr & 0xffff_ffff_f000n);
    this.virtual = names.virtual;
    this.wide = threads.every(({ code }) => code.every((at) => !("size" in at) || at.size === 8));
    this.refuseRegimes();
    for (const [page, name] of names.physical) this.physical.set(page, name.replace(/^PA\((.+)\)$/, "$1"));
    for (const [page, name] of this.virtual) if (!this.physical.has(page)) this.physical.set(page, name);
  }

  private refuse(what: string): never {
    throw new Unsupported(`${what}, which herd's form cannot say`);
  }

  /** Stage 2, EL2, identifiers and other tables than the one. */
  private refuseRegimes(): void {
    const { threads, names, memory } = this.test.program;
    if (names.intermediate.size > 0) this.refuse("stage 2");
    for (const { el, sysregs } of threads) {
      const { TTBR0_EL1 = 0n, HCR_EL2 = 1n, VTTBR_EL2 = 0n, SCTLR_EL1 = 1n } = sysregs;
      if (el === 2) this.refuse("EL2");
      if (TTBR0_EL1 >> 48n !== 0n) this.refuse("an ASID");
      if (Number(TTBR0_EL1) !== this.root) this.refuse("more than one stage-1 table");
      if ((SCTLR_EL1 & 1n) === 0n) this.refuse("translation that is off");
      if ((HCR_EL2 & ~((1n << 31n) | 1n)) !== 0n) this.refuse(`HCR_EL2 = 0x${HCR_EL2.toString(16)}`);
      if ((HCR_EL2 & 1n) === 0n) continue;
      if (VTTBR_EL2 >> 48n !== 0n) this.refuse("a VMID");
      for (const page of [...names.physical.keys(), ...names.virtual.keys()]) {
        const end = walked(memory.read, Number(VTTBR_EL2), page);
        if (end.output !== undefined && end.output !== page) this.refuse("stage 2");
      }
    }
  }

  text(): string {
    const { program, quantifier = "exists", why } = this.test;
    for (const [page, name] of this.virtual) this.mapping(page, name);
    for (const [page, name] of this.physical) this.data(page, name);
    const { columns, first } = codeOf(program.threads, {
      value: (value) => this.value(value),
      invalid: (at) => this.invalid(this.ptes.get(at)),
      tlbi: (index) => this.tlbi(index),
    });
    const settings: Setting[] = [{ key: "Variant", value: "vmsa,fatal", line: 0 }];
    if (why !== undefined) settings.push({ key: "Why", value: why.replace(/\s+/g, " "), line: 0 });
    const el0 = program.threads.flatMap(({ el }, i) => (el === 0 ? [`P${i}`] : []));
    if (el0.length > 0) settings.push({ key: "EL0", value: el0.join(","), line: 0 });
    const managed = program.threads.flatMap(({ sysregs: { TCR_EL1 = 0n } }, i) =>
      (TCR_EL1 & TCR_HA) === 0n ? [] : [`P${i}:${(TCR_EL1 & TCR_HD) === 0n ? "HA" : "HD"}`],
    );
    if (managed.length > 0) settings.push({ key: "TTHM", value: managed.join(" "), line: 0 });
    const proposition = this.proposition(program.final);
    return herdText({
      name: this.test.name,
      settings,
      first: [...this.first, ...first],
      columns,
      shown: [],
      quantifier,
      proposition,
    });
  }

  private mapping(page: number, name: string): void {
    const { slot, level, descriptor } = walked(this.test.program.memory.read, this.root, page);
    if (level !== 3) this.refuse(`a descriptor of ${name} at level ${level}`);
    this.ptes.set(slot, name);
    const own = this.physical.get(page) === name && !this.test.program.names.physical.has(page);
    const value = descriptor === 0n ? this.invalid(name) : this.descriptor(descriptor);
    const plain = own && value.kind === "descriptor" && value.oa?.name === name && value.fields.size === 0;
    if (!plain) this.first.push({ place: { kind: "pte", name }, value, line: 0 });
  }

  private invalid(name: string | undefined): Descriptor {
    return {
      kind: "descriptor",
      ...(name === undefined ? {} : { oa: { of: "pa", name } }),
      fields: new Map([["valid", 0]]),
      attributes: [],
      line: 0,
    };
  }

  private data(page: number, name: string): void {
    const { memory } = this.test.program;
    for (let i = 8; i < PAGE; i += 8) if (memory.read(page + i) !== 0n) this.refuse(`a value at ${name} + ${i}`);
    const value = memory.read(page);
    // herd's own type is an int: right where some access has 32 bits.
    const type = this.wide ? { type: "int64_t" } : {};
    if (value !== 0n || this.wide)
      this.first.push({ place: { kind: "variable", name }, ...type, value: { kind: "number", value }, line: 0 });
  }

  private tlbi(index: number): void {
    const { name, regime, operand, needs } = TLBI_OPS[index]!;
    if (
      regime === "EL2" ||
      operand === "ipa" ||
      /range/.test(operand) ||
      operand === "asid" ||
      /NXS$|S12|^ALL/.test(name) ||
      /XS/.test(String(needs))
    )
      // biome-ignore format: one row
      this.refuse(`TLBI ${name}`);
  }

  private descriptor(bits: bigint): Descriptor {
    const output = Number(bits & 0xffff_ffff_f000n);
    const name = this.physical.get(output);
    const fields = fieldsOf(bits);
    if (fields === undefined) this.refuse(`the descriptor 0x${bits.toString(16)}`);
    if (name === undefined && output !== 0) this.refuse(`a mapping to 0x${output.toString(16)}`);
    return {
      kind: "descriptor",
      ...(name === undefined ? {} : { oa: { of: "pa", name } }),
      fields,
      attributes: [],
      line: 0,
    };
  }

  /** A register's value: an address, a descriptor's address, a descriptor, or a number. */
  private value(value: bigint): Value & { readonly page?: true } {
    if (value < 1n << 48n) {
      const at = Number(value);
      const name = this.virtual.get(at - (at % PAGE));
      if (name !== undefined && at % PAGE === 0) return { kind: "address", of: "variable", name };
      if (name !== undefined) this.refuse(`an address inside of ${name}`);
      const pte = this.ptes.get(at);
      if (pte !== undefined) return { kind: "address", of: "pte", name: pte };
      if (/descriptor/.test(this.test.program.memory.describe(at) ?? "")) this.refuse("a descriptor above level 3");
      const paged = this.virtual.get(at * PAGE);
      if (paged !== undefined) return { kind: "address", of: "variable", name: paged, page: true };
    }
    if (fieldsOf(value) !== undefined && this.physical.has(Number(value & 0xffff_ffff_f000n)))
      return this.descriptor(value);
    if (value >= 1n << 48n && value < (1n << 64n) - 4096n) this.refuse(`the value 0x${value.toString(16)}`);
    return { kind: "number", value };
  }

  private proposition(condition: Condition): Proposition {
    switch (condition.kind) {
      case "true":
      case "false":
        return condition;
      case "and":
      case "or":
        return { kind: condition.kind, of: condition.of.map((one) => this.proposition(one)) };
      case "not":
        return { kind: "not", of: this.proposition(condition.of) };
      case "reg": {
        const place: Place = { kind: "register", thread: condition.thread, name: `X${condition.reg}` };
        return { kind: "equals", place, value: this.value(condition.value), line: 0 };
      }
      case "mem": {
        const pte = this.ptes.get(condition.pa);
        const name = this.physical.get(condition.pa);
        if (pte !== undefined) {
          const value = condition.value === 0n ? this.invalid(pte) : this.descriptor(condition.value);
          return { kind: "equals", place: { kind: "pte", name: pte }, value, line: 0 };
        }
        if (name === undefined) return this.refuse("memory without a name in the assertion");
        return { kind: "equals", place: { kind: "variable", name }, value: this.value(condition.value), line: 0 };
      }
      default:
        return this.refuse(
          condition.kind === "fault" ? "a fault of the assertion" : "a system register in the assertion",
        );
    }
  }
}

/** Where a walk of four levels ends at first. */
function walked(
  read: (pa: number) => bigint,
  root: number,
  address: number,
): { slot: number; level: number; descriptor: bigint; output: number | undefined } {
  let at = root;
  for (let level = 0; ; level++) {
    const slot = at + offsetIn(address, level);
    const descriptor = read(slot);
    if (isTable(descriptor, level)) {
      at = addressOf(descriptor);
      continue;
    }
    const output = isLeaf(descriptor, level) ? addressOf(descriptor) + (address % coverage(level)) : undefined;
    return { slot, level, descriptor, output };
  }
}
