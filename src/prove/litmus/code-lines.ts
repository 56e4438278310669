/**
 * Code that is made of the same few lines again and again, as that of scenarios is: each different line is read once. What
 * comes out is the same as when {@link assemble} reads the lines as one text.
 */
import { InputError } from "../../input/index.js";
import type { Action, Instruction } from "../program.js";
import { type Assembled, MAX_INSTRUCTIONS, statementsOf } from "./assembler.js";
import { actionOf } from "./instructions.js";
import { UnsupportedInTest } from "./unsupported.js";

/** What one line says: a label, an instruction, or nothing. The target of a branch to a label is put in later. */
interface Line {
  readonly label?: string;
  readonly text?: string;
  readonly action?: Action;
  readonly target?: string;
}

const known = new Map<string, Line>();
/** With so many, most of those that were read stand in nobody's code any more. */
const MAX_KNOWN = 10_000;

/**
 * Assembles lines with one instruction or one label with a name in each. Throws an InputError or UnsupportedInTest, with the
 * line's number from 1.
 */
export function assembleLines(lines: readonly string[], address: number, file: string): Assembled {
  const labels = new Map<string, number>();
  const found = lines.map((line, i) => known.get(line) ?? remembered(line, file, i + 1));
  let at = address;
  for (const { label, action } of found)
    if (label !== undefined) labels.set(label, at);
    else if (action) at += 4;
  if (at > address + 4 * MAX_INSTRUCTIONS)
    throw new InputError(`${file}: expected at most ${MAX_INSTRUCTIONS} instructions`);
  const instructions: Instruction[] = [];
  found.forEach(({ text, action, target }, i) => {
    if (!action) return;
    const place = { address: address + 4 * instructions.length, text: text!, line: i + 1 };
    if (target === undefined) instructions.push({ ...action, ...place });
    else {
      const to = labels.get(target);
      if (to === undefined) throw InputError.at(file, i + 1, `no label '${target}' in this code`);
      instructions.push({ ...action, target: to, ...place } as Instruction);
    }
  });
  return { instructions, labels };
}

function remembered(source: string, file: string, number: number): Line {
  if (known.size === MAX_KNOWN) known.clear();
  const line = read(source, file, number);
  known.set(source, line);
  return line;
}

function read(source: string, file: string, number: number): Line {
  const [statement] = statementsOf({ text: source, file, line: number });
  if (statement === undefined) return {};
  const { text } = statement;
  if (text.endsWith(":")) return { label: text.slice(0, -1) };
  let target: string | undefined;
  const action = actionOf(text, {
    file,
    line: number,
    target: (name) => {
      target = name;
      return 0;
    },
    fail: (message) => {
      throw InputError.at(file, number, `'${text}': ${message}`);
    },
    unsupported: (what) => {
      throw new UnsupportedInTest(what, file, number);
    },
  });
  return { text, action, ...(target === undefined ? {} : { target }) };
}
