/** What a thread's executions come to: which atoms of the condition hold at the end, or what is observed there. */
import type { FaultType, Instruction, Observed } from "../program.js";
import { type Atom, anyEnd } from "./atom.js";
import type { Code } from "./code.js";
import { FAULTS, PC, reg, type State, sysreg, sysregPlace } from "./state.js";

export class Outcomes {
  /** What was observed, by the number of an outcome: ids of values, the PC itself, 1 or 0 for faults. */
  readonly seen: (readonly number[])[] = [];
  private readonly seenBefore = new Map<string, number>();

  /** `observed`: outcomes are not masks of the atoms but numbers of what is observed at the end, see {@link seen} */
  constructor(
    private readonly code: Code,
    private readonly atoms: readonly Atom[],
    private readonly observed: readonly Observed[] | undefined,
  ) {}

  /** True where outcomes are masks of atoms. */
  get areMasks(): boolean {
    return this.observed === undefined;
  }

  /** The outcome of a final state. */
  of(s: State): number {
    if (this.observed) return this.view(s, this.observed);
    let mask = s[FAULTS]!;
    for (const atom of this.atoms) if (this.holds(s, atom)) mask |= 1 << atom.bit;
    return mask;
  }

  /** The number of what is observed in a final state. */
  private view(s: State, observed: readonly Observed[]): number {
    let fault = 0;
    const values = observed.map((one) => {
      if (one.kind === "reg") return reg(s, one.reg);
      if (one.kind === "sysreg") return sysreg(s, sysregPlace(one.sysreg));
      if (one.kind === "pc") return s[PC]! < 0 ? 0 : this.code.at(s[PC]!).address;
      return one.kind === "fault" ? (s[FAULTS]! >> this.atoms[fault++]!.bit) & 1 : 0;
    });
    const key = values.join();
    let number = this.seenBefore.get(key);
    if (number === undefined) {
      number = this.seen.push(values) - 1;
      this.seenBefore.set(key, number);
    }
    return number;
  }

  /** The masks that a thread may end with of which anything may come from here on, but for what no instruction ahead writes. */
  anyFrom(s: State): readonly number[] {
    return anyEnd(s[FAULTS]!, this.atoms, (atom) =>
      "reg" in atom && !this.code.mayWrite(s[PC]!, atom.reg) ? this.holds(s, atom) : undefined,
    );
  }

  /** True when an atom about the end holds; faults have set their bits. */
  private holds(s: State, atom: Atom): boolean {
    if ("reg" in atom) return reg(s, atom.reg) === atom.value;
    if ("sysreg" in atom) return sysreg(s, sysregPlace(atom.sysreg)) === atom.value;
    return "pc" in atom && s[PC]! >= 0 && this.code.at(s[PC]!).address === atom.pc;
  }

  /** The atoms, as bits, that speak of such a fault. */
  faultBits(at: Instruction, va: number, type: FaultType): number {
    let bits = 0;
    for (const atom of this.atoms) {
      if (!("faults" in atom)) continue;
      const { at: addresses, from = 0, to = Number.POSITIVE_INFINITY, type: wanted = type } = atom.faults;
      if (wanted === type && va >= from && va < to && (addresses?.includes(at.address) ?? true)) bits |= 1 << atom.bit;
    }
    return bits;
  }
}
