/** All final states of a test: the counts are those that every account of these shapes gives, and they agree with verdicts. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { builtInCpu } from "../builtin/index.js";
import { proverCpu } from "./cpu.js";
import { type FinalStates, finalsOf } from "./finals.js";
import { decideTest, readTest } from "./forms.js";

const OPTIONS = { ...proverCpu(builtInCpu("arch-minimal")), maxStates: 100_000, timeoutMs: 0 };

function finals(text: string, file = "t.litmus"): FinalStates {
  const found = finalsOf(readTest(text, file), OPTIONS);
  assert.ok(!("reason" in found), file);
  return found;
}
const herd = (first: string, code: string, final: string): FinalStates =>
  finals(`AArch64 T\n{ ${first} }\n${code}\n${final}`);
const shown = ({ states }: FinalStates): string[] => states.map(({ places }) => Object.values(places).join(" "));

const MP = "0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x;";
const mp = (writer: string, reader: string, final: string): FinalStates =>
  herd(
    MP,
    `P0 | P1 ;\nMOV W0,#1 | LDR W0,[X1] ;\nSTR W0,[X1] | ${reader} ;\n${writer} | LDR W2,[X3] ;\nSTR W0,[X3] | ;`,
    final,
  );

test("message passing has four final states, with barriers three", () => {
  const plain = mp("NOP", "NOP", "exists 1:X0=1 /\\ 1:X2=0");
  assert.deepEqual(shown(plain), ["0 0", "0 1", "1 0", "1 1"]);
  assert.deepEqual([plain.positive, plain.negative, plain.observation, plain.holds], [1, 3, "Sometimes", true]);
  const ordered = mp("DMB ST", "DMB LD", "~exists 1:X0=1 /\\ 1:X2=0");
  assert.deepEqual(shown(ordered), ["0 0", "0 1", "1 1"]);
  assert.deepEqual([ordered.positive, ordered.observation, ordered.holds], [0, "Never", true]);
});

test("locations are shown besides, and what a filter takes away is no final state", () => {
  const more = mp("DMB ST", "DMB LD", "locations [x; 0:X1;] exists 1:X0=1");
  assert.deepEqual(Object.keys(more.states[0]!.places), ["0:X1", "1:X0", "[x]"]);
  assert.equal(more.states[0]!.places["0:X1"], "x", "an address by its name");
  const filtered = mp("DMB ST", "DMB LD", "locations [1:X2;] filter 1:X0=1 forall 1:X2=1");
  assert.deepEqual([shown(filtered), filtered.observation, filtered.holds], [["1 1"], "Always", true]);
});

test("faults, descriptors and labels are in herd's words", () => {
  const { states, condition } = herd(
    "0:X1=(oa:PA(x),valid:0,dbm:1); 0:X2=PTE(x); 1:X3=x; x=7;",
    "P0 | P1 ;\nSTR X1,[X2] | L0: LDR W1,[X3] ;",
    "exists (fault(P1:L0,x,MMU:Translation) /\\ 1:X1=0 /\\ [PTE(x)]=(oa:PA(x),valid:0,dbm:1))",
  );
  assert.equal(condition, "exists (fault(P1:L0,x,MMU:Translation) /\\ 1:X1=0 /\\ [PTE(x)]=(oa:PA(x), valid:0, dbm:1))");
  assert.deepEqual(
    states.map(({ places, satisfies }) => [...Object.values(places), satisfies]),
    [
      ["0", "(oa:PA(x), dbm:1, valid:0)", "taken", true],
      ["7", "(oa:PA(x), dbm:1, valid:0)", "no", false],
    ],
  );
});

test("over every order test of the project, a proposition is observed never just where it is forbidden", () => {
  const folder = fileURLToPath(new URL("../../litmus/order", import.meta.url));
  for (const file of readdirSync(folder)) {
    const text = readFileSync(join(folder, file), "utf8");
    const { verdict } = decideTest(readTest(text, file), OPTIONS);
    assert.equal(finals(text, file).observation === "Never", verdict === "forbidden", file);
  }
});
