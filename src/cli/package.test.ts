/** The package, as npm packs and installs it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, ENV, PATIENCE } from "./command.fixture.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-package-"));
after(() => rmSync(folder, { recursive: true }));

/** How npm finds soon that there is no registry: one try, which may take long on a slow machine. */
const PATIENT = ["--fetch-retries", "0", "--fetch-timeout", "120000"];

const sh = (command: string, args: readonly string[], cwd: string): Done => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: ENV, encoding: "utf8", timeout: PATIENCE });
  return { status, out: stdout, err: stderr };
};

/** As strict as TypeScript gets. */
const STRICT = {
  compilerOptions: {
    ...{ target: "es2022", lib: ["es2022", "dom"], module: "nodenext", types: [], skipLibCheck: false },
    ...{ strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true },
    ...{ noPropertyAccessFromIndexSignature: true, noImplicitOverride: true, noImplicitReturns: true },
    ...{ noUnusedLocals: true, noUnusedParameters: true, verbatimModuleSyntax: true, isolatedModules: true },
  },
  files: ["library.ts"],
};

/** A program that asks all three questions by the package's own door. */
const LIBRARY = `import { builtInCpu, builtInHost, builtInPolicy, builtInScenario, compare, type CompareRow, InputError, parsePolicy, Question, type SignOff, signOff } from "shootdown";
const cpu = builtInCpu("neoverse-v2");
const policy = builtInPolicy("xen-today");
const rows: readonly CompareRow[] = compare({ scenarios: [builtInScenario("vcpu-switch")], policies: [policy], hosts: [builtInHost("bare-metal")], ipaBits: [48], cpuOf: () => cpu }).rows;
const answers: readonly SignOff[] = signOff([new Question(policy, "switch", cpu, { fb: true })], { maxStates: 1e6, timeoutMs: 60_000 });
if (rows[0]?.tlbi["VMALLS12E1"] !== 198 || answers[0]?.verdict !== "sound") throw new Error("another answer");
try {
  parsePolicy("name = 1", "mine.toml", builtInPolicy);
  throw new Error("taken");
} catch (error) {
  if (!(error instanceof InputError && error.message.startsWith("mine.toml:1: "))) throw error;
}
// @ts-expect-error: types are resolved, so a wrong one is an error
export const wrong: number = policy.name;
`;

test("the packed package installs into an empty folder and runs there, and programs get its types", {
  timeout: 2 * PATIENCE,
}, async (t) => {
  // The build is there already; npm pack would make it anew, under the feet of other tests.
  const pack = sh("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], ROOT);
  assert.equal(pack.status, 0, pack.err);
  const [{ filename, files }] = JSON.parse(pack.out) as [{ filename: string; files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  for (const path of [
    "dist/command/main.js",
    "dist/arch/index.d.ts",
    "policies/xen-today.toml",
    "cpus/neoverse-v2.toml",
    "README.md",
    "LICENSE",
  ])
    assert.ok(paths.includes(path), `${path} is packed`);
  assert.deepEqual(
    paths.filter((path) => /(^|\/)src\/|\.(test|testing|fixture)\./.test(path)),
    [],
  );

  const user = join(folder, "user");
  mkdirSync(user);
  writeFileSync(join(user, "package.json"), '{ "private": true, "type": "module" }');
  const install = sh(
    "npm",
    [...["install", "--prefer-offline", "--no-audit", "--no-fund", "--omit=dev"], ...PATIENT, join(folder, filename)],
    user,
  );
  if (install.status !== 0) {
    const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/.exec(
      install.err,
    );
    assert.ok(unreachable, `npm install: ${install.err}`);
    t.skip(`THE PACKAGE WAS NOT INSTALLED: npm cannot reach its registry (${unreachable[0]})`);
    return;
  }
  const npx = (...args: string[]): Done => sh("npx", ["--no-install", "shootdown", ...args], user);
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  assert.equal(npx("--version").out, `${version}\n`);
  const { rows } = JSON.parse(npx("compare", "create-domu", "-p", "xen-today", "--json").out) as { rows: unknown[] };
  assert.ok(rows.length > 0);

  writeFileSync(
    join(user, "program.ts"),
    `import { decodeTlbi } from "shootdown/arch";
import { loadPolicy } from "shootdown/catalog";
import type { CompareRow } from "shootdown/compare";
import type { Host } from "shootdown/host";
import type { Policy } from "shootdown/policy";
import type { TraceSink } from "shootdown/trace";
import { readTrace } from "shootdown/trace/file";
import type { Scenario } from "shootdown/xen";
const policy: Policy = loadPolicy("xen-today");
const name: string | undefined = decodeTlbi(0xd50c83df)?.op.name;
// @ts-expect-error: types are resolved, so a wrong one is an error
const wrong: number = policy.name;
export type Used = [CompareRow, Host, TraceSink, Scenario, typeof wrong, typeof readTrace];
console.log(name, policy.name);
`,
  );
  const tsc = sh(
    process.execPath,
    [
      ...[join(ROOT, "node_modules/typescript/bin/tsc"), "program.ts", "--strict", "--skipLibCheck"],
      ...["--ignoreConfig", "--target", "es2022", "--module", "nodenext"],
      ...["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types")],
    ],
    user,
  );
  assert.deepEqual({ status: tsc.status, out: tsc.out }, { status: 0, out: "" });
  assert.ok(existsSync(join(user, "program.js")));
  assert.equal(sh(process.execPath, ["program.js"], user).out, "VMALLS12E1IS xen-today\n");

  // The package's own door, in a project for browsers that lets nothing pass; the types of libraries are checked too.
  writeFileSync(join(user, "library.ts"), LIBRARY);
  writeFileSync(join(user, "tsconfig.json"), JSON.stringify(STRICT));
  const strict = sh(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "--project", user], user);
  assert.deepEqual({ status: strict.status, out: strict.out }, { status: 0, out: "" });
  assert.equal(sh(process.execPath, ["library.js"], user).status, 0);
  // Examples come with the package, and find it by its name.
  for (const name of ["library.mjs", "break-even.mjs"]) {
    const example = sh(process.execPath, [join("node_modules/shootdown/examples", name)], user);
    assert.deepEqual([example.status, example.err], [0, ""], name);
  }
});
