// What is tried: for each kind of input, how one is made, and what must hold of the answer. `try` throws what must not happen; an
// InputError is an answer like any other. Made from the project's own files and from a small trace of a scenario of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ERRATA, explainTlbi, TLBI_OPS } from "../../dist/arch/index.js";
import { Elf } from "../../dist/binary/elf.js";
import { ExecutionLog } from "../../dist/capture/log.js";
import {
  builtInText,
  cpuNames,
  hostNames,
  loadCpu,
  loadHost,
  loadPolicy,
  policyNames,
  scenarioNames,
} from "../../dist/catalog/index.js";
import { shadowOf } from "../../dist/cli/shadow.js";
import { PhasePrices, parseSetting } from "../../dist/compare/index.js";
import { parseCpu } from "../../dist/cpu/index.js";
import { parseHost, priceTlbi } from "../../dist/host/index.js";
import { readAnyTrace } from "../../dist/import/index.js";
import { InputError } from "../../dist/input/index.js";
import { checkTrace, codeOnTrial } from "../../dist/jobs/index.js";
import decideLitmus from "../../dist/jobs/litmus-worker.js";
import { Case, OCCASIONS, parsePolicy, policyOn, unroll } from "../../dist/policy/index.js";
import { readTrace, traceDigest, writeTrace } from "../../dist/trace/file.js";
import { Summing } from "../../dist/trace/index.js";
import { parseScenario, simulate } from "../../dist/xen/index.js";
import { damageBytes, damageText, NUMBERS, WORDS } from "./mutate.mjs";

