/** Asks of people's own code what a policy is asked: a function, lifted, its ways as policies, and a question for each. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CpuProfile } from "../arch/index.js";
import { loadPolicy } from "../catalog/index.js";
import {
  type CodeSetting,
  functionOf,
  type Lifted,
  type LiftedWay,
  liftFunction,
  OPERAND_MEANINGS,
  type OperandMeaning,
  parseCapability,
  policyText,
} from "../code/index.js";
import { writeWhole } from "../files/index.js";
import { InputError } from "../input/index.js";
import { type Policy, parsePolicy } from "../policy/index.js";
import {
  type Limits,
  PROVED,
  type Proof,
  type ProvedOccasion,
  Question,
  type Setting,
  type SignOff,
} from "../prove/index.js";
import { openCodeOrSource } from "./compiled.js";
import { makeFolder } from "./convert.js";
import { proveInThreads } from "./decide.js";

/** What a user says beside FILE:FUNCTION; words as they are typed. */
export interface CodeAsked {
  readonly operand?: readonly string[];
  readonly capability?: readonly string[];
  readonly when?: readonly string[];
  readonly otherStore?: readonly string[];
  readonly begin?: string;
  readonly end?: string;
  readonly vhe?: boolean;
  /** a compiler with its options, for a source */
  readonly cc?: string;
  /** the policy that has the other occasions */
  readonly base?: string;
}

/** A way of the function, as a policy for one occasion. */
interface CodePolicy {
  readonly occasion: ProvedOccasion;
  /** its text as a file; what `--save` writes */
  readonly text: string;
  readonly policy: Policy | undefined;
  /** why it is not judged */
  readonly problem: string | undefined;
}

/** A way, its name, and a policy for each occasion that was asked; none where nothing is flushed on it. */
export interface CodeWay {
  readonly name: string;
  readonly lifted: LiftedWay;
  readonly policies: readonly CodePolicy[];
}

/** A function on trial. */
export interface CodeOnTrial {
  readonly file: string;
  /** "an ELF file" */
  readonly what: string;
  readonly lifted: Lifted;
  readonly vhe: boolean;
  readonly base: string;
  readonly ways: readonly CodeWay[];
  /** what a proof says of the ways that are judged */
  readonly policies: Proof["policies"];
}

/** Occasions of a guest's stage 1: asked for alone, they are those of a kernel's own stage 1 too. */
const OF_STAGE1: ReadonlySet<ProvedOccasion> = new Set(["stage1-edited"]);

/** FILE[:FUNCTION]: a file's name may have a colon itself. */
function fileAndFunction(asked: string): readonly [file: string, f: string | undefined] {
  const colon = asked.lastIndexOf(":");
  return colon <= 0 || existsSync(asked) ? [asked, undefined] : [asked.slice(0, colon), asked.slice(colon + 1)];
}

/** Opens the file, follows the function, and makes policies of its ways. Rejects with an InputError. */
export async function codeOnTrial(
  asked: string,
  options: CodeAsked,
  occasions: readonly ProvedOccasion[],
  signal?: AbortSignal,
): Promise<CodeOnTrial> {
  const [file, asName] = fileAndFunction(asked);
  const code = await openCodeOrSource(file, options.cc, signal);
  const f = functionOf(code, asName);
  const kvm = [...code.alternatives.values()].some(({ title }) => /Virtualization Host Extensions/.test(title ?? ""));
  const vhe = options.vhe ?? (kvm && !f.name.startsWith("__kvm_nvhe_"));
  const guests = occasions.every((occasion) => OF_STAGE1.has(occasion));
  if (vhe && !guests && occasions.some((occasion) => OF_STAGE1.has(occasion)))
    throw new InputError(
      `--occasion: with VHE ${[...OF_STAGE1].join()} is about the kernel's own stage 1 in place of a guest's, expected it alone`,
    );
  const lifted = liftFunction(code, f, { ...settingOf(options, vhe, f.size), guests });
  const base = options.base ?? "xen-today";
  const basePolicy = loadPolicy(base);
  const flushing = lifted.ways.filter(({ flushes }) => flushes);
  const stem = kebab(f.name);
  const ways = lifted.ways.map((way): CodeWay => {
    const own = flushing.length > 1 && way.flushes ? `${stem}.${flushing.indexOf(way) + 1}` : stem;
    const source = `${file}, ${f.name}, by shootdown prove --code`;
    const naming = { name: own, title: `${f.name} as its code has it`, source, base };
    const policies = way.flushes
      ? occasions.map((occasion) => codePolicy(way, naming, occasion, basePolicy, lifted.problem))
      : [];
    return { name: own, lifted: way, policies };
  });
  const policies = ways.flatMap(({ name, policies: [first] }) =>
    first === undefined ? [] : [{ name, title: f.name, source: file, places: first.policy?.places ?? {} }],
  );
  return { file, what: code.what, lifted, vhe, base, ways, policies };
}

