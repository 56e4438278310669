/** Herd's form, read as its manual and its grammar have it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu } from "../../builtin/index.js";
import { proverCpu } from "../cpu.js";
import { decideTest, readTest } from "../forms.js";

const CPU = proverCpu(builtInCpu("arch-minimal"));

/** A test with these first values, code and condition. */
const textOf = (first: string, code: string, final: string, settings = ""): string =>
  `AArch64 T\n${settings}\n{ ${first} }\n${code}\n${final}\n`;
const read = (...parts: Parameters<typeof textOf>) => readTest(textOf(...parts), "t.litmus");
const decide = (...parts: Parameters<typeof textOf>) =>
  decideTest(read(...parts), { ...CPU, maxStates: 100_000, timeoutMs: 0 });
const verdict = (...parts: Parameters<typeof textOf>): string => decide(...parts).verdict;

/** P0 unmaps x, the page that P1 reads, without a TLBI. */
const UNMAP = " P0 | P1 ;\n STR X1,[X2] | L0: LDR W1,[X3] ;";

test("a form is told by what stands in it, comments before it or not", () => {
  const text = `(* "a" (* in *) = *)\nAArch64 MP+po\n{ 0:X1=x; }\n P0 ;\n LDR W0,[X1] ;\nexists 0:X0=0`;
  assert.equal(readTest(text, "t").name, "MP+po");
  assert.throws(() => readTest('arch = "AArch64"\nname = ', "t.toml"), /t\.toml:2/);
  assert.throws(() => readTest(`AArch64 T (* \n{ }`, "t"), /t:1: this comment has no end/);
});

test("a descriptor has the bits of the architecture, and what is not said has herd's default", () => {
  const { program } = read(
    "0:X1=PTE(x); 0:X2=(oa:PA(y),valid:0,af:0,db:0,dbm:1,el0:0); 0:X3=(oa:phy_x); x=0; y=0;",
    "P0;\nNOP;",
    "exists true",
  );
  const { 1: pte, 2: odd, 3: plain } = program.threads[0]!.registers;
  assert.equal(program.memory.read(Number(pte)), plain, "PTE(x) maps x to its own page by default");
  // VALID, AP[2] (read-only), AP[1] (EL0), AF, DBM: DDI 0487, D8.3.1.2
  const flags = (bits: bigint | undefined) => [0n, 7n, 6n, 10n, 51n].map((at) => Number((bits! >> at) & 1n));
  assert.deepEqual(flags(plain), [1, 0, 1, 1, 0]);
  assert.deepEqual(flags(odd), [0, 1, 0, 0, 1]);
});

test("TTHM sets TCR_EL1.HA and HD of the threads that it names, HD with HA", () => {
  const bits = (settings: string) =>
    read("0:X1=x; 1:X1=x;", "P0|P1;\nNOP|NOP;", "exists true", settings).program.threads.map(
      ({ sysregs }) => Number(sysregs.TCR_EL1! >> 39n) & 3,
    );
  assert.deepEqual(bits(""), [0, 0]);
  assert.deepEqual(bits("TTHM=HA"), [1, 1]);
  assert.deepEqual(bits("TTHM=P1:HD"), [0, 3]);
  assert.throws(() => bits("TTHM=HB"), /t\.litmus:2: TTHM=HB, expected HA, HD, P0:HA/);
});

test("what Variant asks for is obeyed, or refused by its name", () => {
  const code = "P0;\nNOP;";
  assert.deepEqual(read("", code, "exists true", "Variant=vmsa,ETS2").asks, { ets2: true });
  for (const [word, why] of [
    ["mte", /memory tags .* \(Variant=mte\)/],
    ["ifetch", /instruction fetch .*\(Variant=ifetch\)/],
    ["odd", /Variant=odd/],
  ] as const)
    assert.throws(() => read("0:X1=NOP;", code, "exists true", `Variant=${word}`), { reason: why });
});