const ROOT = new URL("../..", import.meta.url).pathname;
const MAIN = join(ROOT, "dist/command/main.js");
const folder = mkdtempSync(join(tmpdir(), "shootdown-fuzz-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const hosts = ["bare-metal", "kvm-nested-7.2"].map(loadHost);
const policies = policyNames().map((name) => builtInText("policies", name));
const hostTexts = hostNames().map((name) => builtInText("hosts", name));
const cpus = cpuNames().map(loadCpu);
const cpuTexts = cpuNames().map((name) => builtInText("cpus", name));
const scenarios = scenarioNames().map((name) => builtInText("scenarios", name));
const testsNamed = (ending) =>
  readdirSync(join(ROOT, "litmus"), { recursive: true })
    .filter((file) => String(file).endsWith(ending))
    .map((file) => readFileSync(join(ROOT, "litmus", String(file)), "utf8"));
const [litmus, herd] = [testsNamed(".toml"), testsNamed(".litmus")];

function holds(what, condition) {
  if (!condition) throw new Error(what);
}

/** True when no number in a value is infinite or not a number: JSON would say null. */
const finite = (value) =>
  typeof value === "number"
    ? Number.isFinite(value)
    : typeof value !== "object" || value === null || Object.values(value).every(finite);

/** A few hundred events of every kind that the model makes. */
const SMALL = `name = "small"
title = "t"
source = "s"
[machine]
pcpus = 2
ram-mib = 16
[dom0]
memory-mib = 4
working-set = 2
[[domu]]
memory-mib = 2
vcpus = 4
working-set = 2
[[domu.segment]]
name = "kernel"
gfn = 0x40000
pages = 20
[run]
time-us = 50_000
`;
const sample = await (async () => {
  const files = [join(folder, "sample.parquet"), join(folder, "sample.ndjson")];
  const writers = await Promise.all(files.map((file) => writeTrace(file, "a sample")));
  const digest = traceDigest();
  const lane = { policy: loadPolicy("xen-today"), sinks: [...writers, digest] };
  simulate(parseScenario(SMALL, "small.toml"), cpus[0], [lane]);
  for (const writer of writers) writer.close();
  return { parquet: readFileSync(files[0]), ndjson: readFileSync(files[1], "utf8"), digest: digest.digest() };
})();

/** An ELF file for AArch64 with a segment and four sections, symbols and strings among them. */
const elf = (() => {
  const bytes = Buffer.alloc(4096);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(183, 18);
  bytes.writeBigUInt64LE(64n, 32); // one program header
  bytes.writeBigUInt64LE(2048n, 40); // four section headers
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt16LE(64, 58);
  bytes.writeUInt16LE(4, 60);
  bytes.writeUInt16LE(3, 62);
  for (let i = 0; i < 4; i++) {
    const at = 2048 + 64 * i;
    bytes.writeUInt32LE([0, 1, 2, 3][i], at + 4);
    bytes.writeBigUInt64LE(BigInt(256 * (i + 1)), at + 24);
    bytes.writeBigUInt64LE(192n, at + 32);
    bytes.writeUInt32LE(3, at + 40);
    bytes.writeBigUInt64LE(24n, at + 56);
  }
  return bytes;
})();

/** People's code, as an object file and as text, and functions that are in both. */
const codes = ["flush.o", "flush.txt"].map((file) => readFileSync(join(ROOT, "examples/code", file)));
const codeFunctions = ["flush_page", "flush_pages", "flush_guest"];

const LOG = `Trace 0: 0x7f46f0223b40 [00200008/00000a000025b6a8/00000061/ff022000] p2m_force_tlb_flush_sync
 PC=00000a000025b6a8 X00=00008000fffcd208 X01=0000000000000000
${Array.from({ length: 15 }, (_, i) => `X${String(2 * i + 2).padStart(2, "0")}=0000000000000240 X${String(2 * i + 3).padStart(2, "0")}=0000000000000001`).join("\n")}
X30=00000a000025cb2c  SP=00000a00002f7d00
Stopped execution of TB chain before 0x7f46f0223b40 [00000a000025b6a8]
`;

/** A line or more of each log that can be imported. */
const LOGS = [
  `(hint (id 2) (tid 0) (kind set_root_lock) (location 0x80000000) (value 0x80004000) (src "mem.c:12"))
(sysreg-write (id 3) (tid 0) (sysreg vttbr_el2) (value 0x1000080000000) (src "mem.c:14"))
(lock (id 4) (tid 0) (address 0x80004000) (src "mem.c:15"))
(mem-write (id 5) (tid 0) (mem-order plain) (address 0x80000000) (value 0x3) (src "mem.c:16"))
(mem-set (id 6) (tid 1) (address 0x80001000) (size 0x1000) (value 0x1) (src "mem.c:17"))
(mem-init (id 7) (tid 1) (address 0x80001000) (size 0x1000) (src "mem.c:18"))
(barrier (id 8) (tid 0) dsb (kind ish) (src "mem.c:19"))
(tlbi (id 9) (tid 0) ipas2e1is (value 0x80) (src "mem.c:20"))
`,
  ` CPU 0/KVM-812   [003] .....   512.345678: kvm_exit: TRAP: HSR_EC: 0x0018 (SYS64), PC: 0x00000a0000265f40
 CPU 0/KVM-812   [003] .....   512.345701: kvm_sys_access: PC: a0000265f40 TLBI VMALLS12E1IS (1,4,8,3,6) write
 CPU 0/KVM-812   [003] .....   512.345702: tlbi: (handle_ipas2e1is+0x0/0x1a8) regval=0x40405 vttbr=0x1000013ffcc000
 CPU 0/KVM-812   [003] .....   513.810120: kvm_entry: PC: 0x00000a0000265f44
 3) $ 1464441 us  |  handle_vmalls12e1is();
`,
];

/** Control characters that a terminal would obey. */
const RAW = /(?![\t\n])\p{Cc}/u;

/** Answers to a case that is refused are all the same. */
function answered(work) {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

const SINK = { events() {} };

/** Reads a damaged trace as the commands do. */
async function readAll(path) {
  const digest = traceDigest();
  const prices = new PhasePrices(hosts, [40, 48], 256);
  const summary = new Summing();
  try {
    await readTrace(path, [digest, summary, prices]);
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
  holds("a price is not finite", finite(prices.phases()));
  return digest.digest();
}

const SETTINGS = ["run.slice-us=1000..16000*2", "prices.exit=5.8,14.3,22.8", "ipa-bits=40..48+4", "lives=1_0,0x10"];

export const KINDS = {
  setting: {
    make: (r) => damageText(r, r.pick(SETTINGS), SETTINGS),
    try(text) {
      const setting = answered(() => parseSetting(text));
      holds("a value is none", setting === undefined || (setting.values.length > 0 && finite(setting.values)));
    },
  },
  policy: {
    make: (r) => damageText(r, r.pick(policies), policies),
    try(text, r) {
      const policy = answered(() => parsePolicy(text, "fuzz.toml", loadPolicy));
      if (policy === undefined) return;
      const cpu = r.pick(cpus);
      const on = new Case();
      on.currentVmid = r.below(3);
      on.ownerVmids = [1, 2].slice(0, 1 + r.below(2));
      on.add(r.below(1000), 1 + r.below(600), r.chance(50) ? -1 : 7, r.chance(50) ? undefined : 1);
      const specialised = answered(() => policyOn(policy, cpu));
      if (specialised !== undefined)
        for (const occasion of Object.keys(OCCASIONS))
          answered(() => unroll(policy.code[occasion], on, cpu, "fuzz.toml"));
    },
  },
  host: {
    make: (r) => damageText(r, r.pick(hostTexts), hostTexts),
    try(text, r) {
      const host = answered(() => parseHost(text, "fuzz.toml", loadHost));
      if (host === undefined) return;
      const ipaBits = r.pick([32, 36, 40, 44, 48, 52]);
      const priced = answered(() =>
        priceTlbi({ op: r.pick(TLBI_OPS).name, operand: BigInt(r.next()), host, ipaBits, shadow: r.below(700) }),
      );
      holds("a price is not finite", finite(priced));
    },
  },
  cpu: {
    make: (r) => damageText(r, r.pick(cpuTexts), [...cpuTexts, ...ERRATA.map(({ number }) => number)]),
    try(text) {
      const cpu = answered(() => parseCpu(text, "fuzz.toml", loadCpu));
      if (cpu === undefined) return;
      for (const feature of cpu.features)
        holds(
          `${feature} is there and unknown, or nobody says it`,
          !cpu.unknown.has(feature) && cpu.sources.has(feature),
        );
      const own = new Set(cpu.errata.flatMap(({ symptoms }) => symptoms));
      holds("its symptoms are not those of its errata", own.size === cpu.symptoms.size);
    },
  },
  scenario: {
    make: (r) => damageText(r, r.chance(50) ? SMALL : r.pick(scenarios), scenarios),
    try(text) {
      const scenario = answered(() => parseScenario(text, "fuzz.toml"));
      if (scenario === undefined) return;
      const pages = scenario.domu.reduce(
        (sum, d) => sum + d["memory-mib"] * 256 + d.segment.reduce((n, s) => n + s.pages, 0),
        0,
      );
      const steps =
        scenario.lives * (pages + (scenario.run["time-us"] / scenario.run["slice-us"]) * scenario.machine.pcpus * 100);
      if (steps > 100_000 || scenario.dom0["memory-mib"] > 4096) return; // honest work, and long
      answered(() => simulate(scenario, cpus[0], [{ policy: loadPolicy("xen-today"), sinks: [SINK] }]));
    },
  },
  litmus: {
    make: (r) => damageText(r, r.pick(litmus), litmus),
    try(text) {
      const answer = decideLitmus({ file: "fuzz.toml", text, options: { maxStates: 3000, timeoutMs: 2000 } });
      holds("no answer", typeof answer.refused === "string" || typeof answer.verdict === "string");
    },
  },
  parquet: {
    make: (r) => damageBytes(r, sample.parquet),
    async try(bytes) {
      const path = join(folder, "fuzz.parquet");
      writeFileSync(path, bytes);
      const digest = await readAll(path);
      holds("other events, and no error", digest === undefined || digest === sample.digest);
    },
  },
  ndjson: {
    make: (r) => damageText(r, sample.ndjson, [sample.ndjson]),
    async try(text) {
      const path = join(folder, "fuzz.ndjson");
      writeFileSync(path, text);
      await readAll(path);
    },
  },
  check: {
    make: (r) => damageText(r, sample.ndjson, [sample.ndjson]),
    async try(text, r) {
      const path = join(folder, "check.ndjson");
      writeFileSync(path, text);
      try {
        const asked = { hosts, ipaBits: 48, allow: [], partial: r.chance(50) };
        holds("a price is not finite", finite((await checkTrace(path, asked)).checked.findings));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
    },
  },
  import: {
    make: (r) => damageText(r, r.pick(LOGS), LOGS),
    async try(text, r) {
      const path = join(folder, "fuzz.log");
      writeFileSync(path, text);
      try {
        const summary = new Summing();
        await readAnyTrace(path, [summary], {}, undefined, r.pick([undefined, "casemate", "kvm"]));
        holds("a sum is not finite", finite(summary.summary()));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
    },
  },
  herd: {
    make: (r) => damageText(r, r.pick(herd), herd),
    try(text) {
      const options = { maxStates: 3000, timeoutMs: 2000 };
      const answer = decideLitmus({ file: "fuzz.litmus", text, options, finals: true });
      holds("no answer", typeof answer.refused === "string" || typeof answer.verdict === "string");
    },
  },
  elf: {
    make: (r) => damageBytes(r, elf),
    try(bytes) {
      answered(() => {
        const file = new Elf(bytes, "fuzz.elf");
        for (const what of ["symbols", "texts", "image", "needed"]) answered(() => file[what]());
      });
    },
  },
  code: {
    make: (r) => [damageBytes(r, r.pick(codes)), r.pick([...codeFunctions, undefined])],
    try([bytes, f]) {
      const path = join(folder, "code");
      writeFileSync(path, bytes);
      answered(() => codeOnTrial(f === undefined ? path : `${path}:${f}`, {}, ["revoke", "switch"]));
    },
  },
  log: {
    make: (r) => damageText(r, LOG.repeat(3), [LOG]),
    try(text, r) {
      const log = new ExecutionLog((record) => void record.lo(r.below(32)));
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) {
        const to = at + 1 + r.below(300);
        if (answered(() => log.feed(bytes.subarray(at, to)) ?? true) === undefined) return;
        at = to;
      }
      answered(() => log.end());
    },
  },
  tlbi: {
    make: (r) => [r.pick(TLBI_OPS).name, (BigInt(r.next()) << 32n) | BigInt(r.next())],
    try([name, xt]) {
      answered(() =>
        explainTlbi(
          TLBI_OPS.find((op) => op.name === name),
          0,
          xt,
        ),
      );
    },
  },
  shadow: {
    make: (r) => damageText(r, "0x40000+512@2M,0+1,7+0x10@4K", ["1+2@1G"]),
    try: (shadow) => answered(() => shadowOf({ shadow })),
  },
  command: {
    make(r) {
      const files = [
        ["policies", "fuzz.toml", r.pick(policies)],
        ["hosts", "fuzz.toml", r.pick(hostTexts)],
        ["cpus", "fuzz.toml", r.pick(cpuTexts)],
        ["scenarios", "fuzz.toml", r.pick(scenarios)],
        ["litmus", "fuzz.toml", r.pick(litmus)],
        ["litmus", "fuzz.litmus", r.pick(herd)],
        ["check", "fuzz.ndjson", sample.ndjson],
        ["show", "fuzz.ndjson", sample.ndjson],
        ["price", "fuzz.ndjson", sample.ndjson],
      ];
      const [command, name, text] = r.pick(files);
      const flags = [
        "--json",
        "--events",
        "--skip",
        "--limit",
        "--host",
        "--ipa-bits",
        "--cpu",
        "--erratum",
        "--kind",
        "--phase",
        "--timeout",
        "--max-states",
        "--expect",
        "--partial",
        "--xt",
        "--set",
        "--tornado",
      ];
      const args = Array.from({ length: r.below(4) }, () =>
        r.chance(60) ? r.pick(flags) : r.pick(r.chance(50) ? NUMBERS : WORDS),
      );
      return {
        command,
        name,
        text: r.chance(50) ? text : damageText(r, text, [text]),
        args: args.filter((a) => !a.includes("\0")),
      };
    },
    try({ command, name, text, args }) {
      writeFileSync(join(folder, name), text);
      const options = { cwd: folder, encoding: "utf8", timeout: 120_000, maxBuffer: 2 ** 28, input: "" };
      const run = spawnSync(process.execPath, [MAIN, command, name, ...args], options);
      holds(`status ${run.status ?? run.signal}: ${run.stderr.slice(0, 300)}`, [0, 1, 2, 3].includes(run.status));
      holds(`a stack trace: ${run.stderr.slice(0, 300)}`, !/node:internal|\n\s+at /.test(run.stderr));
      holds(
        "a raw control character",
        !RAW.test(run.stdout + run.stderr) || ["policies", "hosts", "cpus", "scenarios"].includes(command),
      );
    },
  },
};
