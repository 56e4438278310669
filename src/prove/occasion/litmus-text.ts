/** A scenario as a litmus test in the form of the isla tool: what is proved can be read, saved, and given to other tools. */
import { CURRENT_EL, END, type Equal, el2Handler, granuleOf, LOWER_EL, type PcpuValue, type Scenario, vectorsOf } from "./scenario.js"; // biome-ignore format: one row
import { tablesText } from "./tables.js";
import { hex, type Term, termText } from "./terms.js";

const indent = (lines: readonly string[], by = "    "): string =>
  lines.map((line) => (/^\w+:$/.test(line) ? line : by + line)).join("\n");

const equalText = (equal: Equal): string =>
  "at" in equal ? `*${equal.at} = ${equal.value}` : `${equal.pcpu}:${equal.register} = ${equal.value}`;

/** One pCPU with its handlers. */
function pcpuText(pcpu: PcpuValue, i: number): string[] {
  const { el1, el2 } = vectorsOf(i);
  const section = (el: 1 | 2, address: number, lines: readonly string[]): string[] => [
    "",
    `[section.thread${i}_el${el}_handler]`,
    `address = "${hex(address)}"`,
    `code = """`,
    indent(lines),
    `"""`,
  ];
  return [
    "",
    `# ${pcpu.title}`,
    `[thread.${i}]`,
    `code = """`,
    indent(pcpu.lines),
    `"""`,
    "",
    `[thread.${i}.reset]`,
    ...pcpu.registers.map((value, n) => `R${n + 1} = "${termText(value)}"`),
    ...Object.entries(pcpu.sysregs).map(([name, value]: [string, Term]) => `${name} = "${termText(value)}"`),
    `VBAR_EL1 = "extz(${hex(el1)}, 64)"`,
    `VBAR_EL2 = "extz(${hex(el2)}, 64)"`,
    `"PSTATE.EL" = "0b${pcpu.el === 1 ? "01" : "10"}"`,
    `"PSTATE.SP" = "0b1"`,
    ...section(1, el1 + CURRENT_EL, END),
    ...section(2, el2 + LOWER_EL, el2Handler(pcpu.hypervisor)),
  ];
}

/** The scenario as a litmus test. */
export function litmusText(scenario: Scenario): string {
  return [
    `arch = "AArch64"`,
    `name = "${scenario.name}"`,
    `symbolic = []`,
    "",
    `# ${scenario.title}`,
    `page_table_setup = """`,
    "",
    tablesText(scenario.tables, granuleOf(scenario)),
    `"""`,
    ...scenario.pcpus.flatMap(pcpuText),
    "",
    "[final]",
    `# ${scenario.meaning}`,
    `assertion = "${scenario.bad.map(equalText).join(" & ")}"`,
    "",
  ].join("\n");
}
