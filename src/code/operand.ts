/** What a TLBI's operand is computed from: a page of an address, an ASID, a level; told from the shifts (DDI 0487, C5.5). */
import type { TlbiOp } from "../arch/index.js";
import type { Value } from "./value.js";

/** A field of a value: `length` bits from bit `from` of a source, at bit `to`. */
interface Slice {
  readonly source: Value;
  readonly from: number;
  readonly to: number;
  readonly length: number;
  /** what a round of a loop adds to the source */
  readonly step?: Value | undefined;
  /** by how many bits the value was shifted down since */
  readonly down?: number;
  readonly loops?: boolean;
}

/** What the operand is. */
export type Operand =
  | { readonly kind: "none" | "zero" }
  | {
      readonly kind: "address";
      /** what the page is taken from: "X1", and how: its bits from 12 on (an address), or as it is (a page number) */
      readonly source: string;
      readonly from: "address" | "page";
      /** the field that says the level, and the one that says the ASID */
      readonly ttl: string | undefined;
      readonly asid: string | undefined;
      /** each round of a loop goes on by so much, in pages where it is a number */
      readonly step: string | undefined;
      readonly loops: boolean;
    }
  | { readonly kind: "range"; readonly source: string }
  | { readonly kind: "asid"; readonly source: string }
  | { readonly kind: "unknown"; readonly text: string };

/** Fields of a value, the lowest first; a part that is not taken apart is one field. */
function slices(value: Value): Slice[] {
  if (value.kind === "number") {
    return value.number === 0n ? [] : [{ source: value, from: 0, to: 0, length: 64 }];
  }
  if (value.kind === "loop") {
    const { step } = value;
    const start = slices(value.start);
    if (start.length === 0) return [{ source: value, from: 0, to: 0, length: 64, loops: true, step, down: 0 }];
    return start.map((slice, i) => (i === 0 ? { ...slice, step, loops: true, down: 0 } : slice));
  }
  if (value.kind === "op") {
    const [a, b] = value.of as [Value, Value];
    const n = b?.kind === "number" ? b.number : undefined;
    const shift = n === undefined ? 0 : Number(n);
    if (value.op === "orr") return [...slices(a), ...slices(b)].sort((x, y) => x.to - y.to);
    if (n !== undefined) {
      if (value.op === "and") return pieces(n).flatMap(([low, length]) => cut(slices(a), low, length));
      if (value.op === "low") return cut(slices(a), 0, shift);
      if (value.op === "lsl")
        return cut(
          slices(a).map((s) => ({ ...s, to: s.to + shift })),
          0,
          64,
        );
      if (value.op === "lsr")
        return cut(slices(a), shift, 64 - shift).map((s) => ({ ...s, to: s.to - shift, down: (s.down ?? 0) + shift }));
    }
  }
  return [{ source: value, from: 0, to: 0, length: value.kind === "name" ? value.bits : 64 }];
}

/** Runs of ones of a mask: the lowest bit and the length of each. */
function pieces(mask: bigint): [number, number][] {
  const list: [number, number][] = [];
  for (let at = 0; at < 64; at++) {
    if (((mask >> BigInt(at)) & 1n) === 0n) continue;
    const low = at;
    while (at < 64 && ((mask >> BigInt(at)) & 1n) === 1n) at++;
    list.push([low, at - low]);
  }
  return list;
}

/** The parts of fields within some bits. */
function cut(list: readonly Slice[], low: number, length: number): Slice[] {
  return list.flatMap((slice) => {
    const from = Math.max(slice.to, low);
    const end = Math.min(slice.to + slice.length, low + length);
    return end <= from ? [] : [{ ...slice, from: slice.from + from - slice.to, to: from, length: end - from }];
  });
}

/** What Xt of a TLBI is. */
export function operandOf(op: TlbiOp, value: Value): Operand {
  if (op.operand === "none") return { kind: "none" };
  if (value.kind === "number" && value.number === 0n) return { kind: "zero" };
  const fields = slices(value);
  const within = (low: number, length: number): Slice[] => cut(fields, low, length);
  const textOf = (low: number, length: number): string | undefined =>
    within(low, length)
      .map(({ source }) => source.text)
      .join(" | ") || undefined;
  if (op.operand === "asid") return { kind: "asid", source: textOf(48, 16) ?? "0" };
  if (op.operand.endsWith("-range")) return { kind: "range", source: textOf(0, 37) ?? "0" };
  const page = within(0, 44);
  const [first] = page;
  if (first === undefined || page.length > 1 || first.to !== 0) return { kind: "unknown", text: value.text };
  if (first.from !== 0 && first.from !== 12) return { kind: "unknown", text: value.text };
  // An address's own bits beyond the page's field are taken to be 0.
  const others = (low: number, length: number): string | undefined =>
    within(low, length)
      .filter(({ source, from, to }) => source.text !== first.source.text || from - to !== first.from)
      .map(({ source }) => source.text)
      .join(" | ") || undefined;
  return {
    kind: "address",
    source: first.source.text,
    from: first.from === 12 ? "address" : "page",
    ttl: others(44, 4),
    asid: op.operand === "va" ? others(48, 16) : undefined,
    step: stepOf(first),
    loops: first.loops === true,
  };
}

function stepOf({ step, down = 0 }: Slice): string | undefined {
  return step?.kind === "number" ? `${Number(step.number) / 2 ** down}` : step?.text;
}
