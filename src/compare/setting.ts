/** One `--set`: a number of a scenario, a host or a policy, and the values that it takes one after the other. */
import { InputError } from "../input/index.js";

/** A key with its values, in the order in which they were given. */
export interface Setting {
  readonly key: string;
  readonly values: readonly number[];
}

/** Most values of one key. */
const MOST_VALUES = 1000;
const FORM = "expected KEY=V1,V2,... or KEY=FROM..TO, FROM..TO+STEP or FROM..TO*FACTOR";

/** Reads "key=v1,v2", "key=from..to*factor", "key=from..to+step" or "key=from..to" (step 1). Throws an InputError. */
export function parseSetting(text: string): Setting {
  const [, key = "", list = ""] = /^\s*([^=\s]+)\s*=(.*)$/.exec(text) ?? [];
  const refuse = (why: string): never => {
    throw new InputError(`--set '${text}': ${why}`);
  };
  if (key === "" || list.trim() === "") refuse(FORM);
  const values = list.split(",").flatMap((part) => {
    const word = part.trim();
    const range = /^(.+?)\.\.(.+?)(?:([*+])(.+))?$/.exec(word);
    const [from, to, by] = (range ? [range[1]!, range[2]!, range[4] ?? "1"] : [word, word, "1"]).map(numberOf);
    if (from === undefined || to === undefined || by === undefined)
      return refuse(`'${word}' is no number or range, ${FORM}`);
    const times = range?.[3] === "*";
    if (to < from) refuse(`'${word}' goes down, expected FROM to be the smaller`);
    if (times ? by <= 1 || from <= 0 : by <= 0)
      refuse(`'${word}' goes nowhere, expected ${times ? "a factor above 1, from above 0 on" : "a step above 0"}`);
    return stepsOf(from, to, times ? (n) => from * by ** n : (n) => from + by * n, () =>
      refuse(`'${word}' has more than ${MOST_VALUES} values`),
    );
  });
  if (values.length > MOST_VALUES) refuse(`has more than ${MOST_VALUES} values`);
  return { key, values: [...new Set(values)] };
}

/** Decimal with point, exponent or underscores, or 0x...; undefined for anything else. */
function numberOf(text: string): number | undefined {
  const word = text.trim().replace(/(?<=\w)_(?=\w)/g, "");
  return /^(\d+(\.\d+)?(e\d+)?|0x[0-9a-f]+)$/i.test(word) ? Number(word) : undefined;
}

/** The values of a range up to its end; what rounding puts a hair above it is the end itself. */
function stepsOf(from: number, to: number, at: (n: number) => number, tooMany: () => never): number[] {
  const values: number[] = [];
  for (let n = 0; ; n++) {
    const value = Number(at(n).toPrecision(12));
    if (value > to * (1 + 1e-9)) return values;
    if (n === MOST_VALUES) tooMany();
    values.push(Math.min(value, to));
    if (from === to) return values;
  }
}
