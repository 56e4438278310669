/**
 * What must not change a verdict, or only in one direction: more strength, fewer features, other names, another order. On the
 * project's litmus tests.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BARRIERS, barrierIndex, SYMPTOM_WORDS, TLBI_OPS, tlbiIndex } from "../arch/index.js";
import { builtInCpu } from "../builtin/index.js";
import { type Cpu, proverCpu } from "./cpu.js";
import { explore, verdictWord } from "./explore.js";
import { parseLitmus } from "./litmus/index.js";
import type { Condition, Instruction, Program } from "./program.js";

const FOLDER = fileURLToPath(new URL("../../litmus", import.meta.url));
const NOTHING = proverCpu(builtInCpu("arch-minimal"));
const LIMITS = { maxStates: 20_000, timeoutMs: 0 };

const texts = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".toml"))
  .sort()
  .map((file) => ({ file, text: readFileSync(join(FOLDER, file), "utf8") }));
const tests = texts.map(({ file, text }) => ({ ...parseLitmus(text, file), text }));
const decide = (program: Program, cpu = NOTHING): string => verdictWord(explore(program, { ...cpu, ...LIMITS }));

/** Barriers that order no less, one step stronger in kind, access type, domain or nXS. */
function strongerBarriers(index: number): number[] {
  const { kind, domain, type, nXS } = BARRIERS[index]!;
  if (kind === "ISB") return [];
  const named = (k: string, d: string, t: string): number | undefined =>
    barrierIndex(`${k} ${d === "SY" && t !== "full" ? t : d + (t === "full" ? "" : t)}`);
  const wider = { NSH: "ISH", ISH: "OSH", OSH: "SY", SY: "SY" }[domain!];
  return [
    kind === "DMB" ? named("DSB", domain!, type!) : undefined,
    type === "full" && !nXS ? undefined : named(kind, domain!, "full"),
    nXS ? barrierIndex(`DSB ${wider}nXS`) : named(kind, wider, type!),
  ].filter((other) => other !== undefined && other !== index) as number[];
}

/**
 * TLBIs that remove no less, on no fewer PEs. A hint (TTL) is no matter of strength, nor is nXS: a DSB nXS waits for TLBIs that have
 * it and for no others.
 */
function strongerTlbis(index: number, el: number): number[] {
  const { name } = TLBI_OPS[index]!;
  const [, nXS = ""] = /(nXS)$/i.exec(name) ?? [];
  const whole = name.slice(0, name.length - nXS.length).toUpperCase();
  const [, stem = "", reach = ""] = /^(.*?)(IS|OS)?$/.exec(whole) ?? [];
  const wider = reach === "" ? "IS" : "OS";
  const more: Record<string, string> = {
    ...{
      VALE1: "VAE1",
      VAE1: "VAAE1",
      VALE2: "VAE2",
      VAE2: "ALLE2",
      VAALE1: "VAAE1",
      VAAE1: "VMALLE1",
      ASIDE1: "VMALLE1",
    },
    ...{ RVALE1: "RVAE1", RVAE1: "RVAAE1", RVAALE1: "RVAAE1", IPAS2LE1: "IPAS2E1", RIPAS2LE1: "RIPAS2E1" },
    ...(el === 2 ? { VMALLE1: "VMALLS12E1", IPAS2E1: "VMALLS12E1", VMALLS12E1: "ALLE1" } : {}),
  };
  return [stem + wider + nXS, (more[stem] ?? stem) + reach + nXS]
    .map((other) => tlbiIndex(other))
    .filter((other) => other !== undefined && other !== index) as number[];
}

/** The program with one instruction, of one thread, in place of another. */
function withInstruction(program: Program, thread: number, place: number, made: Instruction): Program {
  const threads = program.threads.map((t, i) =>
    i === thread ? { ...t, code: t.code.map((at, j) => (j === place ? made : at)) } : t,
  );
  return { ...program, threads };
}

