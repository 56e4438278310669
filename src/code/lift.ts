/** From the ways of a function to policies: text that `prove` and every other command takes, with where each line comes from. */
import { BARRIERS, singleFormOf, TLBI_OPS, type TlbiOp } from "../arch/index.js";
import { fullAddress } from "../binary/index.js";
import type { Operand } from "./operand.js";
import { inPolicyWords } from "./regime.js";
import type { Event, Remark } from "./tree.js";
import { type Code, chosen, keyOf, type Step, type Way } from "./ways.js";

/** A line of a policy's code, and the addresses of the instructions that it is. */
interface CodeLine {
  readonly depth: number;
  readonly text: string;
  readonly at: readonly string[];
}

/** The same, while it is made. */
interface PolicyLine extends Omit<CodeLine, "at"> {
  readonly at: readonly number[];
}

/** A way as a policy's code. */
export interface LiftedWay {
  readonly when: Way["when"];
  readonly lines: readonly CodeLine[];
  /** false where nothing is flushed on the way */
  readonly flushes: boolean;
  /** VTTBR_EL2 becomes the owner's on the way, and is not put back */
  readonly leavesOwner: boolean;
  /** the code has a loop over entries around it: it is called for each */
  readonly perEntry: boolean;
  readonly remarks: readonly Remark[];
}

/** What the user says of operands: what a value is, by its text in lower case. */
export type OperandSays = ReadonlyMap<string, OperandMeaning>;
export const OPERAND_MEANINGS = ["ipa", "va", "page", "asid", "level", "owner-current"] as const;
export type OperandMeaning = (typeof OPERAND_MEANINGS)[number];

type Tlbi = Extract<Event, { kind: "tlbi" }>;

/** Makes a policy's code of a way; `guests`: the kernel's own stage 1 is judged as if it were a guest's. */
export function liftWay(way: Way, says: OperandSays, guests = false): LiftedWay {
  const lifting = new Lifting(says);
  const words = inPolicyWords(way.code, guests, (kind, text) => lifting.remark(kind, text));
  // EL2&0 has no VMID; what stands for it has one.
  const own = guests && tlbisOf(words).some((one) => one.own === "as found");
  const settled = lifting.withoutStores(words);
  const lines = lifting.lines(own ? [{ kind: "with", body: settled, at: [] }] : settled);
  return {
    when: way.when,
    lines: lines.map(({ at, ...line }) => ({ ...line, at: at.map(fullAddress) })),
    flushes: tlbisOf(way.code).length > 0,
    leavesOwner: leavesOwner(way.code),
    perEntry: lifting.each.size > 0,
    remarks: [...way.remarks, ...lifting.remarks],
  };
}

/** All TLBIs of code, those in loops and conditions too. */
const tlbisOf = (code: Code): Tlbi[] =>
  code.flatMap((step) => {
    if (step.kind === "tlbi") return [step];
    if (step.kind === "if") return [...tlbisOf(step.yes), ...tlbisOf(step.no)];
    if (step.kind === "with") return tlbisOf(step.body);
    return step.kind === "loop" ? step.rounds.flatMap(tlbisOf) : [];
  });

/** Whether VTTBR_EL2 is the owner's at the end, as the code has written it. */
function leavesOwner(code: Code): boolean {
  let leaves = false;
  for (const step of code) {
    if (step.kind === "vttbr") leaves = step.value === "owner";
    if (step.kind === "if") leaves = leavesOwner(step.yes) || leavesOwner(step.no) || leaves;
  }
  return leaves;
}

class Lifting {
  readonly remarks: Remark[] = [];
  /** what the function is called for each of, where an operand is of the one at hand */
  readonly each = new Set<"entry" | "va-page">();
  private inLoop = false;

  constructor(private readonly says: OperandSays) {}

  remark(kind: Remark["kind"], text: string): void {
    if (!this.remarks.some((other) => other.text === text)) this.remarks.push({ kind, text });
  }

