/**
 * The language of a policy's code: Arm assembly, a line an instruction, and a few directives.
 *
 *   dsb ishst | dmb ... | isb          any barrier
 *   tlbi vmalls12e1is                  any TLBI; with an operand:
 *   tlbi ipas2e1is, ipa                the page (entry, range) of the loop around it; a range form takes the odd page singly
 *   tlbi ipas2e1is, ipa, ttl           with the level of the leaf entry, where the CPU has FEAT_TTL and no table went with it
 *   tlbi vae1is, va                    the same by the guest's VA, in a va loop
 *   tlbi aside1is, asid                by the guest's ASID, known where its VA is
 *   tlbi vale2is, xzr                  operand 0
 *   msr vttbr_el2, owner | current     VTTBR_EL2 := the owner's (back to what was in force)
 *   with owner-vmid ... end            both around a body, each with its ISB, only when the owner is not current
 *   on every-pe | vmid-pes ... end     the body on every PE (on which a VMID of the owner has run), by IPIs that are waited for
 *   for page | entry | range | va-page | va-range | vmid ... end
 *   unknown                            nobody has said what is executed here: prove says unknown, a simulation that comes here stops
 *   if CONDITION ... else ... end      [not] FEAT_X | ERRATUM | owner-current | va-known | old; pages > N, pages <= N
 *
 * Comments start with // or #. Upper and lower case are the same.
 */
import {
  barrierIndex,
  type Feature,
  isFeature,
  isWorkaround,
  singleFormOf,
  TLBI_OPS,
  tlbiIndex,
  WORKAROUND_WORDS,
} from "../arch/index.js";
import { InputError } from "../input/index.js";
import type { Condition, LoopOver, Sequence, Statement } from "./program.js";

const LOOPS: readonly LoopOver[] = ["page", "entry", "range", "va-page", "va-range", "vmid"];

/** Blocks in each other: whoever goes through a program recurses. */
const MAX_NESTING = 32;

/** What the occasion offers to its code. */
interface ParseContext {
  readonly file: string;
  /** line in the file of the code's first line */
  readonly line: number;
  /** features that the policy requires: their instructions need no `if` */
  readonly requires: readonly Feature[];
  /** true when the occasion is about pages: loops over them are allowed */
  readonly ranges: boolean;
  /** what may be looped over by VMID: true when the policy gives each vCPU one */
  readonly vmids: boolean;
}

interface Block {
  readonly opener: string;
  readonly line: number;
  readonly body: Statement[];
  /** closes the block: from its body (and else part) to the statement */
  readonly close: (elseBody: Statement[] | undefined) => Statement;
  /** the loop that binds an operand inside the block, if it is one */
  readonly binds: LoopOver | undefined;
  /** features that are known to exist inside */
  readonly assumes: readonly Feature[];
  /** features known in the else part */
  readonly elseAssumes: readonly Feature[];
  elseBody?: Statement[];
}

/** Parses the code of one occasion; throws an InputError with the line and the reason. */
export function parseCode(text: string, context: ParseContext): Sequence {
  const top: Statement[] = [];
  const blocks: Block[] = [];
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = context.line + index;
    const source = raw.replace(/(\/\/|(^|\s)#).*$/s, "").trim();
    if (source === "") return;
    new Line(source, line, context, blocks, top).read();
  });
  const open = blocks.at(-1);
  if (open) throw InputError.at(context.file, open.line, `'${open.opener}' is never closed, expected 'end'`);
  return top;
}

class Line {
  constructor(
    private readonly source: string,
    private readonly line: number,
    private readonly context: ParseContext,
    private readonly blocks: Block[],
    private readonly top: Statement[],
  ) {}

  private fail(message: string): never {
    throw InputError.at(this.context.file, this.line, message);
  }

  private get body(): Statement[] {
    const block = this.blocks.at(-1);
    return block === undefined ? this.top : (block.elseBody ?? block.body);
  }

  read(): void {
    const words = this.source.toLowerCase().split(/\s+/);
    const rest = this.source.slice(words[0]!.length).trim();
    switch (words[0]) {
      case "dsb":
      case "dmb":
      case "isb":
        this.barrier();
        break;
      case "tlbi":
        this.body.push(this.tlbi(rest));
        break;
      case "msr":
        this.body.push(this.msr(rest));
        break;
      case "with":
        if (rest.toLowerCase() !== "owner-vmid")
          this.fail(`unknown directive 'with ${rest}', expected 'with owner-vmid'`);
        this.withOwner();
        break;
      case "on":
        this.on(rest.toLowerCase());
        break;
      case "for":
        this.loop(rest.toLowerCase());
        break;
      case "if":
        this.condition(rest);
        break;
      case "unknown":
        this.alone(rest);
        this.body.push({ kind: "unknown", line: this.line });
        break;
      case "else":
        this.alone(rest);
        this.else();
        break;
      case "end":
        this.alone(rest);
        this.end();
        break;
      default:
        this.fail(
          `unknown instruction or directive '${this.source}', expected dsb, dmb, isb, tlbi, msr vttbr_el2, with, on, for, if, else, end or unknown`,
        );
    }
  }

