import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type CpuProfile, decodeOperand, halvesOf, needs, TLBI_OPS, WORKAROUND_WORDS } from "../arch/index.js";
import { builtInCpu, usualCpus } from "../builtin/index.js";
import { Case, type Policy, parsePolicy, Runner, type Unrolled, unroll } from "./index.js";
import { type Statement, specialise } from "./program.js";

const CPUS = usualCpus().map(builtInCpu);

const noBase = (): Policy => {
  throw new Error("no base");
};

function programOf(code: string): Policy["code"]["revoke"] {
  const rest = ["switch", "split", "vmid-assigned"].map((o) => `[${o}]\ncode = ""`).join("\n");
  const text = `name = "x"\ntitle = "t"\nsource = "s"\nvmid-per = "vcpu"\n[revoke]\ndue = "unlock"\ncode = """\n${code}\n"""\n${rest}\n`;
  return parsePolicy(text, "x.toml", noBase).code.revoke;
}

const v2 = builtInCpu("neoverse-v2");

/** The pages that the TLBIs of a list reach, in order. */
function pagesOf(list: readonly Unrolled[]): number[] {
  return list.flatMap((i) => {
    if (i.kind !== "tlbi") return [];
    const { lo, hi } = halvesOf(i.operand);
    const fields = decodeOperand(TLBI_OPS[i.op]!.operand, lo, hi);
    if (fields.kind === "ipa" || fields.kind === "va") return [fields.page];
    if (fields.kind === "ipa-range" || fields.kind === "va-range")
      return Array.from({ length: fields.granules }, (_, n) => fields.base + n);
    return [];
  });
}

const cases = fc
  .array(fc.record({ gap: fc.nat(3), pages: fc.integer({ min: 1, max: 3000 }) }), { minLength: 1, maxLength: 6 })
  .map((list) => {
    const on = new Case();
    let at = 2 ** 30;
    for (const { gap, pages } of list) {
      on.add(at + gap, pages, at + gap + 5);
      at += gap + pages;
    }
    return on;
  });

const pagesIn = (on: Case): number[] =>
  Array.from({ length: on.count }, (_, r) => Array.from({ length: on.length[r]! }, (_, n) => on.base[r]! + n)).flat();

test("range loops reach every page of the case once, in order, and no other", () => {
  const byRange = programOf("if FEAT_TLBIRANGE\nfor range\ntlbi ripas2e1is, ipa\nend\nend");
  const byPage = programOf("for page\ntlbi ipas2e1is, ipa\nend");
  fc.assert(
    fc.property(cases, (on) => {
      const wanted = pagesIn(on);
      assert.deepEqual(pagesOf(unroll(byRange, on, v2)), wanted);
      assert.deepEqual(pagesOf(unroll(byPage, on, v2)), wanted);
    }),
    { numRuns: 40, seed: 1 },
  );
});

test("loops over VAs go the same way by the guest's addresses, with its ASID", () => {
  const code = programOf("if FEAT_TLBIRANGE\nfor va-range\ntlbi rvae1is, va\nend\nend");
  fc.assert(
    fc.property(cases, fc.integer({ min: 0, max: 0xffff }), (on, asid) => {
      on.asid = asid;
      const list = unroll(code, on, v2);
      assert.deepEqual(
        pagesOf(list),
        pagesIn(on).map((page) => page + 5),
      );
      assert.ok(list.every((i) => i.kind === "tlbi" && Number(i.operand >> 48n) === asid));
    }),
    { numRuns: 40, seed: 1 },
  );
});

test("an entry loop takes a block as one, and the entries of a table one by one", () => {
  const code = programOf("for entry\ntlbi ipas2e1is, ipa\nend");
  const on = new Case();
  on.add(512, 512, -1);
  on.add(1024, 512, -1);
  on.add(4096, 4, -1, 1);
  assert.deepEqual(pagesOf(unroll(code, on, v2)), [512, 1024, 4096, 4097, 4098, 4099]);
});