  /** A DSB does not wait for a store behind it: where that may be the descriptor's, the DSB does not count. */
  withoutStores(code: Code, outer: () => void = () => {}): Code {
    let list: Step[] = [];
    const forget = (): void => {
      outer();
      list = list.filter((step) => {
        if (step.kind !== "barrier" || BARRIERS[step.barrier]!.kind !== "DSB") return true;
        this.remark(
          "taken",
          `${BARRIERS[step.barrier]!.name} at ${places(step.at)} does not count: a store follows before the first TLBI, and may be the descriptor's`,
        );
        return false;
      });
    };
    for (const step of code) {
      if (step.kind === "store") {
        this.remark(
          "taken",
          `the store at ${places(step.at)} may write the descriptor (--other-store OFFSET if it does not)`,
        );
        forget();
      } else if (step.kind === "if")
        list.push({ ...step, yes: this.withoutStores(step.yes, forget), no: this.withoutStores(step.no, forget) });
      else if (step.kind === "with") list.push({ ...step, body: this.withoutStores(step.body, forget) });
      else if (step.kind === "loop")
        list.push({ ...step, rounds: step.rounds.map((round) => this.withoutStores(round, forget)) });
      else list.push(step);
    }
    return list;
  }

  /** The code's lines; with a loop over entries around them where an operand is of the one that the function is called for. */
  lines(code: Code): PolicyLine[] {
    const lines = this.body(code, 0);
    const [over, ...others] = this.each;
    if (over === undefined) return lines;
    if (others.length > 0)
      this.remark("problem", "an entry is named by IPA and by VA in one call, which no loop of a policy says");
    this.remark("taken", `it is called once for each ${over === "entry" ? "entry" : "page, by the guest's VA"}`);
    return [
      { depth: 0, text: `for ${over}`, at: [] },
      ...lines.map((line) => ({ ...line, depth: line.depth + 1 })),
      { depth: 0, text: "end", at: [] },
    ];
  }

  private body(code: Code, depth: number): PolicyLine[] {
    return code.flatMap((step) => this.step(step, depth));
  }

  private block(opener: string, at: readonly number[], body: readonly PolicyLine[], depth: number): PolicyLine[] {
    return [{ depth, text: opener, at }, ...body, { depth, text: "end", at: [] }];
  }

  private step(step: Step, depth: number): PolicyLine[] {
    switch (step.kind) {
      case "barrier":
        return [{ depth, text: BARRIERS[step.barrier]!.name.toLowerCase(), at: step.at }];
      case "vttbr":
        return [{ depth, text: `msr vttbr_el2, ${step.value}`, at: step.at }];
      case "store":
      case "left":
        return [];
      case "tlbi":
        return [{ depth, text: this.tlbi(step), at: step.at }];
      case "with":
        return this.block("with owner-vmid", step.at, this.body(step.body, depth + 1), depth);
      case "if": {
        const { decision } = step;
        const word = decision.kind === "cpu" ? decision.word : "owner-current";
        const hinted = word === "FEAT_TTL" ? this.hinted(step, depth) : undefined;
        if (hinted) return hinted;
        if (step.yes.length === 0) return this.block(`if not ${word}`, [], this.body(step.no, depth + 1), depth);
        const no = step.no.length === 0 ? [] : [{ depth, text: "else", at: [] }, ...this.body(step.no, depth + 1)];
        return this.block(`if ${word}`, [], [...this.body(step.yes, depth + 1), ...no], depth);
      }
      case "loop":
        return this.loop(step, depth);
    }
  }

  /** A level that only CPUs with FEAT_TTL are told: a policy's `ttl` means just that. */
  private hinted({ yes, no }: Extract<Step, { kind: "if" }>, depth: number): PolicyLine[] | undefined {
    if (keyOf(withoutTtl(yes)) !== keyOf(no)) return undefined;
    return this.body(yes, depth).map((line, i) => ({ ...line, at: [...new Set([...line.at, ...placesOf(no[i])])] }));
  }

