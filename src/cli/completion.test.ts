/** Completion, as shells do it: the scripts are run by those shells that are here. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hostNames, policyNames, scenarioNames } from "../catalog/index.js";
import { shootdown } from "./command.fixture.js";

const folder = mkdtempSync(join(tmpdir(), "shootdown-completion-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "kernel.toml"), "");

/** A command line before the cursor, word by word; the last one is being typed. */
type Typed = readonly string[];

/** What a shell offers for a line, sorted. */
type Complete = (line: Typed) => string[];

const isHere = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0;

function ran(shell: string, args: readonly string[]): string[] {
  const { status, stdout, stderr } = spawnSync(shell, args, { cwd: folder, encoding: "utf8" });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, stdout);
  return [...new Set(stdout.split("\n").filter((line) => line !== ""))].sort();
}

const words = (line: Typed): string => line.map((word) => `'${word}'`).join(" ");

/** Readline cuts words at "=", and hands what is in COMP_WORDS. */
const bash: Complete = (line) => {
  const cut = line.flatMap((word) => (/^--\w+=/.test(word) ? word.split(/(=)/).filter(Boolean) : [word]));
  const complete = `COMP_WORDS=(${words(cut)}); COMP_CWORD=${cut.length - 1}; _shootdown; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return ran("bash", ["--norc", "-c", `. ./bash; ${complete}`]);
};

/** The functions of zsh's completion system, as far as the script calls them, print what they would offer. */
const ZSH = `
compdef() { }
compset() { PREFIX=\${PREFIX##$~2} }
compadd() { local word; for word in \${(P)2}; do [[ $word == $PREFIX* ]] && print -r -- $word; done; true }
_describe() { local row; for row in \${(P)2}; do [[ $row == $PREFIX* ]] && print -r -- \${row%%:*}; done; true }
_files() { local file; for file in *(N); do [[ $file == $PREFIX* ]] && print -r -- $file; done; true }
`;
const zsh: Complete = (line) =>
  ran("zsh", [
    "-f",
    "-c",
    `${ZSH}; . ./zsh; words=(${words(line)}); CURRENT=${line.length}; PREFIX='${line.at(-1)}'; _shootdown`,
  ]);

/** fish completes for who asks it; a tab divides what it offers from its description. */
const fish: Complete = (line) =>
  ran("fish", ["--no-config", "-c", `source ./fish; complete -C "${line.join(" ")}"`])
    .map((row) => row.split("\t")[0]!)
    .map((word) => word.replace(/^.*[=,](?=[^=,]*$)/, ""))
    .sort();

const SHELLS: Readonly<Record<string, Complete>> = { bash, zsh, fish };
/** Shells of which one list of what is offered holds what was typed before too. */
const last = (offered: readonly string[]): string[] => offered.map((word) => word.replace(/^.*,/, "")).sort();

for (const [shell, complete] of Object.entries(SHELLS))
  test(`${shell} completes commands, options, and the names of what is built in`, {
    skip: isHere(shell) ? false : `NOT TESTED: no ${shell} is here`,
  }, async () => {
    const { status, out } = await shootdown(["completion", shell]);
    assert.equal(status, 0);
    writeFileSync(join(folder, shell), out);

    assert.deepEqual(complete(["shootdown", "comp"]), ["compare", "completion"]);
    assert.deepEqual(complete(["shootdown", "compare", "--re"]), ["--repeat-tlbi", "--report"]);
    const hosts = hostNames().filter((name) => name.startsWith("kvm"));
    const nested = complete(["shootdown", "compare", "--host", "k"]);
    assert.deepEqual(nested, [...hosts, "kernel.toml"].sort(), "and files");
    assert.deepEqual(last(complete(["shootdown", "compare", "--host=kvm"])), [...hosts].sort());
    const policies = policyNames().filter((name) => name.startsWith("series"));
    assert.deepEqual(last(complete(["shootdown", "compare", "-p", "xen-today,series"])), [...policies].sort());
    const switches = policyNames().filter((name) => name.startsWith("switch"));
    assert.deepEqual(complete(["shootdown", "prove", "switch"]), [...switches].sort());
    const creating = scenarioNames().filter((name) => name.startsWith("create"));
    assert.deepEqual(complete(["shootdown", "compare", "create"]), [...creating].sort());
    assert.deepEqual(complete(["shootdown", "prove", "--occasion", "spl"]), ["split"]);
    assert.deepEqual(complete(["shootdown", "compare", "--cpu", "cortex"]), ["cortex-a72"]);
    assert.deepEqual(complete(["shootdown", "tlbi", "ripas2e1is"]), ["ripas2e1is", "ripas2e1isnxs"]);
    assert.deepEqual(complete(["shootdown", "policies", "kvm-ipa-r"]), ["kvm-ipa-range"]);
    assert.deepEqual(complete(["shootdown", "prove", "--timeout", "k"]), [], "a number");
  });

test("another shell is wrong usage, with those that there are", async () => {
  const { status, err } = await shootdown(["completion", "tcsh"]);
  assert.equal(status, 2);
  assert.match(err, /bash, zsh, fish/);
});