test("a stronger barrier or TLBI in a program makes no forbidden final state allowed", () => {
  let made = 0;
  for (const { file, program, verdictFor } of tests) {
    if (verdictFor(NOTHING) !== "forbidden") continue;
    program.threads.forEach(({ code, el }, thread) => {
      code.forEach((at, place) => {
        const others: Instruction[] =
          at.op === "barrier"
            ? strongerBarriers(at.barrier).map((b) => ({ ...at, barrier: b }))
            : at.op === "tlbi"
              ? strongerTlbis(at.tlbi, el).map((tlbi) => ({ ...at, tlbi }))
              : [];
        for (const other of others) {
          const name =
            other.op === "barrier" ? BARRIERS[other.barrier]!.name : TLBI_OPS[(other as { tlbi: number }).tlbi]!.name;
          assert.equal(
            decide(withInstruction(program, thread, place, other)),
            "forbidden",
            `${file}: ${name} for ${at.text}`,
          );
          made++;
        }
      });
    });
  }
  assert.ok(made > 200, `${made} programs`);
});

test("a test that is forbidden with fewer features, or more errata, is forbidden with more features, or fewer errata", () => {
  const symptoms = Object.fromEntries(SYMPTOM_WORDS.map((word) => [word, true])) as Cpu["symptoms"];
  /** from the CPU that is bound to least */
  const chain: readonly Cpu[] = [
    { ...NOTHING, symptoms },
    NOTHING,
    { ...NOTHING, ets2: true },
    { ...NOTHING, ets2: true, nTlbpa: true },
    { ...NOTHING, ets2: true, nTlbpa: true, bbm: 2 },
  ];
  for (const { file, program } of tests) {
    const verdicts = chain.map((cpu) => decide(program, cpu));
    const first = verdicts.indexOf("forbidden");
    if (first >= 0)
      assert.ok(
        verdicts.slice(first).every((v) => v === "forbidden"),
        `${file}: ${verdicts.join(", ")}`,
      );
  }
});

/** The condition with threads numbered anew. */
function renumbered(condition: Condition, map: (thread: number) => number): Condition {
  if ("of" in condition)
    return condition.kind === "not"
      ? { kind: "not", of: renumbered(condition.of, map) }
      : { kind: condition.kind, of: condition.of.map((of) => renumbered(of, map)) };
  return "thread" in condition ? { ...condition, thread: map(condition.thread) } : condition;
}

test("the order of the threads changes nothing", () => {
  for (const { file, program, verdictFor } of tests) {
    const n = program.threads.length;
    if (n < 2) continue;
    const threads = [...program.threads].reverse();
    const turned = { ...program, threads, final: renumbered(program.final, (thread) => n - 1 - thread) };
    assert.equal(decide(turned), verdictFor(NOTHING), file);
  }
});

test("the names of locations, and the order in which they are declared, change nothing", () => {
  for (const { file, text, verdictFor } of tests) {
    // Whether a VA is mapped as an IPA hangs on the numbers.
    if (/SCTLR_EL1/.test(text)) continue;
    const names = new Set(["x", "y", "own"].filter((name) => new RegExp(`\\b${name}\\b`).test(text)));
    let other = text;
    for (const name of names) other = other.replaceAll(new RegExp(`(?<![-.\\w])${name}\\b`, "g"), `other_${name}`);
    other = other
      .replace(/^symbolic = \[(.*)\]$/m, (_, list: string) => `symbolic = [${list.split(", ").reverse().join(", ")}]`)
      .replaceAll(
        /^( *(?:physical|intermediate|virtual)) (.+);$/gm,
        (_, kind, list) => `${kind} ${list.split(" ").reverse().join(" ")};`,
      );
    assert.notEqual(other, text, file);
    assert.equal(decide(parseLitmus(other, file).program), verdictFor(NOTHING), `${file}\n${other}`);
  }
});
