/** The code of a program in herd's form: columns, and first values of registers. */
import { type Instruction, type Thread, Unsupported } from "../program.js";
import type { Column, Descriptor, First, Value } from "./syntax.js";
import { FROM_EL0, FROM_EL1 } from "./translate.js";

/** What the code asks of the rest of the test. */
interface Meaning {
  /** a register's first value; `page`: the number of that address's page */
  value(value: bigint): Value & { readonly page?: true };
  /** what stands for 0 in the descriptor at an address */
  invalid(at: number): Descriptor;
  /** refuses what herd does not have */
  tlbi(index: number): void;
}

/** Throws Unsupported for what herd's form cannot say. */
export function codeOf(threads: readonly Thread[], meaning: Meaning): { columns: Column[]; first: First[] } {
  const columns: Column[] = [];
  const first: First[] = [];
  threads.forEach((thread, i) => {
    const one = new ThreadCode(thread, i, meaning);
    columns.push(...one.columns());
    first.push(...one.first());
  });
  return { columns, first };
}

const refuse = (what: string): never => {
  throw new Unsupported(`${what}, which herd's form cannot say`);
};

class ThreadCode {
  private readonly own: readonly Instruction[];
  private readonly handler: readonly Instruction[];
  private readonly values = new Map<number, Value>();
  private readonly before: string[] = [];
  private readonly labels = new Map<number, string>();
  private readonly texts = new Map<Instruction, string>();

  constructor(
    private readonly thread: Thread,
    private readonly index: number,
    private readonly meaning: Meaning,
  ) {
    const { code, entry, el, sysregs } = thread;
    const piece = (from: number): Instruction[] => {
      const list: Instruction[] = [];
      for (let at = code.find(({ address }) => address === from); at; ) {
        list.push(at);
        const next: number = at.address + 4;
        at = code.find(({ address }) => address === next);
      }
      return list;
    };
    this.own = piece(entry);
    const vbar = Number(sysregs.VBAR_EL1 ?? 0n);
    this.handler = piece(vbar + (el === 0 ? FROM_EL0 : FROM_EL1));
    const vectors = code.filter(({ address }) => address >= vbar && address < vbar + 0x800 && address < entry);
    if (vectors.some((one) => !this.handler.includes(one))) refuse("a handler at another vector");
    for (const one of [...this.own, ...this.handler]) this.refuse(one);
    for (const [reg, value] of Object.entries(thread.registers)) this.register(Number(reg), value);
    this.descriptorsWritten();
  }

  private refuse(at: Instruction): void {
    const handles = this.handler.includes(at);
    if (at.op === "hvc" || at.op === "svc" || (at.op === "eret" && !handles)) refuse(at.op.toUpperCase());
    if (
      (at.op === "msr" || at.op === "mrs") &&
      !(handles && /_EL1$/.test(at.sysreg) && /^(ELR|ESR|FAR|SPSR)/.test(at.sysreg))
    )
      refuse(`${at.op.toUpperCase()} of ${at.sysreg}`);
    if (at.op === "barrier" && /nxs/i.test(at.text)) refuse(at.text);
    if (at.op === "tlbi") this.meaning.tlbi(at.tlbi);
    if (at.op === "branch" || at.op === "cbz" || /^ADR\b/i.test(at.text)) this.label(at);
  }

  /** A name for where an instruction branches to, or whose address it takes. */
  private label(at: Instruction): void {
    const target = "target" in at ? at.target : Number(at.op === "alu" && "imm" in at.operand ? at.operand.imm : 0n);
    const name = this.labels.get(target) ?? `L${this.labels.size}`;
    this.labels.set(target, name);
    this.texts.set(at, at.text.replace(/[^\s,]+$/, name));
  }

  private register(reg: number, value: bigint): void {
    const { page, ...held } = this.meaning.value(value);
    if (page) this.before.push(`LSR X${reg},X${reg},#12`);
    if (held.kind !== "number" || held.value !== 0n) this.values.set(reg, held as Value);
  }

  /** 0 is no descriptor to herd: a register that holds it and is written to one gets an invalid descriptor. */
  private descriptorsWritten(): void {
    const { registers } = this.thread;
    for (const at of this.own) {
      if (at.op !== "store" && at.op !== "load" && at.op !== "atomic") continue;
      const base = this.values.get(at.rn);
      if (base?.kind !== "address" || base.of !== "pte") continue;
      if (at.op !== "store") refuse("a load of a descriptor that may be 0");
      if (this.own.some((other) => other.op === "alu" && other.rd === (at as { rt: number }).rt))
        refuse("a descriptor that is computed");
      const { rt } = at as { rt: number };
      if (rt !== 31 && (registers[rt] ?? 0n) !== 0n) continue;
      const value = this.meaning.invalid(Number(registers[at.rn]));
      const reg = rt === 31 || this.values.has(rt) ? this.free() : rt;
      if (reg === rt && this.own.some((other) => other !== at && new RegExp(`\\b[XW]${reg}\\b`, "i").test(other.text)))
        refuse("a register that is 0 and an invalid descriptor");
      this.values.set(reg, value);
      if (reg !== rt) this.texts.set(at, at.text.replace(/\b(?:[XW]ZR|[XW]\d+)/i, `X${reg}`));
    }
  }

  private free(): number {
    const text = this.own.map((one) => one.text).join(" ");
    for (let reg = 28; reg > 0; reg--)
      if (!this.values.has(reg) && !new RegExp(`\\b[XW]${reg}\\b`, "i").test(text)) return reg;
    return refuse("a thread without a free register");
  }

  columns(): Column[] {
    const text = (list: readonly Instruction[], before: readonly string[]): string => {
      const lines = [...before];
      for (const at of list) {
        const label = this.labels.get(at.address);
        if (label !== undefined) lines.push(`${label}:`);
        lines.push(this.texts.get(at) ?? at.text);
      }
      const end = (list.at(-1)?.address ?? 0) + 4;
      if (this.labels.has(end)) lines.push(`${this.labels.get(end)!}:`);
      return lines.join("\n");
    };
    const column = { thread: this.index, handler: false, text: text(this.own, this.before), line: 0 };
    if (this.handler.length === 0) return [column];
    return [column, { ...column, handler: true, text: text(this.handler, []) }];
  }

  first(): First[] {
    return [...this.values].map(([reg, value]): First => {
      const place = { kind: "register", thread: this.index, name: `X${reg}` } as const;
      return { place, value, line: 0, ...(value.kind === "descriptor" ? { type: "pteval_t" } : {}) };
    });
  }
}
