import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../../input/index.js";
import type { Program } from "../program.js";
import { type Parts, parsed } from "./text.fixture.js";
import { UnsupportedInTest } from "./unsupported.js";
import { leafOf, walkInitial } from "./walk.fixture.js";

const program = (parts: Parts): Program => parsed(parts).program;
const S1 = 0x30_0000n;
const S2 = 0x20_0000n;

/** Address of a name in one of the maps of names. */
function at(names: ReadonlyMap<number, string>, name: string): number {
  const found = [...names].find(([, one]) => one === name);
  assert.ok(found, name);
  return found[0];
}

/** Where virtual names lead under the default tables: the physical name, or undefined. */
function leads(p: Program, name: string): string | undefined {
  const pa = walkInitial(p, S1, S2, at(p.names.virtual, name));
  return pa === undefined ? undefined : p.memory.describe(pa);
}

test("a name leads through both stages to what the setup says", () => {
  const p = program({
    symbolic: ["x", "y", "z"],
    setup: `
      physical pa1 pa2;
      intermediate ipa1;
      x |-> pa1;
      y |-> ipa1;   // through stage 2
      ipa1 |-> pa2; /* not to itself */
      z |-> invalid;
      z ?-> pa1;
      *pa1 = 1; *y = 0x22`,
  });
  assert.deepEqual([leads(p, "x"), leads(p, "y"), leads(p, "z")], ["pa1", "pa2", undefined]);
  assert.equal(p.memory.read(at(p.names.physical, "pa1")), 1n);
  assert.equal(p.memory.read(at(p.names.physical, "pa2")), 0x22n, "*y is written through y's mapping");
});

test("names lie 0x1000 apart from 0x600000, first those of the file's list; IPAs start at the same number, as isla's do", () => {
  const { names } = program({ setup: "virtual v; physical pa1; intermediate ipa1;" });
  assert.deepEqual([...names.virtual], [[0x60_0000, "x"], [0x60_1000, "v"]]); // biome-ignore format: a table
  assert.deepEqual([...names.physical], [[0x60_2000, "pa1"]]);
  assert.deepEqual([...names.intermediate], [[0x60_0000, "ipa1"]]);
});

test("asserts move names: neighbours, other regions, the same number", () => {
  const p = program({
    setup: `virtual x y z; physical pa1; intermediate ipa1;
      assert x[48..12] == add_bits_int(y[48..12], 1);
      assert z[48..21] != x[48..21] && z[48..30] == x[48..30];
      assert pa1 == ipa1;`,
  });
  const [x, y, z] = ["x", "y", "z"].map((name) => at(p.names.virtual, name));
  assert.equal(x, y! + 0x1000);
  assert.ok(z! >= 0x80_0000 && z! < 0x4000_0000);
  assert.equal(at(p.names.physical, "pa1"), at(p.names.intermediate, "ipa1"));
  assert.throws(
    () => program({ setup: "virtual x y;\nassert x == y;" }),
    /^InputError: t\.toml:6: expected addresses for which every assert holds/,
  );
});

test("a block and its target have the same offset, and an aligned name has its block alone", () => {
  const p = program({
    symbolic: ["x", "y"],
    setup: `physical pa1 pa2; aligned 2097152 virtual x; intermediate ipa1;
      x |-> pa1 at level 2; y |-> pa2;
      ipa1 ?-> pa2 at level 2;`,
  });
  assert.deepEqual([leads(p, "x"), leads(p, "y")], ["pa1", "pa2"]);
  const offset = (address: number): number => address % 0x20_0000;
  assert.equal(offset(at(p.names.virtual, "x")), 0);
  assert.equal(offset(at(p.names.intermediate, "ipa1")), offset(at(p.names.physical, "pa2")));
});

test("what may come to stand in a descriptor changes nothing at first, but has a place", () => {
  const p = program({ setup: "physical pa1; x ?-> pa1;", reset: ['R1 = "pte3(x, page_table_base)"'] });
  assert.equal(leads(p, "x"), undefined);
  assert.equal(p.memory.read(Number(p.threads[0]!.registers[1])), 0n);
});

test("attributes are those of the stage: AP[2:1] in stage 1, S2AP in stage 2", () => {
  const p = program({
    setup: `physical pa1; intermediate ipa1;
      x |-> ipa1 with [AP = 0b11] and default;
      ipa1 |-> pa1 with [AP = 0b00];
      identity 0x1000 with code;`,
  });
  assert.equal(leafOf(p, S1, 0x60_0000)! & 0xc0n, 0b11n << 6n);
  const s2 = leafOf(p, S2, at(p.names.intermediate, "ipa1"))!;
  assert.equal(s2 & 0xc0n, 0n);
  assert.equal(s2 & 0x43cn, 0x43cn, "the other fields are those of default");
  assert.equal(leafOf(p, S1, 0x1000)! & 0xc0n, 0b11n << 6n, "code is read only");
});

test("stage 2 is the identity wherever the test says nothing, in pages next to what it says", () => {
  const p = program({ setup: "intermediate ipa1; physical pa1; ipa1 |-> pa1;" });
  for (const ipa of [0x0, 0x40_0000, 0x60_0000, 0x1234_5000, 0x20_0000]) {
    const leaf = leafOf(p, S2, ipa)!;
    assert.ok(leaf !== undefined && (leaf & 1n) === 1n, ipa.toString(16));
  }
  assert.equal(leafOf(p, S2, 0x60_5000)! & 0xffff_f003n, 0x60_5003n, "a page");
  assert.equal(leafOf(p, S2, 0x80_0000)! & 0xffff_f003n, 0x80_0001n, "a block");
});