  private tlbi({ op: index, operand, at }: Tlbi): string {
    const op = TLBI_OPS[index]!;
    const text = `tlbi ${op.name.toLowerCase()}`;
    const where = `TLBI ${op.name} at ${places(at)}`;
    if (operand.kind === "none") return text;
    if (operand.kind === "zero") return `${text}, xzr`;
    if (operand.kind === "unknown")
      this.remark("problem", `${where}: what its operand is computed from is not understood: ${operand.text}`);
    if (operand.kind === "asid") {
      this.asid(operand.source, where);
      return `${text}, asid`;
    }
    const word = op.operand.startsWith("ipa") ? "ipa" : "va";
    if (operand.kind === "range") {
      if (!this.inLoop) this.remark("problem", `${where} is one range by itself, and a policy's ranges are whole`);
      this.remark(
        "taken",
        `${where}: its ranges are taken to cover all that is asked for, an odd page by the single form`,
      );
    }
    if (operand.kind === "address") this.address(op, operand, where);
    const ttl = operand.kind === "address" && operand.ttl !== undefined && word === "ipa";
    return `${text}, ${word}${ttl ? ", ttl" : ""}`;
  }

  /** A page that an operand names: of what, and whether the user says the same. */
  private address(op: TlbiOp, operand: Extract<Operand, { kind: "address" }>, where: string): void {
    if (!this.inLoop) this.each.add(op.operand.startsWith("ipa") ? "entry" : "va-page");
    const wanted: OperandMeaning = op.operand.startsWith("ipa") ? "ipa" : "va";
    const said = this.says.get(operand.source.toLowerCase());
    const is = operand.from === "address" ? `bits from 12 on of ${operand.source}` : `${operand.source} as it is`;
    const right = operand.from === "address" ? wanted : "page";
    if (said !== undefined && said !== right) {
      this.remark(
        "problem",
        `${where} takes ${is} for its page, and --operand says that ${operand.source} is ${articled(said)}: another page than that of the entry is meant`,
      );
      return;
    }
    if (said === undefined)
      this.remark(
        "taken",
        `${where}: its page is ${is}, so ${operand.source} is taken for ${articled(right)} of the entry (--operand ${operand.source.toLowerCase()}=${right} confirms it)`,
      );
    if (operand.ttl !== undefined && !this.saidOf(operand.ttl, "level"))
      this.remark("taken", `${where}: its level is ${operand.ttl}, taken for that of the entry`);
    if (operand.asid !== undefined) this.asid(operand.asid, where);
  }

  /** An ASID that an operand names: the guest's, unless the user says that it is something else. */
  private asid(source: string, where: string): void {
    const said = this.says.get(source.toLowerCase());
    if (said !== undefined && said !== "asid")
      this.remark("problem", `${where} takes ${source} for its ASID, and --operand says that it is ${articled(said)}`);
    else if (!this.saidOf(source, "asid"))
      this.remark(
        "taken",
        `${where}: its ASID is ${source}, taken for the guest's (--operand '${source.toLowerCase()}=asid' confirms it)`,
      );
  }

  private saidOf(text: string, meaning: OperandMeaning): boolean {
    return [...this.says].some(([source, said]) => said === meaning && text.toLowerCase().includes(source));
  }