  private withOwner(): void {
    const { line } = this;
    this.open({ assumes: [], elseAssumes: [] }, undefined, (body) => ({ kind: "with-owner", body, line }));
  }

  private on(pes: string): void {
    if (pes !== "every-pe" && pes !== "vmid-pes")
      this.fail(`unknown directive 'on ${pes}', expected 'on every-pe' or 'on vmid-pes'`);
    const outer = this.blocks.find(({ opener }) => /^on\s/i.test(opener));
    if (outer) this.fail(`'on ${pes}' inside '${outer.opener}' of line ${outer.line}: IPIs do not nest`);
    const { line } = this;
    this.open({ assumes: [], elseAssumes: [] }, undefined, (body) => ({ kind: "on", pes, body, line }));
  }

  private barrier(): void {
    const barrier = barrierIndex(this.source);
    if (barrier === undefined)
      this.fail(`unknown barrier '${this.source}', expected e.g. 'dsb ish', 'dsb nshst' or 'isb'`);
    if (this.source.toLowerCase().endsWith("nxs")) this.need("FEAT_XS", this.source);
    this.body.push({ kind: "barrier", barrier, line: this.line });
  }

  private need(feature: Feature, what: string): void {
    const known = this.blocks.some((b) => (b.elseBody ? b.elseAssumes : b.assumes).includes(feature));
    if (!known && !this.context.requires.includes(feature))
      this.fail(`'${what}' needs ${feature}: put it inside 'if ${feature}', or state requires = ["${feature}"]`);
  }

  private tlbi(rest: string): Statement {
    const [name = "", ...operands] = rest.split(",").map((part) => part.trim());
    const { line } = this;
    const index = tlbiIndex(name);
    if (index === undefined) this.fail(`unknown TLBI operation '${name}'`);
    const op = TLBI_OPS[index]!;
    for (const feature of op.needs) this.need(feature, `tlbi ${name}`);
    if (op.operand === "none") {
      if (operands.length > 0) this.fail(`tlbi ${name} takes no operand, found '${operands.join(", ")}'`);
      return { kind: "tlbi", op: index, single: -1, operand: "none", ttl: false, line };
    }
    const [operand, hint] = operands.map((word) => word.toLowerCase());
    if (operand === undefined || operands.length > 2 || (hint !== undefined && hint !== "ttl"))
      this.fail(`tlbi ${name} takes one operand: ipa, va, asid or xzr; after ipa may stand ', ttl'`);
    // Of a guest's stage 1 a hypervisor does not know the levels.
    if (hint !== undefined && operand !== "ipa")
      this.fail(`'ttl' after '${operand}': it is the level of the stage-2 entry, expected only after ipa`);
    const single = singleFormOf(op);
    if (operand === "xzr") return { kind: "tlbi", op: index, single: -1, operand: "zero", ttl: false, line };
    const wanted = op.operand.startsWith("ipa") ? "ipa" : op.operand.startsWith("va") ? "va" : "asid";
    if (operand !== wanted) this.fail(`tlbi ${name} cannot have the operand '${operand}', expected ${wanted} or xzr`);
    if (wanted === "asid") {
      if (!this.context.ranges) this.fail(`tlbi ${name}, asid: this occasion is about a whole VMID, it has no ASID`);
      return { kind: "tlbi", op: index, single: -1, operand: "asid", ttl: false, line };
    }
    this.checkBinding(name, operand, op.operand.endsWith("-range"));
    return { kind: "tlbi", op: index, single, operand: "loop", ttl: hint !== undefined, line };
  }

  /** The operand must come from a loop of its kind: range forms from a range loop, single forms from a page or entry loop. */
  private checkBinding(name: string, operand: string, range: boolean): void {
    const loops = operand === "ipa" ? (range ? ["range"] : ["page", "entry"]) : range ? ["va-range"] : ["va-page"];
    const bound = this.blocks.findLast((b) => b.binds !== undefined && b.binds !== "vmid")?.binds;
    if (bound === undefined || !loops.includes(bound))
      this.fail(`'${operand}' of tlbi ${name} must stand inside ${loops.map((l) => `'for ${l}'`).join(" or ")}`);
  }