test("further table pages follow their root in the order of need, and the default stage 1 maps them", () => {
  const p = program({
    setup: `physical pa1;
      s1table new_table 0x280000 { x |-> invalid; x ?-> pa1; };
      x |-> invalid at level 2;
      x ?-> table(0x283000) at level 2;`,
    reset: ['R1 = "pte3(x, new_table)"', 'R2 = "pte2(x, page_table_base)"'],
  });
  const { registers } = p.threads[0]!;
  assert.deepEqual([registers[1], registers[2]], [0x28_3000n, 0x30_2018n]);
  for (const page of [0x28_3000, 0x30_2000, 0x20_0000]) assert.equal(walkInitial(p, S1, S2, page), page);
  assert.equal(p.memory.describe(0x28_3000), "stage-1 level-3 descriptor of x (new_table)");
  assert.equal(p.memory.describe(0x30_2018), "stage-1 level-2 descriptor of x (page_table_base)");
});

test("without default tables there is only what the test maps, and tables that it names in others", () => {
  const p = program({
    setup: `option default_tables = false; physical pa1; intermediate ipa1;
      s1table hyp 0x200000 { s2table vm; s1table guest }
      s2table vm 0x240000 { ipa1 |-> pa1; s1table guest 0x2c0000 { x |-> ipa1; } }`,
    reset: [
      'TTBR0_EL1 = "ttbr(asid=0x0, base=guest)"',
      'VTTBR_EL2 = "ttbr(vmid=0x1, base=vm)"',
      'TTBR0_EL2 = "ttbr(base=hyp)"',
    ],
  });
  const [guest, vm, hyp] = [0x2c_0000n, (1n << 48n) | 0x24_0000n, 0x20_0000n];
  assert.equal(p.memory.describe(walkInitial(p, guest, vm, 0x60_0000)!), "pa1");
  assert.equal(leafOf(p, vm, 0x70_0000), undefined, "no identity in a stage 2 of the test's own");
  for (const page of [0x24_0000, 0x24_3000, 0x2c_3000, 0x20_0000])
    assert.equal(walkInitial(p, hyp, undefined, page), page, `EL2 reaches 0x${page.toString(16)}`);
  assert.deepEqual([...p.names.tables.values()].sort(), ["guest", "hyp", "vm"]);
});

test("a named walk gives its table's page, which the other stage may unmap", () => {
  const p = program({
    setup: `option default_tables = false; physical pa1; intermediate ipa1;
      s1table one 0x2c0000 { x |-> invalid as walkx; x ?-> ipa1; }
      s2table two 0x240000 { ipa1 |-> pa1; s1table one; pa_to_ipa(table3(walkx)) ?-> invalid; }`,
    reset: ['R1 = "pte3(extz(0x2c3000, 64), two)"'],
  });
  const pte = Number(p.threads[0]!.registers[1]);
  assert.equal(p.memory.read(pte) & 0xffff_f003n, 0x2c_3003n, "the table's page is mapped at first");
  assert.equal(p.memory.describe(pte), "stage-2 level-3 descriptor of IPA 0x2c3000, a table of one (two)");
});

test("a table of the test's own may stand at the default one's place: it is the same table, or that one gives way", () => {
  const same = program({ setup: "physical pa1; s1table mine 0x300000 { x |-> pa1; }" });
  assert.equal(leads(same, "x"), "pa1");
  assert.equal(same.names.tables.get(0x30_0000), "mine");
  const other = program({ setup: "physical pa1; s1table mine 0x200000 { x |-> pa1; } x |-> pa1;" });
  assert.equal(other.threads[0]!.sysregs.VTTBR_EL2, 0x22_0000n);
  assert.equal(walkInitial(other, S1, 0x22_0000n, 0x60_0000), at(other.names.physical, "pa1"));
});

test("a test without page_table_setup has every name at an address that maps to itself", () => {
  const p = program({ symbolic: ["x", "y"], more: '[locations]\nx = "0x5"\n' });
  assert.equal(walkInitial(p, S1, S2, 0x60_1000), 0x60_1000);
  assert.equal(p.memory.read(0x60_0000), 5n);
});

test("what is wrong in a setup is refused with its line", () => {
  const refused = (setup: string, message: RegExp): void =>
    assert.throws(
      () => program({ setup }),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused("physical pa1;\nx |-> pa2;", /^t\.toml:6: unknown name 'pa2'/);
  refused("physical pa1;\nx = pa1;", /^t\.toml:6: expected '\|->' or '\?->', found '='/);
  refused("physical pa1;\nx |-> pa1 at level 4;", /^t\.toml:6: expected a level, 0 to 3, found '4'/);
  refused("physical pa1;\nx |-> pa1 with [AP = 0b101];", /^t\.toml:6: AP has 2 bits/);
  refused("physical pa1;\nx |-> pa1 with [COLOUR = 1];", /^t\.toml:6: unknown field 'COLOUR'/);
  refused("physical pa1\nintermediate ipa1;", /^t\.toml:6: expected ';', found 'intermediate'/);
  refused("physical pa1; x |-> invalid at level 2;\nx |-> pa1;", /^t\.toml:6: .* lies under one that is no table/);
  refused("s1table t 0x280000 {\nx |-> invalid;", /^t\.toml:7: expected '}', found the end/);
  refused("s1table t;", /unknown table 't'/);
  refused("option default_tables = false;\nx |-> invalid;", /^t\.toml:6: a mapping outside of a table/);
  refused("physical x2; x |-> invalid; *x = 1;", /no initial mapping leads from here/);
  assert.throws(() => program({ setup: "option colours = true;" }), UnsupportedInTest);
  assert.throws(() => program({ setup: "assert pte3(x, page_table_base) == x;" }), UnsupportedInTest);
});
