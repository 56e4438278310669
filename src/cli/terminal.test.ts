/** Colours on a terminal, and standard input in place of files. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, shootdown, spawned } from "./command.fixture.js";

const fileOf = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

/** Where a control character stands. */
const ESCAPE = "\x1b";
const RED = "\x1b[1;31m";
const PLAIN = "\x1b[0m";
/** A policy that is unsound at the switch, priced and proved: quickly. */
const UNSOUND = ["compare", "vcpu-switch", "-p", "vmid-per-vcpu", "--host", "bare-metal"];

test("on a terminal the verdict UNSOUND and its marked prices are red, and nothing else; without colours the text is the same", async () => {
  const plain = await shootdown(UNSOUND);
  assert.ok(!plain.out.includes(ESCAPE), "a pipe");
  const { out } = await shootdown(UNSOUND, { terminal: true });
  assert.equal(out.replaceAll(RED, "").replaceAll(PLAIN, ""), plain.out);
  const red = out
    .split(RED)
    .slice(1)
    .map((text) => text.split(PLAIN)[0]!);
  assert.ok(red.includes("UNSOUND"));
  const prices = red.filter((text) => text.endsWith("!"));
  assert.equal(prices.length, 1, red.join());
  assert.match(prices[0]!, /^[\d.]+ us!$/);
});

test("NO_COLOR and a dumb terminal have no colours; FORCE_COLOR has them on a pipe too, and goes before NO_COLOR", async () => {
  const help = async (terminal: boolean, env: Record<string, string>): Promise<boolean> =>
    (
      await shootdown(["prove", "switch-no-flush", "--occasion", "switch", "--cpu", "cortex-a72"], { terminal, env })
    ).out.includes(RED);
  assert.equal(await help(true, {}), true);
  assert.equal(await help(true, { NO_COLOR: "1" }), false);
  assert.equal(await help(true, { NO_COLOR: "" }), true, "empty: as if it were not there");
  assert.equal(await help(true, { TERM: "dumb" }), false);
  assert.equal(await help(true, { FORCE_COLOR: "0" }), false);
  assert.equal(await help(false, { FORCE_COLOR: "1" }), true);
  assert.equal(await help(false, { FORCE_COLOR: "1", NO_COLOR: "1" }), true);
});

test("what programs read has no colours, forced or not", async () => {
  for (const form of ["--json", "--csv", "--markdown"]) {
    const { out } = await shootdown([...UNSOUND, form], { terminal: true, env: { FORCE_COLOR: "1" } });
    assert.match(out, /unsound/i);
    assert.ok(!out.includes(ESCAPE), form);
  }
});

test("a title cannot bring a colour of its own", async () => {
  const stdin = fileOf("scenarios/vcpu-switch.toml").replace(/^title = ".*"/m, 'title = "\\u001b[31mgreen"');
  const compare = ["compare", "-", "-p", "xen-today", "--host", "bare-metal", "--no-prove"];
  const { out } = await shootdown(compare, { stdin, terminal: true });
  assert.match(out, /␛\[31mgreen/);
  assert.ok(!out.includes(ESCAPE));
});

const failed = ({ status, out, err }: Done): string => {
  assert.deepEqual([status, out], [1, ""], err);
  return err;
};

test("'-' is standard input for a policy, a host, a scenario and a litmus test", async () => {
  const prices = async (args: readonly string[], stdin = ""): Promise<unknown> =>
    (JSON.parse((await shootdown([...args, "--no-prove", "--json"], { stdin })).out) as { rows: unknown }).rows;
  const named = ["compare", "vcpu-switch", "-p", "xen-today", "--host", "bare-metal"];
  const rows = await prices(named);
  const given = (at: number): string[] => named.with(at, "-");
  assert.deepEqual(await prices(given(1), fileOf("scenarios/vcpu-switch.toml")), rows);
  assert.deepEqual(await prices(given(3), fileOf("policies/xen-today.toml")), rows);
  assert.deepEqual(await prices(given(5), fileOf("hosts/bare-metal.toml")), rows);
  const { status, out } = await shootdown(["litmus", "-", "--json"], { stdin: fileOf("examples/litmus.toml") });
  assert.equal(status, 0);
  const { results } = JSON.parse(out) as { results: { file: string; verdict: string }[] };
  assert.deepEqual(
    results.map(({ file, verdict }) => [file, verdict]),
    [["standard input", "forbidden"]],
  );
});

test("it is called standard input where it is wrong, with the line", async () => {
  const compare = (stdin: string): Promise<Done> => shootdown(["compare", "vcpu-switch", "-p", "-"], { stdin });
  assert.match(failed(await compare("\nname = 1\n")), /^shootdown: standard input:2: name: expected string/);
  assert.match(failed(await compare("")), /^shootdown: standard input: the file is empty/);
  assert.match(failed(await compare(`#${"x".repeat(1 << 20)}`)), /^shootdown: standard input: is larger than 1048576/);
  const litmus = await shootdown(["litmus", "-"], { stdin: "name = 1\n" });
  assert.match(failed(litmus), /^shootdown: standard input:1: /);
});

test("standard input is there once: a second '-' is refused, the same input named twice is not", async () => {
  const stdin = fileOf("policies/xen-today.toml");
  const twice = await shootdown(["compare", "-", "-p", "-"], { stdin: fileOf("scenarios/vcpu-switch.toml") });
  assert.match(failed(twice), /^shootdown: standard input: is read by this command already, expected one '-' among/);
  const trace = await shootdown(["price", "-", "--host", "-"], { stdin: fileOf("hosts/bare-metal.toml") });
  assert.match(failed(trace), /^shootdown: standard input: is read by this command already/);
  const same = await shootdown(["prove", "-", "-", "--occasion", "switch", "--cpu", "cortex-a72"], { stdin });
  assert.deepEqual([same.status, same.err], [0, ""]);
});

test("a process reads it from a pipe", () => {
  const { status, out } = spawned(["policies", "-", "--json"], fileOf("policies/xen-today.toml"));
  assert.equal(status, 0);
  assert.equal((JSON.parse(out) as { file: string }).file, "standard input");
});