test("ttl gives the level of the removed leaf where the CPU has FEAT_TTL, and none where a table went", () => {
  const levels = (code: string, cpu = v2): number[] => {
    const on = new Case();
    on.add(7, 1, -1);
    on.add(512, 512, -1);
    on.add(2 ** 18, 2 ** 18, -1);
    on.add(2 ** 20, 512, -1, 1);
    return unroll(programOf(code), on, cpu).map((i) => {
      assert.ok(i.kind === "tlbi");
      const { lo, hi } = halvesOf(i.operand);
      const fields = decodeOperand(TLBI_OPS[i.op]!.operand, lo, hi);
      if (fields.kind === "ipa-range") return fields.ttl;
      assert.ok(fields.kind === "ipa" && (fields.ttl === 0 || fields.ttl >> 2 === 1), "of the 4 KiB granule");
      return fields.ttl & 3;
    });
  };
  const none = new Array<number>(512).fill(0);
  assert.deepEqual(levels("for entry\ntlbi ipas2e1is, ipa, ttl\nend"), [3, 2, 1, ...none]);
  assert.deepEqual(levels("if FEAT_TLBIRANGE\nfor range\ntlbi ripas2e1is, ipa, ttl\nend\nend"), [3, 2, 1, 0]);
  assert.deepEqual(levels("for entry\ntlbi ipas2e1is, ipa\nend"), [0, 0, 0, ...none]);
  const byEntry = "for entry\ntlbi ipas2e1is, ipa, ttl\nend";
  assert.deepEqual(levels(byEntry, builtInCpu("cortex-a72")), [0, 0, 0, ...none]);
});

