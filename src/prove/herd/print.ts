/** Herd's form, written: the parts of a test, and values as herd prints them. */
import type { Column, Descriptor, FaultAt, First, HerdTest, Place, Proposition, Shown, Value } from "./syntax.js";

/** A number as herd writes it; large ones in hexadecimal. */
const numberText = (value: bigint): string =>
  value < 1n << 32n
    ? String(value)
    : value >= (1n << 64n) - 4096n
      ? String(BigInt.asIntN(64, value))
      : `0x${value.toString(16)}`;

const indexed = (name: string, index: number | undefined): string => (index === undefined ? name : `${name}[${index}]`);

/** A place where one is declared or compared: "0:X1", "x", "PTE(x)". */
export function placeText(place: Place): string {
  switch (place.kind) {
    case "register":
      return `${place.thread}:${place.name}`;
    case "variable":
      return indexed(place.name, place.index);
    case "pte":
      return `[PTE(${place.name})]`;
  }
}

/** A descriptor with what differs from the default. */
export function descriptorText({ oa, fields, attributes }: Pick<Descriptor, "oa" | "fields" | "attributes">): string {
  const parts = [
    ...(oa === undefined ? [] : [`oa:${oa.of === "pa" ? "PA" : "PTE"}(${oa.name})`]),
    ...[...fields].map(([name, value]) => `${name}:${value}`),
    ...(attributes.length === 0 ? [] : [`attrs:(${attributes.join(", ")})`]),
  ];
  return `(${parts.join(", ")})`;
}

function valueText(value: Value): string {
  switch (value.kind) {
    case "number":
      return numberText(value.value);
    case "address":
      return value.of === "pte" ? `PTE(${value.name})` : indexed(value.name, value.index);
    case "descriptor":
      return descriptorText(value);
    case "label":
      return `label:"P${value.thread}:${value.name}"`;
    case "array":
      return `{${value.values.map(valueText).join(",")}}`;
  }
}

export function faultText({ thread, label, at, type }: FaultAt): string {
  const where = label === undefined ? `P${thread}` : `P${thread}:${label}`;
  const what = at === undefined ? [] : [at.kind === "pte" ? `PTE(${at.name})` : at.name];
  return `fault(${[where, ...what, ...(type === undefined ? [] : [type])].join(",")})`;
}

/** How strongly the words of a proposition bind. */
const STRENGTH = { or: 1, and: 2, implies: 3, not: 4 } as const;
const WORDS = { or: " \\/ ", and: " /\\ ", implies: " => " } as const;

function propositionText(proposition: Proposition, around = 0): string {
  const { kind } = proposition;
  switch (kind) {
    case "true":
    case "false":
      return kind;
    case "equals": {
      const { place, value } = proposition;
      return `${placeText(place)}=${valueText(value)}`;
    }
    case "fault":
      return faultText(proposition.fault);
    case "not":
      return `~${propositionText(proposition.of, STRENGTH.not)}`;
    default: {
      const strength = STRENGTH[kind];
      // To the left of "=>" stands no other one: it groups to the right.
      const parts = proposition.of.map((one, i) =>
        propositionText(one, kind === "implies" && i > 0 ? strength - 0.5 : strength),
      );
      const text = parts.join(WORDS[kind]);
      return strength <= around ? `(${text})` : text;
    }
  }
}

/** "exists (0:X0=1)": the last line of a test. */
export const constraintText = ({ quantifier, proposition }: Pick<HerdTest, "quantifier" | "proposition">): string =>
  `${quantifier} (${propositionText(proposition)})`;

const shownText = (shown: Shown): string => (shown.kind === "place" ? placeText(shown.place) : faultText(shown.fault));

function firstText({ place, type, length, value }: First): string {
  const name = length === undefined ? placeText(place) : `${placeText(place)}[${length}]`;
  return `${type === undefined ? "" : `${type} `}${name}${value === undefined ? "" : `=${valueText(value)}`};`;
}

/** Rows of the table of code: cells padded to their column. */
function columnsText(columns: readonly Column[]): string[] {
  const cells = columns.map(({ thread, handler, text }) => [
    `P${thread}${handler ? ".F" : ""}`,
    ...text
      .split(/[\n;]/)
      .map((line) => line.trim())
      .filter((line) => line !== ""),
  ]);
  const widths = cells.map((column) => Math.max(...column.map((cell) => cell.length)));
  const height = Math.max(...cells.map((column) => column.length));
  return Array.from({ length: height }, (_, row) => {
    const line = cells.map((column, i) => (column[row] ?? "").padEnd(widths[i]!)).join(" | ");
    return ` ${line} ;`;
  });
}

/** The whole test. What is printed and read again is the same test. */
export function herdText(test: Omit<HerdTest, "file" | "asked">): string {
  const { name, about, settings, first, columns, shown, filter } = test;
  return [
    `AArch64 ${name}`,
    ...(about === undefined ? [] : [`"${about}"`]),
    ...settings.map(({ key, value }) => `${key}=${value}`),
    "{",
    ...first.map((one) => ` ${firstText(one)}`),
    "}",
    ...columnsText(columns),
    ...(shown.length === 0 ? [] : [`locations [${shown.map((one) => `${shownText(one)};`).join(" ")}]`]),
    ...(filter === undefined ? [] : [`filter (${propositionText(filter)})`]),
    constraintText(test),
    "",
  ].join("\n");
}