  private msr(rest: string): Statement {
    const match = /^vttbr_el2\s*,\s*(owner|current)$/i.exec(rest);
    if (!match) this.fail(`unknown 'msr ${rest}', expected 'msr vttbr_el2, owner' or 'msr vttbr_el2, current'`);
    return { kind: "msr-vttbr", value: match[1]!.toLowerCase() as "owner" | "current", line: this.line };
  }

  private open(
    features: { assumes: readonly Feature[]; elseAssumes: readonly Feature[] },
    binds: LoopOver | undefined,
    close: (body: Statement[], elseBody: Statement[]) => Statement,
  ): void {
    if (this.blocks.length === MAX_NESTING) this.fail(`blocks nested too deep, expected at most ${MAX_NESTING}`);
    const body: Statement[] = [];
    this.blocks.push({
      opener: this.source,
      line: this.line,
      body,
      binds,
      ...features,
      close: (elseBody) => close(body, elseBody ?? []),
    });
  }

  private loop(over: string): void {
    if (!(LOOPS as readonly string[]).includes(over))
      this.fail(`unknown loop 'for ${over}', expected for ${LOOPS.join(", ")}`);
    if (over === "vmid") {
      if (!this.context.vmids) this.fail(`'for vmid' needs vmid-per = "vcpu"`);
      const outer = this.blocks.find((b) => b.binds === "vmid");
      if (outer) this.fail(`'for vmid' inside '${outer.opener}' of line ${outer.line}: loops over VMIDs do not nest`);
    } else {
      if (!this.context.ranges) this.fail(`'for ${over}': this occasion is about a whole VMID, it has no pages`);
      const outer = this.blocks.find((b) => b.binds !== undefined && b.binds !== "vmid");
      if (outer)
        this.fail(`'for ${over}' inside '${outer.opener}' of line ${outer.line}: loops over pages do not nest`);
    }
    const line = this.line;
    this.open({ assumes: [], elseAssumes: [] }, over as LoopOver, (body) => ({
      kind: "for",
      over: over as LoopOver,
      body,
      line,
    }));
  }

  private condition(text: string): void {
    const { condition, assumes, elseAssumes } = this.parseCondition(text.trim());
    this.open({ assumes, elseAssumes }, undefined, (body, otherwise) => ({
      kind: "if",
      condition,
      body,
      otherwise,
    }));
  }

  private parseCondition(text: string): { condition: Condition; assumes: Feature[]; elseAssumes: Feature[] } {
    const none: Feature[] = [];
    const pages = /^pages\s*(>|<=)\s*(\d{1,15})$/i.exec(text);
    if (pages) {
      if (!this.context.ranges) this.fail(`'if ${text}': this occasion is about a whole VMID, it has no pages`);
      return {
        condition: { test: "pages", above: Number(pages[2]), not: pages[1] === "<=" },
        assumes: none,
        elseAssumes: none,
      };
    }
    const not = /^not\s+/i.test(text);
    const word = not ? text.replace(/^not\s+/i, "") : text;
    const lower = word.toLowerCase();
    if (isWorkaround(lower))
      return { condition: { test: "erratum", workaround: lower, not }, assumes: none, elseAssumes: none };
    if (lower === "owner-current" || lower === "va-known" || lower === "old")
      return { condition: { test: lower, not }, assumes: none, elseAssumes: none };
    const feature = word.replace(/^feat_/i, "FEAT_");
    if (isFeature(feature))
      return {
        condition: { test: "feature", feature, not },
        assumes: not ? none : [feature],
        elseAssumes: not ? [feature] : none,
      };
    this.fail(
      `unknown condition '${text}', expected [not] FEAT_..., ${WORKAROUND_WORDS.join(", ")}, owner-current, va-known or old, or pages > N, pages <= N`,
    );
  }

  /** Nothing may follow: an 'else if' taken for an 'else' would be another program. */
  private alone(rest: string): void {
    if (rest !== "")
      this.fail(`'${rest}' after '${this.source.slice(0, -rest.length).trim()}', expected nothing there`);
  }

  private else(): void {
    const block = this.blocks.at(-1);
    if (!block || !/^if\s/i.test(block.opener) || block.elseBody) this.fail("'else' without an 'if' before it");
    block.elseBody = [];
  }

  private end(): void {
    const block = this.blocks.pop();
    if (!block) this.fail("'end' without a 'with', 'on', 'for' or 'if' before it");
    this.body.push(block.close(block.elseBody));
  }
}
