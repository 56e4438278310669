/** A candidate is a policy like any other: a base with other code on one occasion. */
import { type Occasion, type Policy, parsePolicy } from "../policy/index.js";
import { PROVED, type ProvedOccasion } from "../prove/index.js";
import { type Instruction, linesOf } from "./instruction.js";

/** A sequence: instructions, and whether the owner's VMID is put in VTTBR_EL2 around them. */
export interface Sequence {
  readonly owner: boolean;
  readonly instructions: readonly Instruction[];
}

/** What is searched for: code for an occasion, where all other code is the base's. */
export interface Place {
  readonly base: Policy;
  readonly occasion: ProvedOccasion;
}

/** What a batch ends with is the revoke code, due then: code behind a revoke that is due at each unlock has nothing left to do. */
const isBatch = (occasion: ProvedOccasion): boolean => PROVED[occasion].of === "batch-end";

/** The section of a policy that holds the code. */
export const sectionOf = (occasion: ProvedOccasion): Occasion => (isBatch(occasion) ? "revoke" : PROVED[occasion].of);

/** The proofs that the code must survive. */
export const proofsOf = (occasion: ProvedOccasion): readonly ProvedOccasion[] =>
  isBatch(occasion) ? ["revoke", occasion] : [occasion];

/** The code as lines of a policy. */
function codeOf({ owner, instructions }: Sequence): string[] {
  const lines = instructions.flatMap(linesOf);
  return owner ? ["with owner-vmid", ...lines.map((line) => `  ${line}`), "end"] : lines;
}

/** The sequence in one line: for lists, and for whoever compares two. */
export const wordsOf = ({ owner, instructions }: Sequence): string =>
  `${owner ? "with owner-vmid: " : ""}${instructions.map(wordOf).join("; ") || "nothing"}`;

const wordOf = ({ code, over }: Instruction): string =>
  over === undefined || over === "zero" ? code : `${code} for ${over}`;

/** Who a policy says that it is. */
interface Named {
  readonly name: string;
  readonly title: string;
  readonly source: string;
}

/** The policy file of a sequence. */
export function policyText(sequence: Sequence, { base, occasion }: Place, named: Named): string {
  const requires = [...new Set(sequence.instructions.flatMap(({ needs }) => needs))];
  const section = sectionOf(occasion);
  const due = isBatch(occasion) ? "batch-end" : base.due;
  return [
    ...(["name", "title", "source"] as const).map((key) => `${key} = ${JSON.stringify(named[key])}`),
    `base = ${JSON.stringify(base.name)}`,
    ...(requires.length > 0 ? [`requires = [${requires.map((one) => JSON.stringify(one)).join(", ")}]`] : []),
    "",
    `[${section}]`,
    ...(section === "revoke" ? [`due = "${due}"`] : []),
    'code = """',
    ...codeOf(sequence).map((line) => `  ${line}`),
    '"""',
    "",
  ].join("\n");
}

/** The sequence as a policy. */
export const policyOf = (sequence: Sequence, place: Place, name = "candidate"): Policy =>
  parsePolicy(
    policyText(sequence, place, { name, title: wordsOf(sequence), source: "synthesis" }),
    `${name}.toml`,
    () => place.base,
  );
