// examples/cover.mjs: the TLBIs for a range of IPAs, read back; and an operand that a small kernel got wrong.
import { coverRange, lintOperand, operandRange, parseRange, tlbiOp } from "shootdown/arch";

const range = parseRange("0x40000000+513"); // { kind: "ipa", start: 0x40000000n, end: 0x40201000n }
for (const { op, xt } of coverRange(tlbiOp("RIPAS2E1IS"), range)) {
  const { start, end } = operandRange(op, xt);
  console.log(`${op.name}, 0x${xt.toString(16)}: ${(end - start) >> 12n} pages from 0x${start.toString(16)}`);
}
for (const { name, sentence } of lintOperand(tlbiOp("IPAS2E1IS"), range.start, { range })) console.log(`${name}: ${sentence}`);
