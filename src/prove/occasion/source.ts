/**
 * A scenario as a litmus test in the form of the isla tool: what is proved can be read, saved, and given to other tools.
 * This file only writes the text; what it says is decided in the files beside it.
 */

/** One pCPU: what it runs, and its registers. */
export class Pcpu {
  readonly lines: string[] = [];
  /** code at EL2 that an HVC comes to; it ends with an ERET. Any other exception ends what the pCPU does */
  readonly hypervisor: string[] = [];
  readonly sysregs = new Map<string, string>();
  private readonly constants = new Map<string, number>();
  private next = 1;

  /** `title` begins with the name that stories use: "pCPU 1, the former owner". `el` is where it starts. */
  constructor(
    readonly title: string,
    readonly el: 1 | 2,
  ) {}

  /** A register that holds an expression of the litmus form; the same one for the same expression. */
  constant(expression: string): string {
    let register = this.constants.get(expression);
    if (register === undefined) {
      register = this.next++;
      this.constants.set(expression, register);
    }
    return `X${register}`;
  }

  /** A 64-bit number as a constant. */
  number(value: number | bigint): string {
    return this.constant(`extz(0x${value.toString(16)}, 64)`);
  }

  /** A register of its own, initially 0: for what is read. */
  result(): string {
    const register = this.next++;
    this.constants.set(`extz(0x0, 64) /* ${register} */`, register);
    return `X${register}`;
  }

  registers(): [number, string][] {
    if (this.next > 26) throw new Error("a scenario needs more registers than there are");
    return [...this.constants].map(([expression, register]) => [register, expression.replace(/ \/\*.*$/, "")]);
  }
}

/** A whole scenario. */
export interface Source {
  /** kebab-case: "other-pcpu.read.one-page" */
  readonly name: string;
  /** one sentence, for people */
  readonly title: string;
  /** the page_table_setup section */
  readonly tables: string;
  readonly pcpus: readonly Pcpu[];
  /** the bad state */
  readonly bad: string;
  /** what the bad state means */
  readonly meaning: string;
}

const indent = (lines: readonly string[], by = "    "): string =>
  lines.map((line) => (/^\w+:$/.test(line) ? line : by + line)).join("\n");

/** A fault ends what a pCPU does: its accesses that may fault are its last ones. */
const END = ["NOP                   // a fault ends the story of this pCPU"];

/** The hypervisor's code on one pCPU: an HVC runs it. */
function el2Handler(hypervisor: readonly string[]): readonly string[] {
  if (hypervisor.length === 0) return END;
  return [
    "MRS X29,ESR_EL2",
    "LSR X29,X29,#26",
    "SUB X29,X29,#0x16     // EC of an HVC",
    "CBNZ X29,fault",
    ...hypervisor,
    "fault:",
    ...END,
  ];
}

/** The scenario as a litmus test. */
export function litmusText(source: Source): string {
  const parts = [
    `arch = "AArch64"`,
    `name = "${source.name}"`,
    `symbolic = []`,
    "",
    `# ${source.title}`,
    `page_table_setup = """`,
    source.tables.trimEnd(),
    `"""`,
  ];
  source.pcpus.forEach((pcpu, i) => {
    const vector = 0x1000 * (2 * i + 1);
    parts.push(
      "",
      `# ${pcpu.title}`,
      `[thread.${i}]`,
      `code = """`,
      indent(pcpu.lines),
      `"""`,
      "",
      `[thread.${i}.reset]`,
    );
    for (const [register, expression] of pcpu.registers()) parts.push(`R${register} = "${expression}"`);
    for (const [name, expression] of pcpu.sysregs) parts.push(`${name} = "${expression}"`);
    parts.push(
      `VBAR_EL1 = "extz(0x${vector.toString(16)}, 64)"`,
      `VBAR_EL2 = "extz(0x${(vector + 0x1000).toString(16)}, 64)"`,
      `"PSTATE.EL" = "0b${pcpu.el === 1 ? "01" : "10"}"`,
      `"PSTATE.SP" = "0b1"`,
      "",
      `[section.thread${i}_el1_handler]`,
      `address = "0x${(vector + 0x200).toString(16)}"`,
      `code = """`,
      indent(END),
      `"""`,
      "",
      `[section.thread${i}_el2_handler]`,
      `address = "0x${(vector + 0x1400).toString(16)}"`,
      `code = """`,
      indent(el2Handler(pcpu.hypervisor)),
      `"""`,
    );
  });
  parts.push("", "[final]", `# ${source.meaning}`, `assertion = "${source.bad}"`, "");
  return parts.join("\n");
}
