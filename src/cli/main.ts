#!/usr/bin/env node
/** The command line. One file per command; this one only dispatches and turns errors into one sentence and a status. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { InputError } from "../input/index.js";
import { register as capture } from "./capture.js";
import { register as compare } from "./compare.js";
import { register as diff } from "./diff.js";
import { register as listings } from "./listing.js";
import { register as litmus } from "./litmus.js";
import { ExitStatus } from "./output.js";
import { register as price } from "./price.js";
import { INTERRUPTED, Interrupted } from "./progress.js";
import { register as prove } from "./prove.js";
import { register as show } from "./show.js";
import { register as simulate } from "./simulate.js";
import { register as tlbi } from "./tlbi.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("shootdown")
  .description("A laboratory for TLB maintenance on Arm64 hypervisors: what a way of flushing does and what it costs.")
  .version(version)
  .configureHelp({ showGlobalOptions: true })
  .exitOverride()
  .showHelpAfterError("(add --help for the options)");

for (const register of [compare, prove, simulate, capture, price, show, diff, litmus, tlbi, listings])
  register(program);

/** Exit status: 1 for input that cannot be used, 2 for wrong usage, 3 for a verdict not expected, 130 after Ctrl-C. */
async function main(): Promise<number> {
  try {
    await program.parseAsync();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof InputError) {
      process.stderr.write(`shootdown: ${error.message}\n`);
      return 1;
    }
    if (error instanceof ExitStatus) return error.status;
    if (error instanceof Interrupted) return INTERRUPTED;
    throw error;
  }
}

// A reader that has seen enough (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

const status = await main();
// Something may still wait for input that nobody will read.
if (status === INTERRUPTED) process.exit(status);
process.exitCode = status;