test("a fault ends its thread, is taken again or is skipped, as Variant says", () => {
  const of = (variant: string, final: string): string =>
    verdict("PTE(x)=(valid:0); 0:X1=x; 0:X2=7;", "P0;\nL0: LDR W2,[X1];\nMOV W3,#1;", final, variant);
  const fault = "fault(P0:L0,x,MMU:Translation)";
  for (const [variant, goesOn] of [
    ["", false],
    ["Variant=fatal", false],
    ["Variant=precise", false],
    ["Variant=skip", true],
    ["Variant=faultToNext", true],
  ] as const) {
    assert.equal(of(variant, `exists ${fault} /\\ 0:X3=1`), goesOn ? "allowed" : "forbidden", variant);
    assert.equal(of(variant, `exists ${fault} /\\ 0:X2=7`), "allowed", variant);
  }
  // A descriptor that somebody makes valid in between: only who tries again sees it.
  const again = (variant: string): string =>
    verdict(
      "PTE(x)=(valid:0); 0:X1=x; 1:X1=(oa:PA(x)); 1:X2=PTE(x); x=5;",
      "P0|P1;\nL0: LDR W2,[X1] | STR X1,[X2];",
      "exists fault(P0:L0) /\\ 0:X2=5",
      variant,
    );
  assert.deepEqual(["Variant=handled", "Variant=fatal"].map(again), ["allowed", "forbidden"]);
});

test("a handler of the test's own runs, and both pieces of code know each other's labels", () => {
  const code = "P0 | P0.F ;\nLDR W2,[X1] | ADR X9,L1 ;\nMOV W4,#1 | MSR ELR_EL1,X9 ;\nL1: MOV W3,#1 | ERET ;";
  const of = (final: string): string => verdict("PTE(x)=(valid:0); 0:X1=x;", code, final);
  assert.equal(of('exists 0:X3=1 /\\ 0:X4=0 /\\ 0:X9=label:"P0:L1"'), "allowed");
  assert.equal(of("exists ~(0:X3=1 /\\ 0:X4=0)"), "forbidden");
});

test("a fault has a thread, a label, an address and a kind, each of which may be left out", () => {
  const of = (final: string): string => verdict("0:X2=PTE(x); 0:X1=(valid:0); 1:X3=x; y=0;", UNMAP, `exists ${final}`);
  for (const right of [
    "fault(P1)",
    "Fault(P1:L0)",
    "fault(P1,x)",
    "fault(P1:L0,x,MMU:Translation)",
    "fault(P1,MMU:Translation)",
  ])
    assert.equal(of(right), "allowed", right);
  for (const wrong of [
    "fault(P0)",
    "fault(P1,y)",
    "fault(P1,PTE(x))",
    "fault(P1:L0,x,MMU:Permission)",
    "fault(P1,MMU:AccessFlag)",
  ])
    assert.equal(of(wrong), "forbidden", wrong);
  assert.throws(() => of("fault(P1:L1)"), /no label 'L1' in the code of P1/);
  assert.throws(() => of("fault(P1,TagCheck)"), { reason: "faults of the kind 'TagCheck'" });
});

test("kinds of faults are told apart: invalid, access flag 0, read-only", () => {
  for (const [pte, kind] of [
    ["valid:0", "Translation"],
    ["af:0", "AccessFlag"],
    ["db:0", "Permission"],
  ] as const)
    for (const other of ["Translation", "AccessFlag", "Permission"])
      assert.equal(
        verdict(`PTE(x)=(${pte}); 0:X1=x;`, "P0;\nSTR W2,[X1];", `exists fault(P0,x,MMU:${other})`),
        other === kind ? "allowed" : "forbidden",
        `${pte}, ${other}`,
      );
});

