// Damage of a kind that disks, networks, editors and hostile people do; the same for the same seed.

/** A generator of numbers (splitmix32); `below(n)` is a whole number from 0 to n - 1. */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  const below = (n) => next() % n;
  return { next, below, pick: (list) => list[below(list.length)], chance: (percent) => below(100) < percent };
}

export const NUMBERS = [
  "0",
  "-0",
  "-1",
  "1",
  "2",
  "3",
  "7",
  "40",
  "48",
  "52",
  "255",
  "256",
  "4096",
  "65535",
  "65536",
  "2147483648",
  "4294967296",
  "9007199254740991",
  "9007199254740993",
  "18446744073709551615",
  "18446744073709551616",
  "1e308",
  "1e309",
  "-1e308",
  "1e-320",
  "inf",
  "-inf",
  "nan",
  "0x",
  "0xffffffffffffffff",
  "0x10000000000000000",
  "0b",
  "0o7",
  "1_000",
  "1.5",
  ".5",
  "0.1",
  "1979-05-27",
]; // prettier-ignore
export const WORDS = [
  "__proto__",
  "constructor",
  "toString",
  "total",
  "other",
  "",
  "\u0000",
  "\u001b[31m",
  "\u202e",
  "\ud800",
  "é",
  "漢",
  "'",
  '"',
  '"""',
  "\\",
  "{",
  "}",
  "[",
  "]",
  "[[",
  "]]",
  "(",
  ")",
  "#",
  "//",
  ",",
  "=",
  "|->",
  "?->",
  "&",
  "|",
  "~",
  "*",
  "\n",
  "\r\n",
  "\t",
  "true",
  "null",
  "end",
  "for page",
  "if not FEAT_XS",
  "with owner-vmid",
  "TLBI VMALLS12E1IS",
  "DSB ISH",
  "STR X0,[X1]",
  "HVC #0",
  "ERET",
]; // prettier-ignore

/** Damages a text: tokens, numbers, lines, quotes, depth, length; `others` are texts to take pieces from. */
export function damageText(r, text, others) {
  let out = text;
  for (let n = 1 + r.below(r.chance(80) ? 3 : 30); n > 0; n--)
    out = TEXT_DAMAGES[r.below(TEXT_DAMAGES.length)](r, out, others);
  return out;
}

const at = (r, text) => r.below(text.length + 1);
const splice = (text, from, to, put) => text.slice(0, from) + put + text.slice(to);
const lines = (text) => text.split("\n");

const TEXT_DAMAGES = [
  (r, text) => splice(text, at(r, text), at(r, text), ""),
  (r, text) => {
    const from = at(r, text);
    return splice(text, from, from, r.pick(WORDS));
  },
  // a number becomes another
  (r, text) => {
    const found = [...text.matchAll(/0x[\da-f]+|\d[\d._]*/gi)];
    if (found.length === 0) return text;
    const one = r.pick(found);
    return splice(text, one.index, one.index + one[0].length, r.pick(NUMBERS));
  },
  // a word becomes another of the same text, or a strange one
  (r, text) => {
    const found = [...text.matchAll(/[A-Za-z_][\w-]*/g)];
    if (found.length === 0) return text;
    const one = r.pick(found);
    return splice(text, one.index, one.index + one[0].length, r.chance(70) ? r.pick(found)[0] : r.pick(WORDS));
  },
  // lines dropped, doubled, moved
  (r, text) => {
    const list = lines(text);
    list.splice(r.below(list.length), 1 + r.below(3));
    return list.join("\n");
  },
  (r, text) => {
    const list = lines(text);
    const from = r.below(list.length);
    const some = list.slice(from, from + 1 + r.below(8));
    list.splice(r.below(list.length + 1), 0, ...some);
    return list.join("\n");
  },
  // a piece of another text
  (r, text, others) => {
    const list = lines(r.pick(others));
    const from = r.below(list.length);
    const mine = lines(text);
    mine.splice(r.below(mine.length + 1), 0, ...list.slice(from, from + 1 + r.below(12)));
    return mine.join("\n");
  },
  (r, text) => text.slice(0, at(r, text)),
  // depth and length
  (r, text) => {
    const [open, close] = r.pick([
      ["[", "]"],
      ["(", ")"],
      ["{a=", "}"],
      ["~", ""],
      ["if repeat-tlbi\n", "end\n"],
      ["a.", ""],
    ]);
    const depth = r.pick([2, 50, 1_000, 20_000]);
    const from = at(r, text);
    return splice(text, from, from, `${open.repeat(depth)}1${close.repeat(depth)}`);
  },
  (r, text) => {
    const from = at(r, text);
    return splice(
      text,
      from,
      from,
      r.pick(["a", " ", "1", "é", "\n", "'", '"', "x = 1\n"]).repeat(r.pick([100, 5_000, 130_000])),
    );
  },
  (r, text) => {
    const from = at(r, text);
    return splice(text, from, from + 1, String.fromCharCode(r.below(r.chance(80) ? 256 : 65_536)));
  },
];

/** Damages bytes: bits flipped, bytes set, pieces cut, doubled, moved, the end lost. */
export function damageBytes(r, bytes) {
  let out = Buffer.from(bytes);
  for (let n = 1 + (r.chance(60) ? 0 : r.below(4)); n > 0; n--)
    out = BYTE_DAMAGES[r.below(BYTE_DAMAGES.length)](r, out);
  return out;
}

const flip = (r, bytes) => {
  if (bytes.length > 0) bytes[r.below(bytes.length)] ^= 1 << r.below(8);
  return bytes;
};
const BYTE_DAMAGES = [
  flip,
  flip,
  flip,
  (r, bytes) => {
    if (bytes.length > 0) bytes[r.below(bytes.length)] = r.pick([0, 1, 0x7f, 0x80, 0xff, r.below(256)]);
    return bytes;
  },
  (r, bytes) => {
    const from = r.below(bytes.length + 1);
    const to = Math.min(bytes.length, from + 1 + r.below(64));
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (r, bytes) => {
    const from = r.below(bytes.length + 1);
    const put = r.below(bytes.length + 1);
    const piece = bytes.subarray(from, from + 1 + r.below(64));
    return Buffer.concat([bytes.subarray(0, put), piece, bytes.subarray(put)]);
  },
  (r, bytes) => bytes.subarray(0, r.below(bytes.length + 1)),
  (r, bytes) => {
    const from = r.below(bytes.length + 1);
    bytes.fill(r.pick([0, 0xff]), from, Math.min(bytes.length, from + 1 + r.below(32)));
    return bytes;
  },
];
