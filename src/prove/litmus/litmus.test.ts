import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../input/index.js";
import type { Condition } from "../program.js";
import { parseLitmus } from "./litmus.js";
import { type Parts, parsed, textOf } from "./text.fixture.js";
import { UnsupportedInTest } from "./unsupported.js";

const final = (assertion: string): Condition =>
  parsed({ setup: "physical pa1; x |-> pa1;", assertion, more: '[thread.1]\ncode = "NOP"\n' }).program.final;

test("an assertion joins registers and memory; & binds more strongly than |", () => {
  const x0: Condition = { kind: "reg", thread: 0, reg: 0, value: 1n };
  const x2: Condition = { kind: "reg", thread: 1, reg: 2, value: 0x60_1f43n };
  assert.deepEqual(final("0:X0=1"), x0);
  assert.deepEqual(final("0:R0 = 0b1 & 1:X2 = desc3(x, page_table_base)"), { kind: "and", of: [x0, x2] });
  assert.deepEqual(final("0:X0=1 | 0:X0=1 & ~(1:X2=mkdesc3(oa=pa1))"), {
    kind: "or",
    of: [x0, { kind: "and", of: [x0, { kind: "not", of: x2 }] }],
  });
  assert.deepEqual(final("*pa1=2"), { kind: "mem", pa: 0x60_1000, value: 2n });
  assert.deepEqual(final("*x = 2"), final("*pa1 = 2"), "a virtual name is where it leads at first");
  assert.deepEqual(final("0:X0 != 1"), { kind: "not", of: x0 });
  assert.deepEqual(final("true"), { kind: "true" });
});

test("threads begin at EL0 in their own code, with both stages on and the usual tables", () => {
  const { threads } = parsed({ setup: "", more: '[thread.1]\ncode = "NOP"\n' }).program;
  const [a, b] = threads;
  assert.deepEqual([a!.entry, b!.entry, a!.el, a!.sp], [0x40_0000, 0x40_1000, 0, 0]);
  const { HCR_EL2, TTBR0_EL1, TTBR1_EL1, TTBR0_EL2, VTTBR_EL2 } = a!.sysregs;
  assert.deepEqual([TTBR0_EL1, TTBR1_EL1, TTBR0_EL2, VTTBR_EL2], [0x30_0000n, 0x30_0000n, 0x30_0000n, 0x20_0000n]);
  assert.equal(HCR_EL2! & 1n, 1n);
});

test("the reset table sets registers, system registers, the EL, and addresses of labels", () => {
  const reset = [
    'R3 = "x"',
    '"PSTATE.EL" = "0b10"',
    '"PSTATE.SP" = "0b1"',
    'ELR_EL2 = "L:"',
    'HCR_EL2 = "0x0"',
    "X4 = 7",
  ];
  const [thread] = parsed({ setup: "", code: "ERET\nL:\nNOP", reset: [...reset, '"__isla_anything" = "true"'] }).program
    .threads;
  assert.deepEqual(thread!.registers, { 3: 0x60_0000n, 4: 7n });
  assert.deepEqual([thread!.el, thread!.sp, thread!.sysregs.ELR_EL2, thread!.sysregs.HCR_EL2], [2, 1, 0x40_0004n, 0n]);
});

test("sections stand at their addresses, for every thread; numeric labels are their own", () => {
  const more = `[thread.1]
code = "NOP"
[section.one]
address = "0x1400"
code = """
  B 1f
1:
  ERET
"""
`;
  for (const { code } of parsed({ setup: "", more }).program.threads)
    assert.deepEqual(
      code.filter(({ address }) => address < 0x2000).map(({ address, op }) => [address, op]),
      [[0x1400, "branch"], [0x1404, "eret"]], // biome-ignore format: a table
    );
});

test("handlers of two threads at one address are each thread's own", () => {
  const section = (thread: number, code: string): string =>
    `[section.thread${thread}_el1_handler]\naddress = "0x1400"\ncode = "${code}"\n`;
  const more = `[thread.1]\ncode = "NOP"\n${section(0, "NOP")}${section(1, "ERET")}`;
  const { threads } = parsed({ setup: "", more }).program;
  assert.deepEqual(
    threads.map(({ code }) => code.filter(({ address }) => address === 0x1400).map(({ op }) => op)),
    [["nop"], ["eret"]],
  );
  const overlapping = '[section.a]\naddress = "0x1400"\ncode = "NOP"\n[section.b]\naddress = "0x1400"\ncode = "NOP"\n';
  assert.throws(() => parsed({ setup: "", more: overlapping }), /section b overlaps section a/);
});

test("expect is kept as it is, drawings and types are no matter, remarks neither", () => {
  const more = '[types]\npa1 = "uint64_t"\n[graph]\nshows = ["po"]\n';
  const text = textOf({ setup: "physical pa1;", more }).replace("[final]", '[final]\nexpect = "unsat"');
  const test = parseLitmus(`hash = "1"\n${text}`, "f.toml");
  assert.deepEqual([test.name, test.file, test.expect], ["T", "f.toml", "unsat"]);
  assert.equal(parsed({}).expect, undefined);
});

test("what is wrong is refused with its line", () => {
  const refused = (parts: Parts, message: RegExp): void =>
    assert.throws(
      () => parsed(parts),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused({ assertion: "0:X0 = " }, /^t\.toml:\d+: expected a number, a name or a function, found the end/);
  refused({ assertion: "3:X0 = 1" }, /expected a thread of this test, found '3'/);
  refused({ assertion: "0:X0 = 1)" }, /expected nothing more, found '\)'/);
  refused({ assertion: "X0 = 1" }, /expected a register such as 0:X2/);
  refused({ reset: ['R1 = "y"'] }, /unknown name 'y'/);
  assert.throws(() => parseLitmus('name = "x"\n', "f.toml"), /^InputError: f\.toml: thread: is missing/);
  assert.throws(() => parseLitmus("\u0000", "f.toml"), InputError);
});

test("what this tool does not do is said to be unsupported, with its line", () => {
  const unsupported = (parts: Parts, message: RegExp): void =>
    assert.throws(
      () => parsed(parts),
      (error) => error instanceof UnsupportedInTest && message.test(error.message),
    );
  unsupported({ reset: ['SCTLR_EL3 = "0x0"'] }, /^t\.toml:9: a first value of SCTLR_EL3$/);
  unsupported({ reset: ['"PSTATE.EL" = "0b11"'] }, /a first value of PSTATE\.EL/);
  unsupported({ assertion: "0:SP = 0" }, /the register 'SP' in an assertion/);
  unsupported({ assertion: "0:X0 = 0:X1" }, /a comparison of two registers/);
  unsupported({ more: "[interrupts]\nat = 1\n" }, /'interrupts'/);
  assert.throws(() => parseLitmus(textOf({}).replace("AArch64", "RISCV"), "f.toml"), UnsupportedInTest);
});
