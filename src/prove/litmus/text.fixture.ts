/** Litmus files put together for tests: what a test is about, and the rest. */
import { type LitmusTest, parseLitmus } from "./litmus.js";

/** Parts of a file; what is absent has something that is good for any test. */
export interface Parts {
  readonly setup?: string;
  readonly symbolic?: readonly string[];
  readonly code?: string;
  /** lines of the thread's reset table */
  readonly reset?: readonly string[];
  /** anything more, after the thread */
  readonly more?: string;
  readonly assertion?: string;
}

/** The text of a file with one thread. */
export function textOf(parts: Parts): string {
  const { setup, symbolic = ["x"], code = "NOP", reset = [], more = "", assertion = "true" } = parts;
  return [
    'arch = "AArch64"',
    'name = "T"',
    `symbolic = [${symbolic.map((name) => `"${name}"`).join(", ")}]`,
    ...(setup === undefined ? [] : ['page_table_setup = """', setup, '"""']),
    "[thread.0]",
    'code = """',
    code,
    '"""',
    "[thread.0.reset]",
    ...reset,
    more,
    "[final]",
    `assertion = "${assertion}"`,
    "",
  ].join("\n");
}

export const parsed = (parts: Parts): LitmusTest => parseLitmus(textOf(parts), "t.toml");

/** A register's value for a setup and an expression. */
export const firstValue = (expression: string, setup = "physical pa1; x |-> pa1;"): bigint =>
  parsed({ setup, reset: [`R0 = "${expression}"`] }).program.threads[0]!.registers[0]!;
