/** A function, lifted: its ways as policies' code, a listing of what was met, and what was made of capabilities. */
import { type CodeFile, type ElfSymbol, fullAddress } from "../binary/index.js";
import { didYouMean, InputError } from "../input/index.js";
import type { Capability, Said } from "./capabilities.js";
import { Follower } from "./follow.js";
import { type LiftedWay, liftWay, type OperandSays } from "./lift.js";
import { type ListedInstruction, listingOf } from "./listing.js";
import { flushesIn } from "./loops.js";
import { waysOf, waysWhen } from "./ways.js";

/** What the user says beside the code. */
export interface CodeSetting {
  readonly operands: OperandSays;
  readonly capabilities: Said;
  /** HCR_EL2.E2H = 1 */
  readonly vhe: boolean;
  /** offsets in bytes in the function: where to begin, and where to end */
  readonly from?: number;
  readonly to?: number;
  /** conditions that hold, in the words in which ways name them */
  readonly when: readonly string[];
  /** offsets of stores that write no descriptor */
  readonly others: ReadonlySet<number>;
  /** with VHE: the kernel's own stage 1 (EL2&0) is judged as if it were a guest's */
  readonly guests: boolean;
}

export interface Lifted {
  /** the function, and where it begins */
  readonly name: string;
  readonly address: string;
  readonly ways: readonly LiftedWay[];
  readonly listing: readonly ListedInstruction[];
  /** what ways depended on */
  readonly capabilities: readonly {
    readonly number: number;
    readonly title: string | undefined;
    readonly is: Capability;
  }[];
  /** where ways end in an exception, or in a function that never returns: they are not followed farther */
  readonly exceptions: readonly string[];
  /** why there are no ways, or not all of them */
  readonly problem: string | undefined;
}

/** Follows a function and makes policies' code of its ways. */
export function liftFunction(code: CodeFile, f: ElfSymbol, setting: CodeSetting): Lifted {
  const current = [...setting.operands].flatMap(([text, meaning]) => (meaning === "owner-current" ? [text] : []));
  const follower = new Follower(code, f, { ...setting, ownerCurrent: new Set(current) });
  const tree = follower.follow();
  const found = waysOf(tree);
  const ways = waysWhen(found ?? [], setting.when).map((way) => liftWay(way, setting.operands, setting.guests));
  const asked = [...follower.asked.values()].sort((a, b) => a.alternative.capability - b.alternative.capability);
  return {
    name: f.name,
    address: fullAddress(f.address),
    ways,
    listing: listingOf(code, [...follower.met.values()], ways),
    capabilities: asked.map(({ alternative: { capability, title }, is }) => ({ number: capability, title, is })),
    exceptions: [...follower.exceptions].sort((a, b) => a - b).map(fullAddress),
    problem:
      follower.exhausted ??
      (found === undefined
        ? "its ways are too many to be told apart: a part of it may be named by --begin and --end"
        : undefined),
  };
}

/** Names that are told where one is asked for. */
const MOST_NAMES = 12;

/**
 * The function that a user means: by name, by an address that it holds, or where nothing is said the only one that flushes.
 * Throws an InputError that says which there are.
 */
export function functionOf(code: CodeFile, asked: string | undefined): ElfSymbol {
  const fail = (why: string): never => {
    throw InputError.at(code.file, 0, why);
  };
  if (asked === undefined) {
    const flushing = code.functions.filter((f) => flushesIn(code, wordsOf(f)));
    if (flushing.length === 1) return flushing[0]!;
    if (flushing.length === 0) return fail("has no function with a TLBI in it");
    const names = [...new Set(flushing.map(({ name }) => name))];
    const more = names.length > MOST_NAMES ? `, and ${names.length - MOST_NAMES} others` : "";
    return fail(
      `has ${names.length} functions that flush, expected FILE:FUNCTION with one of them: ${names.slice(0, MOST_NAMES).join(", ")}${more}`,
    );
  }
  if (/^0x[0-9a-f]{1,16}$/i.test(asked)) {
    const address = Number(BigInt.asUintN(52, BigInt(asked)));
    return code.functionAt(address) ?? fail(`has no function at ${asked}`);
  }
  const [found, ...others] = code.named(asked);
  if (found === undefined) return fail(`has no function '${asked}'${near(code, asked)}`);
  if (others.length > 0)
    return fail(
      `has ${others.length + 1} functions '${asked}', expected the address of one of them: ${[found, ...others].map(({ address }) => fullAddress(address)).join(", ")}`,
    );
  return found;
}

function* wordsOf(f: ElfSymbol): Generator<number> {
  for (let at = f.address; at < f.address + f.size; at += 4) yield at;
}

/** What may have been meant: names that hold it, or else that are like it. */
function near(code: CodeFile, asked: string): string {
  const names = [...new Set(code.functions.map(({ name }) => name))];
  const holding = names.filter((name) => name.includes(asked)).sort((a, b) => a.length - b.length);
  return holding.length > 0 ? `; there is ${holding.slice(0, 3).join(", ")}` : didYouMean(asked, names);
}