test("a range with a level begins where an entry of that level does", () => {
  const code = programOf("if FEAT_TLBIRANGE\nfor range\ntlbi ripas2e1is, ipa, ttl\nend\nend");
  fc.assert(
    fc.property(fc.constantFrom(512, 2 ** 18), fc.integer({ min: 1, max: 3000 }), fc.nat(100), (step, entries, at) => {
      const on = new Case();
      for (let i = 0; i < entries; i++) on.add((at + i) * step, step, -1);
      for (const i of unroll(code, on, v2)) {
        assert.ok(i.kind === "tlbi");
        const { lo, hi } = halvesOf(i.operand);
        const fields = decodeOperand(TLBI_OPS[i.op]!.operand, lo, hi);
        assert.ok(fields.kind === "ipa-range" && fields.ttl === (step === 512 ? 2 : 1));
        assert.equal(fields.base % step, 0);
        assert.equal(fields.granules % step, 0);
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});

test("entries join into one range when they and their VAs continue each other", () => {
  const on = new Case();
  on.add(10, 1, 20);
  on.add(11, 1, 21);
  on.add(12, 1, 99);
  on.add(13, 1, -1);
  on.add(14, 1, -1);
  on.add(512, 512, -1);
  assert.deepEqual([...on.length.subarray(0, on.count)], [2, 1, 2, 512]);
  assert.equal(on.pages, 517);
});

/** Random programs: what any policy may be made of, loops nested as the parser allows. */
const programs = fc.letrec<{ block: string; flat: string }>((tie) => ({
  flat: fc.constantFrom(
    "isb",
    "dsb ish",
    "tlbi vmalls12e1is",
    "tlbi vale2is, xzr",
    "msr vttbr_el2, owner",
    "msr vttbr_el2, current",
  ),
  block: fc
    .array(
      fc.oneof(
        { withCrossShrink: true, maxDepth: 4 },
        tie("flat"),
        tie("block").map((body) => `with owner-vmid\n${body}\nend`),
        // loops over VMIDs do not nest
        tie("block").map((body) => `for vmid\n${body.replaceAll("for vmid", "if owner-current")}\nend`),
        // nor do IPIs
        fc
          .tuple(fc.constantFrom("every-pe", "vmid-pes"), tie("block"))
          .map(([pes, body]) => `on ${pes}\n${body.replaceAll(/^on .*$/gm, "if owner-current")}\nend`),
        fc.constant("for page\ntlbi ipas2e1is, ipa\nend"),
        fc
          .tuple(
            fc.constantFrom(
              "FEAT_nTLBPA",
              "not FEAT_TLBIRANGE",
              ...WORKAROUND_WORDS.flatMap((word) => [word, `not ${word}`]),
              "owner-current",
              "not owner-current",
              "pages > 2",
              "pages <= 2",
              "va-known",
              "old",
              "not old",
            ),
            tie("block"),
            tie("block"),
          )
          .map(([condition, body, otherwise]) => `if ${condition}\n${body}\nelse\n${otherwise}\nend`),
      ),
      { maxLength: 4 },
    )
    .map((lines) => lines.join("\n")),
}));

/** In force on a PE that gets IPIs. */
const ELSEWHERE = 4;

/** What a program does, straight from its definition: the reference for the runner and for specialise. */
function interpret(program: readonly Statement[], on: Case, cpu: typeof v2): string[] {
  const out: string[] = [];
  let current = on.currentVmid;
  let held = current;
  const vttbr = (vmid: number): void => {
    held = vmid;
    out.push(`vttbr ${vmid}`);
  };
  const walk = (list: readonly Statement[], owner: number, page: number): void => {
    for (const s of list)
      if (s.kind === "barrier") out.push(`barrier ${s.barrier}`);
      else if (s.kind === "tlbi") out.push(`tlbi ${s.op} ${s.operand === "loop" ? page : 0}`);
      else if (s.kind === "msr-vttbr") vttbr(s.value === "owner" ? owner : current);
      else if (s.kind === "with-owner") {
        const before = held;
        if (before !== owner) {
          vttbr(owner);
          out.push("isb");
        }
        walk(s.body, owner, page);
        if (before !== owner) {
          vttbr(before);
          out.push("isb");
        }
      } else if (s.kind === "on") {
        out.push(`on ${s.pes}`);
        walk(s.body, owner, page);
        const before = [current, held] as const;
        current = held = ELSEWHERE;
        out.push("elsewhere");
        walk(s.body, owner, page);
        [current, held] = before;
        out.push("end");
      } else if (s.kind === "for") {
        if (s.over === "vmid") for (const vmid of on.ownerVmids) walk(s.body, vmid, page);
        else for (const p of pagesIn(on)) walk(s.body, owner, p);
      } else if (s.kind === "if") {
        const c = s.condition;
        const holds =
          c.test === "feature"
            ? cpu.features.has(c.feature)
            : c.test === "erratum"
              ? needs(cpu, c.workaround)
              : c.test === "owner-current"
                ? current === owner
                : c.test === "pages"
                  ? on.pages > c.above
                  : c.test === "old"
                    ? !on.young
                    : on.va.slice(0, on.count).every((va) => va >= 0);
        walk(holds !== c.not ? s.body : s.otherwise, owner, page);
      }
  };
  walk(program, on.ownerVmids[0]!, 0);
  return out;
}

test("a program specialised for a CPU and run does what its definition says", () => {
  const small = fc.record({
    current: fc.integer({ min: 1, max: 3 }),
    owners: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
    pages: fc.integer({ min: 1, max: 4 }),
    va: fc.constantFrom(-1, 7),
    old: fc.boolean(),
  });
  const words = (list: readonly Unrolled[]): string[] =>
    list.flatMap((i) => {
      if (i.kind === "on")
        return [`on ${i.pes}`, ...words(i.own), "elsewhere", ...words(i.elsewhere.get(ELSEWHERE)!), "end"];
      if (i.kind === "vttbr") return [`vttbr ${i.vmid}`];
      if (i.kind === "tlbi") return [`tlbi ${i.op} ${i.operand}`];
      return [i.kind === "barrier" ? `barrier ${i.barrier}` : i.kind];
    });
  fc.assert(
    fc.property(programs.block, small, fc.constantFrom(...CPUS), (text, { current, owners, pages, va, old }, cpu) => {
      const on = new Case();
      on.currentVmid = current;
      on.ownerVmids = owners;
      on.add(3, pages, va, undefined, undefined, old);
      const program = programOf(text);
      const isb = unroll(programOf("isb"), on, cpu)[0]!;
      assert.ok(isb.kind === "barrier");
      const did = words(unroll(program, on, cpu, "policy", { vmids: [ELSEWHERE] }));
      assert.deepEqual(
        did,
        interpret(program, on, cpu).map((t) => (t === "isb" ? `barrier ${isb.barrier}` : t)),
      );
      assert.deepEqual(specialise(specialise(program, cpu), cpu), specialise(program, cpu));
    }),
    { numRuns: 300, seed: 1 },
  );
});

test("where the code is unknown a list says so, and a run stops with the file's line", () => {
  const program = programOf("isb\nif repeat-tlbi\nunknown\nend");
  const [repeating, other] = [builtInCpu("neoverse-v2"), builtInCpu("cortex-a72")];
  const on = new Case();
  assert.deepEqual(
    [repeating, other].map((cpu) => unroll(program, on, cpu).map(({ text }) => text)),
    [["isb", "unknown"], ["isb"]],
  );
  const nothing = { barrier() {}, tlbi() {}, vttbr() {}, on() {} };
  const run = (cpu: CpuProfile): void => new Runner(specialise(program, cpu), nothing, "x.toml").run(on);
  assert.throws(() => run(repeating), /x\.toml:10: the policy says that it is unknown what is executed here/);
  run(other);
  assert.throws(() => programOf("unknown x"), /'x' after 'unknown', expected nothing there/);
});
