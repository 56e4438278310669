/**
 * `shootdown tlbi`: what one TLBI is, whom it reaches, what it removes, what its operand says and what is wrong with it; which
 * TLBIs cover a range; or the list of them all.
 */
import { type Command, Option } from "commander";
import { explainTlbi } from "../arch/index.js";
import { loadHost } from "../catalog/index.js";
import { isNested, priceTlbi } from "../host/index.js";
import { InputError } from "../input/index.js";
import { coverOf, type IntentOptions, intentOf, parseInstruction, parseXt, type TypedTlbi } from "../jobs/index.js";
import {
  coverJson,
  coverText,
  explanationJson,
  explanationText,
  tlbiListJson,
  tlbiListText,
  tlbiPriceText,
} from "../report/index.js";
import { goesWith, ipaBitsOption, repeatOption, withRepeat } from "./options.js";
import { outputWidth, print, printRawJson } from "./output.js";
import { type ShadowOptions, shadowOf } from "./shadow.js";

interface TlbiOptions extends ShadowOptions, IntentOptions {
  xt?: string;
  json?: true;
  /** price the instruction on this host too */
  host?: string;
  ipaBits?: readonly number[];
  repeatTlbi?: true;
}

/** What the command has to say about an instruction, for people and for `--json`; the answers' keys stand side by side there. */
interface Answer {
  readonly text: string;
  readonly json: object;
}

export function register(program: Command): void {
  program
    .command("tlbi")
    .description(
      "explain a TLBI, from its name or its word; say which TLBIs cover a range; without arguments, list all",
    )
    .argument("[instruction...]", 'such as "ripas2e1is, x0", "tlbi vmalls12e1is" or 0xd50c83df')
    .option("--xt <value>", "value of the operand register, 64 bits: 0x... or decimal")
    .option("--range <range>", "IPA+PAGES or va:ADDR+PAGES: which TLBIs cover it; with --xt, is it what that names?")
    .addOption(new Option("--granule <size>", "granule of the tables").choices(["4K", "16K", "64K"]))
    .addOption(new Option("--ttl <level>", "level of the leaves, as a TTL hint").choices(["0", "1", "2", "3"]))
    .option("--lpa2", "52-bit addresses of FEAT_LPA2 (VTCR_EL2.DS, TCR_ELx.DS = 1)")
    .option("--asid <n>", "ASID, 0 to 65535, of the forms by VA that have one")
    .addOption(new Option("--el <n>", "Exception level that executes it").choices(["1", "2"]))
    .option(
      "--host <host>",
      "also price it, executed by a guest hypervisor on this host: a built-in one or a .toml file",
    )
    .addOption(ipaBitsOption([48]))
    .option(
      "--shadow-leaves <n>",
      "the matching shadow holds n 4 KiB leaves from page 0 on; none: no shadow matches (default: 0)",
    )
    .option("--shadow <ranges>", "or these pages: GFN+PAGES[@4K|2M|1G], separated by commas")
    .addOption(repeatOption())
    .option("--json", "print JSON")
    .action((words: string[], options: TlbiOptions, command: Command) => {
      goesWith(command, ["ipaBits", "shadowLeaves", "shadow", "repeatTlbi"], ["host"]);
      (options.json ? printRawJson : print)(output(words, options, outputWidth()));
    });
}

/** What is printed, for a terminal of `width` columns (text keeps to it from 60 on). A price of the instruction joins the answers. */
function output(words: readonly string[], options: TlbiOptions, width: number): string {
  if (options.range !== undefined && options.xt === undefined) return covered(words.join(" "), options, width);
  if (words.length === 0) return list(options, width);
  const instruction = parseInstruction(words.join(" "));
  const xt = options.xt === undefined ? undefined : parseXt(options.xt, instruction);
  const explanation = explainTlbi(instruction.op, instruction.rt, xt, intentOf(options, instruction.op));
  const answers: Answer[] = [{ text: explanationText(explanation, width), json: explanationJson(explanation) }];
  if (options.host !== undefined) answers.push(...priced(options.host, instruction, xt, options, width));
  if (options.json) return `${JSON.stringify(Object.assign({}, ...answers.map((a) => a.json)), null, 2)}\n`;
  return answers.map((a) => a.text).join("\n");
}

/** The TLBIs that cover a range. */
function covered(form: string, options: TlbiOptions, width: number): string {
  if (options.host !== undefined) throw new InputError("--host: expected one instruction and its --xt, to price it");
  const cover = coverOf(form, options);
  return options.json ? `${JSON.stringify(coverJson(cover), null, 2)}\n` : coverText(cover, width);
}

/** The price of the instruction on a host, at each IPA size asked for; `--json` has that of the first. */
function priced(
  name: string,
  { op }: TypedTlbi,
  xt: bigint | undefined,
  options: TlbiOptions,
  width: number,
): Answer[] {
  const host = withRepeat(loadHost(name), options.repeatTlbi);
  const shadow = shadowOf(options);
  const sizes = !isNested(host) ? [48] : (options.ipaBits ?? [48]);
  if (options.json && sizes.length > 1) throw new InputError("--ipa-bits: expected one IPA size with --json");
  return sizes.map((ipaBits) => {
    const price = priceTlbi({ op: op.name, operand: xt ?? 0n, host, ipaBits, shadow });
    const assumed = op.operand !== "none" && xt === undefined;
    return { text: tlbiPriceText(price, { host, ipaBits, shadow, assumed }, width), json: price };
  });
}

/** All TLBIs, one a line. */
function list(options: TlbiOptions, width: number): string {
  for (const name of ["xt", "granule", "ttl", "lpa2", "asid", "el", "host"] as const)
    if (options[name] !== undefined) throw new InputError(`--${name}: expected an instruction before it`);
  if (!options.json) return tlbiListText(width);
  return `${JSON.stringify(tlbiListJson(), null, 2)}\n`;
}
