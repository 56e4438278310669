/** A scenario as a program for the prover: the same that its litmus test is when it is read. */
import { entryOf } from "../litmus/assembler.js";
import { assembleLines } from "../litmus/code-lines.js";
import { evaluate, type Scope } from "../litmus/evaluate.js";
import { layOut, type Symbolic } from "../litmus/layout.js";
import { sysregsAtStart } from "../litmus/registers.js";
import { Setup } from "../litmus/setup.js";
import type { Statement } from "../litmus/setup-syntax.js";
import type { Condition, Instruction, Program, Thread, ThreadSysreg } from "../program.js";
import { CURRENT_EL, END, type Equal, el2Handler, granuleOf, LOWER_EL, type PcpuValue, type Scenario, vectorsOf } from "./scenario.js"; // biome-ignore format: one row
import { statementsOf } from "./tables.js";
import { expressionOf, type Term } from "./terms.js";

/** Tables as statements, and where their names lie. */
interface Layout {
  readonly statements: readonly Statement[];
  readonly symbols: readonly Symbolic[];
}

/** Layouts by the JSON of what they were made from: all scenarios together have some twenty different ones. */
const layouts = new Map<string, Layout>();

function layoutOf(scenario: Scenario): Layout {
  const { name, tables } = scenario;
  const granule = granuleOf(scenario);
  const key = `${granule} ${JSON.stringify(tables)}`;
  const known = layouts.get(key);
  if (known !== undefined) return known;
  const statements = statementsOf(tables, granule);
  const layout = { statements, symbols: layOut([], statements, name) };
  layouts.set(key, layout);
  return layout;
}

/** Throws an InputError when a pCPU's code is too long. */
export function programOf(scenario: Scenario): Program {
  const { name, pcpus, bad } = scenario;
  const { statements, symbols } = layoutOf(scenario);
  const setup = new Setup([], statements, name, undefined, symbols);
  const handlers = pcpus.map(({ hypervisor }, i): readonly Instruction[] => {
    const { el1, el2 } = vectorsOf(i);
    return [
      ...assembleLines(END, el1 + CURRENT_EL, name).instructions,
      ...assembleLines(el2Handler(hypervisor), el2 + LOWER_EL, name).instructions,
    ];
  });
  const threads = pcpus.map((pcpu, i) => threadOf(pcpu, i, handlers, setup, name));
  const parts = bad.map((equal) => conditionOf(equal, setup));
  const final: Condition = parts.length === 1 ? parts[0]! : { kind: "and", of: parts };
  return { name, threads, ...setup.finish(), final };
}

/** Registers in their order, as a term about a descriptor may make the tables above it. */
function threadOf(
  pcpu: PcpuValue,
  index: number,
  handlers: readonly (readonly Instruction[])[],
  setup: Setup,
  file: string,
): Thread {
  const { title, el, lines } = pcpu;
  const entry = entryOf(index);
  const own = assembleLines(lines, entry, file);
  const scope: Scope = { ...setup.scope, label: (label) => own.labels.get(label) };
  const held = (term: Term): bigint => evaluate(expressionOf(term), scope).value;
  const registers: Record<number, bigint> = {};
  pcpu.registers.forEach((term, i) => {
    registers[i + 1] = held(term);
  });
  const sysregs = sysregsAtStart(setup.defaultBase(1), setup.defaultBase(2), setup.granuleBits);
  for (const [name, term] of Object.entries(pcpu.sysregs)) sysregs[name as ThreadSysreg] = held(term);
  const { el1, el2 } = vectorsOf(index);
  sysregs.VBAR_EL1 = BigInt(el1);
  sysregs.VBAR_EL2 = BigInt(el2);
  const others = handlers.filter((_, i) => i !== index).flat();
  const code = [...own.instructions, ...handlers[index]!, ...others];
  return { name: String(index), title: title.replace(/,.*/, ""), entry, code, registers, sysregs, el, sp: 1 };
}

function conditionOf(equal: Equal, setup: Setup): Condition {
  const value = BigInt(equal.value);
  if ("at" in equal) return { kind: "mem", pa: setup.physical(expressionOf(equal.at)), value };
  return { kind: "reg", thread: equal.pcpu, reg: Number(equal.register.slice(1)), value };
}