test("~exists and forall have the verdict of their proposition, and hold or not", () => {
  const of = (final: string) => {
    const { verdict, holds } = decide("0:X1=x; x=1;", "P0;\nLDR W0,[X1];", final);
    return [verdict, holds];
  };
  assert.deepEqual(of("exists 0:X0=1"), ["allowed", undefined]);
  assert.deepEqual(of("~exists 0:X0=1"), ["allowed", false]);
  assert.deepEqual(of("~exists 0:X0=2"), ["forbidden", true]);
  assert.deepEqual(of("forall 0:X0=1"), ["allowed", true]);
  assert.deepEqual(of("forall 0:X0=2"), ["forbidden", false]);
  const racing = (final: string) => decide("0:X1=x; 1:X1=x;", "P0|P1;\nLDR W0,[X1]|MOV W2,#1;\n|STR W2,[X1];", final);
  assert.equal(racing("forall 0:X0=1").holds, false);
  assert.equal(racing("forall 0:X0=1 \\/ 0:X0=0").holds, true);
  assert.equal(racing("filter 0:X0=1 forall 0:X0=1").holds, true);
  assert.equal(racing("filter 0:X0=1 exists 0:X0=0").verdict, "forbidden");
});

test("=> binds more strongly than /\\, and that more than \\/", () => {
  const holds = (p: string): string => verdict("", "P0;\nNOP;", `exists ${p}`);
  assert.equal(holds("true \\/ true /\\ false"), "allowed");
  assert.equal(holds("false /\\ true => true"), "forbidden");
  assert.equal(holds("~false /\\ not false"), "allowed");
});

test("variables have the size of their type, arrays lie in one page", () => {
  const array = "int x[3]={1,2,3}; 0:X1=x; int64_t y=0x123456789; 0:X2=y;";
  const code = "P0;\nLDR W3,[X1,#8];\nMOV W4,#9;\nSTR W4,[X1,#4];\nLDR X5,[X2];";
  assert.equal(
    verdict(array, code, "exists 0:X3=3 /\\ x[1]=9 /\\ x={1,9,3} /\\ y=0x123456789 /\\ 0:X5=4886718345"),
    "allowed",
  );
  assert.equal(verdict(array, code, "exists x[0]=9 \\/ x[2]=9"), "forbidden");
});

test("two names of one page are one location", () => {
  const first = "PTE(y)=(oa:PA(x)); 0:X1=x; 0:X2=y; x=1; y=2;";
  assert.equal(verdict(first, "P0;\nMOV W0,#5;\nSTR W0,[X2];", "exists [x]=5 /\\ y=2"), "allowed");
});

test("what is wrong is said with its line", () => {
  for (const [first, code, final, message] of [
    ["0:X1=", "P0;", "exists true", /t\.litmus:3: .*found the end/],
    ["PTE(x)=(valid:2);", "P0;", "exists true", /t\.litmus:3: valid:2, expected 0 or 1/],
    ["PTE(x)=(bad:1);", "P0;", "exists true", /t\.litmus:3: unknown field 'bad'/],
    ["", "P0 | Q1 ;", "exists true", /t\.litmus:4: 'Q1', expected the name of a thread/],
    ["", "P0 ;\nLDR X1,[X2] | NOP ;", "exists true", /t\.litmus:5: 2 columns, expected at most 1/],
    ["", "P0 ;\nFOO X1 ;", "exists true", /t\.litmus:5: 'FOO X1'/],
    ["", "P0 ;\nNOP ;", "exists 1:X0=1", /t\.litmus:6: P1 has no column/],
    ["1:X0=1;", "P0 ;\nNOP ;", "exists true", /t\.litmus:3: P1 has no column/],
    ["", "P0 ;\nNOP ;", "exists 0:X0=", /t\.litmus:\d: expected a number/],
    ["int x[2]={1};", "P0 ;\nNOP ;", "exists true", /t\.litmus:3: 1 values, expected 2/],
  ] as const)
    assert.throws(() => read(first, code, final), message, `${first} ${code} ${final}`);
});
