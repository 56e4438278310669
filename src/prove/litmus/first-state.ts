/** What a thread of a litmus file begins with: general-purpose and system registers, the Exception level. */
import type { GranuleBits } from "../../arch/index.js";
import type { Thread, ThreadSysreg } from "../program.js";
import { generalRegister, sysregsAtStart, threadSysreg } from "./registers.js";

/** What a thread begins with. */
export class FirstState {
  private readonly registers: Record<number, bigint> = {};
  private readonly sysregs: Partial<Record<ThreadSysreg, bigint>>;
  private readonly said = new Set<ThreadSysreg>();
  /** TCR_EL1 at the start, and TCR_EL2 with HCR_EL2.E2H = 1 */
  private readonly tcr: bigint;
  private el: 0 | 1 | 2 = 0;
  private sp: 0 | 1 = 0;

  constructor(stage1: number, stage2: number, granule: GranuleBits) {
    this.sysregs = sysregsAtStart(stage1, stage2, granule);
    this.tcr = this.sysregs.TCR_EL1!;
  }

  /** False when this tool has no such register. */
  set(name: string, value: bigint): boolean {
    const reg = generalRegister(name);
    const sysreg = threadSysreg(name);
    if (reg !== undefined) this.registers[reg] = value;
    else if (sysreg !== undefined) {
      this.sysregs[sysreg] = value;
      this.said.add(sysreg);
    } else return this.setOther(name.toUpperCase(), Number(value));
    return true;
  }

  private setOther(name: string, value: number): boolean {
    if (name === "PSTATE.EL" && (value === 0 || value === 1 || value === 2)) this.el = value;
    // ArchSem gives the Exception level itself; the register has it in bits [3:2] (DDI 0487, C5.2.1).
    else if (name === "CURRENTEL" && (value <= 2 || value === 4 || value === 8))
      this.el = (value > 2 ? value / 4 : value) as 0 | 1 | 2;
    else if (name === "PSTATE.SP" && (value === 0 || value === 1)) this.sp = value;
    // No instruction here can tell what these hold, and interrupts are no part of the model.
    else if (/^(SP|SP_EL[0-2]|CPACR_EL1|CPTR_EL2|MDSCR_EL1)$/.test(name)) return true;
    // Flags are 0 at first, and AArch64 is what there is.
    else return /^PSTATE\.[DAIF]$/.test(name) || (value === 0 && /^PSTATE\.([NZCV]|NRW)$/.test(name));
    return true;
  }

  parts(): Pick<Thread, "registers" | "sysregs" | "el" | "sp"> {
    const { registers, el, sp } = this;
    // With E2H = 1 TCR_EL2 is laid out as TCR_EL1 is.
    const e2h = ((this.sysregs.HCR_EL2 ?? 0n) & (1n << 34n)) !== 0n;
    const sysregs = e2h && !this.said.has("TCR_EL2") ? { ...this.sysregs, TCR_EL2: this.tcr } : this.sysregs;
    return { registers, sysregs, el, sp };
  }
}
