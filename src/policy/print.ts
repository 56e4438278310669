/** The code of a policy as text, which parses to the same program again. Remarks are lost. */
import { BARRIERS, TLBI_OPS } from "../arch/index.js";
import { OCCASIONS, type Occasion, type Policy } from "./policy.js";
import type { Condition, Sequence, Statement } from "./program.js";

/** The lines of a program. */
export const codeLines = (program: Sequence): string[] => program.flatMap(linesOf);

/** A TLBI as it is written. */
export function tlbiCode({ op, operand, ttl }: Extract<Statement, { kind: "tlbi" }>): string {
  const { name, operand: kind } = TLBI_OPS[op]!;
  const word = operand === "zero" ? "xzr" : operand === "asid" ? "asid" : kind.startsWith("ipa") ? "ipa" : "va";
  return `tlbi ${name.toLowerCase()}${operand === "none" ? "" : `, ${word}`}${ttl ? ", ttl" : ""}`;
}

/** A condition as it is written. */
export function conditionCode(c: Condition): string {
  const not = c.not ? "not " : "";
  switch (c.test) {
    case "feature":
      return `${not}${c.feature}`;
    case "erratum":
      return `${not}${c.workaround}`;
    case "pages":
      return `pages ${c.not ? "<=" : ">"} ${c.above}`;
    default:
      return `${not}${c.test}`;
  }
}

function linesOf(s: Statement): string[] {
  switch (s.kind) {
    case "barrier":
      return [BARRIERS[s.barrier]!.name.toLowerCase()];
    case "tlbi":
      return [tlbiCode(s)];
    case "msr-vttbr":
      return [`msr vttbr_el2, ${s.value}`];
    case "with-owner":
      return block("with owner-vmid", s.body);
    case "on":
      return block(`on ${s.pes}`, s.body);
    case "unknown":
      return ["unknown"];
    case "for":
      return block(`for ${s.over}`, s.body);
    case "if":
      return [
        `if ${conditionCode(s.condition)}`,
        ...indented(s.body),
        ...(s.otherwise.length > 0 ? ["else", ...indented(s.otherwise)] : []),
        "end",
      ];
  }
}

const indented = (body: Sequence): string[] => codeLines(body).map((line) => `  ${line}`);
const block = (head: string, body: Sequence): string[] => [head, ...indented(body), "end"];

/** A policy as a file that stands on its own: what it has of a base is written out. */
export function policyFile(policy: Policy): string {
  const occasions = (Object.keys(OCCASIONS) as Occasion[]).filter((name) => policy.places[name] !== undefined);
  return [
    ...(["name", "title", "source"] as const).map((key) => `${key} = ${JSON.stringify(policy[key])}`),
    ...(policy.requires.length > 0 ? [`requires = ${JSON.stringify(policy.requires)}`] : []),
    ...(policy.vmidPer === "vcpu" ? ['vmid-per = "vcpu"'] : []),
    ...(policy.fb ? [] : ["fb = false"]),
    ...(policy.granule === undefined ? [] : [`granule = "${2 ** (policy.granule - 10)}K"`]),
    ...occasions.flatMap((name) => [
      "",
      `[${name}]`,
      ...(name === "revoke" ? [`due = "${policy.due}"`] : []),
      'code = """',
      ...codeLines(policy.code[name]).map((line) => `  ${line}`),
      '"""',
    ]),
    "",
  ].join("\n");
}