/** Offsets in bytes, decimal or hexadecimal, with or without a sign before. */
function offsetOf(option: string, text: string, size: number): number {
  const match = /^\+?(0x[0-9a-f]{1,8}|\d{1,8})$/i.exec(text);
  const value = match ? Number(match[1]) : Number.NaN;
  if (!(value % 4 === 0 && value <= size))
    throw new InputError(
      `${option} ${text}: expected an offset in the function in bytes, of an instruction: +0x0 to +0x${size.toString(16)}`,
    );
  return value;
}

function settingOf(asked: CodeAsked, vhe: boolean, size: number): Omit<CodeSetting, "guests"> {
  const operands = new Map<string, OperandMeaning>();
  for (const text of asked.operand ?? []) {
    const at = text.lastIndexOf("=");
    const meaning = text.slice(at + 1).toLowerCase() as OperandMeaning;
    if (at < 1 || !OPERAND_MEANINGS.includes(meaning))
      throw new InputError(
        `--operand ${text}: expected VALUE=MEANING, a value as the output names it (x0) and one of ${OPERAND_MEANINGS.join(", ")}`,
      );
    operands.set(text.slice(0, at).trim().toLowerCase(), meaning);
  }
  const [from, to] = (["begin", "end"] as const).map((option) =>
    asked[option] === undefined ? undefined : offsetOf(`--${option}`, asked[option], size),
  );
  return {
    operands,
    capabilities: new Map((asked.capability ?? []).map(parseCapability)),
    vhe,
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    when: asked.when ?? [],
    others: new Set((asked.otherStore ?? []).map((text) => offsetOf("--other-store", text, size))),
  };
}

/** "__kvm_tlb_flush_vmid" -> "kvm-tlb-flush-vmid". */
const kebab = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "") || "code";

type Naming = Parameters<typeof policyText>[1];

function codePolicy(
  way: LiftedWay,
  naming: Naming,
  occasion: ProvedOccasion,
  base: Policy,
  exhausted: string | undefined,
): CodePolicy {
  // What several removals run is the code of one, executed for each or for all of them.
  const name = occasion === "batch" ? "revoke" : PROVED[occasion].of;
  const due = name === "revoke" ? { due: way.perEntry ? "at-once" : "unlock" } : {};
  const text = policyText(putBack(way, occasion), naming, { name, ...due });
  const problems = way.remarks.filter(({ kind }) => kind === "problem").map((remark) => remark.text);
  if (exhausted !== undefined) problems.push(exhausted);
  try {
    const policy = parsePolicy(text, `${naming.name}.toml`, () => base);
    const problem = problems.length > 0 ? problems.join("; ") : undefined;
    return { occasion, text, policy: problem === undefined ? policy : undefined, problem };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return {
      occasion,
      text,
      policy: undefined,
      problem: [...problems, `no policy says this: ${error.message}`].join("; "),
    };
  }
}

/** A VTTBR_EL2 that the function leaves the owner's is put back by who called it; at a switch it is meant to stay. */
function putBack(way: LiftedWay, occasion: ProvedOccasion): LiftedWay {
  if (!way.leavesOwner || occasion === "switch") return way;
  const added = ["msr vttbr_el2, current", "isb"].map((text) => ({
    depth: 0,
    text: `${text} // by who called it`,
    at: [],
  }));
  return { ...way, lines: [...way.lines, ...added] };
}

type Asked = CodePolicy & { readonly name: string };
const askedOf = ({ ways }: CodeOnTrial): Asked[] =>
  ways.flatMap(({ name, policies }) => policies.map((policy) => ({ name, ...policy })));

/** Judges all ways on CPUs: verdicts in the order of ways, occasions and CPUs, `unknown` for what is no policy. */
export async function judgeCode(
  trial: CodeOnTrial,
  cpus: readonly CpuProfile[],
  setting: Setting,
  limits: Limits,
  signal: AbortSignal,
): Promise<SignOff[]> {
  const asked = askedOf(trial);
  const ask = (): Question[] =>
    asked.flatMap(({ policy, occasion }) =>
      policy === undefined ? [] : cpus.map((cpu) => new Question(policy, occasion, cpu, setting)),
    );
  const { results } = await proveInThreads(ask, limits, signal);
  return asked.flatMap(({ name, occasion, problem }) => {
    if (problem === undefined) return results.filter((one) => one.policy === name && one.occasion === occasion);
    const nothing = { scenarios: 0, timelines: 0, states: 0, milliseconds: 0 };
    return cpus.map(
      (cpu): SignOff => ({
        ...{ policy: name, occasion, cpu: cpu.name, verdict: "unknown", reason: problem },
        ...nothing,
      }),
    );
  });
}

/** Writes the policies of judged ways: one to a file that ends in .toml, several into a folder. */
export function saveCode(trial: CodeOnTrial, into: string): void {
  const list = trial.ways.flatMap(({ name, policies }) =>
    policies.map(({ occasion, text }) => ({ file: `${name}${policies.length > 1 ? `.${occasion}` : ""}.toml`, text })),
  );
  const one = into.endsWith(".toml");
  if (one && list.length !== 1)
    throw new InputError(`--save ${into}: there are ${list.length} policies, expected a folder`);
  if (!one) makeFolder(into);
  for (const { file, text } of list) writeWhole(one ? into : join(into, file), text);
}