  private loop({ rounds, at }: Extract<Step, { kind: "loop" }>, depth: number): PolicyLine[] {
    const word = cpuWordIn(rounds);
    if (word !== undefined) {
      // What a round does depends on the CPU: a loop for each.
      const side = (yes: boolean): Code => [
        { kind: "loop", rounds: distinct(rounds.map((round) => ofCpu(round, word, yes))), at },
      ];
      return this.body(chosen({ kind: "cpu", word, not: false }, side(true), side(false)), depth);
    }
    const busy = rounds.filter((round) => round.length > 0);
    if (busy.length === 0) return [];
    const round = this.oneRound(busy, at);
    const flushes = tlbisOf(round);
    const operands = flushes.map(({ operand }) => operand);
    const inside = (over: string): PolicyLine[] => {
      if (this.inLoop) this.remark("problem", `the loop at ${places(at)} stands in another one`);
      this.inLoop = true;
      const body = this.body(round, depth + 1);
      this.inLoop = false;
      if (busy.length < rounds.length && over !== "range" && over !== "va-range")
        this.remark("problem", `a round of the loop at ${places(at)} may flush nothing`);
      return this.block(`for ${over}`, at, body, depth);
    };
    const va = flushes.some(({ op }) => TLBI_OPS[op]!.operand.startsWith("va"));
    if (operands.some(({ kind }) => kind === "range")) return inside(va ? "va-range" : "range");
    const address = operands.find((operand) => operand.kind === "address");
    if (address === undefined) {
      if (flushes.length > 0)
        this.remark("taken", `the loop at ${places(at)} is taken for one round: no operand changes in it`);
      return this.body(round, depth);
    }
    const page = address.step === "1";
    if (!address.loops) this.remark("problem", `in the loop at ${places(at)} the operand does not change`);
    else if (!page)
      this.remark(
        "taken",
        `the loop at ${places(at)} goes on by ${address.step ?? "what is not followed"} a round, taken for an entry`,
      );
    return inside(va ? "va-page" : page ? "page" : "entry");
  }

  /** The one thing that rounds do: where some take a range and others its odd page, the range. */
  private oneRound(rounds: readonly Code[], at: readonly number[]): Code {
    const [ranges, others] = [rounds.filter(isRange), rounds.filter((round) => !isRange(round))];
    const singles = new Set(ranges.flatMap((round) => tlbisOf(round).map(({ op }) => singleFormOf(TLBI_OPS[op]!))));
    const odd = others.every((round) => tlbisOf(round).every(({ op }) => singles.has(op)));
    const list = ranges.length > 0 && odd ? ranges : rounds;
    // A level that some rounds know and others do not: the one that removes less.
    const plain = new Set(list.map((round) => keyOf(withoutTtl(round))));
    if (plain.size > 1) this.remark("problem", `rounds of the loop at ${places(at)} do different things`);
    return (
      list.find((round) =>
        tlbisOf(round).some(({ operand }) => operand.kind === "address" && operand.ttl !== undefined),
      ) ?? list[0]!
    );
  }
}

const isRange = (code: Code): boolean => tlbisOf(code).some(({ operand }) => operand.kind === "range");
const distinct = (list: readonly Code[]): Code[] => [...new Map(list.map((code) => [keyOf(code), code])).values()];

const withoutTtl = (code: Code): Code =>
  code.map((step) =>
    step.kind === "tlbi" && step.operand.kind === "address"
      ? { ...step, operand: { ...step.operand, ttl: undefined } }
      : step,
  );

/** The first condition on the CPU in some code. */
function cpuWordIn(rounds: readonly Code[]): string | undefined {
  for (const round of rounds)
    for (const step of round) {
      if (step.kind === "if" && step.decision.kind === "cpu") return step.decision.word;
      const inner =
        step.kind === "if" ? cpuWordIn([step.yes, step.no]) : step.kind === "with" ? cpuWordIn([step.body]) : undefined;
      if (inner !== undefined) return inner;
    }
  return undefined;
}

/** Code on a CPU of which the answer to one condition is known. */
const ofCpu = (code: Code, word: string, yes: boolean): Code =>
  code.flatMap((step): Code => {
    if (step.kind === "with") return [{ ...step, body: ofCpu(step.body, word, yes) }];
    if (step.kind !== "if") return [step];
    if (step.decision.kind === "cpu" && step.decision.word === word) return ofCpu(yes ? step.yes : step.no, word, yes);
    return [{ ...step, yes: ofCpu(step.yes, word, yes), no: ofCpu(step.no, word, yes) }];
  });

const placesOf = (step: Step | undefined): readonly number[] => (step && "at" in step ? step.at : []);

const articled = (meaning: OperandMeaning): string => WORDS[meaning];
const WORDS: Readonly<Record<OperandMeaning, string>> = {
  ipa: "the IPA",
  va: "the VA",
  page: "the page number",
  asid: "the ASID",
  level: "the level",
  "owner-current": "whether the owner is current",
};

const places = (at: readonly number[]): string => at.map(fullAddress).join(", ");
